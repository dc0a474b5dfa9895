//! Whether a device can be used, found out by using it: for `hesper doctor`.

use std::path::Path;
use std::sync::Arc;

use crate::ring::{Ring, RingOptions};
use crate::stream::StreamPool;
use crate::virtgpu;
pub use crate::virtgpu::nodes::{Facts, Obstacle, Problem, find, inspect, nodes};
use crate::{Config, Error};

/// Everything that the driver does at first, tried: a context, shared memory, a ring that answers.
///
/// # Errors
/// What stands in the way.
pub fn try_out(path: &Path, config: &Config) -> Result<Facts, Problem> {
    let (node, facts) = inspect(path)?;
    let refused = |e: Error| Problem::new(Obstacle::Refused, format!("{}: {e}", path.display()));
    let winsys = virtgpu::context(path, node, facts.clone(), config).map_err(refused)?;
    let streams = Arc::new(StreamPool::new(winsys.clone()));
    let ring = Ring::create(winsys, Arc::default(), 1, streams, RingOptions::default()).map_err(refused)?;
    ring.roundtrip().map_err(refused)?;
    ring.submit(&[]).and_then(|s| ring.wait(s)).map_err(refused)?;
    Ok(facts)
}
