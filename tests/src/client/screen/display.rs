//! Displays without a window system: what a program shows on one is in the memory that the kernel scans out, and what was there before comes back.

use std::fs::{File, OpenOptions};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ash::{Entry, Instance, khr, vk};
use clap::ValueEnum;
use drm::Device as _;
use drm::control::{Device as _, connector, crtc};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use super::stage::{Chain, Stage};
use super::window::color;

const FIFO: vk::PresentModeKHR = vk::PresentModeKHR::FIFO;
const FRAMES: u32 = 10;
/// How long the display may take until a picture is to be seen, emulated.
const SOON: Duration = Duration::from_secs(20);
const CARD: &str = "/dev/dri/card0";

/// What is tried.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Part {
    /// There are no displays, and that is no error.
    None,
    /// Pictures, and what is left behind.
    Pictures,
    /// A display on which another file is DRM master.
    Taken,
    /// A display that the program has opened and hands over.
    Handed,
}

pub fn run(part: Part) -> Result<()> {
    match part {
        Part::None => none()?,
        Part::Pictures => pictures()?,
        Part::Taken => taken()?,
        Part::Handed => handed()?,
    }
    println!("ok display {part:?}");
    Ok(())
}

/// The kernel's view of the displays. Whoever opens it while nobody else is DRM master becomes that.
struct Card(File);

impl AsFd for Card {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
impl drm::Device for Card {}
impl drm::control::Device for Card {}

impl Card {
    fn open() -> Result<Self> {
        Ok(Self(OpenOptions::new().read(true).write(true).open(CARD).context(CARD)?))
    }

    /// One that looks only.
    fn watching() -> Result<Self> {
        let card = Self::open()?;
        // It isn't DRM master where another is.
        let _ = card.release_master_lock();
        Ok(card)
    }

    /// The first connector with a screen, and the CRTC that serves it.
    fn output(&self) -> Result<(connector::Handle, Option<crtc::Handle>)> {
        for connector in self.resource_handles()?.connectors() {
            let told = self.get_connector(*connector, false)?;
            if told.state() == connector::State::Connected {
                let encoder = told.current_encoder().map(|e| self.get_encoder(e)).transpose()?;
                return Ok((*connector, encoder.and_then(|e| e.crtc())));
            }
        }
        anyhow::bail!("{CARD} has no screen")
    }

    /// What the CRTC of a screen shows: mode, framebuffer, and where its picture begins.
    fn state(&self) -> Result<Option<crtc::Info>> {
        Ok(self.output()?.1.map(|c| self.get_crtc(c)).transpose()?)
    }

