//! Displays without a window system: what a program shows on one is in the memory that the kernel scans out, and what was there before comes back.

use std::ffi::{c_char, c_int};
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ash::vk::Handle as _;
use ash::{khr, vk};
use clap::ValueEnum;
use drm::Device as _;
use x11rb::connection::Connection as _;
use x11rb::protocol::randr::ConnectionExt as _;
use x11rb::rust_connection::RustConnection;

use super::card::{Card, SOON};
use super::display_place::Place;
use super::stage::{Chain, PATIENCE, Stage};
use super::window::color;

const FIFO: vk::PresentModeKHR = vk::PresentModeKHR::FIFO;
const FRAMES: u32 = 10;

/// What is tried.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Part {
    /// There are no displays, and that is no error.
    None,
    /// Pictures, and what is left behind.
    Pictures,
    /// A display on which another file is DRM master.
    Refused,
    /// The same, until the other file is closed.
    Taken,
    /// A display that the program has opened and hands over.
    Handed,
    /// An X server that lends no displays.
    Server,
}

pub fn run(part: Part) -> Result<()> {
    match part {
        Part::None => none()?,
        Part::Pictures => pictures()?,
        Part::Refused => refused().map(drop)?,
        Part::Taken => taken()?,
        Part::Handed => handed()?,
        Part::Server => server()?,
    }
    println!("ok display {part:?}");
    Ok(())
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
    let card = Card::showing()?;
    card.release_master_lock()?;
    let before = card.state()?.context("nothing is shown before")?;
    let (stage, place) = Place::stage()?;
    let size = place.size();
    let chain = stage.chain(size, FIFO, None)?;
    card.expect_before(&before).context("with a swapchain without a picture")?;
    for frame in 1..=FRAMES {
        shows(&stage, &chain, &card, size, frame)?;
    }
    // A new one takes over before the old one ends, and goes on after that.
    let new = stage.chain(size, FIFO, Some(&chain))?;
    shows(&stage, &new, &card, size, FRAMES + 1)?;
    stage.end(chain)?;
    shows(&stage, &new, &card, size, FRAMES + 2)?;
    // One that ends before the next one has shown anything.
    let newest = stage.chain(size, FIFO, Some(&new))?;
    stage.end(new)?;
    shows(&stage, &newest, &card, size, FRAMES + 3)?;
    stage.end(newest)?;
    card.expect_before(&before)?;
    let smaller = stage.chain([size[0] / 2, size[1] / 2], FIFO, None)?;
    let shown = stage.try_frame(&smaller, None, [1.0; 4])?;
    ensure!(shown.is_ok(), "a smaller picture: {shown:?}");
    let start = Instant::now();
    while !matches!(stage.try_frame(&smaller, None, [1.0; 4])?, Ok((_, true))) {
        ensure!(start.elapsed() < SOON, "a smaller picture isn't suboptimal");
    }
    stage.end(smaller)?;
    paced(&stage, &place)?;
    // The display is free for others again.
    drop(stage);
    Card::open().context("becoming DRM master afterwards").map(drop)
}

/// Pictures that are ready at once.
const BURST: u32 = 32;

/// How long it takes to show as many pictures, which are small: what the screen lets wait is more than what showing them takes, even emulated.
fn burst(stage: &Stage, mode: vk::PresentModeKHR) -> Result<Duration> {
    let wait = stage.present_wait.as_ref().context("presents can't be waited for")?;
    let info = stage.info([16, 16], mode)?.min_image_count(BURST);
    // SAFETY: a valid info, and a new swapchain.
    let chain = unsafe {
        let handle = stage.swapchains.create_swapchain(&info, None)?;
        Chain { handle, images: stage.swapchains.get_swapchain_images(handle)? }
    };
    let held: Vec<u32> = (0..BURST).map(|_| stage.acquire(&chain, PATIENCE)).collect::<Result<_>>()?;
    let drawn = held.iter().map(|i| stage.clear(chain.images[*i as usize], [1.0; 4])).collect::<Result<Vec<_>>>()?;
    // SAFETY: command buffers of this device.
    unsafe {
        let submit = vk::SubmitInfo::default().command_buffers(&drawn);
        stage.device.queue_submit(stage.queue, &[submit], vk::Fence::null())?;
        stage.device.queue_wait_idle(stage.queue)?;
    }
    let start = Instant::now();
    for (number, index) in (1..).zip(held) {
        stage.present(&chain, index, &[], Some(number)).context("vkQueuePresentKHR")?;
    }
    // SAFETY: a valid swapchain.
    let waited = unsafe { wait.wait_for_present(chain.handle, BURST.into(), PATIENCE) };
    // The pictures are smaller than the screen.
    ensure!([Ok(()), Err(vk::Result::SUBOPTIMAL_KHR)].contains(&waited), "vkWaitForPresentKHR: {waited:?}");
    let took = start.elapsed();
    stage.end(chain)?;
    Ok(took)
}

