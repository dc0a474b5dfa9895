//! Payloads of fences and semaphores that are sync_files: those that came from outside, and those that have left (WIRE.md 7.6).
//!
//! A sync_file goes from process to process as a copy of a payload. To the host it is nothing: what waits for one waits here, and what leaves as one
//! is a fence of the virtqueue behind everything that its queue was told to do.

use std::ffi::c_int;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use ash::vk;
use hesper_winsys::{Error, SyncFile, health};

use crate::base::clock;
use crate::base::connection::Connection;
use crate::base::forwarding::result_of_error;

/// The longest sleep without a look at the host, in nanoseconds.
const SLICE: u64 = 100_000_000;

/// How many such sleeps a file is given up after: the kernel drops the fences of a process that ends before a monitor has signalled them, and nobody
/// ever will. Counted in sleeps, so that a machine that was stopped gives nobody up.
const SLEEPS: u64 = health::GIVE_UP.as_nanos() as u64 / SLICE;

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
            Self::File(file) => {
                let another = file.as_fd().try_clone_to_owned();
                another.map(IntoRawFd::into_raw_fd).map_err(|_| vk::Result::ERROR_TOO_MANY_OBJECTS)
            }
        }
    }

    /// As vkGetFenceStatus: SUCCESS once it is signalled, NOT_READY before; an error where the kernel can't tell.
    pub fn status(&self) -> vk::Result {
        match self {
            Self::Signaled => vk::Result::SUCCESS,
            Self::File(file) => match file.wait(Duration::ZERO) {
                Ok(true) => vk::Result::SUCCESS,
                Ok(false) => vk::Result::NOT_READY,
                Err(e) => result_of_error(&e),
            },
        }
    }

    /// Waits until it is signalled, for at most `timeout` nanoseconds: SUCCESS or TIMEOUT. Fails with the connection, which a file that nobody signals for
    /// five minutes ends, and where the kernel has no memory for the wait.
    pub fn wait(&self, connection: &Connection, timeout: u64) -> vk::Result {
        let Self::File(file) = self else { return vk::Result::SUCCESS };
        match connection.report(wait(file, timeout, SLEEPS, || connection.check())) {
            Ok(true) => vk::Result::SUCCESS,
            Ok(false) => vk::Result::TIMEOUT,
            Err(e) => result_of_error(&e),
        }
    }
}

/// Waits for a file, for at most `timeout` nanoseconds and so many sleeps; whether it was signalled. `check` looks at the host after each sleep.
fn wait(file: &SyncFile, timeout: u64, sleeps: u64, check: impl Fn() -> Result<(), Error>) -> Result<bool, Error> {
    let start = clock::now();
    for _ in 0..sleeps {
        let left = timeout.saturating_sub(clock::now().saturating_sub(start));
        if file.wait(Duration::from_nanos(left.min(SLICE)))? {
            return Ok(true);
        }
        if left <= SLICE {
            return Ok(false);
        }
        check()?;
    }
    Err(given_up())
}

/// Why a wait for a file from outside ends that nobody signals.
pub fn given_up() -> Error {
    let minutes = health::GIVE_UP.as_secs() / 60;
    Error::Lost(format!("a sync_file that was imported hasn't been signalled for {minutes} minutes; whoever has made it may have ended").into())
}

/// A sync_file that is signalled when everything has ended that was sent to the queue with this timeline.
///
/// # Errors
/// A lost host, no such way, or no room for another open file.
pub fn of_queue(connection: &Connection, timeline: u32) -> Result<Arc<SyncFile>, Error> {
    let ask = || {
        // The virtqueue knows nothing of what is in the ring.
        connection.ring.wait(connection.ring.submit(&[])?)?;
        let file = connection.winsys.fence(timeline, None)?;
        // And the ring must not end the queue before the virtqueue has come there.
        connection.ring.roundtrip()?;
        Ok(Arc::new(file))
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// A file that becomes readable as sync_files do, and what signals it.
    fn file() -> (SyncFile, UnixStream) {
        let (file, end) = UnixStream::pair().unwrap();
        (SyncFile::from(OwnedFd::from(file)), end)
    }

    #[test]
    fn a_file_that_nobody_signals_is_given_up() {
        let (file, mut end) = file();
        let looks = Cell::new(0);
        let check = || {
            looks.set(looks.get() + 1);
            Ok(())
        };
        assert_eq!(wait(&file, u64::MAX, 2, check), Err(given_up()));
        assert_eq!(looks.get(), 2);
        assert_eq!(wait(&file, 1_000_000, 2, check), Ok(false), "a timeout comes before");
        let lost = Error::Lost("it".into());
        assert_eq!(wait(&file, u64::MAX, 2, || Err(lost.clone())), Err(lost), "and so does the end of the host");
        end.write_all(b"!").unwrap();
        assert_eq!(wait(&file, u64::MAX, 2, check), Ok(true));
    }

    #[test]
    fn a_payload_tells_of_its_file() {
        let (file, mut end) = file();
        let payload = Payload::File(Arc::new(file));
        assert_eq!((payload.status(), Payload::Signaled.status()), (vk::Result::NOT_READY, vk::Result::SUCCESS));
        end.write_all(b"!").unwrap();
        assert_eq!(payload.status(), vk::Result::SUCCESS);
    }
}
