//! What a load has measured.

use std::time::Duration;

use super::answer::Answer;
use crate::measure::Sample;
use crate::median;

/// Rows of [`Measured::samples`].
pub const FIRST: &str = "time to first token";
pub const BETWEEN: &str = "time between tokens";
pub const TOKENS: &str = "tokens";

/// Errors that are kept; the others are counted.
const KEPT: usize = 5;

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// From the first question to the end of the last answer.
    pub took: Duration,
    /// Answers that came to their end, and the tokens in them.
    pub answers: u64,
    pub tokens: u64,
    /// Milliseconds from each question to the first piece of its answer, and from each piece to the next.
    pub first: Vec<f64>,
    pub between: Vec<f64>,
    /// How many questions were not answered to the end.
    pub failed: u64,
    /// What was wrong with the first of them.
    pub errors: Vec<String>,
}

impl Measured {
    pub(super) fn take(&mut self, answer: &Answer) {
        self.answers += 1;
        self.tokens += answer.tokens;
        self.first.push(answer.first.as_secs_f64() * 1e3);
        self.between.extend(answer.between.iter().map(|t| t.as_secs_f64() * 1e3));
    }

    pub(super) fn fail(&mut self, error: String) {
        self.failed += 1;
        self.keep(error);
    }

    fn keep(&mut self, error: String) {
        if self.errors.len() < KEPT {
            self.errors.push(error);
        }
    }

    /// Takes what another client or another time has measured.
    pub fn add(&mut self, other: Self) {
        self.took += other.took;
        self.answers += other.answers;
        self.tokens += other.tokens;
        self.failed += other.failed;
        self.first.extend(other.first);
        self.between.extend(other.between);
        other.errors.into_iter().for_each(|e| self.keep(e));
    }

    /// Its medians and rates.
    pub fn samples(&self) -> Vec<Sample> {
        let took = self.took.as_secs_f64();
        vec![
            Sample::new(FIRST, median(&self.first), "ms"),
            Sample::new(BETWEEN, median(&self.between), "ms"),
            Sample::new(TOKENS, self.tokens as f64 / took, "tokens/s"),
            Sample::new("answers", self.answers as f64 / took, "answers/s"),
        ]
    }

    /// What 95 of 100 were no longer than: too rare to compare builds by.
    pub fn tails(&self) -> Vec<Sample> {
        let tail = |name: &str, times: &[f64]| Sample::new(&format!("{name}, 95 %"), percentile(times, 95), "ms");
        vec![tail(FIRST, &self.first), tail(BETWEEN, &self.between)]
    }
}

/// The smallest of some numbers that `percent` in a hundred of them don't exceed; NaN if there are none.
fn percentile(numbers: &[f64], percent: usize) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles() {
        let numbers: Vec<f64> = (1..=20).rev().map(f64::from).collect();
        assert_eq!(percentile(&numbers, 95), 19.0);
        assert_eq!(percentile(&[7.0], 95), 7.0);
        assert!(percentile(&[], 95).is_nan());
    }
}
