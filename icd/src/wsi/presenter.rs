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
use crate::sync::fence_wait::wait_at_host;
use crate::wsi::images::{Images, Present};
use crate::wsi::presentable_image::PresentableImage;
use crate::wsi::surface::Surface;
use crate::wsi::window::Canvas;

/// From a wait that found no room to the next.
const NAP: Duration = Duration::from_millis(5);

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
            let mut presenter = self;
            if catch_unwind(AssertUnwindSafe(|| presenter.run())).is_err() {
                error!("a bug in the driver: showing a picture panicked (please report it)");
                presenter.images.lose(vk::Result::ERROR_SURFACE_LOST_KHR);
                // Images are destroyed when the thread has ended, so what copies them is waited for nonetheless.
                while let Some(present) = presenter.images.next() {
                    presenter.finish_copy(&present);
                    presenter.images.over(&present, None);
                }
            }
        });
        drop(signals);
        started
    }

    fn run(&mut self) {
        let refresh = self.surface.window.refresh().unwrap_or(Duration::ZERO);
        let mut due = Instant::now();
        while let Some(mut present) = self.images.next() {
            self.finish_copy(&present);
            while present.mode == vk::PresentModeKHR::MAILBOX
                && let Some(newer) = self.images.replacement(due)
            {
                present = self.images.replaced(&present, newer);
                self.finish_copy(&present);
            }
            if present.mode != vk::PresentModeKHR::IMMEDIATE {
                self.images.rest(due);
            }
            let fits = self.show(&present);
            self.images.over(&present, fits);
            due = next_due(due, refresh, Instant::now());
        }
    }

    /// Waits until an image has been copied.
    fn finish_copy(&self, present: &Present) {
        let fence = present.copied;
        // SAFETY: a device, a queue and a fence of the driver's own, which live longer than the swapchain; the fence's only submission was sent.
        let result = unsafe {
            // A few microseconds don't matter here, and the processor is better left to the program.
            let mut result = until_known(
                || wait_at_host(Strategy::Aside, self.device, &[fence], vk::TRUE, u64::MAX),
                || std::thread::sleep(NAP),
            );
            if result == vk::Result::SUCCESS {
                result = fence::reset_fences(self.device, 1, &fence);
            }
            let queue = Queue::of(present.queue);
            let list = if result == vk::Result::SUCCESS { &queue.fences } else { &queue.pending };
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

/// When the next picture may be shown, after one that was shown now and was due at `due`.
fn next_due(due: Instant, refresh: Duration, now: Instant) -> Instant {
    // Pictures that come late begin a new count: none is hurried after them. None waits for more than one refresh, however many were shown at once before.
    (due + refresh).clamp(now, now + refresh)
}

/// Waits until it is known what became of a copy. A wait that finds no room says nothing of that: the copy may still write its buffer.
fn until_known(mut wait: impl FnMut() -> vk::Result, nap: impl Fn()) -> vk::Result {
    loop {
        match wait() {
            result @ (vk::Result::SUCCESS | vk::Result::ERROR_DEVICE_LOST) => return result,
            _ => nap(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_that_are_shown_at_once_hold_up_none_behind_them() {
        let (start, refresh) = (Instant::now(), Duration::from_millis(16));
        let at = |ms| start + Duration::from_millis(ms);
        let after_many = (0..1000).fold(start, |due, _| next_due(due, refresh, at(1)));
        assert_eq!(after_many, at(17));
        assert_eq!(next_due(at(10), refresh, at(11)), at(26), "a steady count");
        assert_eq!(next_due(at(10), refresh, at(70)), at(70), "a late picture");
    }

    #[test]
    fn a_copy_is_waited_for_until_its_end_is_known() {
        use vk::Result as R;
        for end in [R::SUCCESS, R::ERROR_DEVICE_LOST] {
            let mut results = [R::ERROR_OUT_OF_HOST_MEMORY, R::ERROR_OUT_OF_DEVICE_MEMORY, end].into_iter();
            assert_eq!(until_known(|| results.next().unwrap(), || ()), end);
            assert_eq!(results.next(), None);
        }
    }
}
