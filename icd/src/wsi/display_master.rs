//! The right to set modes on a card, which one open file at a time has (DRM master), or on the part of one that was lent to it.

use std::io;
use std::sync::{Arc, Weak};

use ash::vk;
use drm::Device as _;
use hesper_winsys::virtgpu::numbers::Number;
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::base::log::error;
use crate::wsi::display_card::{Card, Layout};
use crate::wsi::display_flips::Flips;
use crate::wsi::window::shortage;

/// A card on which modes can be set.
pub struct Master {
    pub card: Card,
    pub flips: Arc<Flips>,
    // Behind the card, as fields are dropped in this order: whoever waits until the file is closed goes on then.
    _listed: Option<Listed>,
}

/// Those that this process has become itself, each for as long as a swapchain needs it: a second file of the same process couldn't have the right, too.
static HELD: Mutex<Vec<(Number, Weak<Master>)>> = Mutex::new(Vec::new());
/// One of them was closed.
static CLOSED: Condvar = Condvar::new();

/// An entry of [`HELD`].
struct Listed(Number);

impl Drop for Listed {
    fn drop(&mut self) {
        HELD.lock().retain(|(number, _)| *number != self.0);
        CLOSED.notify_all();
    }
}

/// The one of this card that is held; one that is just being closed is waited for.
fn find(number: Number, held: &mut MutexGuard<'_, Vec<(Number, Weak<Master>)>>) -> Option<Arc<Master>> {
    loop {
        let (_, listed) = held.iter().find(|(n, _)| *n == number)?;
        if let Some(master) = listed.upgrade() {
            return Some(master);
        }
        CLOSED.wait(held);
    }
}

impl Master {
    /// Of a card with this number that somebody has lent.
    pub fn lent(card: Card, number: Number) -> Self {
        Self { card, flips: Flips::of_card(number), _listed: None }
    }

    /// Becomes DRM master of the card with this number, unless this process is.
    ///
    /// # Errors
    /// With a line on stderr: ERROR_SURFACE_LOST_KHR where the card can't be opened, ERROR_NATIVE_WINDOW_IN_USE_KHR where another is DRM master,
    /// ERROR_INITIALIZATION_FAILED where becoming that fails otherwise, and those of [`shortage`].
    pub fn of_card(number: Number) -> Result<Arc<Self>, vk::Result> {
        let mut held = HELD.lock();
        if let Some(master) = find(number, &mut held) {
            return Ok(master);
        }
        let card = Card::open(number).map_err(|e| {
            error!("no swapchain on a display: {e}");
            shortage(&e).unwrap_or(vk::Result::ERROR_SURFACE_LOST_KHR)
        })?;
        card.become_master().map_err(|e| refused(&e))?;
        let new = Self { card, flips: Flips::of_card(number), _listed: None };
        Ok(Self::list(new, number, &mut held))
    }

    /// Has others find it.
    fn list(self, number: Number, held: &mut Vec<(Number, Weak<Self>)>) -> Arc<Self> {
        let master = Arc::new(Self { _listed: Some(Listed(number)), ..self });
        held.push((number, Arc::downgrade(&master)));
        master
    }
}

/// A card as it is at the moment, whoever is its DRM master.
///
/// # Errors
/// When it can't be opened, or has nothing to show pictures on.
pub fn layout(number: Number) -> io::Result<Layout> {
    let mut held = HELD.lock();
    if let Some(master) = find(number, &mut held) {
        // Before this may become the last reference.
        drop(held);
        // Nobody but the DRM master has the kernel look at the screens anew.
        return master.card.layout(true);
    }
    let card = Card::open(number)?;
    // At once, as others want to be DRM master. A file that isn't can't give that up.
    let _ = card.release_master_lock();
    drop(held);
    card.layout(false)
}

/// Says why a process isn't DRM master; what vkCreateSwapchainKHR returns then.
fn refused(e: &io::Error) -> vk::Result {
    match e.raw_os_error() {
        // Who hasn't the right to take over from another isn't told that there is one: who opens a card that has no DRM master is that at once.
        Some(libc::EBUSY | libc::EACCES | libc::EPERM) => {
            error!(
                "no swapchain on a display: another program shows pictures there (DRM master), such as a display server"
            );
            vk::Result::ERROR_NATIVE_WINDOW_IN_USE_KHR
        }
        _ => {
            error!("no swapchain on a display: becoming DRM master failed: {e}");
            vk::Result::ERROR_INITIALIZATION_FAILED
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_is_not_master_hears_why() {
        let of = |errno| refused(&io::Error::from_raw_os_error(errno));
        for errno in [libc::EBUSY, libc::EACCES, libc::EPERM] {
            assert_eq!(of(errno), vk::Result::ERROR_NATIVE_WINDOW_IN_USE_KHR);
        }
        assert_eq!(of(libc::ENODEV), vk::Result::ERROR_INITIALIZATION_FAILED);
        // No card has the number of /dev/null.
        assert_eq!(Master::of_card((1, 3)).err(), Some(vk::Result::ERROR_SURFACE_LOST_KHR));
        assert!(layout((1, 3)).is_err());
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri knows no devices")]
    fn one_that_is_being_closed_is_waited_for() {
        const NUMBER: Number = (226, 72);
        let new = || Master::lent(Card::of_another(File::open("/dev/null").unwrap().into()), NUMBER);
        let master = Master::list(new(), NUMBER, &mut HELD.lock());
        assert!(find(NUMBER, &mut HELD.lock()).is_some_and(|found| Arc::ptr_eq(&found, &master)));
        thread::scope(|s| {
            let mut held = HELD.lock();
            let closing = s.spawn(move || drop(master));
            while held.iter().any(|(n, listed)| *n == NUMBER && listed.strong_count() > 0) {
                thread::sleep(Duration::from_millis(1));
            }
            // It is listed still, and goes only while this thread waits.
            assert!(find(NUMBER, &mut held).is_none());
            closing.join().unwrap();
        });
    }
}
