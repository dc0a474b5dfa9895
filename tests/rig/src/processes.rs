//! Processes of this machine, and which are whose children.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process and all that it has started, directly or not, parents first.
///
/// # Errors
/// When /proc can't be read.
pub fn tree(top: i32) -> Result<Vec<i32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(process) = entry.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // pid (name) state ppid …: the name may hold anything but its last bracket.
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<i32>().ok());
        parents.extend(parent.map(|parent| (process, parent)));
    }
    let mut found = vec![top];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, p)| *p == parent).map(|(process, _)| *process));
        next += 1;
    }
    Ok(found)
}

/// The processes that were started with this variable in their environment, or by one that was.
///
/// # Errors
/// When /proc can't be read.
pub fn with_variable(name: &str, value: &str) -> Result<Vec<i32>> {
    let wanted = format!("{name}={value}").into_bytes();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(process) = entry.file_name().to_str().and_then(|n| n.parse().ok()) else { continue };
        // That of a process which has ended can't be read.
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|b| *b == 0).any(|variable| variable == wanted) {
            found.push(process);
        }
    }
    Ok(found)
}

/// By when a process that was told to stop has stopped, on a machine that is busy otherwise.
const STOPS: Duration = Duration::from_secs(20);

/// Waits until no thread of a process that was sent SIGSTOP runs any more. The kernel has one thread take the signal, which tells the others: on a busy
/// machine they run on until that one's turn comes.
///
/// # Errors
/// When one still runs after twenty seconds.
pub fn wait_until_stopped(process: i32) -> Result<()> {
    let start = Instant::now();
    while runs(process) {
        ensure!(start.elapsed() < STOPS, "process {process} doesn't stop");
        sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Kills a process, each of whose threads is given an ordinary turn first. It keeps its files open until the last of them has ended, and the kernel has each end by
/// itself: Mesa's thread for the disk cache runs at nice 19, and on a busy machine ended seconds after the others.
///
/// # Errors
/// As kill(2).
pub fn kill_at_once(process: i32) -> nix::Result<()> {
    for thread in threads(process) {
        // SAFETY: a call without memory of this process; a thread that has ended meanwhile is an error, which changes nothing.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, thread, 0) };
    }
    kill(Pid::from_raw(process), Signal::SIGKILL)
}

/// Whether a thread of the process may run, now or when what it sleeps for has come; none does in one that has ended.
fn runs(process: i32) -> bool {
    states(process).iter().any(|state| !matches!(state, 'T' | 't' | 'Z' | 'X'))
}

/// How many threads of the process are on a processor, or wait for nothing but one.
pub fn running(process: i32) -> usize {
    states(process).iter().filter(|state| **state == 'R').count()
}

/// The states of a process's threads, as proc_pid_stat(5) has them; none of one that has ended.
fn states(process: i32) -> Vec<char> {
    let state = |thread| {
        let stat = fs::read_to_string(format!("/proc/{process}/task/{thread}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    };
    threads(process).into_iter().filter_map(state).collect()
}

/// The threads of a process; none of one that has ended.
fn threads(process: i32) -> Vec<libc::id_t> {
    let entries = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// A process's name; none for one that has ended.
pub fn name(process: i32) -> String {
    fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use nix::errno::Errno;

    use super::*;

    /// Whoever started it may be gone.
    #[test]
    fn processes_are_found_by_their_variable() {
        let value = format!("of {}", std::process::id());
        let mut shell =
            Command::new("sh").args(["-c", "sleep 1000 & :"]).env("HESPER_TEST_MARK", &value).spawn().unwrap();
        shell.wait().unwrap();
        let found = || with_variable("HESPER_TEST_MARK", &value).unwrap();
        let [sleeper] = found()[..] else { panic!("{:?}", found()) };
        assert_eq!(with_variable("HESPER_TEST_MARK", "of").unwrap(), [0; 0]);
        kill(Pid::from_raw(sleeper), Signal::SIGKILL).unwrap();
    }

    #[test]
    fn one_that_comes_last_is_killed_at_once() {
        let mut child = Command::new("nice").args(["-n", "19", "sleep", "1000"]).spawn().unwrap();
        let process = i32::try_from(child.id()).unwrap();
        let nice = || {
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
            stat.rsplit_once(") ").unwrap().1.split(' ').nth(16).unwrap().to_owned()
        };
        while nice() != "19" {
            sleep(Duration::from_millis(1));
        }
        kill_at_once(process).unwrap();
        // Whoever has ended, and wasn't waited for, still has a priority.
        assert_eq!(nice(), "0");
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
        assert_eq!(kill_at_once(process), Err(Errno::ESRCH));
    }

    #[test]
    fn what_stops_is_waited_for() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let process = i32::try_from(child.id()).unwrap();
        assert!(runs(process));
        kill(Pid::from_raw(process), Signal::SIGSTOP).unwrap();
        wait_until_stopped(process).unwrap();
        assert!(!runs(process));
        child.kill().unwrap();
        child.wait().unwrap();
        wait_until_stopped(process).unwrap();
    }
}
