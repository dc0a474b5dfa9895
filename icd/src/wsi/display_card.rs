//! A card: the primary node of a graphics device, with what the kernel can show pictures on (KMS).
//!
//! The crate drm makes the calls. They go through the C library's `ioctl` (see Cargo.toml on rustix), so that a library that is preloaded for a test sees
//! them.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use drm::Device as _;
use drm::control::connector::{self, Interface, State};
use drm::control::{Device as _, Mode, crtc, from_u32};
use hesper_winsys::virtgpu::numbers::Number;

use crate::wsi::display_mode;
use crate::wsi::window::shortage;

/// Where nodes are.
const FOLDER: &str = "/dev/dri";

/// Modes of a display that are told of at most: the kernel has no bound of its own, and no screen has as many.
const MAX_MODES: usize = 256;

/// An open primary node, closed at exec.
pub struct Card {
    file: File,
}

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl drm::Device for Card {}
impl drm::control::Device for Card {}

/// A connector with a screen.
pub struct Output {
    pub connector: connector::Handle,
    /// The kernel's name for it, as `Virtual-1`.
    pub name: String,
    /// Width and height of the screen in millimeters; 0 where they aren't known.
    pub millimeters: (u32, u32),
    /// At least one; pictures can be shown in each of them.
    pub modes: Vec<Mode>,
    /// The CRTCs that can send it pictures, at least one.
    pub crtcs: Vec<crtc::Handle>,
    /// The one that does.
    pub crtc: Option<crtc::Handle>,
}

/// What a card has at the moment.
pub struct Layout {
    /// All its CRTCs, which send pictures; each has one plane that any picture can lie on.
    pub crtcs: Vec<crtc::Handle>,
    /// All its connectors.
    pub connectors: Vec<connector::Handle>,
    /// Those with a screen.
    pub outputs: Vec<Output>,
}

/// The CRTCs that an encoder can serve, a bit each in the order of the card's.
fn served(crtcs: &[crtc::Handle], possible: u32) -> impl Iterator<Item = crtc::Handle> {
    let is_possible = move |n: u32| possible.checked_shr(n).is_some_and(|bits| bits & 1 != 0);
    crtcs.iter().copied().zip(0..).filter(move |(_, n)| is_possible(*n)).map(|(crtc, _)| crtc)
}

/// Makes a call as often as a signal comes in between.
pub fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// The number of a device, from how the system calls write it.
fn number(device: libc::dev_t) -> Number {
    (libc::major(device).into(), libc::minor(device).into())
}

/// The node with this number.
fn path(wanted: Number) -> io::Result<PathBuf> {
    let is_wanted =
        |path: &PathBuf| path.metadata().is_ok_and(|m| m.file_type().is_char_device() && number(m.rdev()) == wanted);
    let found = std::fs::read_dir(FOLDER)?.flatten().map(|entry| entry.path()).find(is_wanted);
    found.ok_or_else(|| io::Error::new(ErrorKind::NotFound, format!("{FOLDER} lacks node {}:{}", wanted.0, wanted.1)))
}

