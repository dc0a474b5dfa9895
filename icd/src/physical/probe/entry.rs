//! What is kept of one extension from one start to the next.

use std::time::Duration;

/// How long nothing is tried after the first failure; twice as long after each that follows.
const FIRST_PAUSE: Duration = Duration::from_secs(600);

/// At most.
const LONGEST_PAUSE: Duration = Duration::from_secs(86400);

/// What came of trying out an extension, and what that holds for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// See [`key`](crate::physical::probe::key).
    pub key: u64,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It works, with the extension's numbers.
    Found(Vec<u32>),
    /// It doesn't.
    Absent,
    /// Trying it out failed, so many times in a row, the last time so many seconds after 1970.
    Failed { at: u64, times: u32 },
}

impl Entry {
    /// Whether the extension is to be tried out anew, at a time in seconds after 1970. A failure may have been that of a host which was busy, or
    /// hang every time: seconds of a program's start.
    pub fn is_due(&self, now: u64) -> bool {
        let Outcome::Failed { at, times } = self.outcome else { return false };
        let pause = FIRST_PAUSE.saturating_mul(1 << times.saturating_sub(1).min(16)).min(LONGEST_PAUSE).as_secs();
        // A clock that was set back is no reason to wait longer.
        !(at..at.saturating_add(pause)).contains(&now)
    }

    /// How often it has failed in a row.
    pub fn failures(&self) -> u32 {
        if let Outcome::Failed { times, .. } = self.outcome { times } else { 0 }
    }

    /// The extension's numbers, where it works.
    pub fn numbers(&self) -> Option<&[u32]> {
        if let Outcome::Found(numbers) = &self.outcome { Some(numbers) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_tried_less_and_less_often() {
        let failed = |times| Entry { key: 1, outcome: Outcome::Failed { at: 1_000_000, times } };
        for (times, pause) in [(1, 600), (2, 1200), (3, 2400), (8, 76_800), (9, 86_400), (u32::MAX, 86_400)] {
            let entry = failed(times);
            assert!(!entry.is_due(1_000_000) && !entry.is_due(1_000_000 + pause - 1), "{times}");
            assert!(entry.is_due(1_000_000 + pause), "{times}");
            // The clock was set back.
            assert!(entry.is_due(999_999), "{times}");
        }
        assert!(!Entry { key: 1, outcome: Outcome::Failed { at: u64::MAX - 1, times: 1 } }.is_due(u64::MAX - 1));
    }

    #[test]
    fn what_is_known_is_not_tried_again() {
        for outcome in [Outcome::Absent, Outcome::Found(vec![132, 64])] {
            let entry = Entry { key: 1, outcome };
            assert!(!entry.is_due(0) && !entry.is_due(u64::MAX) && entry.failures() == 0);
        }
    }
}
