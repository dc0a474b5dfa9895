//! What shows the pictures of a swapchain: a thread, which waits until images have been copied; or the thread of the program that presents one, if it waits for
//! its picture in any case and nothing is in front of that.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ash::vk;
use parking_lot::Mutex;

use crate::base::log::{error, warn_};
use crate::base::object::Part;
use crate::base::settings::Strategy;
use crate::base::signals::Blocked;
use crate::submission::queue::Queue;
use crate::sync::fence;
use crate::sync::fence_wait::wait_at_host;
use crate::wsi::images::Images;
use crate::wsi::picture_buffer::PictureBuffers;
use crate::wsi::presentation::Present;
use crate::wsi::surface::Surface;
use crate::wsi::window::{Canvas, Gone};

/// From a wait that found no room to the next.
const NAP: Duration = Duration::from_millis(5);

/// How long a wait for room on the screen may take until it is looked whether the swapchain ends.
const LOOK: Duration = Duration::from_millis(10);

/// What either needs of its swapchain.
pub struct Presenter {
    pub device: vk::Device,
    /// The swapchain's number: younger ones have higher numbers.
    pub number: u64,
    pub surface: Arc<Surface>,
    pub images: Arc<Images>,
    pub buffers: PictureBuffers,
    /// Held by whoever shows a picture, for as long as that takes; none behind the end of the thread.
    pub canvas: Mutex<Option<Box<dyn Canvas>>>,
}

impl Presenter {
    /// Starts the thread; it ends after [`Images::close`], when everything that was presented has been shown.
    ///
    /// # Errors
    /// When the system has no room for another thread.
    pub fn start(self: Arc<Self>) -> std::io::Result<JoinHandle<()>> {
        let signals = Blocked::all();
        let started = std::thread::Builder::new().name("hesper-present".into()).spawn(move || {
            let presenter = self;
            if catch_unwind(AssertUnwindSafe(|| presenter.run())).is_err() {
                presenter.lose_after_panic();
                // Images are destroyed when the thread has ended, so what copies them is waited for nonetheless.
                while let Some(present) = presenter.images.next() {
                    finish_copy(presenter.device, &presenter.images, &present);
                    presenter.images.over(present, None);
                }
            }
            // Before the memory that it shows.
            *presenter.canvas.lock() = None;
        });
        drop(signals);
        started
    }

    /// Shows a picture whose copy has ended now, in the thread that presents it, if the thread of the swapchain has none in front of it and the screen has room;
    /// gives it back otherwise.
    pub fn show_now(&self, present: Present) -> Result<(), Present> {
        if !self.images.is_alone() {
            return Err(present);
        }
        let mut canvas = self.canvas.lock();
        let Some(canvas) = canvas.as_deref_mut() else { return Err(present) };
        if !canvas.is_ready(present.mode) {
            return Err(present);
        }
        end_copy(self.device, &self.images, &present, vk::Result::SUCCESS);
        let shown = catch_unwind(AssertUnwindSafe(|| self.show(canvas, &present)));
        let fits = shown.unwrap_or_else(|_| {
            self.lose_after_panic();
            None
        });
        self.images.over(present, fits);
        Ok(())
    }

    fn lose_after_panic(&self) {
        error!("a bug in the driver: showing a picture panicked (please report it)");
        self.images.lose(vk::Result::ERROR_SURFACE_LOST_KHR);
    }

    fn run(&self) {
        let refresh = self.surface.window.refresh().unwrap_or(Duration::ZERO);
        let mut due = Instant::now();
        while let Some(present) = self.images.next() {
            let finish_copy = |p: &Present| finish_copy(self.device, &self.images, p);
            finish_copy(&present);
            let mut canvas = self.canvas.lock();
            let Some(canvas) = canvas.as_deref_mut() else { return };
            let present = await_room(&self.images, canvas, present, due, finish_copy);
            if present.mode != vk::PresentModeKHR::IMMEDIATE {
                self.images.rest(due);
            }
            let fits = self.show(canvas, &present);
            self.images.over(present, fits);
            due = next_due(due, refresh, Instant::now());
        }
    }

    /// Shows a picture; whether it fits, if it was shown.
    fn show(&self, canvas: &mut dyn Canvas, present: &Present) -> Option<bool> {
        if self.images.is_lost() {
            return None;
        }
        // SAFETY: its copy has ended.
        let picture = unsafe { self.buffers.picture(&present.lease) }?;
        match self.surface.showing(self.number, || canvas.show(&picture))? {
            Ok(window) => Some(window.is_none_or(|w| w == picture.extent)),
            Err(Gone) => {
                lose(&self.images);
                None
            }
        }
    }
}

/// Waits until an image has been copied.
fn finish_copy(device: vk::Device, images: &Images, present: &Present) {
    // A few microseconds don't matter here, and the processor is better left to the program.
    // SAFETY: a device and a fence of the driver's own, which live longer than the swapchain; the fence's only submission was sent.
    let wait = || unsafe { wait_at_host(Strategy::Aside, device, &[present.copied], vk::TRUE, u64::MAX) };
    end_copy(device, images, present, until_known(wait, || std::thread::sleep(NAP)));
}

