//! Whether a device can be used, found out by using it: for `hesper doctor`.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::ring::{Ring, RingOptions};
use crate::stream::StreamPool;
pub use crate::virtgpu::nodes::nodes;
pub use crate::virtgpu::obstacle::{Obstacle, Problem};
pub use crate::virtgpu::offers::{Facts, inspect};
use crate::vtest::DEFAULT_SOCKET;
use crate::{Config, Error, Winsys, virtgpu, vtest};

/// Round trips that are measured at most; the median counts.
const ROUND_TRIPS: usize = 9;
/// No further one is begun after so long: from emulated machines each may take most of a second.
const ENOUGH: Duration = Duration::from_millis(100);

/// A device that works.
#[derive(Clone, Debug)]
pub struct Usable {
    /// What it offers.
    pub facts: Facts,
    /// The step of blob sizes that is used with it, in bytes.
    pub alignment: u64,
    /// From the guest through the context and a ring's thread and back, the median of several.
    pub round_trip: Duration,
}

/// Everything that the driver does at first, tried: a context, shared memory, a ring that answers.
///
/// # Errors
/// What stands in the way.
pub fn try_out(path: &Path, config: &Config) -> Result<Usable, Problem> {
    let (winsys, facts) = virtgpu::open_node(path, config)?;
    let alignment = winsys.alignment();
    let refused = |e: Error| Problem::new(Obstacle::Refused, format!("{}: {e}", path.display()));
    let round_trip = round_trip(winsys).map_err(refused)?;
    Ok(Usable { facts, alignment, round_trip })
}

/// The same over a test server's socket.
///
/// # Errors
/// What stands in the way.
pub fn try_out_server(config: &Config) -> Result<Usable, Problem> {
    let path = config.vtest_socket.as_deref().unwrap_or(Path::new(DEFAULT_SOCKET));
    let stream = UnixStream::connect(path)
        .map_err(|e| Problem::new(Obstacle::NoServer, format!("can't connect to {}: {e}", path.display())))?;
    let winsys = vtest::over(stream, config).map_err(|e| {
        let obstacle = if matches!(e, Error::NoDevice(_)) { Obstacle::OldVenus } else { Obstacle::NoContext };
        Problem::new(obstacle, format!("{}: {}", path.display(), e.reason()))
    })?;
    let (capset, alignment) = (winsys.capset().clone(), winsys.alignment());
    let refused = |e: Error| Problem::new(Obstacle::NoContext, format!("{}: {}", path.display(), e.reason()));
    let round_trip = round_trip(winsys).map_err(refused)?;
    Ok(Usable { facts: Facts { capset, blob_alignment: None, cross_device: false }, alignment, round_trip })
}

/// Has the context tell a new ring something, several times, and waits until the ring has heard of it.
fn round_trip(winsys: Arc<dyn Winsys>) -> Result<Duration, Error> {
    let streams = Arc::new(StreamPool::new(winsys.clone()));
    let ring = Ring::create(winsys, Arc::default(), 1, streams, RingOptions::default())?;
    let (begun, mut times) = (Instant::now(), Vec::new());
    while times.is_empty() || (times.len() < ROUND_TRIPS && begun.elapsed() < ENOUGH) {
        let start = Instant::now();
        ring.roundtrip()?;
        ring.wait(ring.position())?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}
