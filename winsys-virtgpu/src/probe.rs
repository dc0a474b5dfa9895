//! Whether a device can be used, found out by using it: for `hesper doctor`.

use std::path::Path;
use std::sync::Arc;

use crate::ring::{Ring, RingOptions};
use crate::stream::StreamPool;
use crate::virtgpu;
pub use crate::virtgpu::nodes::nodes;
pub use crate::virtgpu::obstacle::{Obstacle, Problem};
pub use crate::virtgpu::offers::{Facts, inspect};
use crate::{Config, Error};

/// A device that works.
#[derive(Clone, Debug)]
pub struct Usable {
    /// What it offers.
    pub facts: Facts,
    /// The step of blob sizes that is used with it, in bytes.
    pub alignment: u64,
}

/// Everything that the driver does at first, tried: a context, shared memory, a ring that answers.
///
/// # Errors
/// What stands in the way.
pub fn try_out(path: &Path, config: &Config) -> Result<Usable, Problem> {
    let (winsys, facts) = virtgpu::open_node(path, config)?;
    let refused = |e: Error| Problem::new(Obstacle::Refused, format!("{}: {e}", path.display()));
    let alignment = winsys.alignment();
    let streams = Arc::new(StreamPool::new(winsys.clone()));
    let ring = Ring::create(winsys, Arc::default(), 1, streams, RingOptions::default()).map_err(refused)?;
    ring.roundtrip().map_err(refused)?;
    ring.submit(&[]).and_then(|s| ring.wait(s)).map_err(refused)?;
    Ok(Usable { facts, alignment })
}
