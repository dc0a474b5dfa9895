//! Whether what is held has grown.

use std::fmt;

use hesper_rig::Usage;

/// What was held at first, once everything had its size, and in the end.
#[derive(Clone, Copy, Debug)]
pub struct Growth {
    before: Usage,
    after: Usage,
}

/// What may come on top without being growth.
#[derive(Clone, Copy, Debug)]
pub struct Slack {
    /// Bytes of memory.
    pub memory: u64,
    /// Files, mappings and threads.
    pub each: u64,
    /// Parts in a hundred of what there was before, for what goes up and down while somebody looks.
    pub percent: u64,
}

impl Slack {
    /// For processes that are at rest when they are looked at. Allocators may keep a page or two more.
    pub const AT_REST: Self = Self { memory: 2 << 20, each: 2, percent: 0 };
}

impl Growth {
    /// From one moment to another.
    pub fn between(before: Usage, after: Usage) -> Self {
        Self { before, after }
    }

    /// The least that was held at some moments, and at later ones: an allocator gives back when it likes what it has too much of.
    pub fn of_least(before: &[Usage], after: &[Usage]) -> Self {
        let least = |samples: &[Usage]| {
            let least = |of: fn(&Usage) -> u64| samples.iter().map(of).min().unwrap_or(0);
            Usage {
                memory: least(|u| u.memory),
                files: least(|u| u.files),
                mappings: least(|u| u.mappings),
                threads: least(|u| u.threads),
            }
        };
        Self { before: least(before), after: least(after) }
    }

    /// What grew least from one look to the next, each after the same amount of work: a leak grows each time, what somebody makes once and keeps (a thread with its
    /// stack) doesn't.
    pub fn of_each(looks: &[Usage]) -> Self {
        let least = |of: fn(&Usage) -> u64| {
            let steps = looks.windows(2).map(|two| (of(&two[0]), of(&two[1])));
            steps.min_by_key(|(before, after)| after.wrapping_sub(*before).cast_signed()).unwrap_or_default()
        };
        let all = [least(|u| u.memory), least(|u| u.files), least(|u| u.mappings), least(|u| u.threads)];
        let usage = |[memory, files, mappings, threads]: [u64; 4]| Usage { memory, files, mappings, threads };
        Self { before: usage(all.map(|(before, _)| before)), after: usage(all.map(|(_, after)| after)) }
    }

    /// The most that was held in the second quarter of the time, and in the last one.
    pub fn of(samples: &[Usage]) -> Self {
        let most = |samples: &[Usage]| {
            samples.iter().fold(Usage::default(), |a, b| Usage {
                memory: a.memory.max(b.memory),
                files: a.files.max(b.files),
                mappings: a.mappings.max(b.mappings),
                threads: a.threads.max(b.threads),
            })
        };
        let n = samples.len();
        let second = &samples[n / 4..(n / 2).max(n / 4 + 1).min(n)];
        Self { before: most(second), after: most(&samples[n - n.div_ceil(4)..]) }
    }

    /// What has grown, in words; nothing for what hasn't.
    pub fn complaints(&self, who: &str, slack: Slack) -> Vec<String> {
        let (a, b) = (self.before, self.after);
        let grown = |what: &str, before: u64, after: u64, more: u64| {
            let allowed = before + more + before * slack.percent / 100;
            (after > allowed).then(|| format!("{who}: {what} grew from {before} to {after}"))
        };
        [
            grown("memory", a.memory, b.memory, slack.memory),
            grown("files", a.files, b.files, slack.each),
            grown("mappings", a.mappings, b.mappings, slack.each),
            grown("threads", a.threads, b.threads, slack.each),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (a, b) = (self.before, self.after);
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        write!(
            f,
            "{:.1} → {:.1} MiB, {} → {}, {} → {}, {} → {}",
            mib(a.memory),
            mib(b.memory),
            a.files,
            b.files,
            a.mappings,
            b.mappings,
            a.threads,
            b.threads
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(mib: u64) -> Usage {
        Usage { memory: mib << 20, files: 10, mappings: 20, threads: 3 }
    }

    #[test]
    fn warming_up_is_no_growth_and_a_leak_is() {
        let warm: Vec<_> = [1, 5, 40, 41, 40, 41, 41, 40].into_iter().map(memory).collect();
        assert!(Growth::of(&warm).complaints("x", Slack::AT_REST).is_empty());
        let leak: Vec<_> = (0..8).map(|n| memory(40 + n)).collect();
        assert_eq!(Growth::of(&leak).complaints("x", Slack::AT_REST).len(), 1);
        let mut files = warm;
        files[7].files = 13;
        assert_eq!(Growth::of(&files).complaints("x", Slack::AT_REST), ["x: files grew from 10 to 13"]);
        assert!(Growth::of(&files).complaints("x", Slack { percent: 10, ..Slack::AT_REST }).is_empty());
    }

    #[test]
    fn what_is_given_back_later_is_no_growth() {
        let swings: Vec<_> = [200, 202, 202, 204, 219, 201].into_iter().map(memory).collect();
        assert!(Growth::of_least(&swings[..3], &swings[3..]).complaints("x", Slack::AT_REST).is_empty());
        let leak: Vec<_> = [200, 202, 204, 206, 208, 210].into_iter().map(memory).collect();
        assert_eq!(Growth::of_least(&leak[..3], &leak[3..]).complaints("x", Slack::AT_REST).len(), 1);
    }

    #[test]
    fn what_comes_once_is_no_growth_and_what_comes_each_time_is() {
        let mappings = |all: [u64; 4]| all.map(|mappings| Usage { mappings, ..memory(40) });
        for once in [[509, 515, 515, 515], [509, 509, 509, 515], [509, 515, 521, 521]] {
            assert!(Growth::of_each(&mappings(once)).complaints("x", Slack::AT_REST).is_empty());
        }
        let leak = Growth::of_each(&mappings([509, 515, 518, 521])).complaints("x", Slack::AT_REST);
        assert_eq!(leak, ["x: mappings grew from 515 to 518"]);
        let shrinks = [50, 40, 43, 46].map(memory);
        assert!(Growth::of_each(&shrinks).complaints("x", Slack::AT_REST).is_empty());
    }

    #[test]
    fn few_samples() {
        for n in 1..4 {
            let all = vec![memory(7); n];
            assert_eq!(Growth::of(&all).after, memory(7));
        }
    }
}
