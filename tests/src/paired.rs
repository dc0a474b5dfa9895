//! Two builds of the driver at the same work, in turns, so that a change is told from the machine's moods.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::measure::Sample;
use crate::median;

/// A row whose median and whose faster half are this much slower than the other build's has become slower, if most pairs of runs agree. A process is fast or slow from start
/// to end on some machines, by chance: among few processes the medians then differ by as much as the two speeds do.
pub const SLOWER: f64 = 1.05;
/// How many pairs of runs may say otherwise: one in so many.
const OTHERWISE: usize = 5;
/// How often in a row a row must have become slower before [`slower_for_good`] says so.
const TIMES: u32 = 3;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// The checkout's.
    This,
    /// What it is compared with.
    Other,
}

/// What was measured of both, by row. Of what is counted a second the inverse is kept, so that less is better.
#[derive(Clone, Debug, Default)]
pub struct Paired(BTreeMap<String, [Vec<f64>; 2]>);

impl Paired {
    /// Has `measure` measure both builds, `runs` times each. Each comes first as often as the other, since the first of two finds a machine that has rested.
    ///
    /// # Errors
    /// Those of `measure`, which is also told the number of the run.
    pub fn measured(runs: u32, mut measure: impl FnMut(u32, Build) -> Result<Vec<Sample>>) -> Result<Self> {
        let mut paired = Self::default();
        for run in 1..=runs {
            for build in order(run) {
                paired.add(build, &measure(run, build)?);
            }
        }
        Ok(paired)
    }

    /// Takes what one run has measured.
    pub fn add(&mut self, build: Build, samples: &[Sample]) {
        for Sample { name, value, unit } in samples {
            let value = if unit.ends_with("/s") { 1.0 / value } else { *value };
            self.0.entry(name.clone()).or_default()[build as usize].push(value);
        }
    }

    /// The rows: their names, and how this build compares with the other one.
    pub fn rows(&self) -> impl Iterator<Item = (&str, Comparison)> {
        self.0.iter().map(|(name, [this, other])| (name.as_str(), Comparison::of(this, other)))
    }

    /// The rows that have become slower, for people.
    pub fn slower(&self) -> Vec<String> {
        let slower = self.rows().filter(|(_, c)| c.is_slower());
        slower.map(|(name, c)| format!("{name}: {:.3}", c.medians)).collect()
    }

    fn keep_slower(&mut self, others: &Self) {
        self.0.retain(|name, both| {
            let [this, other] = both;
            Comparison::of(this, other).is_slower()
                && others.0.get(name).is_none_or(|[this, other]| Comparison::of(this, other).is_slower())
        });
    }
}

/// Both builds in the order of a run, which are numbered from 1.
pub fn order(run: u32) -> [Build; 2] {
    if run.is_multiple_of(2) { [Build::Other, Build::This] } else { [Build::This, Build::Other] }
}

/// This build to the other one in a row.
#[derive(Clone, Copy, Debug)]
pub struct Comparison {
    /// The median of this build, and of the other.
    pub this: f64,
    pub other: f64,
    /// The ratio of the medians.
    pub medians: f64,
    /// The ratio of the medians of the faster halves.
    pub faster_halves: f64,
    /// Whether this build was slower in nearly all pairs of runs.
    pub agreed: bool,
}

impl Comparison {
    fn of(this: &[f64], other: &[f64]) -> Self {
        let (t, o) = (median(this), median(other));
        let faster_halves = median(&faster_half(this)) / median(&faster_half(other));
        let otherwise = this.iter().zip(other).filter(|(this, other)| this <= other).count();
        Self { this: t, other: o, medians: t / o, faster_halves, agreed: otherwise <= this.len() / OTHERWISE }
    }

    fn is_slower(&self) -> bool {
        self.agreed && self.medians > SLOWER && self.faster_halves > SLOWER
    }
}

