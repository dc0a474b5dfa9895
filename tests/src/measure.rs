//! One run of the test client's benchmarks.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use hesper_rig::{Driver, Host, Root, pin};
use serde::Deserialize;

/// The processors that guest and host run on, unless others are named.
const GUEST: usize = 0;
const HOST: usize = 1;

/// One number of a run. Less is better, but for units a second.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Sample {
    /// The row of tables that it belongs to.
    pub name: String,
    /// Its value in `unit`.
    pub value: f64,
    /// Such as `us` or `GB/s`.
    #[serde(default)]
    pub unit: String,
}

impl Sample {
    /// A number of a row.
    pub fn new(name: &str, value: f64, unit: &str) -> Self {
        Self { name: name.to_owned(), value, unit: unit.to_owned() }
    }
}

/// One run of the client's groups `only`, or all, on a host of its own, with more environment variables, such as the manifest of another build of the driver.
///
/// # Errors
/// When host or client can't be started, or the client fails, with what it said.
pub fn measure(
    root: &Root,
    driver: Driver,
    client: &Path,
    only: &[String],
    environment: &[(&str, &str)],
) -> Result<Vec<Sample>> {
    let processors = pin::possible().then_some((GUEST, HOST));
    measure_on(processors, root, driver, client, only, environment)
}

/// The same, with guest and host kept to a processor each.
///
/// # Errors
/// As [`measure`].
pub fn measure_on(
    processors: Option<(usize, usize)>,
    root: &Root,
    driver: Driver,
    client: &Path,
    only: &[String],
    environment: &[(&str, &str)],
) -> Result<Vec<Sample>> {
    let host = if driver.needs_host() { Some(Host::start(root)?) } else { None };
    let mut command = root.client(driver, host.as_ref(), client)?;
    // The host's own driver has its threads in the client, which needs all processors then.
    if let (Some(host), Some((guests, hosts))) = (&host, processors) {
        pin::command(&mut command, guests)?;
        host.pin(hosts)?;
    }
    command.envs(environment.iter().copied());
    let out = command.arg("bench").args(only).output().context("running the test client")?;
    let errors = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "the client on {driver} ended with {}:\n{errors}", out.status);
    Ok(samples(&String::from_utf8_lossy(&out.stdout)))
}

/// The lines `{"name": …, "value": …, "unit": …}` among a program's output.
fn samples(output: &str) -> Vec<Sample> {
    output.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_numbers_are_taken() {
        let output =
            "hello\n{\"name\":\"submit\",\"value\":10,\"unit\":\"us\"}\n{\"name\":\"other\",\"value\":1.5}\n{}\n";
        assert_eq!(samples(output), [Sample::new("submit", 10.0, "us"), Sample::new("other", 1.5, "")]);
    }
}
