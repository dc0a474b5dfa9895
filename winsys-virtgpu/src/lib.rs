//! The way to the host: contexts, blobs, shared memory and the ring.
//!
//! [`Winsys`] is one context at the host, reached through a virtio-gpu device ([`virtgpu`]) or the socket of a test server
//! ([`vtest`]). [`Ring`] carries commands, [`StreamPool`] holds the memory that command buffers are recorded in.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod alignment;
pub mod capset;
pub mod contention;
pub mod error;
pub mod health;
pub mod mapping;
pub mod notice;
pub mod probe;
pub mod reply_place;
pub mod reply_pool;
pub mod reply_slots;
pub mod resource;
pub mod ring;
mod run_delay;
mod seqno;
mod shared;
pub mod stream;
pub mod sync_file;
#[cfg(test)]
mod testing;
pub mod trace;
pub mod transport;
pub mod turns;
pub mod virtgpu;
pub mod vtest;
pub mod waiting;

use std::num::NonZeroUsize;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use capset::Capset;
pub use error::Error;
pub use health::Health;
pub use mapping::Mapping;
pub use resource::{Resource, Shmem};
pub use ring::Ring;
pub use seqno::{Progress, Seqno};
pub use stream::{Chunk, StreamPool};
pub use sync_file::SyncFile;
pub use virtgpu::numbers::Numbers;

/// How a blob will be used; the values are the kernel's (virtgpu_drm.h, `VIRTGPU_BLOB_FLAG_USE_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlobFlags(pub u32);

impl BlobFlags {
    /// The guest maps it.
    pub const MAPPABLE: Self = Self(1);
    /// Other processes of the guest get it.
    pub const SHAREABLE: Self = Self(2);
    /// Other devices of the guest get it.
    pub const CROSS_DEVICE: Self = Self(4);
}

impl std::ops::BitOr for BlobFlags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// One context at the host.
pub trait Winsys: Send + Sync {
    /// What the host's Venus can do.
    fn capset(&self) -> &Capset;
    /// The way, for people: `virtio-gpu /dev/dri/renderD128`.
    fn name(&self) -> &str;
    /// The step of blob sizes in bytes: the guest's page, or the host's where that is told or assumed to be larger (WIRE.md 8.6).
    fn alignment(&self) -> u64;
    /// Shared memory of at least `size` bytes, mapped, all zeros (WIRE.md 6.2).
    fn create_shmem(&self, size: u64) -> Result<Shmem, Error>;
    /// A blob of the device memory with object id `memory`; `before` is run by the context first (WIRE.md 6.2, 6.4).
    fn create_blob(&self, memory: u64, size: u64, flags: BlobFlags, before: &[u8]) -> Result<Resource, Error>;
    /// Maps the whole of a blob. An attempt that failed for want of something may be repeated.
    fn map(&self, blob: &Resource) -> Result<Mapping, Error>;
    /// Whether a blob can be mapped once more while it is mapped.
    fn maps_again(&self) -> bool {
        true
    }
    /// Maps the whole of a blob at an address, in place of whatever is mapped there.
    ///
    /// # Errors
    /// As [`Self::map`]; an address that is no multiple of the page, or where nothing can be. What was mapped there may be gone then.
    ///
    /// # Safety
    /// The range is the caller's: nobody uses what was mapped there before.
    unsafe fn map_at(&self, blob: &Resource, at: NonZeroUsize) -> Result<Mapping, Error>;
    /// A dma-buf of a shareable blob, or the file that stands for one.
    fn export(&self, blob: &Resource) -> Result<OwnedFd, Error>;
    /// Whether what is exported is the kernel's dma-buf, which other devices and their programs take.
    fn exports_dma_bufs(&self) -> bool {
        true
    }
    /// The kernel's numbers of the device; none where there is no kernel's device.
    fn numbers(&self) -> Numbers {
        Numbers::default()
    }
    /// Whether there is a way to import.
    fn imports(&self) -> bool {
        true
    }
    /// The resource behind a dma-buf.
    fn import(&self, fd: BorrowedFd<'_>) -> Result<Resource, Error>;
    /// Has the context run `commands` (WIRE.md 4, those marked C); doesn't wait for them.
    fn submit(&self, commands: &[u8]) -> Result<(), Error>;
    /// Whether there are fences of queues.
    fn fences(&self) -> bool {
        false
    }
    /// A sync_file that is signalled when everything has ended that the host was told to do on the queue with this timeline (WIRE.md 7.1, 8.5), once
    /// `after` has been signalled. The host must have run what made and fed the queue, and lets go of the queue only after it has heard of this.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where there is no such way.
    fn fence(&self, _timeline: u32, _after: Option<&SyncFile>) -> Result<SyncFile, Error> {
        Err(Error::Unsupported("fences of queues"))
    }
    /// How long the host's thread had better look for commands before it sleeps, for what it costs to wake it.
    fn idle_timeout(&self) -> Duration {
        ring::IDLE
    }
    /// Whether the host's threads run on the processors that this program sees.
    fn shares_processors(&self) -> bool {
        true
    }
    /// Whether the host still answers, as far as can be told without asking it.
    fn check(&self) -> Result<(), Error>;
}

/// Which way to go.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Go to a test server instead of a device.
    pub vtest: bool,
    /// The test server's socket; `/tmp/.virgl_test` otherwise.
    pub vtest_socket: Option<PathBuf>,
    /// The render node; the first of a virtio-gpu with Venus otherwise.
    pub render_node: Option<PathBuf>,
    /// Round blob sizes to this many bytes, a power of two, where the kernel tells no larger step.
    pub blob_alignment: Option<u64>,
}

/// Makes a context.
///
/// # Errors
/// [`Error::NoDevice`] if there is nothing to connect to, with the reason.
pub fn open(config: &Config) -> Result<Arc<dyn Winsys>, Error> {
    if config.vtest { vtest::open(config) } else { virtgpu::open(config) }
}

/// `size` rounded up to `step`.
///
/// # Errors
/// [`Error::OutOfHostMemory`] for sizes that no machine has.
fn round_up(size: u64, step: u64) -> Result<u64, Error> {
    size.max(1).checked_next_multiple_of(step).filter(|s| *s <= 1 << 48).ok_or(Error::OutOfHostMemory)
}
