//! Payloads of fences and semaphores that are sync_files: those that came from outside, and those that have left (WIRE.md 7.6).
//!
//! A sync_file goes from process to process as a copy of a payload. To the host it is nothing: what waits for one waits here, and what leaves as one
//! is a fence of the virtqueue behind everything that its queue was told to do.

use std::ffi::c_int;
use std::os::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ash::vk;
use hesper_winsys::{Error, SyncFile};

use crate::base::clock;
use crate::base::connection::Connection;
use crate::base::forwarding::result_of_error;

/// The longest sleep without a look at the host, in nanoseconds.
const SLICE: u64 = 100_000_000;

/// A payload that came from outside.
#[derive(Clone)]
pub enum Payload {
    /// Signalled already, which -1 stands for.
    Signaled,
    /// Signalled with a file.
    File(Arc<SyncFile>),
}

impl Payload {
    /// The payload behind a descriptor, which becomes the driver's.
    ///
    /// # Errors
    /// [`vk::Result::ERROR_INVALID_EXTERNAL_HANDLE`] for what is no sync_file, or no memory; the descriptor stays the program's then.
    pub fn import(fd: c_int) -> Result<Self, vk::Result> {
        if fd == -1 {
            return Ok(Self::Signaled);
        }
        if fd < 0 {
            return Err(vk::Result::ERROR_INVALID_EXTERNAL_HANDLE);
        }
        // SAFETY: the program's descriptor, used for the length of the call alone; the kernel says so where none is open under the number.
        let file = SyncFile::borrowed(unsafe { BorrowedFd::borrow_raw(fd) }).map_err(|e| match e {
            Error::OutOfHostMemory => vk::Result::ERROR_OUT_OF_HOST_MEMORY,
            _ => vk::Result::ERROR_INVALID_EXTERNAL_HANDLE,
        })?;
        // SAFETY: Vulkan hands the descriptor over where the import succeeds, which it does now.
        drop(unsafe { OwnedFd::from_raw_fd(fd) });
        Ok(Self::File(Arc::new(file)))
    }

    /// A descriptor of it, for the program.
    ///
    /// # Errors
    /// [`vk::Result::ERROR_TOO_MANY_OBJECTS`] without room for another open file.
    pub fn export(&self) -> Result<c_int, vk::Result> {
        match self {
            Self::Signaled => Ok(-1),
            Self::File(file) => duplicate(file).map(IntoRawFd::into_raw_fd),
        }
    }

    /// Whether it is signalled.
    pub fn is_signaled(&self) -> bool {
        match self {
            Self::Signaled => true,
            // A file that can't be waited for is nothing to wait for.
            Self::File(file) => file.wait(Duration::ZERO).unwrap_or(true),
        }
    }

    /// Waits until it is signalled, for at most `timeout` nanoseconds; fails with the connection.
    pub fn wait(&self, connection: &Connection, timeout: u64) -> vk::Result {
        let Self::File(file) = self else { return vk::Result::SUCCESS };
        let start = clock::now();
        loop {
            let left = timeout.saturating_sub(clock::now().saturating_sub(start));
            if file.wait(Duration::from_nanos(left.min(SLICE))).unwrap_or(true) {
                return vk::Result::SUCCESS;
            }
            if left <= SLICE {
                return vk::Result::TIMEOUT;
            }
            if let Err(e) = connection.ring.check() {
                return result_of_error(&e);
            }
        }
    }
}

/// Another descriptor of a file.
fn duplicate(file: &SyncFile) -> Result<OwnedFd, vk::Result> {
    use std::os::fd::AsFd;
    file.as_fd().try_clone_to_owned().map_err(|_| vk::Result::ERROR_TOO_MANY_OBJECTS)
}

/// A sync_file that is signalled when everything has ended that was sent to the queue with this timeline.
///
/// # Errors
/// A lost host, no such way, or no room for another open file.
pub fn of_queue(connection: &Connection, timeline: u32) -> Result<SyncFile, Error> {
    let ask = || {
        // The virtqueue knows nothing of what is in the ring.
        connection.ring.wait(connection.ring.submit(&[])?)?;
        let file = connection.winsys.fence(timeline, None)?;
        // And the ring must not end the queue before the virtqueue has come there.
        connection.ring.roundtrip()?;
        Ok(file)
    };
    connection.report(ask())
}

/// What a failed export returns.
pub fn export_failed(e: &Error) -> vk::Result {
    match e {
        Error::Refused(_) => vk::Result::ERROR_TOO_MANY_OBJECTS,
        e => result_of_error(e),
    }
}

/// Whether any fence of this process had anything to do with files. Relaxed: who has to know of one learns it from whoever made it.
static ANY: AtomicBool = AtomicBool::new(false);

/// What is known of a fence outside of this process, or from there.
#[derive(Default)]
pub struct Outside {
    /// Its payload, until it is reset.
    pub imported: Option<Payload>,
    /// The payload that has left, with which the host's fence is signalled: until it has been and was reset, the fence can't be submitted.
    pub exported: Option<Payload>,
}

impl Outside {
    /// Whether any fence has such a thing.
    #[inline]
    pub fn any() -> bool {
        ANY.load(Ordering::Relaxed)
    }

    /// From now on, one has.
    pub fn announce() {
        ANY.store(true, Ordering::Relaxed);
    }

    /// The fence's status, where the host can't tell.
    pub fn status(&self) -> Option<vk::Result> {
        match (&self.imported, &self.exported) {
            (Some(p), _) if p.is_signaled() => Some(vk::Result::SUCCESS),
            (Some(_), _) | (None, Some(_)) => Some(vk::Result::NOT_READY),
            (None, None) => None,
        }
    }
}
