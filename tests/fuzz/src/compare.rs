//! Comparing what a program showed on two drivers.

use std::fmt::Write;

use crate::fleet::Outcome;
use crate::step::Step;
use crate::wire::{Note, Place, Seen};

/// What kind of failure it is; shrinking keeps to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Other bytes, results or values.
    Differs,
    /// The host's own driver failed, so the program wasn't valid or isn't for it.
    Native,
    /// The program couldn't go on, or the worker died.
    Ended,
    Hung,
    /// Nothing differs, but the driver or its host complained.
    Complained,
}

/// A difference between the host's own driver and another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub kind: Kind,
    pub text: String,
}

/// The difference between what the host's own driver showed and another one, if there is one.
pub fn difference(native: &Outcome, other: &Outcome, complaints: &str, steps: &[Step]) -> Option<Difference> {
    let found = |kind, text| {
        let said = if complaints.is_empty() { String::new() } else { format!("\nSaid:\n{complaints}") };
        Some(Difference { kind, text: format!("{text}{said}") })
    };
    let (native, other) = match (native, other) {
        (Outcome::Showed(a), Outcome::Showed(b)) => (a, b),
        (Outcome::Showed(_), Outcome::Hung(at)) => return found(Kind::Hung, format!("It hangs{}", places(at, steps))),
        (Outcome::Showed(_), Outcome::Died(how, at)) => {
            return found(Kind::Ended, format!("It died ({how}){}", places(at, steps)));
        }
        // A program of ours that isn't valid.
        (Outcome::Hung(at), _) => {
            return found(Kind::Native, format!("The host's own driver hangs{}", places(at, steps)));
        }
        (Outcome::Died(how, at), _) => {
            return found(Kind::Native, format!("The host's own driver died ({how}){}", places(at, steps)));
        }
    };
    if let Some(why) = native.ended() {
        return found(Kind::Native, format!("The host's own driver ended it: {why}."));
    }
    if native.notes == other.notes {
        return if complaints.is_empty() { None } else { found(Kind::Complained, "Nothing differs.".into()) };
    }
    let kind = if other.ended().is_some() { Kind::Ended } else { Kind::Differs };
    let mut pairs = native.notes.iter().zip(&other.notes);
    let Some((a, b)) = pairs.find(|(a, b)| a != b) else {
        let last = other.notes.last().map_or(Place::default(), |n| n.at);
        return found(kind, format!("The reports differ in length, after {last:?}."));
    };
    found(kind, describe(a, b, steps))
}

fn describe(a: &Note, b: &Note, steps: &[Step]) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "At {}: {}", place(b.at), step_at(steps, b.at));
    match (&a.seen, &b.seen) {
        (Seen::Bytes(a), Seen::Bytes(b)) if a.len() == b.len() => {
            let differ: Vec<usize> = (0..a.len()).filter(|i| a[*i] != b[*i]).collect();
            let first = differ.first().copied().unwrap_or(0);
            let _ = write!(text, "{} of {} bytes differ, the first at {first}:", differ.len(), a.len());
            let shown = first / 4 * 4;
            let end = (shown + 32).min(a.len());
            let _ = write!(text, "\n  native {:02x?}\n  other  {:02x?}", &a[shown..end], &b[shown..end]);
        }
        (a, b) => {
            let _ = write!(text, "  native {}\n  other  {}", short(a), short(b));
        }
    }
    text
}

fn short(seen: &Seen) -> String {
    let text = format!("{seen:?}");
    if text.len() > 300 { format!("{}…", &text[..300]) } else { text }
}

fn places(all: &[Place], steps: &[Step]) -> String {
    all.iter().map(|at| format!(", at {}: {}", place(*at), step_at(steps, *at))).collect()
}

fn place(at: Place) -> String {
    match at.thread {
        0 => format!("step {}", at.step),
        thread => format!("step {}, thread {thread}, its step {}", at.step, at.inner),
    }
}

fn step_at(steps: &[Step], at: Place) -> String {
    let step = steps.get(at.step as usize);
    let inner = match (step, at.thread) {
        (Some(Step::Parallel { left, .. }), 1) => left.get(at.inner as usize),
        (Some(Step::Parallel { right, .. }), 2) => right.get(at.inner as usize),
        (step, _) => step,
    };
    inner.map_or_else(|| "the end".into(), |s| format!("{s:?}"))
}
