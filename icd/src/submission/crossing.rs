//! A semaphore of the driver's own that orders uploads on one queue and a submission to another.
//!
//! It is signalled by the submission that carries uploads, and waited for by one submission to another queue. Uploads are sent only when
//! everything before has ended, so it is used for one pair at a time; a signal that nobody waited for (the other submission couldn't be sent)
//! ends with its semaphore.

use ash::vk;
use ash::vk::Handle;
use hesper_encoder::generated::request;
use hesper_winsys::Error;

use crate::base::forwarding::post;
use crate::base::slab::fresh_id;
use crate::generated::forward;

/// The semaphore of a device, made when it is needed first.
#[derive(Default)]
pub struct Crossing {
    semaphore: vk::Semaphore,
    /// Whether it has been signalled, or will be, and nothing waits for it yet.
    signalled: bool,
}

impl Crossing {
    /// The semaphore, which nothing signals or waits for.
    ///
    /// # Safety
    /// The device that this belongs to, all of whose submissions have ended.
    ///
    /// # Errors
    /// A lost host, or no memory.
    pub unsafe fn unsignalled(&mut self, device: vk::Device) -> Result<vk::Semaphore, Error> {
        if self.signalled {
            // SAFETY: by contract nothing waits for it.
            unsafe { self.close(device) };
        }
        if self.semaphore == vk::Semaphore::null() {
            let mut semaphore = vk::Semaphore::from_raw(fresh_id());
            let (info, to) = (vk::SemaphoreCreateInfo::default(), &raw mut semaphore);
            // SAFETY: a valid device, and pointers to locals.
            unsafe { post(device, |w| request::create_semaphore(w, 0, device, &info, std::ptr::null(), to))? };
            self.semaphore = semaphore;
        }
        Ok(self.semaphore)
    }

    /// A submission that was sent signals it.
    pub fn is_signalled(&mut self) {
        self.signalled = true;
    }

    /// A submission that was sent waits for it.
    pub fn is_waited_for(&mut self) {
        self.signalled = false;
    }

    /// Destroys it.
    ///
    /// # Safety
    /// The device that this belongs to; nothing at work uses the semaphore.
    pub unsafe fn close(&mut self, device: vk::Device) {
        let old = std::mem::take(self);
        if old.semaphore != vk::Semaphore::null() {
            // SAFETY: by contract.
            unsafe { forward::destroy_semaphore(device, old.semaphore, std::ptr::null()) };
        }
    }
}
