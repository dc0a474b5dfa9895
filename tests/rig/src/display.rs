//! Trees with display servers from Debian, and how such a server ends.

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Root, cache};

const RECIPE: &str = include_str!("../display.sh");

/// How long a server may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(3);

/// The tree with a package; made if it isn't in the cache yet. `about` says what is made.
///
/// # Errors
/// When it can't be made.
pub fn tree(package: &str, about: &str) -> Result<Root> {
    let make = |new: &Path| cache::run(cache::recipe(RECIPE, new)?.arg(package));
    Ok(Root::at(cache::made(&format!("display-{package}"), &[RECIPE], &format!("making {about}"), make)?))
}

/// Sends a server a signal.
pub fn signal(child: &Child, signal: Signal) {
    if let Ok(pid) = i32::try_from(child.id()) {
        // Gone already is as good.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// Asks a server to end, and kills it if it doesn't.
pub fn end(child: &mut Child) {
    signal(child, Signal::SIGTERM);
    let start = Instant::now();
    while start.elapsed() < PATIENCE && matches!(child.try_wait(), Ok(None)) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let _ = child.wait();
}
