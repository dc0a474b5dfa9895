//! A window of X11, by a connection of the program's own: what is presented is in it, and what becomes of the window is told.

use std::io::{BufRead as _, Write as _, stdin, stdout};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ash::{khr, vk};
use nix::libc;
use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    AtomEnum, ChangeWindowAttributesAux, ConfigureWindowAux, ConnectionExt as _, CreateWindowAux, EventMask,
    ImageFormat, PropMode, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::xcb_ffi::XCBConnection;

use super::stage::{Chain, PATIENCE, Stage};

const FIFO: vk::PresentModeKHR = vk::PresentModeKHR::FIFO;
const IMMEDIATE: vk::PresentModeKHR = vk::PresentModeKHR::IMMEDIATE;

/// How long a window system may take until something is to be seen.
const SOON: Duration = Duration::from_secs(20);

/// A window on the display that the environment names.
pub struct Place {
    pub connection: XCBConnection,
    pub window: Window,
}

impl Place {
    /// A window of this size, on the screen.
    pub fn new(size: [u16; 2]) -> Result<Self> {
        let (connection, screen) = XCBConnection::connect(None).context("no X server")?;
        let screen = connection.setup().roots.get(screen).context("no screen")?;
        let window = connection.generate_id()?;
        let ([w, h], visual) = (size, screen.root_visual);
        // What the driver shows isn't drawn over when the server paints the background.
        let aux = CreateWindowAux::new();
        let (class, depth) = (WindowClass::INPUT_OUTPUT, screen.root_depth);
        connection.create_window(depth, window, screen.root, 0, 0, w, h, 0, class, visual, &aux)?.check()?;
        connection.map_window(window)?.check()?;
        Ok(Self { connection, window })
    }

    /// A device with the window's surface.
    pub fn stage(&self) -> Result<Stage> {
        Stage::on(khr::xcb_surface::NAME, |entry, instance| {
            let loader = khr::xcb_surface::Instance::new(entry, instance);
            let connection = self.connection.get_raw_xcb_connection();
            let info = vk::XcbSurfaceCreateInfoKHR::default().connection(connection).window(self.window);
            // SAFETY: a valid instance with the extension; the connection outlives the stage.
            unsafe { loader.create_xcb_surface(&info, None) }.context("vkCreateXcbSurfaceKHR")
        })?
        .context("the device has no VK_KHR_swapchain")
    }

    /// The pixel at a place.
    fn pixel(&self, at: [i16; 2]) -> Result<u32> {
        let image = self.connection.get_image(ImageFormat::Z_PIXMAP, self.window, at[0], at[1], 1, 1, !0)?.reply()?;
        let bytes = image.data.first_chunk::<4>().context("a pixel of less than four bytes")?;
        Ok(u32::from_le_bytes(*bytes) & 0xff_ffff)
    }