/// In FIFO pictures follow each other at the mode's rate at most, though they could be shown faster.
fn paced(stage: &Stage, place: &Place) -> Result<()> {
    let rate = f64::from(place.parameters.refresh_rate) / 1000.0;
    let least = Duration::from_secs_f64(f64::from(BURST - 2) / rate);
    let all = (0..10).map(|_| burst(stage, vk::PresentModeKHR::IMMEDIATE));
    let fastest = all.collect::<Result<Vec<_>>>()?.into_iter().min().context("no burst")?;
    ensure!(fastest < least, "{BURST} pictures take {fastest:?}, whether they are paced or not");
    let took = burst(stage, FIFO)?;
    println!("{BURST} pictures: {took:?} in FIFO, {fastest:?} in IMMEDIATE");
    ensure!(took >= least, "{BURST} pictures in {took:?}, {least:?} at least");
    Ok(())
}

/// A swapchain on a display where the file that is returned is DRM master.
fn refused() -> Result<(Stage, Place, Card)> {
    let card = Card::open()?;
    let (stage, place) = Place::stage()?;
    in_use(&stage, &stage.info(place.size(), FIFO)?).context("on another's display")?;
    Ok((stage, place, card))
}

/// There is no swapchain like this, as the display is another's.
fn in_use(stage: &Stage, info: &vk::SwapchainCreateInfoKHR) -> Result<()> {
    // SAFETY: a valid info.
    let made = unsafe { stage.swapchains.create_swapchain(info, None) };
    ensure!(made == Err(vk::Result::ERROR_NATIVE_WINDOW_IN_USE_KHR), "a swapchain: {made:?}");
    Ok(())
}

fn taken() -> Result<()> {
    let (stage, place, card) = refused()?;
    drop(card);
    let card = Card::watching()?;
    let chain = stage.chain(place.size(), FIFO, None).context("when the display is free")?;
    shows(&stage, &chain, &card, place.size(), 1)?;
    stage.end(chain)
}

fn handed() -> Result<()> {
    let card = Card::showing()?;
    let watching = Card::watching()?;
    let before = card.state()?.context("nothing is shown before")?;
    let (stage, place) = Place::stage()?;
    let (physical, size) = (stage.physical, place.size());
    let drm = ash::ext::acquire_drm_display::Instance::new(&stage.entry, &stage.instance);
    // SAFETY: valid handles.
    let acquire = |fd| unsafe { drm.acquire_drm_display(physical, fd, place.display) };
    named(&stage, &place, &card)?;
    let null = File::open("/dev/null")?;
    let (unknown, failed) = (vk::Result::ERROR_UNKNOWN, vk::Result::ERROR_INITIALIZATION_FAILED);
    for (fd, error) in [(null.as_raw_fd(), unknown), (-1, unknown), (watching.fd(), failed)] {
        let got = acquire(fd);
        ensure!(got == Err(error), "by file {fd}: {got:?}, not {error:?}");
    }
    acquire(card.fd()).context("vkAcquireDrmDisplayEXT")?;
    let chain = stage.chain(size, FIFO, None)?;
    shows(&stage, &chain, &watching, size, 1)?;
    // Once more by another descriptor: the plane is taken all the same.
    acquire(card.fd()).context("vkAcquireDrmDisplayEXT once more")?;
    let second = place.surface(&stage.entry, &stage.instance)?;
    in_use(&stage, &stage.info(size, FIFO)?.surface(second)).context("on a plane that is taken")?;
    // SAFETY: no swapchain has it.
    unsafe { stage.surfaces.destroy_surface(second, None) };
    shows(&stage, &chain, &watching, size, 2)?;
    away(&stage, &chain, &card)?;
    shows(&stage, &chain, &watching, size, 3)?;
    stage.end(chain)?;
    watching.expect_before(&before)?;
    let direct = ash::ext::direct_mode_display::Instance::new(&stage.entry, &stage.instance);
    // SAFETY: valid handles.
    unsafe { (direct.fp().release_display_ext)(physical, place.display) }.result().context("vkReleaseDisplayEXT")?;
    in_use(&stage, &stage.info(size, FIFO)?).context("after it was given back")?;
    // With the instance ends its right, and nothing keeps the file open.
    acquire(card.fd()).context("vkAcquireDrmDisplayEXT after it was given back")?;
    drop(stage);
    drop(card);
    Card::open().context("after the instance has ended").map(drop)
}