    /// The size of what is scanned out, and all its pixels, without the byte that says nothing.
    fn picture(&self) -> Result<([u32; 2], Vec<u32>)> {
        let shown = self.state()?.and_then(|c| c.framebuffer()).context("nothing is shown")?;
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
    fn expect(&self, what: &str, size: [u32; 2], color: u32) -> Result<()> {
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

/// The first display, in its smallest mode.
#[derive(Clone, Copy)]
struct Place {
    display: vk::DisplayKHR,
    mode: vk::DisplayModeKHR,
    parameters: vk::DisplayModeParametersKHR,
    plane: u32,
}

impl Place {
    /// Looks at everything that there is to ask of the first display.
    fn find(entry: &Entry, instance: &Instance) -> Result<Self> {
        let displays = khr::display::Instance::new(entry, instance);
        // SAFETY: valid handles.
        unsafe {
            let physical = *instance.enumerate_physical_devices()?.first().context("there is no device")?;
            let all = displays.get_physical_device_display_properties(physical)?;
            let first = all.first().context("there is no display")?;
            let name = std::ffi::CStr::from_ptr(first.display_name).to_str()?;
            ensure!(name.contains('-') && first.physical_resolution.width > 0, "{first:?} is called {name}");
            let display = first.display;
            let modes = displays.get_display_mode_properties(physical, display)?;
            let area = |m: &&vk::DisplayModePropertiesKHR| {
                let size = m.parameters.visible_region;
                size.width * size.height
            };
            let smallest = modes.iter().min_by_key(area).context("the display has no mode")?;
            let (mode, parameters) = (smallest.display_mode, smallest.parameters);
            ensure!((1_000..1_000_000).contains(&parameters.refresh_rate), "{parameters:?}");
            ensure!(
                modes.iter().any(|m| m.parameters.visible_region == first.physical_resolution),
                "{first:?}, {modes:?}"
            );
            let again = displays.get_display_mode_properties(physical, display)?;
            ensure!(again.iter().any(|m| m.display_mode == mode), "a mode has another handle each time");
            let info = vk::DisplayModeCreateInfoKHR::default().parameters(parameters);
            ensure!(displays.create_display_mode(physical, display, &info, None)? == mode, "a second mode of its kind");
            let other = vk::DisplayModeParametersKHR { refresh_rate: parameters.refresh_rate + 1, ..parameters };
            let made = displays.create_display_mode(physical, display, &info.parameters(other), None);
            ensure!(made == Err(vk::Result::ERROR_INITIALIZATION_FAILED), "a mode that isn't there: {made:?}");
            let planes = displays.get_physical_device_display_plane_properties(physical)?.len() as u32;
            let serves = |p: &u32| {
                displays.get_display_plane_supported_displays(physical, *p).is_ok_and(|all| all.contains(&display))
            };
            let plane = (0..planes).find(serves).context("no plane serves the display")?;
            let can = displays.get_display_plane_capabilities(physical, mode, plane)?;
            ensure!(can.max_src_extent == parameters.visible_region, "{can:?}");
            Ok(Self { display, mode, parameters, plane })
        }
    }

    fn surface(&self, entry: &Entry, instance: &Instance) -> Result<vk::SurfaceKHR> {
        let info = vk::DisplaySurfaceCreateInfoKHR::default()
            .display_mode(self.mode)
            .plane_index(self.plane)
            .transform(vk::SurfaceTransformFlagsKHR::IDENTITY)
            .alpha_mode(vk::DisplayPlaneAlphaFlagsKHR::OPAQUE)
            .image_extent(self.parameters.visible_region);
        let displays = khr::display::Instance::new(entry, instance);
        // SAFETY: a valid mode.
        unsafe { displays.create_display_plane_surface(&info, None) }.context("vkCreateDisplayPlaneSurfaceKHR")
    }

    fn size(&self) -> [u32; 2] {
        let size = self.parameters.visible_region;
        [size.width, size.height]
    }

    /// A device, and where it shows pictures.
    fn stage() -> Result<(Stage, Self)> {
        let mut found = None;
        let stage = Stage::on(khr::display::NAME, |entry, instance| {
            found.insert(Self::find(entry, instance)?).surface(entry, instance)
        })?;
        Ok((stage.context("the device has no VK_KHR_swapchain")?, found.context("no display was looked for")?))
    }
}

/// Shows a picture, and looks whether it is there.
fn shows(stage: &Stage, chain: &Chain, card: &Card, size: [u32; 2], frame: u32) -> Result<()> {
    let (clear, seen) = color(frame);
    let shown = stage.try_frame(chain, Some(frame.into()), clear)?;
    ensure!(shown.is_ok_and(|(_, suboptimal)| !suboptimal), "frame {frame}: {shown:?}");
    card.expect(&format!("frame {frame}"), size, seen)
}

fn none() -> Result<()> {
    let stage = Stage::new()?.context("the device has no VK_KHR_swapchain")?;
    let displays = khr::display::Instance::new(&stage.entry, &stage.instance);
    // SAFETY: valid handles.
    let (all, planes) = unsafe {
        (
            displays.get_physical_device_display_properties(stage.physical)?,
            displays.get_physical_device_display_plane_properties(stage.physical)?,
        )
    };
    ensure!(all.is_empty() && planes.is_empty(), "{all:?}, {planes:?}");
    Ok(())
}

fn pictures() -> Result<()> {
    let card = Card::watching()?;
    let before = card.state()?;
    let (stage, place) = Place::stage()?;
    let size = place.size();
    let chain = stage.chain(size, FIFO, None)?;
    ensure!(card.state()? == before, "a swapchain without a picture has changed the screen");
    for frame in 1..=FRAMES {
        shows(&stage, &chain, &card, size, frame)?;
    }
    paced(&stage, &chain, &place)?;
    // A new one takes over before the old one ends, and goes on after that.
    let new = stage.chain(size, FIFO, Some(&chain))?;
    shows(&stage, &new, &card, size, 2 * FRAMES + 1)?;
    stage.end(chain)?;
    shows(&stage, &new, &card, size, 2 * FRAMES + 2)?;
    // One that ends before the next one has shown anything.
    let newest = stage.chain(size, FIFO, Some(&new))?;
    stage.end(new)?;
    shows(&stage, &newest, &card, size, 2 * FRAMES + 3)?;
    stage.end(newest)?;
    ensure!(card.state()? == before, "afterwards the screen shows {:?}, before {before:?}", card.state()?);
    let smaller = stage.chain([size[0] / 2, size[1] / 2], FIFO, None)?;
    let shown = stage.try_frame(&smaller, None, [1.0; 4])?;
    ensure!(shown.is_ok(), "a smaller picture: {shown:?}");
    let start = Instant::now();
    while !matches!(stage.try_frame(&smaller, None, [1.0; 4])?, Ok((_, true))) {
        ensure!(start.elapsed() < SOON, "a smaller picture isn't suboptimal");
    }
    stage.end(smaller)?;
    // The display is free for others again.
    drop(stage);
    Card::open()?.acquire_master_lock().context("becoming DRM master afterwards")
}

/// Pictures follow each other at the mode's rate at most.
fn paced(stage: &Stage, chain: &Chain, place: &Place) -> Result<()> {
    let wait = stage.present_wait.as_ref().context("presents can't be waited for")?;
    let start = Instant::now();
    for frame in 1..=FRAMES {
        stage.frame(chain, Some((FRAMES + frame).into()))?;
    }
    // SAFETY: a valid swapchain.
    unsafe { wait.wait_for_present(chain.handle, (2 * FRAMES).into(), super::stage::PATIENCE)? };
    let took = start.elapsed();
    let least = Duration::from_secs_f64(f64::from(FRAMES - 2) * 1000.0 / f64::from(place.parameters.refresh_rate));
    ensure!(took >= least, "{FRAMES} pictures in {took:?}, {least:?} at least");
    Ok(())
}

fn taken() -> Result<()> {
    let card = Card::open()?;
    card.acquire_master_lock().context("the card is somebody's already")?;
    let (stage, place) = Place::stage()?;
    let info = stage.info(place.size(), FIFO)?;
    // SAFETY: a valid info.
    let made = unsafe { stage.swapchains.create_swapchain(&info, None) };
    ensure!(made == Err(vk::Result::ERROR_NATIVE_WINDOW_IN_USE_KHR), "on another's display: {made:?}");
    drop(card);
    let card = Card::watching()?;
    let chain = stage.chain(place.size(), FIFO, None).context("when the display is free")?;
    shows(&stage, &chain, &card, place.size(), 1)?;
    stage.end(chain)
}

fn handed() -> Result<()> {
    let card = Card::open()?;
    card.acquire_master_lock().context("the card is somebody's already")?;
    let watching = Card::watching()?;
    let before = card.state()?;
    let (stage, place) = Place::stage()?;
    let (physical, connector) = (stage.physical, u32::from(card.output()?.0));
    let drm = ash::ext::acquire_drm_display::Instance::new(&stage.entry, &stage.instance);
    let null = File::open("/dev/null")?;
    // SAFETY: open files and valid handles.
    unsafe {
        let found = drm.get_drm_display(physical, card.0.as_raw_fd(), connector).context("vkGetDrmDisplayEXT")?;
        ensure!(found == place.display, "a connector is another display by its number");
        for (fd, connector) in [(null.as_raw_fd(), connector), (card.0.as_raw_fd(), u32::MAX), (-1, connector)] {
            let found = drm.get_drm_display(physical, fd, connector);
            ensure!(found == Err(vk::Result::ERROR_UNKNOWN), "connector {connector} of file {fd}: {found:?}");
        }
        for fd in [null.as_raw_fd(), watching.0.as_raw_fd(), -1] {
            let got = drm.acquire_drm_display(physical, fd, place.display);
            ensure!(got == Err(vk::Result::ERROR_INITIALIZATION_FAILED), "by file {fd}: {got:?}");
        }
        drm.acquire_drm_display(physical, card.0.as_raw_fd(), place.display).context("vkAcquireDrmDisplayEXT")?;
    }
    let chain = stage.chain(place.size(), FIFO, None)?;
    shows(&stage, &chain, &watching, place.size(), 1)?;
    shows(&stage, &chain, &watching, place.size(), 2)?;
    stage.end(chain)?;
    ensure!(watching.state()? == before, "afterwards the screen shows something else");
    let direct = ash::ext::direct_mode_display::Instance::new(&stage.entry, &stage.instance);
    // SAFETY: valid handles.
    unsafe { (direct.fp().release_display_ext)(physical, place.display) }.result().context("vkReleaseDisplayEXT")?;
    let info = stage.info(place.size(), FIFO)?;
    // SAFETY: a valid info.
    let made = unsafe { stage.swapchains.create_swapchain(&info, None) };
    ensure!(made == Err(vk::Result::ERROR_NATIVE_WINDOW_IN_USE_KHR), "after it was given back: {made:?}");
    Ok(())
}