    /// Waits until the pixels in two corners have this color.
    fn expect(&self, what: &str, size: [u16; 2], color: u32) -> Result<()> {
        let start = Instant::now();
        loop {
            let last = [size[0] as i16 - 1, size[1] as i16 - 1];
            let seen = [self.pixel([0, 0])?, self.pixel(last)?];
            if seen == [color; 2] {
                return Ok(());
            }
            ensure!(start.elapsed() < SOON, "{what}: {seen:06x?} in the corners, not {color:06x}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Gives the window another size.
    pub fn resize(&self, size: [u16; 2]) -> Result<()> {
        let aux = ConfigureWindowAux::new().width(u32::from(size[0])).height(u32::from(size[1]));
        Ok(self.connection.configure_window(self.window, &aux)?.check()?)
    }
}

/// A color for a frame, as it is cleared and as it is seen.
pub fn color(frame: u32) -> ([f32; 4], u32) {
    let [r, g, b] = [frame * 37 % 256, frame * 91 % 256, frame * 11 % 256];
    ([r, g, b, 255].map(|c| c as f32 / 255.0), r << 16 | g << 8 | b)
}

/// Draws in every mode, looks at the window, resizes and destroys it.
pub fn run() -> Result<()> {
    let place = Place::new([70, 50])?;
    let stage = place.stage()?;
    let mut frame = 0;
    for mode in stage.modes()? {
        let chain = stage.chain([70, 50], mode, None)?;
        for _ in 0..10 {
            frame += 1;
            let (clear, seen) = color(frame);
            let shown = stage.try_frame(&chain, None, clear)?;
            ensure!(shown.is_ok(), "{mode:?}: {shown:?}");
            place.expect(&format!("{mode:?}, frame {frame}"), [70, 50], seen)?;
        }
        stage.end(chain)?;
    }
    switched(&place, &stage)?;
    woken(&place, &stage)?;
    let chain = stage.chain([70, 50], FIFO, None)?;
    place.resize([110, 90])?;
    resized(&stage, &chain)?;
    let new = stage.chain([110, 90], FIFO, Some(&chain))?;
    stage.end(chain)?;
    let (clear, seen) = color(frame + 1);
    let shown = stage.try_frame(&new, None, clear)?;
    ensure!(shown.is_ok_and(|(_, suboptimal)| !suboptimal), "in the new size: {shown:?}");
    place.expect("in the new size", [110, 90], seen)?;
    place.connection.destroy_window(place.window)?.check()?;
    let end = lost(&stage, &new)?;
    ensure!(end == vk::Result::ERROR_SURFACE_LOST_KHR, "in a window that is gone: {end:?}");
    stage.end(new)?;
    println!("ok window");
    Ok(())
}

/// After many pictures that are shown at once, one that waits for the screen waits no longer than usual.
fn switched(place: &Place, stage: &Stage) -> Result<()> {
    const MANY: u32 = 300;
    let modes = [IMMEDIATE, FIFO];
    let mut all = vk::SwapchainPresentModesCreateInfoEXT::default().present_modes(&modes);
    let info = stage.info([70, 50], IMMEDIATE)?.push_next(&mut all);
    // SAFETY: a valid info, and a new swapchain.
    let chain = unsafe {
        let handle = stage.swapchains.create_swapchain(&info, None)?;
        Chain { handle, images: stage.swapchains.get_swapchain_images(handle)? }
    };
    let start = Instant::now();
    for _ in 0..MANY {
        stage.frame(&chain, None)?;
    }
    let usual = start.elapsed() / MANY;
    let (clear, seen) = color(77);
    let start = Instant::now();
    let index = stage.acquire(&chain, PATIENCE)?;
    let (chains, images) = ([chain.handle], [index]);
    let cmd = [stage.clear(chain.images[index as usize], clear)?];
    let mut mode = vk::SwapchainPresentModeInfoEXT::default().present_modes(&modes[1..]);
    let info = vk::PresentInfoKHR::default().swapchains(&chains).image_indices(&images).push_next(&mut mode);
    // SAFETY: handles of this device, and an image that is drawn before.
    unsafe {
        stage.device.queue_submit(
            stage.queue,
            &[vk::SubmitInfo::default().command_buffers(&cmd)],
            vk::Fence::null(),
        )?;
        stage.swapchains.queue_present(stage.queue, &info).context("vkQueuePresentKHR")?;
    }
    place.expect("in another mode", [70, 50], seen)?;
    let took = start.elapsed();
    ensure!(took < Duration::from_millis(500) + 20 * usual, "{took:?} in another mode, {usual:?} before");
    stage.end(chain)
}

/// A program that sleeps until its connection has something to read is woken by every event, although a picture was shown meanwhile.
fn woken(place: &Place, stage: &Stage) -> Result<()> {
    let wait = stage.present_wait.as_ref().context("presents can't be waited for")?;
    let mask = ChangeWindowAttributesAux::new().event_mask(EventMask::PROPERTY_CHANGE);
    place.connection.change_window_attributes(place.window, &mask)?.check()?;
    let (other, _) = RustConnection::connect(None)?;
    let chain = stage.chain([70, 50], FIFO, None)?;
    for round in 1..=20 {
        let (name, kind) = (AtomEnum::WM_NAME, AtomEnum::STRING);
        other.change_property(PropMode::REPLACE, place.window, name, kind, 8, 1, &[round])?.check()?;
        stage.frame(&chain, Some(round.into()))?;
        // SAFETY: a valid swapchain.
        unsafe { wait.wait_for_present(chain.handle, round.into(), PATIENCE)? };
        let mut fd = libc::pollfd { fd: place.connection.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one descriptor.
        let ready = unsafe { libc::poll(&mut fd, 1, 1_000) };
        ensure!(ready == 1, "event {round}: the program isn't woken, poll returned {ready}");
        let mut events = 0;
        while place.connection.poll_for_event()?.is_some() {
            events += 1;
        }
        ensure!(events == 1, "event {round}: {events} events");
    }
    stage.end(chain)
}

/// Draws until it is told that the window has another size.
fn resized(stage: &Stage, chain: &Chain) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < SOON {
        match stage.try_frame(chain, None, [0.0; 4])? {
            Ok((_, true)) | Err(vk::Result::ERROR_OUT_OF_DATE_KHR) => return Ok(()),
            Ok((_, false)) => {}
            Err(e) => bail!("in a window of another size: {e:?}"),
        }
    }
    bail!("nobody says that the window has another size")
}

/// Draws until that fails; what it says.
fn lost(stage: &Stage, chain: &Chain) -> Result<vk::Result> {
    let start = Instant::now();
    while start.elapsed() < SOON {
        if let Err(e) = stage.try_frame(chain, None, [1.0; 4])? {
            return Ok(e);
        }
    }
    bail!("nobody says that the window is gone")
}

/// Draws until the X server has died, which happens after `ready` is printed and before the line of input that is waited for.
pub fn dead() -> Result<()> {
    let place = Place::new([64, 64])?;
    let stage = place.stage()?;
    let chain = stage.chain([64, 64], FIFO, None)?;
    for _ in 0..5 {
        stage.frame(&chain, None)?;
    }
    println!("ready");
    stdout().flush()?;
    stdin().lock().read_line(&mut String::new())?;
    let start = Instant::now();
    let end = lost(&stage, &chain)?;
    // SAFETY: valid handles.
    let can = unsafe { stage.surfaces.get_physical_device_surface_capabilities(stage.physical, stage.surface) };
    let took = start.elapsed();
    let gone = vk::Result::ERROR_SURFACE_LOST_KHR;
    ensure!(end == gone && can.err() == Some(gone), "without an X server: {end:?}, {can:?}");
    ensure!(took < Duration::from_secs(5), "after {took:?}");
    stage.end(chain)?;
    drop(stage);
    println!("ok dead-window");
    Ok(())
}
