//! The thread of a swapchain that waits until images have been copied, and shows them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ash::vk;

use crate::base::log::{error, warn_};
use crate::base::object::Part;
use crate::base::settings::Strategy;
use crate::submission::queue::Queue;
use crate::sync::fence;
use crate::wsi::images::{Images, Present};
use crate::wsi::presentable_image::PresentableImage;
use crate::wsi::surface::Surface;
use crate::wsi::window::Canvas;

/// What the thread needs of its swapchain.
pub struct Presenter {
    pub device: vk::Device,
    /// The swapchain's number: younger ones have higher numbers.
    pub number: u64,
    pub surface: Arc<Surface>,
    pub images: Arc<Images>,
    pub pictures: Arc<[PresentableImage]>,
    pub canvas: Box<dyn Canvas>,
}

impl Presenter {
    /// Starts the thread; it ends after [`Images::close`], when everything that was presented has been shown.
    ///
    /// # Errors
    /// When the system has no room for another thread.
    pub fn start(self) -> std::io::Result<JoinHandle<()>> {
        let signals = Blocked::all();
        let started = std::thread::Builder::new().name("hesper-present".into()).spawn(move || {
            let images = self.images.clone();
            if catch_unwind(AssertUnwindSafe(|| self.run())).is_err() {
                error!("a bug in the driver: showing a picture panicked (please report it)");
                images.lose(vk::Result::ERROR_SURFACE_LOST_KHR);
            }
        });
        drop(signals);
        started
    }

    fn run(mut self) {
        let refresh = self.surface.window.refresh().unwrap_or(Duration::ZERO);
        let mut due = Instant::now();
        while let Some(mut present) = self.images.next() {
            self.finish_copy(&present);
            while present.mode == vk::PresentModeKHR::MAILBOX
                && let Some(newer) = self.images.replacement(due)
            {
                self.images.over(&present, None);
                present = newer;
                self.finish_copy(&present);
            }
            if present.mode != vk::PresentModeKHR::IMMEDIATE {
                self.images.rest(due);
            }
            let fits = self.show(&present);
            self.images.over(&present, fits);
            // Pictures that come late begin a new count: none is hurried after them.
            due = (due + refresh).max(Instant::now());
        }
    }

    /// Waits until an image has been copied.
    fn finish_copy(&self, present: &Present) {
        let fence = present.copied;
        // SAFETY: a device, a queue and a fence of the driver's own, which live longer than the swapchain; the fence's only submission was sent.
        let result = unsafe {
            // A few microseconds don't matter here, and the processor is better left to the program.
            let mut result = fence::wait_by(Strategy::Block, self.device, 1, &fence, vk::TRUE, u64::MAX);
            if result == vk::Result::SUCCESS {
                result = fence::reset_fences(self.device, 1, &fence);
            }
            let queue = Queue::of(present.queue);
            let list = if result == vk::Result::SUCCESS { &queue.fences } else { &queue.binds };
            list.lock().push(fence);
            result
        };
        if result != vk::Result::SUCCESS {
            self.images.lose(vk::Result::ERROR_DEVICE_LOST);
        }
    }

    /// Shows a picture; whether it fits, if it was shown.
    fn show(&mut self, present: &Present) -> Option<bool> {
        let picture = self.pictures.get(present.index as usize)?;
        if self.images.is_lost() {
            return None;
        }
        // SAFETY: its copy has ended, and the image isn't presented again before it was given back.
        let picture = unsafe { picture.picture() };
        let canvas = &mut self.canvas;
        match self.surface.showing(self.number, || canvas.show(&picture))? {
            Ok(window) => Some(window.is_none_or(|w| w == picture.extent)),
            Err(_) => {
                warn_!("a window is gone: VK_ERROR_SURFACE_LOST_KHR");
                self.images.lose(vk::Result::ERROR_SURFACE_LOST_KHR);
                None
            }
        }
    }
}

/// Signals kept from this thread, and from those that it starts meanwhile: the program's handlers are for its own threads.
struct Blocked(libc::sigset_t);

impl Blocked {
    fn all() -> Self {
        // SAFETY: sets of signals that the calls fill; none of them fails with valid arguments.
        unsafe {
            let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
            libc::sigfillset(&mut all);
            libc::pthread_sigmask(libc::SIG_BLOCK, &all, &mut before);
            Self(before)
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the set that the thread had before.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.0, std::ptr::null_mut()) };
    }
}
