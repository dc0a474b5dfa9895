//! Where in a run faults are injected.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::fault::Counter;
use crate::script::Tick;

/// A part of a program's run.
pub type Phase = String;

/// The numbers that a healthy run counts in each of its phases.
#[derive(Default)]
pub struct Points {
    counted: BTreeMap<(usize, Counter), Vec<u64>>,
    phases: Vec<Phase>,
}

impl Points {
    /// Of a healthy run: which phases began when, and what was counted when. A program that says nothing of phases has four, of equal length
    /// by what was counted.
    pub fn of(lines: &[String], ticks: &[Tick]) -> Self {
        let begun: Vec<_> = lines
            .iter()
            .filter_map(|line| {
                let json: serde_json::Value = serde_json::from_str(line).ok()?;
                Some((Duration::from_nanos(json["at_ns"].as_u64()?), json["phase"].as_str()?.to_owned()))
            })
            .collect();
        let mut points = Self::default();
        if begun.is_empty() {
            points.phases = ["first quarter", "second", "third", "last"].map(String::from).to_vec();
        } else {
            points.phases = begun.iter().map(|(_, name)| name.clone()).collect();
        }
        for counter in Counter::ALL {
            let all: Vec<&Tick> = ticks.iter().filter(|t| t.counter == counter).collect();
            for tick in &all {
                let phase = if begun.is_empty() {
                    (tick.number as usize - 1) * 4 / all.len()
                } else {
                    begun.iter().rposition(|(at, _)| *at <= tick.at).unwrap_or(0)
                };
                points.counted.entry((phase, counter)).or_default().push(tick.number);
            }
        }
        points
    }

    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// At most `most` numbers of a phase, spread over it: the first, the last, and those between.
    pub fn of_phase(&self, phase: usize, counter: Counter, most: usize) -> Vec<u64> {
        let Some(all) = self.counted.get(&(phase, counter)) else { return Vec::new() };
        if all.len() <= most {
            return all.clone();
        }
        let last = all.len() - 1;
        let mut chosen: Vec<u64> = (0..most).filter_map(|i| all.get(i * last / (most - 1).max(1)).copied()).collect();
        chosen.dedup();
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_spread_over_phases() {
        let at = Duration::from_millis;
        let line = |ms: u64, name: &str| format!("{{\"phase\":\"{name}\",\"at_ns\":{}}}", ms * 1_000_000);
        let ticks: Vec<Tick> =
            (1..=20).map(|n| Tick { counter: Counter::Replies, number: n, at: at(n * 10) }).collect();
        let points = Points::of(&[line(0, "a"), "noise".into(), line(95, "b")], &ticks);
        assert_eq!(points.phases(), ["a", "b"]);
        assert_eq!(points.of_phase(0, Counter::Replies, 3), [1, 5, 9]);
        assert_eq!(points.of_phase(1, Counter::Replies, 2), [10, 20]);
        assert!(points.of_phase(1, Counter::Requests, 2).is_empty());
        let quarters = Points::of(&[], &ticks);
        assert_eq!(quarters.of_phase(3, Counter::Replies, 9), [16, 17, 18, 19, 20]);
    }
}
