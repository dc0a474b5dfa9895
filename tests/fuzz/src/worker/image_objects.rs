//! What images were made from, and what was made from them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ash::{Device, vk};

use crate::id::Id;
use crate::image::Shape;

/// One level of an image, with the first layer and the number of layers.
pub type Level = (Id, u32, u32, u32);

/// What images were made from, and what was made from them.
#[derive(Default)]
pub struct Images {
    pub shapes: Mutex<HashMap<Id, Shape>>,
    pub views: Mutex<HashMap<Level, vk::ImageView>>,
    framebuffers: Mutex<Vec<(Id, vk::Framebuffer)>>,
}

/// A lock that no panic keeps closed: what it holds is right between any two calls.
pub fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Images {
    /// # Panics
    /// For an image that isn't there.
    pub fn shape(&self, image: Id) -> Shape {
        locked(&self.shapes)[&image]
    }

    /// A framebuffer that goes with an image, its first attachment.
    pub fn keep(&self, image: Id, framebuffer: vk::Framebuffer) {
        locked(&self.framebuffers).push((image, framebuffer));
    }

    /// Destroys what was made from images; returns how much it was.
    ///
    /// # Safety
    /// Nothing uses it.
    pub unsafe fn forget(&self, d: &Device, of: impl Fn(Id) -> bool) -> u64 {
        let mut count = 0;
        locked(&self.framebuffers).retain(|(image, framebuffer)| {
            let goes = of(*image);
            if goes {
                // SAFETY: by contract.
                unsafe { d.destroy_framebuffer(*framebuffer, None) };
                count += 1;
            }
            !goes
        });
        locked(&self.views).retain(|(image, ..), view| {
            let goes = of(*image);
            if goes {
                // SAFETY: by contract.
                unsafe { d.destroy_image_view(*view, None) };
                count += 1;
            }
            !goes
        });
        count
    }
}
