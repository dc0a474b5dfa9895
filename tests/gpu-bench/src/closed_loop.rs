//! A closed loop: so many clients ask a llama-server, each again as soon as it has its answer.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hesper_rig::http;
use hesper_rig::models::NO_WORDS;
use serde_json::{Value, json};

/// What the clients ask for.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub clients: u32,
    /// Tokens of a prompt, and of an answer.
    pub prompt: u32,
    pub answer: u32,
    /// The model's vocabulary, of which prompts are made.
    pub vocabulary: u32,
    /// No question begins later than this, but for each client's first one.
    pub lasts: Duration,
    /// How long the server may be silent.
    pub silence: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Time to the first token of each answer, in milliseconds.
    pub first: Vec<f64>,
    /// Time of each answer's further tokens, in milliseconds for one.
    pub each: Vec<f64>,
    /// Tokens of all whole answers.
    pub tokens: u64,
    /// Why answers failed.
    pub errors: Vec<String>,
    /// From the first question to the last answer.
    pub took: Duration,
}

struct Answer {
    first: Duration,
    all: Duration,
    tokens: u32,
}

/// Has the clients ask the server on a port of this machine.
pub fn run(port: u16, load: &Load) -> Outcome {
    let start = Instant::now();
    let outcome = Mutex::new(Outcome::default());
    std::thread::scope(|scope| {
        for client in 0..load.clients {
            let outcome = &outcome;
            scope.spawn(move || {
                let mut number = 0;
                loop {
                    number += 1;
                    let answer = ask(port, load, u64::from(client) << 32 | number);
                    let Ok(mut all) = outcome.lock() else { return };
                    match answer {
                        Ok(answer) => all.add(&answer),
                        Err(e) => {
                            all.errors.push(format!("{e:#}"));
                            drop(all);
                            // A server that is gone refuses at once.
                            std::thread::sleep(Duration::from_millis(100));
                        }
                    }
                    if start.elapsed() >= load.lasts {
                        return;
                    }
                }
            });
        }
    });
    let mut outcome = outcome.into_inner().unwrap_or_default();
    outcome.took = start.elapsed();
    outcome
}

impl Outcome {
    fn add(&mut self, answer: &Answer) {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        self.first.push(milliseconds(answer.first));
        if answer.tokens > 1 {
            self.each.push(milliseconds(answer.all - answer.first) / f64::from(answer.tokens - 1));
        }
        self.tokens += u64::from(answer.tokens);
    }

    /// Tokens a second of all clients together.
    pub fn throughput(&self) -> f64 {
        self.tokens as f64 / self.took.as_secs_f64()
    }
}

/// One question, and its answer as it comes: events with a token each, and a last one that says that it is whole.
fn ask(port: u16, load: &Load, number: u64) -> Result<Answer> {
    let words = u64::from(load.vocabulary.saturating_sub(NO_WORDS).max(1));
    // Other prompts each time, so that none begins like one before.
    let word = |i: u64| u64::from(NO_WORDS) + number.wrapping_mul(7919).wrapping_add(i.wrapping_mul(104_729)) % words;
    let prompt: Vec<u64> = (0..u64::from(load.prompt)).map(word).collect();
    let request = json!({
        "prompt": prompt, "n_predict": load.answer, "stream": true, "temperature": 0, "seed": 1, "ignore_eos": true, "cache_prompt": false,
        "return_tokens": true
    });
    let start = Instant::now();
    let (mut first, mut all, mut tokens, mut whole) = (None, Duration::ZERO, 0, false);
    http::post(port, "/completion", &request.to_string(), load.silence, |line| {
        let Some(event) = line.strip_prefix("data: ").or_else(|| line.strip_prefix("error: ")) else { return Ok(()) };
        let event: Value = serde_json::from_str(event).with_context(|| format!("reading {event:?}"))?;
        if let Some(error) = event.get("error").or_else(|| event.get("message")) {
            bail!("llama-server: {error}");
        }
        whole |= event["stop"] == true;
        let count = event["tokens"].as_array().map_or(0, Vec::len) as u32;
        if count > 0 && !whole {
            tokens += count;
            all = start.elapsed();
            first.get_or_insert(all);
        }
        Ok(())
    })?;
    if !whole || tokens < load.answer {
        bail!("the answer ended after {tokens} of {} tokens", load.answer);
    }
    Ok(Answer { first: first.context("the answer is empty")?, all, tokens })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    use super::*;

    const PAUSE: Duration = Duration::from_millis(20);

    /// Answers with three tokens, a pause before each; every third question with an error, in turns one of HTTP's and one in the middle.
    fn answer(mut stream: TcpStream, number: u32) {
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        if number % 6 == 2 {
            stream.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy").unwrap();
            return;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        let mut event = |text: String| {
            let text = format!("data: {text}\n\n");
            stream.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).unwrap();
        };
        for token in 0..3 {
            thread::sleep(PAUSE);
            event(json!({ "content": "w", "tokens": [token], "stop": false }).to_string());
            if number % 6 == 5 {
                return;
            }
        }
        event(json!({ "content": "", "tokens": [], "stop": true }).to_string());
        stream.write_all(b"0\r\n\r\n").unwrap();
    }

    #[test]
    fn answers_are_timed_and_errors_counted() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let number = count.fetch_add(1, Ordering::Relaxed);
                thread::spawn(move || answer(stream.unwrap(), number));
            }
        });
        let load = Load {
            clients: 2,
            prompt: 4,
            answer: 3,
            vocabulary: 512,
            lasts: Duration::from_secs(1),
            silence: Duration::from_secs(60),
        };
        let outcome = run(port, &load);
        let asked = asked.load(Ordering::Relaxed);
        assert_eq!(outcome.first.len() + outcome.errors.len(), asked as usize);
        assert!(
            outcome.errors.len() as u32 >= asked / 3 && outcome.errors.len() as u32 <= asked / 3 + 1,
            "{outcome:?}"
        );
        assert_eq!(outcome.tokens, 3 * outcome.first.len() as u64);
        // Tokens that are read late come closely behind each other.
        let pause = PAUSE.as_secs_f64() * 1000.0;
        let right = |(first, each): (&f64, &f64)| *first >= pause && first + 2.0 * each >= 3.0 * pause;
        assert!(outcome.first.iter().zip(&outcome.each).all(right), "{outcome:?}");
        assert!(outcome.took >= load.lasts && outcome.throughput() > 0.0);
    }

    #[test]
    fn a_server_that_is_not_there_is_an_error() {
        let load = Load {
            clients: 1,
            prompt: 1,
            answer: 1,
            vocabulary: 512,
            lasts: Duration::ZERO,
            silence: Duration::from_secs(1),
        };
        let outcome = run(http::free_port().unwrap(), &load);
        assert_eq!((outcome.first.len(), outcome.errors.len()), (0, 1));
    }
}