/// Connectors by their numbers.
fn named(stage: &Stage, place: &Place, card: &Card) -> Result<()> {
    let drm = ash::ext::acquire_drm_display::Instance::new(&stage.entry, &stage.instance);
    // SAFETY: valid handles.
    let find = |fd, connector| unsafe { drm.get_drm_display(stage.physical, fd, connector) };
    let (screen, bare) = (u32::from(card.output()?.0), u32::from(card.bare()?));
    let found = find(card.fd(), screen).context("vkGetDrmDisplayEXT")?;
    ensure!(found == place.display, "a connector is another display by its number");
    let none = find(card.fd(), bare);
    ensure!(none == Ok(vk::DisplayKHR::null()), "a connector without a screen: {none:?}");
    let null = File::open("/dev/null")?;
    for (fd, connector) in [(null.as_raw_fd(), screen), (card.fd(), u32::MAX), (card.fd(), 0), (-1, screen)] {
        let found = find(fd, connector);
        ensure!(found == Err(vk::Result::ERROR_UNKNOWN), "connector {connector} of file {fd}: {found:?}");
    }
    Ok(())
}

/// The program's file isn't DRM master for a while, as when the user is at another virtual terminal: pictures go nowhere.
fn away(stage: &Stage, chain: &Chain, card: &Card) -> Result<()> {
    let seen = card.picture()?;
    card.release_master_lock()?;
    for _ in 0..2 * chain.images.len() {
        let shown = stage.try_frame(chain, None, [0.25; 4])?;
        ensure!(shown.is_ok_and(|(_, suboptimal)| !suboptimal), "while the file isn't DRM master: {shown:?}");
    }
    ensure!(card.state()?.is_some() && card.picture()?.0 == seen.0, "the screen has changed");
    card.acquire_master_lock().context("becoming DRM master again")
}

/// A program's connection with an X server, as Xlib has it.
struct Xlib {
    display: *mut vk::Display,
    library: libloading::Library,
}

impl Xlib {
    fn open() -> Result<Self> {
        // SAFETY: Xlib, and a function of it with its type (X11/Xlib.h).
        unsafe {
            let library = libloading::Library::new("libX11.so.6")?;
            let open = library.get::<unsafe extern "C" fn(*const c_char) -> *mut vk::Display>(b"XOpenDisplay\0")?;
            let display = open(std::ptr::null());
            ensure!(!display.is_null(), "there is no X server");
            Ok(Self { display, library })
        }
    }
}

impl Drop for Xlib {
    fn drop(&mut self) {
        // SAFETY: a function of Xlib's with its type, and a Display that nobody uses any more.
        unsafe {
            let close = self.library.get::<unsafe extern "C" fn(*mut vk::Display) -> c_int>(b"XCloseDisplay\0");
            let _ = close.map(|close| close(self.display));
        }
    }
}

/// None of the outputs of an X server without a card is a display, and none is lent, whether the device has displays or not.
fn server() -> Result<()> {
    let stage = Stage::new()?.context("the device has no VK_KHR_swapchain")?;
    let xlib = Xlib::open()?;
    let (connection, screen) = RustConnection::connect(None)?;
    let root = connection.setup().roots[screen].root;
    let outputs = connection.randr_get_screen_resources_current(root)?.reply()?.outputs;
    let output = *outputs.first().context("the X server has no output")?;
    let displays = khr::display::Instance::new(&stage.entry, &stage.instance);
    let lender = ash::ext::acquire_xlib_display::Instance::new(&stage.entry, &stage.instance);
    let mut found = vk::DisplayKHR::from_raw(1);
    // SAFETY: valid handles, an output of the server's, and an output parameter; the driver has to refuse a display that isn't there.
    let (asked, acquired) = unsafe {
        let all = displays.get_physical_device_display_properties(stage.physical)?;
        let display = all.first().map_or(vk::DisplayKHR::null(), |d| d.display);
        let fp = lender.fp();
        (
            (fp.get_rand_r_output_display_ext)(stage.physical, xlib.display, output.into(), &mut found),
            (fp.acquire_xlib_display_ext)(stage.physical, xlib.display, display),
        )
    };
    ensure!((asked, found) == (vk::Result::SUCCESS, vk::DisplayKHR::null()), "output {output}: {asked:?}, {found:?}");
    ensure!(acquired == vk::Result::ERROR_INITIALIZATION_FAILED, "acquired: {acquired:?}");
    Ok(())
}
