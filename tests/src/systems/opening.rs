//! What the program says that opens the driver (`tests/rig/open`).

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::median;

/// How often a driver is opened; the median counts.
pub const OPENINGS: usize = 5;

/// How long starts take, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Times {
    /// Opening the library and agreeing on the loader's interface.
    pub load: f64,
    /// From an instance to what the device has filled and computed.
    pub first_use: f64,
}

/// The middle of each.
pub fn middle(all: &[Times]) -> Times {
    let of = |part: fn(&Times) -> f64| median(&all.iter().map(part).collect::<Vec<_>>());
    Times { load: of(|t| t.load), first_use: of(|t| t.first_use) }
}

/// Runs it once: the driver catches the panic that is asked for, and its device does its job.
///
/// # Errors
/// When it doesn't.
pub fn open(command: &mut Command) -> Result<Times> {
    let out = command.output().context("starting the program that opens the driver")?;
    let (said, complaints) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    ensure!(out.status.success(), "opening the driver ended with {}:\n{complaints}", out.status);
    ensure!(
        complaints.contains("a call panicked"),
        "the driver says nothing of the panic that was asked for:\n{complaints}"
    );
    parse(&said)
}

fn parse(said: &str) -> Result<Times> {
    let value = |name: &str| {
        let line = said.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(' '));
        line.with_context(|| format!("no {name} in:\n{said}"))?.parse().with_context(|| format!("reading {name}"))
    };
    Ok(Times { load: value("load_us")?, first_use: value("use_us")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let text = "load_us 120\ninterface 7\nuse_us 31000\ndevice A (B)\n";
        assert_eq!(parse(text).unwrap(), Times { load: 120.0, first_use: 31000.0 });
        assert!(parse(&text.replace("use_us", "time")).is_err());
        assert!(parse(&text.replace("120", "soon")).is_err());
    }
}
