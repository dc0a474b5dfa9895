//! `hesper bench`: what programs wait for, measured for some seconds, beside what is seen elsewhere.

use serde_json::{Value, json};

use crate::children::told::Outcome;
use crate::children::{Pace, Part};
use crate::doctor::Machine;
use crate::doctor::speed::{RANGES, Range};

/// What was measured on this driver's device.
#[derive(Clone, Debug)]
pub struct Bench {
    device: String,
    processor: bool,
    pace: Pace,
}

impl Bench {
    /// Measures.
    ///
    /// # Errors
    /// Why nothing can be measured, for people.
    pub fn run() -> Result<Self, String> {
        let machine = Machine::look(Part::Bench);
        let pace = match machine.vulkan("pace") {
            Outcome::Done(pace) => pace,
            Outcome::Failed(why) => return Err(format!("measuring failed: {why}")),
            Outcome::Silent(time) => return Err(format!("measuring didn't come to an end in {} s", time.as_secs())),
            Outcome::Died(how) => return Err(format!("the process that measures died: {how}")),
            Outcome::NotReached => {
                return Err("programs find no GPU by this driver: `hesper doctor` says why".to_owned());
            }
        };
        let device = machine.device().ok_or("there is no device")?;
        Ok(Self { processor: device.is_processor(), device: device.name, pace })
    }

    fn rows(&self) -> impl Iterator<Item = (&'static Range, f64, bool)> {
        RANGES.iter().filter_map(|r| r.judge(&self.pace, self.processor).map(|(value, good)| (r, value, good)))
    }

    /// Whether all of it is as it should be.
    pub fn is_good(&self) -> bool {
        self.rows().all(|(_, _, good)| good)
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.device);
        for (range, value, good) in self.rows() {
            let (from, to) = range.seen;
            let seen = format!("seen elsewhere: {from} to {to}");
            let bad = if good { "" } else { "; worse than it should be" };
            text += &format!("{:11} {value:10.2} {:6} {}; {seen}{bad}\n", range.name, range.unit, range.what);
        }
        text
    }

    /// For programs (docs/doctor.md).
    pub fn json(&self) -> Value {
        let row = |(range, value, good): (&Range, f64, bool)| {
            json!({
                "name": range.name, "unit": range.unit, "value": value, "good": good,
                "seen": [range.seen.0, range.seen.1], "limit": range.limit(self.processor),
            })
        };
        json!({ "schema": 1, "device": self.device, "good": self.is_good(), "rows": self.rows().map(row).collect::<Vec<_>>() })
    }
}
