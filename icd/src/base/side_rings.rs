//! Rings beside the main ring, for calls that keep the host's thread busy or asleep, so that the main ring goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hesper_winsys::ring::{self, RingOptions};
use hesper_winsys::waiting::Patience;
use hesper_winsys::{Error, Health, Ring, StreamPool, Winsys};
use parking_lot::Mutex;

/// Bytes of commands in one: more than the background's.
const SIZE: usize = 64 << 10;
const _: () = assert!(SIZE > crate::base::backlog::BYTES);

/// The side rings of a connection.
pub struct SideRings {
    winsys: Arc<dyn Winsys>,
    streams: Arc<StreamPool>,
    health: Arc<Health>,
    options: RingOptions,
    next: AtomicU64,
    /// Those that nobody uses now.
    idle: Mutex<Vec<Ring>>,
}

impl SideRings {
    /// None so far; they will be beside a main ring, the context's first, with these options.
    pub fn new(winsys: Arc<dyn Winsys>, health: Arc<Health>, streams: Arc<StreamPool>, main: RingOptions) -> Self {
        // What is asked there is waited for, and nothing comes soon behind that.
        let options = RingOptions { buffer_size: SIZE, idle_timeout: ring::IDLE, ..main };
        Self { winsys, streams, health, options, next: AtomicU64::new(2), idle: Mutex::default() }
    }

    /// Makes one that nobody else will use.
    ///
    /// # Errors
    /// A lost host, or what the host or the kernel refuse.
    pub fn create(&self) -> Result<Ring, Error> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        Ring::create(self.winsys.clone(), self.health.clone(), id, self.streams.clone(), self.options.clone())
    }

    /// Hands one to `call` that nobody else uses meanwhile. It is kept for the next unless the call fails.
    ///
    /// # Errors
    /// The call's; a lost host, or no memory, which no room for another open file is, too.
    pub fn with<R>(&self, call: impl FnOnce(&Ring) -> Result<R, Error>) -> Result<R, Error> {
        let kept = self.idle.lock().pop();
        let no_memory = |e| if matches!(e, Error::Lost(_)) { e } else { Error::OutOfHostMemory };
        let ring = kept.map_or_else(|| self.create().map_err(no_memory), Ok)?;
        let called = call(&ring)?;
        self.idle.lock().push(ring);
        Ok(called)
    }

    /// How their calls wait unless something else is asked for.
    pub fn patience(&self) -> Patience {
        self.options.patience
    }
}