/// Takes the fence of a copy back, whose end is known.
fn end_copy(device: vk::Device, images: &Images, present: &Present, mut result: vk::Result) {
    let fence = present.copied;
    // SAFETY: a device, a queue and a fence of the driver's own, which live longer than the swapchain; nobody waits for the fence any more.
    unsafe {
        if result == vk::Result::SUCCESS {
            result = fence::reset_fences(device, 1, &fence);
        }
        let queue = Queue::of(present.queue);
        let list = if result == vk::Result::SUCCESS { &queue.fences } else { &queue.pending };
        list.lock().push(fence);
    }
    if result != vk::Result::SUCCESS {
        images.lose(vk::Result::ERROR_DEVICE_LOST);
    }
}

/// The window is gone, so that nothing can be shown any more.
fn lose(images: &Images) {
    warn_!("a window is gone: VK_ERROR_SURFACE_LOST_KHR");
    images.lose(vk::Result::ERROR_SURFACE_LOST_KHR);
}

/// Waits until the screen has room for a picture, or none can be shown any more; returns the picture that is to be shown, `present` or one that has replaced
/// it before `due` or meanwhile. `finish_copy` waits for the copy of such a one.
fn await_room(
    images: &Images,
    canvas: &mut dyn Canvas,
    mut present: Present,
    due: Instant,
    finish_copy: impl Fn(&Present),
) -> Present {
    loop {
        while present.mode == vk::PresentModeKHR::MAILBOX
            && let Some(newer) = images.replacement(due)
        {
            present = images.replaced(present, newer);
            finish_copy(&present);
            // A program that presents faster than its pictures are copied would be followed without an end.
            if Instant::now() >= due {
                break;
            }
        }
        if images.is_closing() || images.is_lost() {
            return present;
        }
        match canvas.ready(present.mode, LOOK) {
            Ok(true) => return present,
            Ok(false) => {}
            Err(Gone) => lose(images),
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

#[cfg(test)]
mod tests {
    use vk::PresentModeKHR as Mode;

    use super::*;
    use crate::wsi::window::Picture;

    #[test]
    fn pictures_that_are_shown_at_once_hold_up_none_behind_them() {
        let (start, refresh) = (Instant::now(), Duration::from_millis(16));
        let at = |ms| start + Duration::from_millis(ms);
        let after_many = (0..1000).fold(start, |due, _| next_due(due, refresh, at(1)));
        assert_eq!(after_many, at(17));
        assert_eq!(next_due(at(10), refresh, at(11)), at(26), "a steady count");
        assert_eq!(next_due(at(10), refresh, at(70)), at(70), "a late picture");
    }

    /// A screen that has room when it is asked for the n-th time, and is gone then.
    struct Crowded(u32);

    impl Canvas for Crowded {
        fn ready(&mut self, _: Mode, _: Duration) -> Result<bool, Gone> {
            self.0 = self.0.checked_sub(1).ok_or(Gone)?;
            Ok(self.0 == 0)
        }
        fn show(&mut self, _: &Picture<'_>) -> Result<Option<vk::Extent2D>, Gone> {
            Err(Gone)
        }
    }

    fn picture(index: u32, mode: Mode) -> Present {
        Present::uncopied(index, 0, mode)
    }

    #[test]
    fn a_wait_for_room_ends_with_the_window_or_the_swapchain() {
        let (mut canvas, images) = (Crowded(3), Images::new(2));
        let mut wait =
            |images: &Images| await_room(images, &mut canvas, picture(0, Mode::FIFO), Instant::now(), |_| ()).index;
        images.present(picture(1, Mode::FIFO));
        assert_eq!((wait(&images), images.is_lost()), (0, false));
        assert_eq!((wait(&images), images.is_lost()), (0, true));
        let images = Images::new(2);
        images.close();
        assert_eq!((wait(&images), images.is_lost()), (0, false));
    }

    #[test]
    fn a_newer_picture_in_the_mailbox_needs_no_room_of_its_own() {
        let (mut canvas, images, copied) = (Crowded(3), Images::new(2), std::cell::Cell::new(None));
        for index in 0..2 {
            assert_eq!(images.acquire(0, || Ok(())), Ok((index, true)));
            assert_eq!(images.take(index), Ok(true));
        }
        images.present(picture(1, Mode::MAILBOX));
        let first = picture(0, Mode::MAILBOX);
        let shown = await_room(&images, &mut canvas, first, Instant::now(), |p| copied.set(Some(p.index)));
        assert_eq!((shown.index, copied.get(), canvas.0), (1, Some(1), 0));
        assert_eq!(images.acquire(0, || Ok(())), Ok((0, true)), "nobody has the first one any more");
    }

    #[test]
    fn a_program_that_is_faster_than_its_copies_is_seen_nonetheless() {
        let (mut canvas, images) = (Crowded(1), Images::new(2));
        images.present(picture(1, Mode::MAILBOX));
        let copies = std::cell::Cell::new(0);
        let present_another = |p: &Present| {
            copies.set(copies.get() + 1);
            assert!(copies.get() < 100, "nothing is shown");
            images.present(picture(1 - p.index, Mode::MAILBOX));
        };
        await_room(&images, &mut canvas, picture(0, Mode::MAILBOX), Instant::now(), present_another);
        assert_eq!((copies.get(), canvas.0), (1, 0));
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
