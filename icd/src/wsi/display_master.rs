//! The right to set modes on a card, which one open file at a time has (DRM master), or on the part of one that was lent to it; and what the kernel tells
//! that file of pictures that have become visible.

use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use ash::vk;
use drm::control::crtc;
use hesper_winsys::virtgpu::numbers::Number;
use parking_lot::Mutex;

use crate::base::log::error;
use crate::wsi::display_card::Card;

/// How long one thread keeps the events to itself, so that others see theirs.
const TURN: Duration = Duration::from_millis(5);

/// `DRM_EVENT_FLIP_COMPLETE` (include/uapi/drm/drm.h).
const FLIP_COMPLETE: u32 = 2;

/// A card on which modes can be set.
pub struct Master {
    pub card: Card,
    /// CRTCs whose flips the kernel has told of, and nobody has asked for yet.
    flipped: Mutex<Vec<u32>>,
    /// CRTCs that swapchains show pictures by.
    pub taken: Mutex<Vec<crtc::Handle>>,
}

/// Those of this process, each for as long as a swapchain needs it: a second file of the same process couldn't have the right, too.
static HELD: Mutex<Vec<(Number, Weak<Master>)>> = Mutex::new(Vec::new());

impl Master {
    /// Of a card that may set modes already.
    pub fn new(card: Card) -> Self {
        Self { card, flipped: Mutex::default(), taken: Mutex::default() }
    }

    /// Becomes DRM master of the card with this number, unless this process is.
    ///
    /// # Errors
    /// With a line on stderr: ERROR_SURFACE_LOST_KHR where the card can't be opened, ERROR_NATIVE_WINDOW_IN_USE_KHR where another is DRM master,
    /// ERROR_INITIALIZATION_FAILED where this process lacks the right.
    pub fn of_card(number: Number) -> Result<Arc<Self>, vk::Result> {
        let mut held = HELD.lock();
        held.retain(|(_, master)| master.strong_count() > 0);
        let found = held.iter().find(|(n, _)| *n == number).and_then(|(_, master)| master.upgrade());
        if let Some(master) = found {
            return Ok(master);
        }
        let card = Card::open(number).map_err(|e| {
            error!("no swapchain on a display: {e}");
            vk::Result::ERROR_SURFACE_LOST_KHR
        })?;
        card.become_master().map_err(|e| refused(&e))?;
        let master = Arc::new(Self::new(card));
        held.push((number, Arc::downgrade(&master)));
        Ok(master)
    }

    /// Waits until a picture for this CRTC has become visible, at most so long.
    ///
    /// # Errors
    /// TimedOut, or what reading events fails with.
    pub fn wait_for_flip(&self, crtc: crtc::Handle, within: Duration) -> io::Result<()> {
        let end = Instant::now() + within;
        loop {
            // Whoever has the lock reads for all.
            let mut flipped = self.flipped.lock();
            if let Some(at) = flipped.iter().position(|c| *c == u32::from(crtc)) {
                flipped.swap_remove(at);
                return Ok(());
            }
            if Instant::now() >= end {
                return Err(io::Error::new(io::ErrorKind::TimedOut, format!("no flip within {within:?}")));
            }
            if self.is_readable(TURN)? {
                flipped.extend(self.read_events()?);
            }
        }
    }

    /// Forgets flips of a CRTC that nobody waits for any more.
    pub fn forget_flips(&self, crtc: crtc::Handle) {
        self.flipped.lock().retain(|c| *c != u32::from(crtc));
    }

