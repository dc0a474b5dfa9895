//! The kernel's way: a virtio-gpu render node (WIRE.md 8).

pub mod ioctl;
pub mod nodes;

use std::collections::HashMap;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::capset::{self, Capset};
use crate::resource::{Handle, Release, file_size};
use crate::{BlobFlags, Config, Error, Mapping, Resource, Shmem, Winsys, alignment, round_up};
use ioctl::Node;

/// Timelines of a context: one of its own and one for each of up to 63 queues.
const TIMELINES: u32 = 64;

struct Device {
    node: Node,
    /// How many resources use a kernel handle: importing the same memory twice gives the same one.
    handles: Mutex<HashMap<u32, u32>>,
}

impl Device {
    /// Runs `make`, which yields a kernel handle, and counts its user.
    fn hold<T>(&self, make: impl FnOnce() -> Result<(u32, T), Error>) -> Result<(u32, T), Error> {
        // Held over the call: a handle closed by another thread meanwhile could be this one.
        let mut handles = self.handles.lock();
        let made = make()?;
        *handles.entry(made.0).or_insert(0) += 1;
        Ok(made)
    }
}

impl Release for Device {
    fn release(&self, handle: &mut Handle) {
        let mut handles = self.handles.lock();
        if let Some(users) = handles.get_mut(&handle.bo) {
            *users -= 1;
            if *users == 0 {
                handles.remove(&handle.bo);
                self.node.close(handle.bo);
            }
        }
    }
}

struct Virtgpu {
    device: Arc<Device>,
    capset: Capset,
    name: String,
    alignment: u64,
    cross_device: bool,
}

/// Opens a device and makes a Venus context.
pub fn open(config: &Config) -> Result<Arc<dyn Winsys>, Error> {
    let (path, node, found) = nodes::find(config.render_node.as_deref())?;
    context(&path, node, found, config)
}

/// Makes a Venus context on an open node that was found fit.
pub fn context(path: &Path, node: Node, found: nodes::Facts, config: &Config) -> Result<Arc<dyn Winsys>, Error> {
    node.context(capset::VENUS, TIMELINES)?;
    Ok(Arc::new(Virtgpu {
        cross_device: found.cross_device,
        device: Arc::new(Device { node, handles: Mutex::default() }),
        capset: found.capset,
        name: format!("virtio-gpu {}", path.display()),
        alignment: alignment(config, found.blob_alignment.unwrap_or(0)),
    }))
}

impl Virtgpu {
    fn blob(&self, id: u64, size: u64, flags: BlobFlags, before: &[u8]) -> Result<Resource, Error> {
        let size = round_up(size, self.alignment)?;
        let node = &self.device.node;
        let (bo, resource) = self.device.hold(|| node.create_blob(id, size, flags.0, before))?;
        Ok(Resource::new(Handle { id: resource, bo, ..Handle::default() }, size, self.device.clone()))
    }
}

impl Winsys for Virtgpu {
    fn capset(&self) -> &Capset {
        &self.capset
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn alignment(&self) -> u64 {
        self.alignment
    }

    fn create_shmem(&self, size: u64) -> Result<Shmem, Error> {
        let resource = self.blob(0, size, BlobFlags::MAPPABLE, &[])?;
        let mapping = self.map(&resource)?;
        Ok(Shmem::new(resource, mapping))
    }

    fn create_blob(&self, memory: u64, size: u64, flags: BlobFlags, before: &[u8]) -> Result<Resource, Error> {
        let cross = if self.cross_device && flags.0 & BlobFlags::SHAREABLE.0 != 0 {
            BlobFlags::CROSS_DEVICE
        } else {
            BlobFlags(0)
        };
        self.blob(memory, size, flags | cross, before)
    }

    fn map(&self, blob: &Resource) -> Result<Mapping, Error> {
        let node = &self.device.node;
        let offset = node.map_offset(blob.handle.bo)?;
        Mapping::new(node, blob.size, offset).map_err(|e| Error::os("mapping a blob", e))
    }

    fn export(&self, blob: &Resource) -> Result<OwnedFd, Error> {
        self.device.node.export(blob.handle.bo)
    }

    fn import(&self, fd: BorrowedFd<'_>) -> Result<Resource, Error> {
        let node = &self.device.node;
        let (bo, ()) = self.device.hold(|| Ok((node.import(fd)?, ())))?;
        // From here on the handle is given back with the resource.
        let mut resource = Resource::new(Handle { bo, ..Handle::default() }, 0, self.device.clone());
        resource.handle.id = node.resource(bo)?;
        resource.size = file_size(fd)?;
        Ok(resource)
    }

    fn submit(&self, commands: &[u8]) -> Result<(), Error> {
        self.device.node.execute(commands)
    }

    fn check(&self) -> Result<(), Error> {
        // When the machine's monitor is gone, so is the guest. What its renderer does shows in the rings.
        Ok(())
    }
}
