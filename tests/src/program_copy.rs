//! Copies of programs that a test runs.

use std::path::Path;
use std::process::Command;

use crate::good;

/// Copies a program, with these rights, by a process of its own.
///
/// A copy that a test writes itself can be "Text file busy" when the test starts it: a child that another test of the process forks meanwhile holds the copy open
/// for writing until that child starts its own program.
///
/// # Panics
/// When it can't be copied.
pub fn copy_program(from: &Path, to: &Path, mode: u32) {
    good("install", Command::new("install").arg(format!("--mode={mode:o}")).args([from, to]));
}
