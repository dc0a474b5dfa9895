//! What the end-to-end tests share. Without the feature `rig` it is what the test client shares with them, which is built for other guests alone.

#[cfg(feature = "rig")]
pub mod chance;
#[cfg(feature = "rig")]
pub mod clients;
#[cfg(feature = "rig")]
pub mod compositor;
pub mod copies;
pub mod doctor;
#[cfg(feature = "rig")]
pub mod endure;
#[cfg(feature = "rig")]
pub mod folder;
#[cfg(feature = "rig")]
pub mod guests;
#[cfg(feature = "rig")]
pub mod hosts;
pub mod house;
#[cfg(feature = "rig")]
pub mod load;
#[cfg(feature = "rig")]
pub mod measure;
#[cfg(feature = "rig")]
pub mod newer_host;
#[cfg(feature = "rig")]
pub mod paired;
#[cfg(feature = "rig")]
pub mod parity;
pub mod pictures;
#[cfg(feature = "rig")]
pub mod placement;
#[cfg(feature = "rig")]
pub mod png;
#[cfg(feature = "rig")]
pub mod program_copy;
pub mod result_codes;
#[cfg(feature = "rig")]
pub mod scenes;
pub mod shared_object;
#[cfg(feature = "rig")]
pub mod stills;
#[cfg(feature = "rig")]
pub mod systems;
pub mod test_server;
pub mod x_screen;

/// Written by `encoder/codegen`; never edited.
#[rustfmt::skip]
mod generated {
    pub mod demanded;
    pub mod result_codes;
}

pub use generated::demanded::DEMANDED;

use std::process::{Child, Command, ExitStatus, Output};
use std::time::{Duration, Instant};

#[cfg(feature = "rig")]
use hesper_rig::Root;

/// Features that the driver has itself, whatever the host has: swapchains, where memory is mapped, who hears of it, and which threads use a queue.
pub const OWN_FEATURES: [&str; 9] = [
    "deviceMemoryReport",
    "internallySynchronizedQueues",
    "memoryMapPlaced",
    "memoryUnmapReserve",
    "presentId",
    "presentId2",
    "presentWait",
    "presentWait2",
    "swapchainMaintenance1",
];

/// The rig's root; made on the first use on a machine.
///
/// # Panics
/// When it can't be made, with the reason.
#[cfg(feature = "rig")]
pub fn root() -> Root {
    Root::ensure().unwrap_or_else(|e| panic!("the rig: {e:?}"))
}

/// Whether long tests shall be left out (`cargo xtask test --quick`).
pub fn quick() -> bool {
    let quick = std::env::var_os("HESPER_TEST_QUICK").is_some();
    if quick {
        println!("left out: quick tests were asked for");
    }
    quick
}

/// Runs a command to its end and returns what it printed.
///
/// # Panics
/// When it fails, with its output.
pub fn good(what: &str, command: &mut Command) -> String {
    let out = output(what, command);
    let text = both(&out);
    assert!(out.status.success(), "{what} ended with {}:\n{text}", out.status);
    text
}

/// How a program ends, if it does in time; it is killed if it doesn't.
///
/// # Panics
/// When it isn't this process's to wait for.
pub fn ends(child: &mut Child, within: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    while start.elapsed() < within {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

/// Runs a command to its end.
///
/// # Panics
/// When it can't be started.
pub fn output(what: &str, command: &mut Command) -> Output {
    command.output().unwrap_or_else(|e| panic!("starting {what}: {e}"))
}

/// Standard output, then error.
pub fn both(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

/// The middle of some numbers; NaN if there are none.
pub fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.get(sorted.len().wrapping_sub(1) / 2), sorted.get(sorted.len() / 2)) {
        (Some(a), Some(b)) => (a + b) / 2.0,
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
