//! What a program has made, destroyed in the other order whatever happens.

use ash::{Device, vk};

use super::journal::{Failed, Journal};

type Destroy = Box<dyn FnOnce(&Device, &mut Journal)>;

/// A device and everything made of it.
pub struct Objects {
    pub device: Device,
    made: Vec<Destroy>,
}

/// One way to make an object: `made!(objects, journal, "vkCreateFence", create_fence(&info), destroy_fence)`.
macro_rules! made {
    ($objects:ident, $journal:ident, $name:literal, $create:ident($info:expr), $end:literal, $destroy:ident) => {{
        // SAFETY: valid arguments; the object is destroyed after its last use, in `Objects::end`.
        let object = $journal.call($name, || unsafe { $objects.device.$create($info, None) })?;
        $objects.at_the_end(move |device, journal| {
            // SAFETY: made by this device, and used no longer.
            journal.plain($end, || unsafe { device.$destroy(object, None) });
        });
        object
    }};
}
pub(super) use made;

impl Objects {
    pub fn of(device: Device) -> Self {
        Self { device, made: Vec::new() }
    }

    /// What is to be done in the end, before what was asked for earlier.
    pub fn at_the_end(&mut self, destroy: impl FnOnce(&Device, &mut Journal) + 'static) {
        self.made.push(Box::new(destroy));
    }

    /// Memory of one type.
    pub fn memory(&mut self, journal: &mut Journal, size: u64, kind: u32) -> Result<vk::DeviceMemory, Failed> {
        let info = vk::MemoryAllocateInfo::default().allocation_size(size).memory_type_index(kind);
        let objects = self;
        Ok(made!(objects, journal, "vkAllocateMemory", allocate_memory(&info), "vkFreeMemory", free_memory))
    }

    /// Destroys everything, and the device.
    pub fn end(self, journal: &mut Journal) {
        // SAFETY: the device is valid. What was submitted must have ended before it is destroyed; on a lost device everything has.
        let _ = journal.call("vkDeviceWaitIdle", || unsafe { self.device.device_wait_idle() });
        for destroy in self.made.into_iter().rev() {
            destroy(&self.device, journal);
        }
        // SAFETY: everything made of it has been destroyed.
        journal.plain("vkDestroyDevice", || unsafe { self.device.destroy_device(None) });
    }
}