impl Card {
    /// Opens the card with this number. The file is DRM master from then on if no other is.
    ///
    /// # Errors
    /// When there is no such node, or it may not be opened.
    pub fn open(number: Number) -> io::Result<Self> {
        let path = path(number)?;
        // Reading an event that another thread has read meanwhile must not wait for the next one.
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).custom_flags(libc::O_NONBLOCK).open(&path);
        let file = file.map_err(|e| match shortage(&e) {
            // No matter of this file's.
            Some(_) => e,
            None => io::Error::new(e.kind(), format!("{}: {e}", path.display())),
        })?;
        Ok(Self { file })
    }

    /// A card that somebody else has opened: a program, or an X server that lends some of it.
    pub fn of_another(file: OwnedFd) -> Self {
        Self { file: file.into() }
    }

    /// The device's number.
    ///
    /// # Errors
    /// When the file tells nothing.
    pub fn number(&self) -> io::Result<Number> {
        Ok(number(self.file.metadata()?.rdev()))
    }

    /// The file, to be read.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Whether this file may set modes of what it has. The question changes nothing: it asks how long a list is that only a DRM master gets. The list itself
    /// may grow while it is asked for.
    pub fn is_master(&self) -> bool {
        uninterrupted(|| drm_ffi::mode::list_lessees(self.as_fd(), None)).is_ok()
    }

    /// Becomes DRM master, if it isn't already.
    ///
    /// # Errors
    /// EBUSY where another is and this process had the right, EACCES where it hasn't.
    pub fn become_master(&self) -> io::Result<()> {
        if self.is_master() { Ok(()) } else { uninterrupted(|| self.acquire_master_lock()) }
    }

    /// Looks at connectors, CRTCs and modes; with `probe` the kernel looks at the screens anew where this file is DRM master.
    ///
    /// # Errors
    /// When the node has nothing to show pictures on.
    pub fn layout(&self, probe: bool) -> io::Result<Layout> {
        // The crate drm-ffi asks how many there are, then which, and trusts that the two answers agree. CRTCs and connectors of a virtio-gpu stay what they
        // are, unlike the file's framebuffers, which aren't asked for: the file may be a program's.
        let (mut crtcs, mut connectors) = (Vec::new(), Vec::new());
        uninterrupted(|| {
            drm_ffi::mode::get_resources(self.as_fd(), None, Some(&mut crtcs), Some(&mut connectors), None)
        })?;
        let crtcs: Vec<crtc::Handle> = crtcs.into_iter().filter_map(from_u32).collect();
        let connectors: Vec<connector::Handle> = connectors.into_iter().filter_map(from_u32).collect();
        let outputs = connectors.iter().filter_map(|c| self.output(&crtcs, *c, probe)).collect();
        Ok(Layout { crtcs, connectors, outputs })
    }

    /// A connector, if it has a screen on which a picture can be shown.
    fn output(&self, all: &[crtc::Handle], connector: connector::Handle, probe: bool) -> Option<Output> {
        let told = uninterrupted(|| self.get_connector(connector, probe)).ok()?;
        if told.state() != State::Connected || told.interface() == Interface::Writeback {
            return None;
        }
        let mut crtcs: Vec<crtc::Handle> = Vec::new();
        for encoder in told.encoders() {
            let told = uninterrupted(|| drm_ffi::mode::get_encoder(self.as_fd(), (*encoder).into()));
            let Ok(encoder) = told else { continue };
            for crtc in served(all, encoder.possible_crtcs) {
                if !crtcs.contains(&crtc) {
                    crtcs.push(crtc);
                }
            }
        }
        let encoder = told.current_encoder().and_then(|e| uninterrupted(|| self.get_encoder(e)).ok());
        let usable = told.modes().iter().filter(|m| display_mode::parameters(m).is_some());
        let modes: Vec<Mode> = usable.copied().take(MAX_MODES).collect();
        if modes.is_empty() || crtcs.is_empty() {
            return None;
        }
        Some(Output {
            connector,
            name: told.to_string(),
            millimeters: told.size().unwrap_or_default(),
            modes,
            crtcs,
            crtc: encoder.and_then(|e| e.crtc()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "Miri knows no devices")]
    fn a_file_that_is_no_card_has_nothing() {
        let file = File::options().read(true).write(true).open("/dev/null").unwrap();
        let card = Card::of_another(file.into());
        assert_eq!(card.number().unwrap(), (1, 3));
        assert!(!card.is_master() && card.become_master().is_err());
        assert!(card.layout(true).is_err() && card.layout(false).is_err());
        // No node of a graphics device has this number.
        assert!(Card::open((1, 3)).is_err());
    }

    #[test]
    fn an_encoder_serves_crtcs_by_their_bits() {
        let all: Vec<crtc::Handle> = (10..50).filter_map(from_u32).collect();
        let of = |possible| served(&all, possible).map(u32::from).collect::<Vec<_>>();
        assert_eq!(of(0b101), [10, 12]);
        assert_eq!(of(1 << 31), [41]);
        assert_eq!(of(u32::MAX).len(), 32, "there are no more bits");
        assert!(of(0).is_empty() && served(&[], u32::MAX).next().is_none());
    }

    #[test]
    fn calls_that_a_signal_ends_are_made_again() {
        let mut results = [Err(libc::EINTR), Err(libc::EINTR), Ok(7), Err(libc::EACCES)].into_iter();
        let mut next = || results.next().unwrap().map_err(io::Error::from_raw_os_error);
        assert_eq!(uninterrupted(&mut next).unwrap(), 7);
        assert_eq!(uninterrupted(&mut next).unwrap_err().raw_os_error(), Some(libc::EACCES));
    }
}
