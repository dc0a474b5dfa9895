//! A machine's line in the table.

use std::time::Duration;

use hesper_rig::{Driver, HostVersion, Machine};

use super::Outcome;
use super::outcome::{MEASURED, TOKENS_A_SECOND};
use super::servers::Idle;

/// By as much may medians of the same differ on a busy machine.
const NOISE: f64 = 1.2;
/// What an idle llama-server must stay under: llama.cpp has threads that look after something, too.
const IDLE: Idle = Idle { wake_ups: 5.0, percent: 0.2 };

/// What a machine showed.
#[derive(Debug)]
pub struct Row {
    /// Its kind.
    pub machine: Machine,
    /// Its host.
    pub host: HostVersion,
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
    pub const HEAD: [&str; 8] = ["guest", "kernel", "pages", "virglrenderer", "boot", "driver", "client", "tokens"];
    /// What the columns of [`Self::measured`] are.
    pub const MEASURED_HEAD: [&str; 8] = [
        "guest",
        "driver",
        "empty submit and wait, us",
        "a millisecond's job and wait, us",
        "16 MiB of memory, us",
        "tokens/s",
        "idle: wake-ups/s",
        "idle: % of a processor",
    ];

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
        found.extend(self.slower().into_iter().map(|text| format!("{}: {text}", self.machine)));
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
                self.host.to_string(),
                format!("{:.1} s", self.boot.as_secs_f64()),
                driver.to_string(),
                // The last line of a failure says how far a client came; the table only that it failed.
                outcome.client.as_ref().map_or_else(failure, |parts| format!("{} parts", parts.len())),
                outcome.llama.as_ref().map_or_else(failure, |answer| {
                    if answer.tokens == native { "as native" } else { "OTHERS" }.to_owned()
                }),
            ]
        };
        self.outcomes.iter().map(line).collect()
    }

    /// The cells of what was measured, a line for each driver; none where nothing was.
    pub fn measured(&self) -> Vec<Vec<String>> {
        let line = |(driver, outcome): &(Driver, Outcome)| {
            let mut cells = vec![self.machine.to_string(), driver.to_string()];
            match &outcome.measured {
                Ok(values) if values.is_empty() && outcome.idle.is_none() => return None,
                Ok(values) => {
                    cells.extend(MEASURED.map(|name| values.get(name).map_or("-".into(), |v| format!("{v:.1}"))))
                }
                Err(error) => cells.extend(MEASURED.map(|_| failure(error))),
            }
            match &outcome.idle {
                Some(Ok(idle)) => cells.extend([format!("{:.1}", idle.wake_ups), format!("{:.3}", idle.percent)]),
                Some(Err(error)) => cells.extend([failure(error), failure(error)]),
                None => cells.extend(["-".to_owned(), "-".to_owned()]),
            }
            Some(cells)
        };
        self.outcomes.iter().filter_map(line).collect()
    }

    /// In what this driver is slower than Mesa's, or not as idle as it has to be.
    fn slower(&self) -> Vec<String> {
        let of = |wanted| self.outcomes.iter().find(|(driver, _)| *driver == wanted).map(|(_, outcome)| outcome);
        let mut found = Vec::new();
        if let (Some(Ok(hesper)), Some(Ok(mesa))) =
            (of(Driver::Hesper).map(|o| &o.measured), of(Driver::Mesa).map(|o| &o.measured))
        {
            for (name, mine) in hesper {
                let Some(theirs) = mesa.get(name) else { continue };
                let (less, more) = if *name == TOKENS_A_SECOND { (mine, theirs) } else { (theirs, mine) };
                if *more > less * NOISE {
                    found.push(format!("{name}: {mine:.1}, Mesa's driver {theirs:.1}"));
                }
            }
        }
        let idle = of(Driver::Hesper).and_then(|o| o.idle.as_ref()).and_then(|idle| idle.as_ref().ok());
        if let Some(idle) = idle.filter(|idle| idle.wake_ups >= IDLE.wake_ups || idle.percent >= IDLE.percent) {
            found.push(format!(
                "an idle llama-server wakes up {:.1} times a second, {:.3} %",
                idle.wake_ups, idle.percent
            ));
        }
        found
    }
}

fn failure(error: &anyhow::Error) -> String {
    if error.to_string().contains("took too long") { "too long".to_owned() } else { "failed".to_owned() }
}
