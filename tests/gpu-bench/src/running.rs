//! How many threads of a program and its host run at once, and what processor time they take, while they start: a host whose compiler has fewer threads to work with
//! than natively shows here.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use hesper_rig::processes;
use nix::unistd::Pid;

use crate::cpu;

/// How long is slept between two looks.
const STEP: Duration = Duration::from_millis(2);

/// Looks at processes, and at those that they start, until [`Watch::end`].
pub struct Watch {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Seen>>,
}

/// What was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seen {
    /// The most threads that ran, or could have run, at one time.
    pub most: usize,
    /// Processor time of all processes, those that have ended meanwhile up to the last look at them.
    pub ran: Duration,
}

impl Watch {
    /// Begins to look at these and their children.
    pub fn start(tops: Vec<i32>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        Self { over, thread: Some(spawn(move || look(&tops, &is_over))) }
    }

    /// What was seen so far; the watch is over.
    pub fn end(mut self) -> Seen {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().and_then(|t| t.join().ok()).unwrap_or_default()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn look(tops: &[i32], over: &AtomicBool) -> Seen {
    let (mut most, mut ran) = (0, HashMap::new());
    loop {
        // The last look is made after the end was told, so that short programs are seen once at least.
        let last = over.load(Ordering::Relaxed);
        let mut now = 0;
        for process in tops.iter().flat_map(|top| processes::tree(*top).unwrap_or_default()) {
            now += processes::running(process);
            if let Some(time) = cpu::ran(Pid::from_raw(process)) {
                ran.insert(process, time);
            }
        }
        most = most.max(now);
        if last {
            return Seen { most, ran: ran.into_values().sum() };
        }
        sleep(STEP);
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Instant;

    use super::*;
    use crate::killed::Killed;

    #[test]
    fn threads_that_run_at_once_are_counted() {
        let watch = |loops: usize| {
            let script = "while :; do :; done & ".repeat(loops) + "sleep 1000";
            let shell = Killed::spawn(Command::new("sh").args(["-c", &script])).unwrap();
            let start = Instant::now();
            while processes::tree(shell.id()).unwrap().len() < loops + 2 {
                assert!(start.elapsed() < Duration::from_secs(60), "the shell doesn't start its loops");
            }
            let watch = Watch::start(vec![shell.id()]);
            sleep(Duration::from_millis(200));
            watch.end()
        };
        let (none, three) = (watch(0), watch(3));
        // Shell and sleep may be seen as they start.
        assert!(none.most <= 2 && (3..=5).contains(&three.most) && three.ran > none.ran, "{none:?} {three:?}");
    }
}
