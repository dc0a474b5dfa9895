//! What became of a driver's jobs in a guest.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use hesper_rig::{Driver, GuestJob, GuestResult, vulkaninfo};

use super::jobs::Kind;
use super::servers::{self, Answer, Idle};

/// What a driver did; where it failed, why.
#[derive(Debug)]
pub struct Outcome {
    /// The device's name and its driver's, as vulkaninfo shows them.
    pub device: Result<(String, String)>,
    /// The parts of the test client that passed.
    pub client: Result<Vec<String>>,
    /// llama.cpp's first answer, from layers that are all on the device.
    pub llama: Result<Answer>,
    /// What it measured, by the names of [`MEASURED`]: the medians of all turns. Empty without turns.
    pub measured: Result<BTreeMap<&'static str, f64>>,
    /// What a llama-server did that nobody asked, if it was looked at.
    pub idle: Option<Result<Idle>>,
}

/// The client's rows, for each of which less is better, and llama.cpp's speed, of which more is.
pub const MEASURED: [&str; 4] = [
    "empty submit, vkWaitForFences",
    "12 fills of 8 MiB, vkWaitForFences",
    "memory of 16 MiB: made, mapped, freed",
    TOKENS_A_SECOND,
];
pub const TOKENS_A_SECOND: &str = "tokens/s";

impl Outcome {
    /// Reads the results of a driver's jobs; `all` has those of other drivers, too.
    ///
    /// # Errors
    /// When one is missing.
    pub fn read(driver: Driver, all: &[((Kind, GuestJob), GuestResult)]) -> Result<Self> {
        let mine = |kind| {
            let mine = move |(job, result): &'_ ((Kind, GuestJob), GuestResult)| {
                (job.0 == kind && job.1.driver == driver).then_some(result.clone())
            };
            all.iter().filter_map(mine)
        };
        let one = |kind| mine(kind).next().with_context(|| format!("no job {kind:?} on {driver}"));
        let idle = all.iter().find(|((kind, _), _)| *kind == Kind::Idle);
        Ok(Self {
            device: device(&one(Kind::Device)?),
            client: parts(&one(Kind::Client)?),
            llama: servers::answer(&one(Kind::Server)?),
            measured: measured(mine(Kind::Essentials), mine(Kind::Answer)),
            idle: idle.map(|(_, result)| servers::idleness(result, driver)),
        })
    }

    /// Why it failed where it did.
    pub fn failures(&self) -> impl Iterator<Item = &anyhow::Error> {
        let idle = self.idle.as_ref().and_then(|idle| idle.as_ref().err());
        [
            self.device.as_ref().err(),
            self.client.as_ref().err(),
            self.llama.as_ref().err(),
            self.measured.as_ref().err(),
        ]
        .into_iter()
        .chain([idle])
        .flatten()
    }
}

fn device(result: &GuestResult) -> Result<(String, String)> {
    let text = result.good()?;
    let value = |name: &str| {
        let first = vulkaninfo::shown(text, name).first().map(|value| (*value).to_owned());
        first.with_context(|| format!("vulkaninfo shows no {name}:\n{text}"))
    };
    Ok((value("deviceName")?, value("driverName")?))
}

fn parts(result: &GuestResult) -> Result<Vec<String>> {
    let text = result.good()?;
    let parts: Vec<String> = text.lines().filter_map(|l| l.strip_prefix("ok ")).map(str::to_owned).collect();
    ensure!(!parts.is_empty(), "the client passed nothing:\n{text}");
    Ok(parts)
}

