//! llama.cpp through everything that stops it or its host.

use std::time::{Duration, Instant};

use anyhow::Result;
use hesper_rig::{Driver, Root};

use super::disturbed::Disturbed;
use super::row::Row;

const HOUR: i64 = 3600;

/// A server that answers while its host stands still for so many seconds, while both do, and while its clocks jump.
///
/// # Errors
/// When it says something else than undisturbed, or nothing.
pub fn stops(root: &Root, seconds: &[u64]) -> Result<Row> {
    let start = Instant::now();
    let disturbed = Disturbed::start(root, "all", &[])?;
    for seconds in seconds {
        disturbed.with_a_host_that_stops(Duration::from_secs(*seconds))?;
    }
    for host_first in [false, true] {
        disturbed.with_a_pair_that_stops(host_first, Duration::from_secs(10))?;
    }
    for (of_day, since_start) in [(HOUR, HOUR), (-HOUR, HOUR), (HOUR, 2 * HOUR)] {
        disturbed.with_clocks_that_jump(of_day, since_start)?;
    }
    disturbed.end()?;
    let times: Vec<_> = seconds.iter().map(u64::to_string).collect();
    Ok(Row {
        what: format!("llama-server: its host stopped for {} s, both, clocks that jump by hours", times.join(", ")),
        driver: Driver::Hesper,
        took: start.elapsed(),
        note: "the same tokens".into(),
        program: None,
        host: None,
        complaints: Vec::new(),
    })
}
