//! One question, and its answer as it comes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hesper_rig::http;
use serde_json::{Value, json};

/// Longer than a server that works is silent, on two slow cores with other work.
const SILENCE: Duration = Duration::from_secs(300);

/// An answer that came to its end.
pub struct Answer {
    /// Its tokens, as the server counts them, or else its pieces.
    pub tokens: u64,
    /// From the question to the first piece.
    pub first: Duration,
    /// From each piece to the next.
    pub between: Vec<Duration>,
}

/// Has a model go on with a text, greedily. `url` is that of OpenAI's completions.
///
/// # Errors
/// When the server doesn't answer, or not to the end, or with nothing.
pub fn ask(url: &str, model: &str, prompt: &str, tokens: u32) -> Result<Answer> {
    let request = json!({
        "model": model, "prompt": prompt, "max_tokens": tokens, "temperature": 0, "stream": true, "stream_options": { "include_usage": true }
    });
    let start = Instant::now();
    let (mut pieces, mut counted, mut whole) = (Vec::new(), None, false);
    http::post_to(url, &request.to_string(), SILENCE, |line| {
        // Between events there are empty lines, and comments begin with a colon.
        let Some(event) = line.strip_prefix("data:").map(str::trim) else { return Ok(()) };
        if event == "[DONE]" {
            whole = true;
            return Ok(());
        }
        let event: Value = serde_json::from_str(event).with_context(|| format!("reading {event:?}"))?;
        if let Some(e) = event.get("error") {
            bail!("the server: {e}");
        }
        if event["choices"][0]["text"].as_str().is_some_and(|text| !text.is_empty()) {
            pieces.push(start.elapsed());
        }
        counted = event["usage"]["completion_tokens"].as_u64().or(counted);
        Ok(())
    })?;
    ensure!(whole, "the answer broke off after {} pieces", pieces.len());
    let first = *pieces.first().context("the answer is empty")?;
    let between = pieces.windows(2).map(|pair| pair[1] - pair[0]).collect();
    Ok(Answer { tokens: counted.unwrap_or(pieces.len() as u64), first, between })
}