/// The rows that are slower in what was measured `first`, and again in all that `again` measures, which is called only while there are such rows: other work on the machine may
/// slow one build down, but a build that is slower is so every time.
///
/// # Errors
/// Those of `again`.
pub fn slower_for_good(first: &Paired, mut again: impl FnMut() -> Result<Paired>) -> Result<Vec<String>> {
    let mut suspects = first.clone();
    suspects.keep_slower(&Paired::default());
    for _ in 1..TIMES {
        if suspects.0.is_empty() {
            break;
        }
        suspects.keep_slower(&again()?);
    }
    Ok(suspects.slower())
}

/// The lower half of some numbers, the middle one included.
fn faster_half(numbers: &[f64]) -> Vec<f64> {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.truncate(numbers.len().div_ceil(2));
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paired(rows: &[(&str, &str, [f64; 2])]) -> Paired {
        let mut paired = Paired::default();
        for (name, unit, values) in rows {
            for (build, value) in [Build::This, Build::Other].into_iter().zip(values) {
                paired.add(build, &[Sample::new(name, *value, unit)]);
            }
        }
        paired
    }

    #[test]
    fn rows_that_became_slower_are_named() {
        let rows = [("a", "ns", [10.6, 10.0]), ("b", "ns", [10.4, 10.0]), ("c", "GB/s", [9.0, 10.0])];
        assert_eq!(paired(&rows).slower(), ["a: 1.060", "c: 1.111"]);
    }

    #[test]
    fn a_machine_of_two_speeds_makes_no_row_slower() {
        let both = [vec![4.0, 8.0, 8.1, 8.0, 4.1], vec![4.0, 4.1, 8.0, 4.0, 8.1]];
        let paired = Paired([("a".to_owned(), both)].into());
        let [(_, c)] = paired.rows().collect::<Vec<_>>()[..] else { panic!("{paired:?}") };
        assert!(c.medians > 1.9 && c.faster_halves < SLOWER, "{c:?}");
        assert!(paired.slower().is_empty());
    }

    #[test]
    fn pairs_that_disagree_make_no_row_slower() {
        let row = |this: [f64; 5], other: [f64; 5]| Comparison::of(&this, &other);
        let other = [1.0, 1.1, 1.2, 1.3, 1.4];
        assert!(row([1.2, 1.3, 1.4, 1.5, 1.3], other).is_slower(), "one pair in five may say otherwise");
        assert!(!row([1.4, 1.3, 1.2, 1.5, 1.3], [1.0, 1.3, 1.2, 1.1, 1.0]).is_slower());
    }

    #[test]
    fn only_what_is_slower_every_time_is_slower() {
        let by_chance = paired(&[("a", "ns", [2.0, 1.0]), ("b", "ns", [2.0, 1.0]), ("c", "ns", [1.0, 1.0])]);
        let always = paired(&[("a", "ns", [2.0, 1.0]), ("b", "ns", [1.0, 1.0]), ("c", "ns", [2.0, 1.0])]);
        let mut times = 0;
        let found = slower_for_good(&by_chance, || {
            times += 1;
            Ok(always.clone())
        });
        assert_eq!((found.unwrap(), times), (vec!["a: 2.000".to_owned()], 2));
        let nothing = paired(&[("a", "ns", [1.0, 1.0])]);
        assert!(slower_for_good(&nothing, || panic!("nothing is in doubt")).unwrap().is_empty());
    }

    #[test]
    fn each_build_comes_first_as_often() {
        let mut first = Vec::new();
        let measured = Paired::measured(4, |run, build| {
            first.push((run, build));
            Ok(vec![Sample::new("a", f64::from(run), "ns")])
        });
        assert!(measured.unwrap().slower().is_empty());
        let first: Vec<Build> = first.into_iter().step_by(2).map(|(_, build)| build).collect();
        assert_eq!(first, [Build::This, Build::Other, Build::This, Build::Other]);
    }
}
