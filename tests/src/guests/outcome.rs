//! What became of a driver's jobs in a guest.

use anyhow::{Context, Result, bail, ensure};
use hesper_rig::{GuestResult, llama};

use super::jobs::{LLAMA_ANSWER, LLAMA_LOG};

/// What a driver did; where it failed, why.
#[derive(Debug)]
pub struct Outcome {
    /// The device's name and its driver's, as vulkaninfo shows them.
    pub device: Result<(String, String)>,
    /// The parts of the test client that passed.
    pub client: Result<Vec<String>>,
    /// llama.cpp's answer, from layers that are all on the device.
    pub llama: Result<Answer>,
}

/// What llama.cpp said.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The tokens.
    pub tokens: Vec<u64>,
    /// How many of them it wrote a second.
    pub speed: f64,
}

impl Outcome {
    /// Reads the results of the jobs in `jobs.rs`.
    ///
    /// # Errors
    /// When there are not as many.
    pub fn read(results: &[GuestResult]) -> Result<Self> {
        let [info, client, llama] = results else { bail!("{} results instead of three", results.len()) };
        Ok(Self { device: device(info), client: parts(client), llama: answer(llama) })
    }

    /// Why it failed where it did.
    pub fn failures(&self) -> impl Iterator<Item = &anyhow::Error> {
        [self.device.as_ref().err(), self.client.as_ref().err(), self.llama.as_ref().err()].into_iter().flatten()
    }
}

fn good(result: &GuestResult) -> Result<&str> {
    match result.status {
        0 => Ok(&result.output),
        124 | 137 => bail!("{} took too long; its output:\n{}", result.name, result.output),
        status => bail!("{} ended with {status}; its output:\n{}", result.name, result.output),
    }
}

fn device(result: &GuestResult) -> Result<(String, String)> {
    let text = good(result)?;
    let value = |name: &str| {
        let line = text.lines().find_map(|l| l.trim().strip_prefix(name)?.trim_start().strip_prefix("= "));
        line.map(str::to_owned).with_context(|| format!("vulkaninfo shows no {name}:\n{text}"))
    };
    Ok((value("deviceName")?, value("driverName")?))
}

fn parts(result: &GuestResult) -> Result<Vec<String>> {
    let text = good(result)?;
    let parts: Vec<String> = text.lines().filter_map(|l| l.strip_prefix("ok ")).map(str::to_owned).collect();
    ensure!(!parts.is_empty(), "the client passed nothing:\n{text}");
    Ok(parts)
}

fn answer(result: &GuestResult) -> Result<Answer> {
    good(result)?;
    let file = |name: &str| {
        let bytes = result.files.get(name).with_context(|| format!("llama.cpp left no {name}"))?;
        anyhow::Ok(String::from_utf8_lossy(bytes))
    };
    llama::device_in(&file(LLAMA_LOG)?)?;
    let answer: serde_json::Value = serde_json::from_str(&file(LLAMA_ANSWER)?).context("reading llama.cpp's answer")?;
    let tokens = answer["tokens"].as_array().with_context(|| format!("no tokens in {answer}"))?;
    let speed = answer["timings"]["predicted_per_second"].as_f64().with_context(|| format!("no speed in {answer}"))?;
    Ok(Answer { tokens: tokens.iter().filter_map(serde_json::Value::as_u64).collect(), speed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(status: i32, output: &str, files: &[(&str, &str)]) -> GuestResult {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
        GuestResult { name: "job".into(), status, output: output.into(), files }
    }

    #[test]
    fn results_are_read() {
        let info = result(0, "GPU0:\n\tdeviceName         = A (B = C)\n\tdriverName         = hesper\n", &[]);
        let client = result(0, "ok compute\nnoise\nok memory\n", &[]);
        let log = "using device Vulkan0 (A (B)) (unknown id)\nload_tensors: offloaded 3/3 layers to GPU\n";
        let said = r#"{"tokens":[1,2],"timings":{"predicted_per_second":5.5}}"#;
        let llama = result(0, "", &[(LLAMA_LOG, log), (LLAMA_ANSWER, said)]);
        let outcome = Outcome::read(&[info.clone(), client.clone(), llama]).unwrap();
        assert_eq!(outcome.device.unwrap(), ("A (B = C)".into(), "hesper".into()));
        assert_eq!(outcome.client.unwrap(), ["compute", "memory"]);
        assert_eq!(outcome.llama.unwrap(), Answer { tokens: vec![1, 2], speed: 5.5 });

        let on_the_processor = log.replace("3/3", "2/3");
        let llama = result(0, "", &[(LLAMA_LOG, &on_the_processor), (LLAMA_ANSWER, said)]);
        let outcome = Outcome::read(&[result(124, "ok", &[]), result(0, "", &[]), llama]).unwrap();
        assert!(outcome.device.unwrap_err().to_string().contains("took too long"));
        assert!(outcome.client.is_err() && outcome.llama.is_err());
        assert!(Outcome::read(&[info, client]).is_err());
    }
}
