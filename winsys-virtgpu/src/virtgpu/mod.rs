//! The kernel's way: a virtio-gpu render node (WIRE.md 8).

mod drm;
pub mod ioctl;
pub mod nodes;
pub mod numbers;
pub mod obstacle;
pub mod offers;
pub mod syncobj;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use crate::capset::Capset;
use crate::resource::{Handle, Release, file_size};
use crate::{BlobFlags, Config, Error, Mapping, Resource, Shmem, SyncFile, Winsys, alignment, round_up};
use ioctl::{BLOB_MEM_HOST3D, Node};
use numbers::Numbers;
use obstacle::{Obstacle, Problem};
use offers::Facts;

/// How long the host's thread looks for commands before it sleeps. Waking it takes a call of the kernel's and an exit of the virtual machine, which programs
/// that think for some milliseconds between their submissions had rather not wait for (docs/choices.md). The thread sleeps 10 microseconds and more
/// between its looks.
const IDLE: Duration = Duration::from_millis(8);

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
    /// Looked up when they are asked for.
    numbers: OnceLock<Numbers>,
}

/// A context on the first node that can be used, or on the one that was asked for.
///
/// # Errors
/// [`Error::NoDevice`] with the problem of the device that came closest to being usable.
pub fn open(config: &Config) -> Result<Arc<dyn Winsys>, Error> {
    let mut problems = Vec::new();
    for path in nodes::nodes(config.render_node.as_deref())? {
        match open_node(&path, config) {
            Ok((winsys, _)) => return Ok(winsys),
            Err(problem) => problems.push(problem),
        }
    }
    let none = || Problem::new(Obstacle::NoDevice, "there is no render node");
    Err(Problem::closest(problems).unwrap_or_else(none).into())
}

/// A context on one node, with what is known of its device.
///
/// # Errors
/// What stands in the way.
pub fn open_node(path: &Path, config: &Config) -> Result<(Arc<dyn Winsys>, Facts), Problem> {
    let (node, facts) = offers::inspect(path)?;
    let step = alignment::step(alignment::page(), facts.blob_alignment, config.blob_alignment, alignment::untold());
    offers::begin(path, &node, step)?;
    let winsys = Virtgpu {
        cross_device: facts.cross_device,
        device: Arc::new(Device { node, handles: Mutex::default() }),
        capset: facts.capset.clone(),
        name: format!("virtio-gpu {}", path.display()),
        alignment: step,
        numbers: OnceLock::new(),
    };
    Ok((Arc::new(winsys), facts))
}

impl Virtgpu {
    fn blob(&self, id: u64, size: u64, flags: BlobFlags, before: &[u8]) -> Result<Resource, Error> {
        let size = round_up(size, self.alignment)?;
        let node = &self.device.node;
        let (bo, resource) = self.device.hold(|| node.create_blob(id, size, flags.0, before))?;
        Ok(Resource::new(Handle { id: resource, bo, ..Handle::default() }, size, self.device.clone()))
    }

    /// Where to map a blob in the node's file.
    fn map_offset(&self, blob: &Resource) -> Result<u64, Error> {
        // Only memory of others' making can have such a size.
        if !blob.size.is_multiple_of(self.alignment) {
            let why = format!("{} bytes can't be mapped: no multiple of the host's {}", blob.size, self.alignment);
            return Err(Error::Refused(why.into()));
        }
        self.device.node.map_offset(blob.handle.bo)
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
        let offset = self.map_offset(blob)?;
        Mapping::new(&self.device.node, blob.size, offset).map_err(|e| Error::os("mapping a blob", e))
    }

    unsafe fn map_at(&self, blob: &Resource, at: NonZeroUsize) -> Result<Mapping, Error> {
        let offset = self.map_offset(blob)?;
        // The kernel maps whole blobs only (virtgpu_vram.c).
        // SAFETY: by contract.
        let placed = unsafe { Mapping::placed(at, &self.device.node, blob.size, offset) };
        placed.map_err(|e| Error::os("mapping a blob at an address", e))
    }

    fn export(&self, blob: &Resource) -> Result<OwnedFd, Error> {
        self.device.node.export(blob.handle.bo)
    }

    fn import(&self, fd: BorrowedFd<'_>) -> Result<Resource, Error> {
        let node = &self.device.node;
        let (bo, ()) = self.device.hold(|| Ok((node.import(fd)?, ())))?;
        // From here on the handle is given back with the resource.
        let mut resource = Resource::new(Handle { bo, ..Handle::default() }, 0, self.device.clone());
        let known = node.resource(bo)?;
        if known.blob_mem != BLOB_MEM_HOST3D {
            return Err(Error::Refused("the dma-buf is no memory of the host's".into()));
        }
        // The kernel tells 32 bits of the size; the file has all of them, and is what others may have made of it.
        let size = file_size(fd)?;
        if size as u32 != known.size {
            return Err(Error::Refused(format!("the dma-buf has {size} bytes, its resource others").into()));
        }
        (resource.handle.id, resource.size) = (known.resource, size);
        Ok(resource)
    }

    fn submit(&self, commands: &[u8]) -> Result<(), Error> {
        self.device.node.execute(commands)
    }

    fn numbers(&self) -> Numbers {
        *self.numbers.get_or_init(|| Numbers::of(&self.device.node))
    }

    fn fences(&self) -> bool {
        self.device.node.timelines() >= offers::TIMELINES
    }

    fn fence(&self, timeline: u32, after: Option<&SyncFile>) -> Result<SyncFile, Error> {
        self.device.node.fence(timeline, after)
    }

    fn idle_timeout(&self) -> Duration {
        IDLE
    }

    fn shares_processors(&self) -> bool {
        false
    }

    fn check(&self) -> Result<(), Error> {
        // When the machine's monitor is gone, so is the guest. What its renderer does shows in the rings.
        Ok(())
    }
}
