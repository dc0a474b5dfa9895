//! DRM syncobjs with timelines (Linux 6.6 and later for virtio-gpu): counters of the kernel, for whose values sync_files may stand.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use ::drm::control::Device as _;
use ::drm::control::syncobj::Handle;
use ::drm::{Device as _, DriverCapability};
use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};

use super::drm::call;
use super::ioctl::{Node, retry};
use crate::{Error, SyncFile};

/// `DRM_SYNCOBJ_FD_TO_HANDLE_FLAGS_IMPORT_SYNC_FILE`.
const IMPORT_SYNC_FILE: u32 = 1;

/// `drm_syncobj_handle`, without what newer kernels have behind it, which is zeros for them then.
#[repr(C)]
struct SyncobjHandle {
    handle: u32,
    flags: u32,
    fd: i32,
    pad: u32,
}

nix::ioctl_readwrite!(fd_to_handle, b'd', 0xc2, SyncobjHandle);

/// A syncobj, destroyed on drop.
#[derive(Debug)]
pub struct Syncobj<'a> {
    node: &'a Node,
    handle: Handle,
}

impl<'a> Syncobj<'a> {
    /// A new one, whose timeline is at 0.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the kernel's virtio-gpu has none with timelines.
    pub fn new(node: &'a Node) -> Result<Self, Error> {
        if !matches!(node.get_driver_capability(DriverCapability::TimelineSyncObj), Ok(1)) {
            return Err(Error::Unsupported("syncobjs with timelines, which the kernel doesn't have"));
        }
        let handle = call("making a syncobj", || node.create_syncobj(false))?;
        Ok(Self { node, handle })
    }

    /// The highest point of the timeline that has been signalled with all before it.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn value(&self) -> Result<u64, Error> {
        let mut value = [0];
        call("reading a syncobj", || self.node.syncobj_timeline_query(&[self.handle], &mut value, false))?;
        Ok(value[0])
    }

    /// Signals a point, which must be above all that were made.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn signal(&self, point: u64) -> Result<(), Error> {
        call("signalling a syncobj", || self.node.syncobj_timeline_signal(&[self.handle], &[point]))
    }

    /// Sleeps until a point has been signalled, at most for `time`, also where nobody has made the point yet; whether it has.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn wait(&self, point: u64, time: Duration) -> Result<bool, Error> {
        let what = "waiting for a syncobj";
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_err(|e| Error::os(what, e))?;
        let end = i64::try_from((Duration::from(now).saturating_add(time)).as_nanos()).unwrap_or(i64::MAX);
        let wait = || match self.node.syncobj_timeline_wait(&[self.handle], &[point], end, true, true, false) {
            Ok(_) => Ok(true),
            Err(e) if e.raw_os_error() == Some(Errno::ETIME as i32) => Ok(false),
            Err(e) => Err(e),
        };
        call(what, wait)
    }

    /// Makes a point, which must be above all that were made, that is signalled with a sync_file.
    ///
    /// # Errors
    /// What the kernel refuses, such as a file that is no sync_file.
    pub fn import(&self, point: u64, file: &SyncFile) -> Result<(), Error> {
        // The kernel puts a sync_file in the place of a whole syncobj; from there it can be handed on to a point.
        let whole = Self::new(self.node)?;
        let (fd, named) = (file.as_fd().as_raw_fd(), u32::from(whole.handle));
        retry("importing a sync_file", || {
            let mut ask = SyncobjHandle { handle: named, flags: IMPORT_SYNC_FILE, fd, pad: 0 };
            // SAFETY: `ask` has the layout of the kernel's struct, and holds no pointers.
            unsafe { fd_to_handle(self.node.as_fd().as_raw_fd(), &raw mut ask) }
        })?;
        self.transfer(&whole, 0, self, point)
    }

    /// A sync_file that is signalled with a point.
    ///
    /// # Errors
    /// What the kernel refuses, such as a point that nobody has made.
    pub fn export(&self, point: u64) -> Result<SyncFile, Error> {
        let whole = Self::new(self.node)?;
        self.transfer(self, point, &whole, 0)?;
        call("exporting a sync_file", || self.node.syncobj_to_fd(whole.handle, true)).map(SyncFile::from)
    }

    /// Makes a point of `to` that is signalled with one of `from`; point 0 is the whole of a syncobj.
    fn transfer(&self, from: &Self, from_point: u64, to: &Self, to_point: u64) -> Result<(), Error> {
        let transfer =
            || -> io::Result<()> { self.node.syncobj_timeline_transfer(from.handle, to.handle, from_point, to_point) };
        call("handing on a point of a syncobj", transfer)
    }
}

impl Drop for Syncobj<'_> {
    fn drop(&mut self) {
        // Only a handle that isn't there can fail.
        let _ = self.node.destroy_syncobj(self.handle);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_file_that_is_no_device_has_none() {
        let node = Node::new(File::open("/dev/null").unwrap());
        assert!(matches!(Syncobj::new(&node), Err(Error::Unsupported(_))));
        assert_eq!(size_of::<SyncobjHandle>(), 16);
    }
}
