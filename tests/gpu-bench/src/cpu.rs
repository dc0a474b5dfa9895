//! Processor time, as the kernel's clocks of processes count it: user and system, all threads, those that have ended too.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

/// Processor time of guest and host apart, from [`Meter::start`] on.
#[derive(Clone, Debug)]
pub struct Meter {
    guest: Vec<(Pid, Duration)>,
    host: Vec<(Pid, Duration)>,
}

/// Processor time of the program's process, and of the processes of its host.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Used {
    pub guest: Duration,
    pub host: Duration,
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
        let since = |processes: &[(Pid, Duration)]| {
            processes.iter().filter_map(|(pid, before)| Some(used(*pid)?.saturating_sub(*before))).sum()
        };
        Used { guest: since(&self.guest), host: since(&self.host) }
    }
}

impl Used {
    /// As milliseconds for a thousand tokens: of both, of the guest, and of the host if there is one.
    pub fn per_thousand(self, tokens: u64, has_host: bool) -> Vec<(&'static str, f64)> {
        let of = |time: Duration| time.as_secs_f64() * 1e6 / tokens as f64;
        let mut all = vec![("CPU ms per 1000 tokens", of(self.guest + self.host))];
        if has_host {
            all.push(("guest CPU ms per 1000 tokens", of(self.guest)));
            all.push(("host CPU ms per 1000 tokens", of(self.host)));
        }
        all
    }
}

impl std::ops::AddAssign for Used {
    fn add_assign(&mut self, other: Self) {
        self.guest += other.guest;
        self.host += other.host;
    }
}

/// A process's time; nothing if it has ended.
fn used(process: Pid) -> Option<Duration> {
    let clock = ClockId::pid_cpu_clock_id(process).ok()?;
    clock_gettime(clock).ok().map(Duration::from)
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Instant;

    use super::*;

    #[test]
    fn milliseconds_for_a_thousand_tokens() {
        let used = Used { guest: Duration::from_millis(30), host: Duration::from_millis(10) };
        let numbers = used.per_thousand(20, true).into_iter().map(|(_, ms)| ms.round());
        assert_eq!(numbers.collect::<Vec<_>>(), [2000.0, 1500.0, 500.0]);
        assert_eq!(used.per_thousand(20, false).len(), 1);
    }

    #[test]
    fn busy_processes_use_time_and_sleeping_ones_do_not() {
        let mut busy = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        let mut asleep = Command::new("sleep").arg("1000").spawn().unwrap();
        let id = |child: &std::process::Child| i32::try_from(child.id()).unwrap();
        let meter = Meter::start(id(&busy), &[id(&asleep)]);
        let start = Instant::now();
        while meter.used().guest < Duration::from_millis(20) {
            assert!(start.elapsed() < Duration::from_secs(60), "{:?}", meter.used());
            std::thread::sleep(Duration::from_millis(5));
        }
        let used = meter.used();
        assert!(used.guest <= start.elapsed() && used.host < used.guest, "{used:?}");
        for child in [&mut busy, &mut asleep] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert_eq!(meter.used(), Used::default());
    }
}
