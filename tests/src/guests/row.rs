//! A machine's line in the table.

use std::time::Duration;

use hesper_rig::{Driver, Machine};

use super::Outcome;

/// What a machine showed.
#[derive(Debug)]
pub struct Row {
    /// Its kind.
    pub machine: Machine,
    /// Its kernel, as `uname -r` prints it.
    pub kernel: String,
    /// The size of a page as the guest sees it, in KiB.
    pub page_kib: u32,
    /// How long it took to boot.
    pub boot: Duration,
    /// What became of the drivers' jobs.
    pub outcomes: Vec<(Driver, Outcome)>,
}

impl Row {
    /// What the columns are.
    pub const HEAD: [&str; 8] =
        ["guest", "kernel", "pages", "boot", "driver", "device", "client", "llama.cpp: tokens as native, a second"];

    /// What is wrong with this driver's outcome; `native` are the tokens of the host's own driver. Mesa's is looked at, not judged.
    pub fn complaints(&self, native: &[u64]) -> Vec<String> {
        let mut found = Vec::new();
        let mut complain = |text: String| found.push(format!("{}: {text}", self.machine));
        if self.page_kib != self.machine.page_size().kib() {
            complain(format!("its pages have {} KiB", self.page_kib));
        }
        for (driver, outcome) in self.outcomes.iter().filter(|(driver, _)| *driver == Driver::Hesper) {
            match &outcome.device {
                Ok((device, name)) if name != driver.name() => complain(format!("{device} is shown by {name}")),
                _ => {}
            }
            match &outcome.llama {
                Ok(answer) if answer.tokens != native => {
                    complain(format!("llama.cpp's tokens are {:?}, natively {native:?}", answer.tokens));
                }
                _ => {}
            }
        }
        let failures = self.failures().filter(|(driver, _)| *driver == Driver::Hesper);
        found.extend(failures.map(|(_, error)| format!("{}: {error:#}", self.machine)));
        found
    }

    /// What failed, whichever driver it was on.
    pub fn failures(&self) -> impl Iterator<Item = (Driver, &anyhow::Error)> {
        self.outcomes.iter().flat_map(|(driver, outcome)| outcome.failures().map(|error| (*driver, error)))
    }

    /// The cells, a line for each driver.
    pub fn lines(&self, native: &[u64]) -> Vec<Vec<String>> {
        let line = |(driver, outcome): &(Driver, Outcome)| {
            vec![
                self.machine.architecture().name().to_owned(),
                self.kernel.clone(),
                format!("{} KiB", self.page_kib),
                format!("{:.1} s", self.boot.as_secs_f64()),
                driver.to_string(),
                outcome.device.as_ref().map_or_else(|_| "none".to_owned(), |(device, _)| device.clone()),
                // The last line of a failure says how far a client came; the table only that it failed.
                outcome.client.as_ref().map_or_else(failure, |parts| format!("{} parts", parts.len())),
                outcome.llama.as_ref().map_or_else(failure, |answer| {
                    let same = if answer.tokens == native { "yes" } else { "NO" };
                    format!("{same}, {:.1}", answer.speed)
                }),
            ]
        };
        self.outcomes.iter().map(line).collect()
    }
}

fn failure(error: &anyhow::Error) -> String {
    if error.to_string().contains("took too long") { "too long".to_owned() } else { "failed".to_owned() }
}
