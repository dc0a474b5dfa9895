//! Whether what programs wait for takes as long as it should.

use serde_json::json;

use crate::children::Pace;
use crate::children::told::Outcome;
use crate::doctor::finding::Finding;
use crate::doctor::seen::Machine;

/// What is seen on machines that do what they should.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    pub name: &'static str,
    pub unit: &'static str,
    pub what: &'static str,
    /// The least and the most that was measured where nothing was wrong (docs/doctor.md).
    pub seen: (f64, f64),
    /// Beyond this something is wrong: with a GPU, and with a host that computes on its processor.
    limit: (f64, f64),
    /// Whether more is better.
    more: bool,
    of: fn(&Pace) -> Option<f64>,
}

/// All that is measured.
pub const RANGES: [Range; 6] = [
    Range {
        name: "answer",
        unit: "us",
        what: "a question that the host answers",
        seen: (1.6, 12.0),
        limit: (500.0, 5000.0),
        more: false,
        of: |p| Some(p.answer_us),
    },
    Range {
        name: "submission",
        unit: "us",
        what: "a small dispatch, from its submission to its end",
        seen: (58.0, 260.0),
        limit: (2000.0, 20_000.0),
        more: false,
        of: |p| Some(p.submission_us),
    },
    Range {
        name: "recording",
        unit: "us",
        what: "recording a dispatch",
        seen: (0.1, 0.5),
        limit: (10.0, 20.0),
        more: false,
        of: |p| p.record_us,
    },
    Range {
        name: "write",
        unit: "GiB/s",
        what: "the guest's processor writes mapped memory",
        seen: (1.2, 2.1),
        limit: (0.5, 0.2),
        more: true,
        of: |p| p.write_gib_s,
    },
    Range {
        name: "read",
        unit: "GiB/s",
        what: "the guest's processor reads mapped memory",
        seen: (0.6, 1.5),
        limit: (0.05, 0.2),
        more: true,
        of: |p| p.read_gib_s,
    },
    Range {
        name: "copy",
        unit: "GiB/s",
        what: "the device copies mapped memory",
        seen: (1.6, 1.7),
        limit: (1.0, 0.2),
        more: true,
        of: |p| p.copy_gib_s,
    },
];

impl Range {
    /// What was measured, and whether that is as it should be on such a host.
    pub fn judge(&self, pace: &Pace, processor: bool) -> Option<(f64, bool)> {
        let value = (self.of)(pace)?;
        let limit = self.limit(processor);
        Some((value, if self.more { value >= limit } else { value <= limit }))
    }

    /// The limit on such a host.
    pub fn limit(&self, processor: bool) -> f64 {
        if processor { self.limit.1 } else { self.limit.0 }
    }
}

/// Whether a short look finds what it should.
pub fn check(machine: &Machine) -> Finding {
    let pace: Pace = match machine.vulkan("pace") {
        Outcome::Done(pace) => pace,
        Outcome::Failed(why) => return Finding::warn(format!("couldn't be measured: {why}"), "see what failed above"),
        Outcome::Silent(_) | Outcome::Died(_) => {
            return Finding::warn(
                "measuring didn't come to an end",
                "see the log of the machine's monitor on the host",
            );
        }
        Outcome::NotReached => return Finding::skip("not reached"),
    };
    let processor = machine.device().is_some_and(|d| d.is_processor());
    judge(&pace, processor).with(json!({ "answer_us": pace.answer_us, "submission_us": pace.submission_us }))
}

fn judge(pace: &Pace, processor: bool) -> Finding {
    let judged = RANGES.iter().filter_map(|r| Some((r, r.judge(pace, processor)?)));
    let said = |(r, (value, _)): &(&Range, (f64, bool))| format!("{} {value:.1} {}", r.name, r.unit);
    let all: Vec<_> = judged.collect();
    let why = all.iter().map(said).collect::<Vec<_>>().join(", ");
    let bad: Vec<&str> = all.iter().filter(|(_, (_, good))| !good).map(|(r, _)| r.name).collect();
    match bad.is_empty() {
        true => Finding::pass(why),
        false => {
            let advice = "see whether other programs want the processors of guest or host; `hesper bench` measures longer, and HESPER_TRACE says where time goes";
            Finding::warn(format!("{why}: slower than it should be ({})", bad.join(", ")), advice)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Status;

    #[test]
    fn what_is_slow_is_named() {
        let pace = |answer_us, submission_us| Pace {
            answer_us,
            submission_us,
            record_us: None,
            write_gib_s: None,
            read_gib_s: None,
            copy_gib_s: None,
        };
        assert_eq!(judge(&pace(2.0, 50.0), false).status, Status::Pass);
        let slow = judge(&pace(2.0, 5000.0), false);
        assert_eq!(slow.status, Status::Warn);
        assert!(slow.why.ends_with("(submission)"), "{}", slow.why);
        assert_eq!(judge(&pace(2.0, 5000.0), true).status, Status::Pass);
        let copies = Pace { copy_gib_s: Some(0.1), ..pace(2.0, 50.0) };
        assert!(judge(&copies, true).why.ends_with("(copy)"));
        assert!(RANGES.iter().all(|r| r.seen.0 <= r.seen.1));
    }
}
