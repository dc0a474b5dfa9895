//! What a program shows, and how that differs from what it shows elsewhere.

use std::time::Duration;

use hesper_rig::Driver;

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The device that the program found, by the name that Vulkan gives it.
    pub device: Option<String>,
    /// Its results, one a line.
    pub results: Vec<String>,
    /// What it says of its own speed, if it says something: a number and a unit. This is no result, as it is never the same.
    pub speed: Option<String>,
    /// Why it failed, with all that it said.
    pub failure: Option<String>,
    /// How long it ran.
    pub took: Duration,
}

impl Outcome {
    /// Reads lines like `device llvmpipe`, `result cards 4f1d9991f5acc0ca`, `speed 912 frames/s`; what else a program says isn't compared.
    pub(super) fn read(text: &str) -> Self {
        let after = |start| text.lines().filter_map(move |l| l.strip_prefix(start)).map(str::to_owned);
        Self {
            device: after("device ").next_back(),
            results: after("result ").collect(),
            speed: after("speed ").next_back(),
            ..Self::default()
        }
    }

    /// What makes a run that ended well worthless: no result, or another device than the driver's.
    pub(super) fn misses(&self, driver: Driver) -> Option<String> {
        let Some(device) = &self.device else { return Some("names no device".into()) };
        // Some name the driver, not the device.
        let through = |marks: &[&str]| marks.iter().any(|m| device.contains(m));
        let there = match driver {
            Driver::Native => through(&["llvmpipe"]) && !through(&["Venus", "venus", "hesper"]),
            Driver::Mesa => through(&["Virtio-GPU Venus", "venus:"]),
            Driver::Hesper => through(&["Virtio-GPU Venus", "hesper:"]),
        };
        if !there {
            return Some(format!("runs on {device}"));
        }
        self.results.is_empty().then(|| "has no results".into())
    }

    /// Results that another run has not, and those that it has instead. One that is there twice in one run must be in the other.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let lacks = |from: &Self, to: &Self, sign| {
            let mut unmatched: Vec<&String> = to.results.iter().collect();
            let mut lines = Vec::new();
            for result in &from.results {
                match unmatched.iter().position(|r| *r == result) {
                    Some(i) => drop(unmatched.swap_remove(i)),
                    None => lines.push(format!("{sign} {result}")),
                }
            }
            lines
        };
        let mut all = lacks(self, other, '-');
        all.extend(lacks(other, self, '+'));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read_and_compared() {
        let native = Outcome::read("device llvmpipe\nnoise\nresult a 1\nresult b 2\nspeed 9 frames/s\n");
        assert_eq!((native.device.as_deref(), native.results.len()), (Some("llvmpipe"), 2));
        assert_eq!(native.speed.as_deref(), Some("9 frames/s"));
        let other = Outcome::read("device Virtio-GPU Venus (llvmpipe)\nresult a 1\nresult b 3\nspeed 8 frames/s\n");
        assert!(native.differences(&native).is_empty());
        assert_eq!(native.differences(&other), ["- b 2", "+ b 3"]);
        assert_eq!(other.differences(&Outcome::read("")), ["- a 1", "- b 3"]);
    }

    #[test]
    fn a_result_counts_as_often_as_it_is_there() {
        let [once, twice] = ["result a 1\n", "result a 1\nresult a 1\n"].map(Outcome::read);
        assert_eq!(once.differences(&twice), ["+ a 1"]);
        assert_eq!(twice.differences(&once), ["- a 1"]);
        assert!(twice.differences(&twice).is_empty());
    }

    #[test]
    fn a_run_that_missed_the_driver_is_no_good_one() {
        let on = |device: &str| Outcome::read(&format!("device {device}\nresult a 1\n"));
        assert_eq!(on("llvmpipe").misses(Driver::Native), None);
        assert_eq!(on("Virtio-GPU Venus (llvmpipe)").misses(Driver::Hesper), None);
        assert_eq!(on("hesper: 0.1.0").misses(Driver::Hesper), None);
        assert!(on("llvmpipe").misses(Driver::Hesper).is_some());
        assert!(on("Virtio-GPU Venus (llvmpipe)").misses(Driver::Native).is_some());
        assert!(Outcome::read("result a 1\n").misses(Driver::Native).is_some());
        assert!(Outcome::read("device llvmpipe\n").misses(Driver::Native).is_some());
    }
}