/// Medians of what the client printed in all turns, and of llama.cpp's speeds.
fn measured(
    turns: impl Iterator<Item = GuestResult>,
    answers: impl Iterator<Item = GuestResult>,
) -> Result<BTreeMap<&'static str, f64>> {
    let mut values = BTreeMap::<_, Vec<f64>>::new();
    for result in turns {
        let text = result.good()?;
        for name in MEASURED.into_iter().filter(|name| *name != TOKENS_A_SECOND) {
            let rows = text.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
            let value = rows.filter(|row| row["name"] == name).find_map(|row| row["value"].as_f64());
            values.entry(name).or_default().push(value.with_context(|| format!("no row {name} in\n{text}"))?);
        }
    }
    for result in answers {
        values.entry(TOKENS_A_SECOND).or_default().push(servers::answer(&result)?.speed);
    }
    let median = |(name, mut values): (_, Vec<f64>)| {
        values.sort_by(f64::total_cmp);
        (name, values[values.len() / 2])
    };
    Ok(values.into_iter().map(median).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ran(
        kind: Kind,
        driver: Driver,
        status: i32,
        output: &str,
        files: &[(&str, &str)],
    ) -> ((Kind, GuestJob), GuestResult) {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
        let job = GuestJob { name: "job".into(), driver, command: String::new(), timeout: Duration::ZERO };
        ((kind, job), GuestResult { name: "job".into(), status, output: output.into(), files })
    }

    const INFO: &str = "GPU0:\n\tdeviceName         = A (B = C)\n\tdriverName         = hesper\n";
    const LOG: &str = "using device Vulkan0 (A (B)) (unknown id)\nload_tensors: offloaded 3/3 layers to GPU\n";
    const SAID: &str = r#"{"tokens":[1,2],"timings":{"predicted_per_second":5.5}}"#;

    #[test]
    fn results_are_read() {
        let rows =
            MEASURED[..3].iter().map(|name| format!("{{\"name\":\"{name}\",\"value\":2}}\n")).collect::<String>();
        let more = rows.replace(":2}", ":3}");
        let hesper = Driver::Hesper;
        let all = [
            ran(Kind::Device, Driver::Mesa, 1, "", &[]),
            ran(Kind::Device, hesper, 0, INFO, &[]),
            ran(Kind::Client, hesper, 0, "ok compute\nnoise\nok memory\n", &[]),
            ran(Kind::Server, hesper, 0, "", &[(servers::LOG, LOG), (servers::ANSWER, SAID)]),
            ran(Kind::Essentials, hesper, 0, &rows, &[]),
            ran(Kind::Essentials, hesper, 0, &more, &[]),
            ran(Kind::Essentials, hesper, 0, &more, &[]),
            ran(Kind::Answer, hesper, 0, "", &[(servers::ANSWER, SAID)]),
            ran(Kind::Idle, Driver::Native, 0, "mesa 60 600 6000000000\nhesper 60 120 60000000\n", &[]),
        ];
        let outcome = Outcome::read(hesper, &all).unwrap();
        assert_eq!(outcome.failures().count(), 0);
        assert_eq!(outcome.device.unwrap(), ("A (B = C)".into(), "hesper".into()));
        assert_eq!(outcome.client.unwrap(), ["compute", "memory"]);
        assert_eq!(outcome.llama.unwrap(), Answer { tokens: vec![1, 2], speed: 5.5 });
        assert_eq!(outcome.measured.unwrap().into_values().collect::<Vec<_>>(), [3.0, 3.0, 3.0, 5.5]);
        assert_eq!(outcome.idle.unwrap().unwrap(), Idle { wake_ups: 2.0, percent: 0.1 });
        assert!(Outcome::read(Driver::Mesa, &all).is_err(), "it has no client");
    }

    #[test]
    fn failures_are_told() {
        let hesper = Driver::Hesper;
        let on_the_processor = LOG.replace("3/3", "2/3");
        let all = [
            ran(Kind::Device, hesper, 124, "ok", &[]),
            ran(Kind::Client, hesper, 0, "", &[]),
            ran(Kind::Server, hesper, 0, "", &[(servers::LOG, &on_the_processor), (servers::ANSWER, SAID)]),
            ran(Kind::Essentials, hesper, 0, "nothing", &[]),
            ran(Kind::Idle, Driver::Native, 0, "hesper 60 -1\n", &[]),
        ];
        let outcome = Outcome::read(hesper, &all).unwrap();
        assert_eq!(outcome.failures().count(), 5);
        assert!(outcome.device.unwrap_err().to_string().contains("took too long"));
    }
}