    /// Waits for an event; whether there is one.
    fn is_readable(&self, within: Duration) -> io::Result<bool> {
        let mut fd = libc::pollfd { fd: self.card.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor, which lives longer than the call.
        let ready = unsafe { libc::poll(&mut fd, 1, within.as_millis() as i32) };
        match ready {
            0 => Ok(false),
            1 if fd.revents & libc::POLLIN != 0 => Ok(true),
            1 => Err(io::Error::from_raw_os_error(libc::ENODEV)),
            _ => match io::Error::last_os_error() {
                e if e.kind() == io::ErrorKind::Interrupted => Ok(false),
                e => Err(e),
            },
        }
    }

    /// The CRTCs whose flips events tell of that can be read now.
    fn read_events(&self) -> io::Result<Vec<u32>> {
        let mut bytes = [0; 1024];
        match self.card.file().read(&mut bytes) {
            Ok(n) => Ok(flips(bytes.get(..n).unwrap_or_default())),
            // Another has read them meanwhile: a program whose file this is.
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(Vec::new()),
            Err(e) => Err(e),
        }
    }
}

/// Says why a process isn't DRM master; what vkCreateSwapchainKHR returns then.
fn refused(e: &io::Error) -> vk::Result {
    match e.raw_os_error() {
        Some(libc::EBUSY) => {
            error!(
                "no swapchain on a display: another program shows pictures there (DRM master), such as a display server"
            );
            vk::Result::ERROR_NATIVE_WINDOW_IN_USE_KHR
        }
        Some(libc::EACCES | libc::EPERM) => {
            error!("no swapchain on a display: another program is DRM master, and this one may not become it");
            vk::Result::ERROR_INITIALIZATION_FAILED
        }
        _ => {
            error!("no swapchain on a display: becoming DRM master failed: {e}");
            vk::Result::ERROR_INITIALIZATION_FAILED
        }
    }
}

/// The CRTCs of the flips that events tell of (`drm_event_vblank`, include/uapi/drm/drm.h). What is cut short tells nothing.
fn flips(mut bytes: &[u8]) -> Vec<u32> {
    let mut crtcs = Vec::new();
    let word = |event: &[u8], at: usize| {
        let bytes = event.get(at..)?.first_chunk::<4>()?;
        Some(u32::from_ne_bytes(*bytes))
    };
    while let (Some(kind), Some(length)) = (word(bytes, 0), word(bytes, 4)) {
        let Some((event, rest)) = bytes.split_at_checked(length as usize).filter(|(event, _)| event.len() >= 8) else {
            break;
        };
        if kind == FLIP_COMPLETE {
            crtcs.extend(word(event, 28));
        }
        bytes = rest;
    }
    crtcs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: u32, length: u32, crtc: u32) -> Vec<u8> {
        [kind, length, 1, 2, 3, 4, 5, crtc].iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn flips_are_told_by_events() {
        let vblank = event(1, 32, 40);
        let all = [event(FLIP_COMPLETE, 32, 41), vblank, event(FLIP_COMPLETE, 32, 42)].concat();
        assert_eq!(flips(&all), [41, 42]);
        assert_eq!(flips(&all[..95]), [41], "the last one is cut short");
        assert!(flips(&[]).is_empty());
    }

    #[test]
    fn events_of_no_length_end_the_reading() {
        for length in [0, 7, 33, u32::MAX] {
            assert!(flips(&event(FLIP_COMPLETE, length, 41)).is_empty(), "{length}");
        }
        assert!(flips(&event(FLIP_COMPLETE, 8, 41)).is_empty(), "an event without a CRTC");
    }

    #[test]
    fn who_is_not_master_hears_why() {
        let of = |errno| refused(&io::Error::from_raw_os_error(errno));
        assert_eq!(of(libc::EBUSY), vk::Result::ERROR_NATIVE_WINDOW_IN_USE_KHR);
        assert_eq!(of(libc::EACCES), vk::Result::ERROR_INITIALIZATION_FAILED);
        assert_eq!(of(libc::ENODEV), vk::Result::ERROR_INITIALIZATION_FAILED);
        // No card has the number of /dev/null.
        assert_eq!(Master::of_card((1, 3)).err(), Some(vk::Result::ERROR_SURFACE_LOST_KHR));
    }
}
