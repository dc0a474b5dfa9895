//! The CRTCs of a card by which this process shows pictures, and what the kernel tells of flips there.
//!
//! Events come to an open file, whichever of its descriptors it is read by, and a program may hand over several of one file. So all threads that show
//! pictures on a card share what is here, and whoever reads events reads for all.

use std::io::{self, ErrorKind, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use drm::control::crtc;
use hesper_winsys::virtgpu::numbers::Number;
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::wsi::display_card::Card;

/// How long one thread keeps the events of a file to itself: others may wait for those of another file.
const TURN: Duration = Duration::from_millis(5);

/// Bytes of events that the kernel keeps for a file at most (`drm_file.event_space`), so that one call reads all.
const EVENTS: usize = 4096;

/// `DRM_EVENT_FLIP_COMPLETE` (include/uapi/drm/drm.h).
const FLIP_COMPLETE: u32 = 2;

/// A CRTC that a surface of this process has.
struct Crtc {
    handle: crtc::Handle,
    /// The surface's number.
    surface: u64,
    /// Whether the kernel has told of a flip that nobody has asked for yet.
    flipped: bool,
}

/// The CRTCs of one card that surfaces of this process have.
#[derive(Default)]
pub struct Flips {
    /// Held while events are waited for and read, so that nobody reads what another has read: the descriptor is the program's and may block.
    crtcs: Mutex<Vec<Crtc>>,
    /// One of them was given back.
    given_back: Condvar,
}

/// Those of all cards that were used since the process began.
static CARDS: Mutex<Vec<(Number, Arc<Flips>)>> = Mutex::new(Vec::new());

impl Flips {
    /// Those of the card with this number.
    pub fn of_card(number: Number) -> Arc<Self> {
        let mut cards = CARDS.lock();
        if let Some((_, flips)) = cards.iter().find(|(n, _)| *n == number) {
            return flips.clone();
        }
        let new = Arc::<Self>::default();
        cards.push((number, new.clone()));
        new
    }

    /// Takes a CRTC for the surface with this number; whether no other surface has it. Where this surface has it still, its last swapchain is just ending on
    /// another thread, which is waited for.
    pub fn take(&self, crtc: crtc::Handle, surface: u64) -> bool {
        let mut crtcs = self.crtcs.lock();
        while let Some(taken) = crtcs.iter().find(|c| c.handle == crtc) {
            if taken.surface != surface {
                return false;
            }
            self.given_back.wait(&mut crtcs);
        }
        crtcs.push(Crtc { handle: crtc, surface, flipped: false });
        true
    }

    /// Gives a CRTC back.
    pub fn give_back(&self, crtc: crtc::Handle) {
        self.crtcs.lock().retain(|c| c.handle != crtc);
        self.given_back.notify_all();
    }

    /// Forgets the flips of a CRTC up to now: whoever has waited for one in vain doesn't take it for the next one.
    ///
    /// # Errors
    /// What reading events fails with.
    pub fn forget(&self, card: &Card, crtc: crtc::Handle) -> io::Result<()> {
        let mut crtcs = self.crtcs.lock();
        read(card, Duration::ZERO, &mut crtcs)?;
        take_flip(&mut crtcs, crtc);
        Ok(())
    }

    /// Waits until a picture for a CRTC has become visible, at most so long. The events come to the file of `card`.
    ///
    /// # Errors
    /// TimedOut, or what reading events fails with.
    pub fn wait(&self, card: &Card, crtc: crtc::Handle, within: Duration) -> io::Result<()> {
        let end = Instant::now() + within;
        loop {
            let mut crtcs = self.crtcs.lock();
            if take_flip(&mut crtcs, crtc) {
                return Ok(());
            }
            if Instant::now() >= end {
                return Err(io::Error::new(ErrorKind::TimedOut, format!("no flip within {within:?}")));
            }
            read(card, TURN, &mut crtcs)?;
            // Those who wait for the lock have it before this thread has it again.
            MutexGuard::unlock_fair(crtcs);
        }
    }
}

/// Whether the kernel has told of a flip of this CRTC; it is forgotten then.
fn take_flip(crtcs: &mut [Crtc], crtc: crtc::Handle) -> bool {
    crtcs.iter_mut().find(|c| c.handle == crtc).is_some_and(|c| std::mem::take(&mut c.flipped))
}

/// Reads what events there are, or waits for the first, at most so long. CRTCs that others have aren't looked at: a program may flip on its own.
fn read(card: &Card, within: Duration, crtcs: &mut [Crtc]) -> io::Result<()> {
    if !is_readable(card, within)? {
        return Ok(());
    }
    let mut bytes = [0; EVENTS];
    let told = match card.file().read(&mut bytes) {
        Ok(n) => flips(bytes.get(..n).unwrap_or_default()),
        // Another has read them meanwhile: a program whose file this is.
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return Ok(()),
        Err(e) => return Err(e),
    };
    for crtc in crtcs.iter_mut().filter(|c| told.contains(&c.handle.into())) {
        crtc.flipped = true;
    }
    Ok(())
}

/// Waits for an event; whether there is one.
fn is_readable(card: &Card, within: Duration) -> io::Result<bool> {
    let mut fd = libc::pollfd { fd: card.as_fd().as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one descriptor, which lives longer than the call.
    let ready = unsafe { libc::poll(&mut fd, 1, within.as_millis() as i32) };
    match ready {
        0 => Ok(false),
        1 if fd.revents & libc::POLLIN != 0 => Ok(true),
        1 => Err(io::Error::from_raw_os_error(libc::ENODEV)),
        _ => match io::Error::last_os_error() {
            e if e.kind() == ErrorKind::Interrupted => Ok(false),
            e => Err(e),
        },
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
    use std::io::Write as _;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use drm::control::from_u32;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn event(kind: u32, length: u32, crtc: u32) -> Vec<u8> {
        [kind, length, 1, 2, 3, 4, 5, crtc].iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    fn flip(crtc: u32) -> Vec<u8> {
        event(FLIP_COMPLETE, 32, crtc)
    }

    fn handle(crtc: u32) -> crtc::Handle {
        from_u32(crtc).unwrap()
    }

    #[test]
    fn flips_are_told_by_events() {
        let vblank = event(1, 32, 40);
        let all = [flip(41), vblank, flip(42)].concat();
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
    fn a_cards_crtcs_are_those_of_the_process() {
        let flips = Flips::of_card((226, 70));
        assert!(flips.take(handle(41), 1) && flips.take(handle(42), 1));
        assert!(!Flips::of_card((226, 70)).take(handle(41), 2), "by another descriptor");
        assert!(Flips::of_card((226, 71)).take(handle(41), 2), "of another card");
        flips.give_back(handle(41));
        assert!(flips.take(handle(41), 2) && !flips.take(handle(42), 2));
    }

    #[test]
    fn a_crtc_that_its_surface_is_just_giving_back_is_waited_for() {
        let flips = Flips::default();
        assert!(flips.take(handle(41), 1));
        let is_over = AtomicBool::new(false);
        thread::scope(|s| {
            let again = s.spawn(|| flips.take(handle(41), 1) && is_over.load(Ordering::Relaxed));
            thread::sleep(Duration::from_millis(20));
            assert!(!flips.take(handle(41), 2), "another surface isn't held up");
            is_over.store(true, Ordering::Relaxed);
            flips.give_back(handle(41));
            assert!(again.join().unwrap());
        });
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri polls no pipes")]
    fn threads_that_read_one_file_hear_of_their_own_flips() {
        let flips = &Flips::default();
        let (from, to) = io::pipe().unwrap();
        // Two descriptors of one file, which block, as a program's do.
        let cards = [from.try_clone().unwrap(), from].map(|file| Card::of_another(file.into()));
        assert!(flips.take(handle(41), 1) && flips.take(handle(42), 1));
        thread::scope(|s| {
            let waiting = [(&cards[0], 41), (&cards[1], 42)]
                .map(|(card, crtc)| s.spawn(move || (0..200).try_for_each(|_| flips.wait(card, handle(crtc), SOON))));
            // Closed before the threads are waited for, so that none reads without end.
            let (mut to, start) = (to, Instant::now());
            // The next flip begins when the last one is over; one on a CRTC of the program's own comes between.
            for _ in 0..200 {
                to.write_all(&[flip(42), flip(43), flip(41)].concat()).unwrap();
                while is_readable(&cards[0], Duration::ZERO).unwrap() || flips.crtcs.lock().iter().any(|c| c.flipped) {
                    assert!(start.elapsed() < SOON, "nobody hears of a flip");
                    thread::yield_now();
                }
            }
            for thread in waiting {
                thread.join().unwrap().unwrap();
            }
        });
        assert_eq!(flips.crtcs.lock().len(), 2, "nothing is kept of what nobody waits for");
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri polls no pipes")]
    fn a_flip_that_came_too_late_is_not_the_next_one() {
        let flips = Flips::default();
        let (from, mut to) = io::pipe().unwrap();
        let card = Card::of_another(from.into());
        assert!(flips.take(handle(41), 1));
        let wait = |within| flips.wait(&card, handle(41), within).map_err(|e| e.kind());
        assert_eq!(wait(Duration::ZERO), Err(ErrorKind::TimedOut));
        to.write_all(&flip(41)).unwrap();
        flips.forget(&card, handle(41)).unwrap();
        assert_eq!(wait(Duration::from_millis(20)), Err(ErrorKind::TimedOut));
        to.write_all(&flip(41)).unwrap();
        assert_eq!(wait(SOON), Ok(()));
        // Nobody will ever write.
        drop(to);
        assert!(wait(SOON).is_err());
    }
}
