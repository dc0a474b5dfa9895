//! Processor time, as the kernel's clocks of processes count it: user and system, all threads, those that have ended too. And how long threads that could have run waited
//! for a processor, as `/proc/PID/task/TID/schedstat` counts it for those that are there (Linux, Documentation/scheduler/sched-stats).

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

/// Processor time of guest and host apart, from [`Meter::start`] on.
#[derive(Clone, Debug)]
pub struct Meter {
    guest: Vec<(Pid, Time)>,
    host: Vec<(Pid, Time)>,
}

/// What the program's process, and the processes of its host, have had.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Used {
    pub guest: Time,
    pub host: Time,
}

/// Of all threads together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Time {
    /// On a processor.
    pub ran: Duration,
    /// Waiting for one.
    pub waited: Duration,
}

impl Meter {
    /// Begins to count, for processes that are there to the end.
    pub fn start(guest: i32, host: &[i32]) -> Self {
        let now = |process: &i32| {
            let pid = Pid::from_raw(*process);
            used(pid).map(|used| (pid, used))
        };
        Self { guest: now(&guest).into_iter().collect(), host: host.iter().filter_map(now).collect() }
    }

    /// What was used since.
    pub fn used(&self) -> Used {
        let since = |processes: &[(Pid, Time)]| {
            let mut all = Time::default();
            for (pid, before) in processes {
                if let Some(now) = used(*pid) {
                    all += Time {
                        ran: now.ran.saturating_sub(before.ran),
                        waited: now.waited.saturating_sub(before.waited),
                    };
                }
            }
            all
        };
        Used { guest: since(&self.guest), host: since(&self.host) }
    }
}

impl Used {
    /// As milliseconds for a thousand tokens: of both, of the guest, and of the host if there is one.
    pub fn per_thousand(self, tokens: u64, has_host: bool) -> Vec<(&'static str, f64)> {
        let of = |time: Duration| time.as_secs_f64() * 1e6 / tokens as f64;
        let mut all = vec![("CPU ms per 1000 tokens", of(self.guest.ran + self.host.ran))];
        if has_host {
            all.push(("guest CPU ms per 1000 tokens", of(self.guest.ran)));
            all.push(("host CPU ms per 1000 tokens", of(self.host.ran)));
        }
        all
    }

    /// How long threads waited for a processor, as milliseconds for a thousand tokens: the guest's, and the host's if there is one.
    pub fn waited_per_thousand(self, tokens: u64, has_host: bool) -> Vec<(&'static str, f64)> {
        let of = |time: Time| time.waited.as_secs_f64() * 1e6 / tokens as f64;
        let guest = ("guest ms without a processor per 1000 tokens", of(self.guest));
        let host = has_host.then(|| ("host ms without a processor per 1000 tokens", of(self.host)));
        [Some(guest), host].into_iter().flatten().collect()
    }
}

impl std::ops::AddAssign for Time {
    fn add_assign(&mut self, other: Self) {
        self.ran += other.ran;
        self.waited += other.waited;
    }
}

impl std::ops::AddAssign for Used {
    fn add_assign(&mut self, other: Self) {
        self.guest += other.guest;
        self.host += other.host;
    }
}

/// A process's time; nothing if it has ended.
fn used(process: Pid) -> Option<Time> {
    Some(Time { ran: ran(process)?, waited: waited(process).unwrap_or_default() })
}

/// How long a process's threads have been on a processor; nothing if it has ended.
pub fn ran(process: Pid) -> Option<Duration> {
    let clock = ClockId::pid_cpu_clock_id(process).ok()?;
    clock_gettime(clock).ok().map(Duration::from)
}

/// How long the threads of a process that are there have waited for a processor; nothing where the kernel doesn't count that.
fn waited(process: Pid) -> Option<Duration> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let of = |thread: std::io::Result<std::fs::DirEntry>| {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
    };
    Some(threads.filter_map(of).sum())
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Instant;

    use hesper_rig::pin;

    use super::*;
    use crate::killed::Killed;

    #[test]
    fn milliseconds_for_a_thousand_tokens() {
        let time = |ran, waited| Time { ran: Duration::from_millis(ran), waited: Duration::from_millis(waited) };
        let used = Used { guest: time(30, 4), host: time(10, 2) };
        let numbers = used.per_thousand(20, true).into_iter().map(|(_, ms)| ms.round());
        assert_eq!(numbers.collect::<Vec<_>>(), [2000.0, 1500.0, 500.0]);
        assert_eq!(used.per_thousand(20, false).len(), 1);
        let waited = used.waited_per_thousand(20, true).into_iter().map(|(_, ms)| ms.round());
        assert_eq!(waited.collect::<Vec<_>>(), [200.0, 100.0]);
    }

    #[test]
    fn busy_processes_use_time_and_sleeping_ones_do_not() {
        let busy = || Killed::spawn(Command::new("sh").args(["-c", "while :; do :; done"])).unwrap();
        let (one_loop, asleep) = (busy(), Killed::spawn(Command::new("sleep").arg("1000")).unwrap());
        let start = Instant::now();
        let meter = Meter::start(one_loop.id(), &[asleep.id()]);
        while meter.used().guest.ran < Duration::from_millis(20) {
            assert!(start.elapsed() < Duration::from_secs(60), "{:?}", meter.used());
            std::thread::sleep(Duration::from_millis(5));
        }
        let used = meter.used();
        assert!(used.guest.ran <= start.elapsed() && used.host.ran < used.guest.ran, "{used:?}");
        // Another process on its processor takes turns with it.
        let processor = pin::allowed().unwrap()[0];
        let other = busy();
        for child in [&one_loop, &other] {
            pin::process(child.id().try_into().unwrap(), processor).unwrap();
        }
        let start = Instant::now();
        while meter.used().guest.waited < Duration::from_millis(20) {
            assert!(start.elapsed() < Duration::from_secs(60), "{:?}", meter.used());
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(meter.used().host.waited < meter.used().guest.waited);
        drop((one_loop, asleep));
        assert_eq!(meter.used(), Used::default());
    }
}
