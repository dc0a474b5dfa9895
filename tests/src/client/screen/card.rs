//! The kernel's view of displays: what their CRTCs scan out.

use std::fs::{File, OpenOptions};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, RawFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use drm::Device as _;
use drm::buffer::DrmFourcc;
use drm::control::{Device as _, connector, crtc};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// How long the display may take until a picture is to be seen, emulated.
pub const SOON: Duration = Duration::from_secs(20);
const CARD: &str = "/dev/dri/card0";
/// What the screen shows before a program does.
const BEFORE: u32 = 0x40_80c0;

/// A card. Whoever opens it while nobody else is DRM master becomes that.
pub struct Card(File);

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
impl drm::Device for Card {}
impl drm::control::Device for Card {}

impl Card {
    /// One that is DRM master.
    pub fn open() -> Result<Self> {
        let card = Self(OpenOptions::new().read(true).write(true).open(CARD).context(CARD)?);
        card.acquire_master_lock().context("the card is somebody's already")?;
        Ok(card)
    }

    /// One that is DRM master and shows a picture, in the mode that the screen has rather than others, as long as the file is open.
    pub fn showing() -> Result<Self> {
        let card = Self::open()?;
        let (connector, _) = card.output()?;
        let told = card.get_connector(connector, true)?;
        let mode = *told.modes().first().context("the screen has no mode")?;
        let encoder = card.get_encoder(*told.encoders().first().context("the screen has no encoder")?)?;
        let crtcs = card.resource_handles()?.filter_crtcs(encoder.possible_crtcs());
        let crtc = *crtcs.first().context("no CRTC serves the screen")?;
        let (width, height) = mode.size();
        let mut buffer = card.create_dumb_buffer((width.into(), height.into()), DrmFourcc::Xrgb8888, 32)?;
        card.map_dumb_buffer(&mut buffer)?.as_chunks_mut::<4>().0.fill(BEFORE.to_le_bytes());
        let framebuffer = card.add_framebuffer(&buffer, 24, 32)?;
        card.set_crtc(crtc, Some(framebuffer), (0, 0), &[connector], Some(mode))?;
        Ok(card)
    }

    /// Whether the screen shows what [`Self::showing`] has shown, in the state that it had then.
    pub fn expect_before(&self, before: &crtc::Info) -> Result<()> {
        let (now, mode) = (self.state()?, before.mode().context("nothing was shown before")?);
        ensure!(now == Some(*before), "afterwards the screen shows {now:?}, before {before:?}");
        let (width, height) = mode.size();
        self.expect("what was shown before", [width.into(), height.into()], BEFORE)
    }

    /// The file, which stays this one's.
    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// One that looks only.
    pub fn watching() -> Result<Self> {
        let card = Self(OpenOptions::new().read(true).write(true).open(CARD).context(CARD)?);
        // It isn't DRM master where another is.
        let _ = card.release_master_lock();
        Ok(card)
    }

    /// The first connector with a screen, and the CRTC that serves it.
    pub fn output(&self) -> Result<(connector::Handle, Option<crtc::Handle>)> {
        for connector in self.resource_handles()?.connectors() {
            let told = self.get_connector(*connector, false)?;
            if told.state() == connector::State::Connected {
                let encoder = told.current_encoder().map(|e| self.get_encoder(e)).transpose()?;
                return Ok((*connector, encoder.and_then(|e| e.crtc())));
            }
        }
        bail!("{CARD} has no screen")
    }

    /// A connector without a screen.
    pub fn bare(&self) -> Result<connector::Handle> {
        for connector in self.resource_handles()?.connectors() {
            if self.get_connector(*connector, false)?.state() == connector::State::Disconnected {
                return Ok(*connector);
            }
        }
        bail!("all connectors of {CARD} have screens")
    }

    /// What the CRTC of a screen shows: mode, framebuffer, and where its picture begins.
    pub fn state(&self) -> Result<Option<crtc::Info>> {
        Ok(self.output()?.1.map(|c| self.get_crtc(c)).transpose()?)
    }

    /// The size of what is scanned out, and all its pixels, without the byte that says nothing; of nothing, where nothing is.
    pub fn picture(&self) -> Result<([u32; 2], Vec<u32>)> {
        let Some(shown) = self.state()?.and_then(|c| c.framebuffer()) else { return Ok(([0; 2], Vec::new())) };
        let told = self.get_framebuffer(shown)?;
        let ((w, h), pitch) = (told.size(), told.pitch() as usize);
        let buffer = told.buffer().context("the kernel doesn't hand out the framebuffer's memory")?;
        let file = self.buffer_to_prime_fd(buffer, drm::CLOEXEC | drm::RDWR);
        self.close_buffer(buffer)?;
        let file = file.context("a dma-buf of the framebuffer")?;
        let length = NonZeroUsize::new(pitch * h as usize).context("no picture")?;
        // SAFETY: a new mapping, from which is read while it is there.
        let bytes = unsafe {
            let at = mmap(None, length, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, &file, 0).context("mapping it")?;
            let bytes = std::slice::from_raw_parts(at.as_ptr().cast::<u8>(), length.get()).to_vec();
            munmap(at, length.get())?;
            bytes
        };
        let rows = bytes.chunks(pitch).map(|row| &row[..w as usize * 4]);
        let pixels = rows.flat_map(|row| row.as_chunks::<4>().0).map(|p| u32::from_le_bytes(*p) & 0xff_ffff);
        Ok(([w, h], pixels.collect()))
    }

    /// Waits until all pixels of a picture of this size have this color.
    pub fn expect(&self, what: &str, size: [u32; 2], color: u32) -> Result<()> {
        let start = Instant::now();
        loop {
            let (seen, pixels) = self.picture()?;
            if seen == size && pixels.iter().all(|p| *p == color) {
                return Ok(());
            }
            let first = pixels.first().copied().unwrap_or_default();
            ensure!(
                start.elapsed() < SOON,
                "{what}: {seen:?} pixels, the first {first:06x}, not {size:?} of {color:06x}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
