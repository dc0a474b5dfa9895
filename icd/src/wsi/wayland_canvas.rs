//! Pictures in a Wayland window, in memory that the compositor maps (wl_shm).

use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ash::vk;
use wayland_client::protocol::wl_buffer::{self, WlBuffer};
use wayland_client::protocol::wl_callback::{self, WlCallback};
use wayland_client::protocol::wl_shm::Format;
use wayland_client::protocol::wl_shm_pool::WlShmPool;
use wayland_client::{Connection, Dispatch, EventQueue, QueueHandle, delegate_noop};

use crate::base::log::warn_;
use crate::wsi::shared_memory::SharedMemory;
use crate::wsi::wayland_link::Link;
use crate::wsi::window::{Canvas, Gone, Picture};

/// Pictures that a compositor may hold: one that is seen, one that is to be seen next, and one more for compositors that are slow to give one back. Those
/// that aren't used take no memory.
const BUFFERS: usize = 3;

/// How long a compositor may be silent about a picture until its window counts as hidden: it says nothing of pictures that nobody sees, and programs must go on
/// all the same.
const HIDDEN: Duration = Duration::from_millis(250);

/// Shows pictures of one size in a window.
pub struct WaylandCanvas {
    queue: EventQueue<Shown>,
    shown: Shown,
    buffers: Vec<WlBuffer>,
    /// What all buffers lie in, one behind the other.
    memory: SharedMemory,
    /// Bytes of a buffer.
    size: usize,
    /// When the last picture was shown.
    last: Instant,
    // Behind whatever has a part in the connection.
    link: Arc<Link>,
}

/// What has become of what was shown.
#[derive(Default)]
struct Shown {
    /// Whether the compositor has each buffer.
    held: Vec<bool>,
    /// What tells when the next picture is due.
    frame: Option<WlCallback>,
}

impl WaylandCanvas {
    /// A canvas for pictures of this size.
    ///
    /// # Errors
    /// When the connection has failed or the window can't ever be as large, and where there is no memory.
    pub fn new(link: Arc<Link>, extent: vk::Extent2D, format: Format) -> Result<Self, Gone> {
        let shm = link.shm()?;
        let side = |n: u32| i32::try_from(n).map_err(|_| Gone);
        let (width, height) = (side(extent.width)?, side(extent.height)?);
        let row = width.checked_mul(4).ok_or(Gone)?;
        let size = row.checked_mul(height).filter(|s| *s > 0).ok_or(Gone)?;
        // The protocol has 32 bits for the size of the memory and for places in it.
        let count = (i32::MAX / size).min(BUFFERS as i32);
        let (memory, file) = SharedMemory::new((size * count) as usize).map_err(|e| {
            warn_!("no memory for pictures of a Wayland window: {e}: VK_ERROR_SURFACE_LOST_KHR");
            Gone
        })?;
        let queue = link.queue::<Shown>();
        let handle = queue.handle();
        // libwayland gives up the program's connection where it can't duplicate a descriptor.
        drop(file.try_clone().map_err(|_| Gone)?);
        link.check()?;
        let pool = shm.create_pool(file.as_fd(), size * count, &handle, ());
        let buffer = |i| pool.create_buffer(i * size, width, height, row, format, &handle, i as usize);
        let buffers: Vec<WlBuffer> = (0..count).map(buffer).collect();
        pool.destroy();
        link.flush()?;
        let shown = Shown { held: vec![false; buffers.len()], frame: None };
        Ok(Self { queue, shown, buffers, memory, size: size as usize, last: Instant::now(), link })
    }
}

impl Canvas for WaylandCanvas {
    fn ready(&mut self, mode: vk::PresentModeKHR, within: Duration) -> Result<bool, Gone> {
        let has_room = |s: &Shown| s.held.contains(&false);
        let is_due = |s: &Shown| mode != vk::PresentModeKHR::FIFO || s.frame.is_none();
        let hidden = HIDDEN.saturating_sub(self.last.elapsed());
        let within = if has_room(&self.shown) { within.min(hidden) } else { within };
        let told = self.link.hear(&mut self.queue, &mut self.shown, within, |s| has_room(s) && is_due(s))?;
        Ok(told || has_room(&self.shown) && self.last.elapsed() >= HIDDEN)
    }

    fn show(&mut self, picture: &Picture<'_>) -> Result<Option<vk::Extent2D>, Gone> {
        self.link.check()?;
        let free = self.shown.held.iter().position(|held| !held);
        let Some((i, buffer)) = free.and_then(|i| Some((i, self.buffers.get(i)?))) else { return Ok(None) };
        self.memory.write(i * self.size, picture.bytes);
        if let Some(held) = self.shown.held.get_mut(i) {
            *held = true;
        }
        let surface = &self.link.surface;
        surface.attach(Some(buffer), 0, 0);
        surface.damage(0, 0, i32::MAX, i32::MAX);
        if self.shown.frame.is_none() {
            self.shown.frame = Some(surface.frame(&self.queue.handle(), ()));
        }
        surface.commit();
        self.last = Instant::now();
        self.link.flush()?;
        Ok(None)
    }
}

impl Drop for WaylandCanvas {
    fn drop(&mut self) {
        // A program or compositor that has closed the connection has forgotten everything; objects of a closed connection are gone.
        if self.link.check().is_err() {
            return;
        }
        // The compositor keeps the picture that is seen, whose memory nobody writes any more.
        self.buffers.iter().for_each(WlBuffer::destroy);
        if let Some(frame) = &self.shown.frame {
            self.link.forget(frame);
        }
        // Events that nobody takes keep their queue for ever. A connection that fails now is found by whoever uses it next.
        let _ = self.queue.dispatch_pending(&mut self.shown);
        let _ = self.link.flush();
    }
}

impl Dispatch<WlBuffer, usize> for Shown {
    fn event(shown: &mut Self, _: &WlBuffer, _: wl_buffer::Event, i: &usize, _: &Connection, _: &QueueHandle<Self>) {
        // Its only event is that the compositor gives it back.
        if let Some(held) = shown.held.get_mut(*i) {
            *held = false;
        }
    }
}

impl Dispatch<WlCallback, ()> for Shown {
    fn event(shown: &mut Self, _: &WlCallback, _: wl_callback::Event, (): &(), _: &Connection, _: &QueueHandle<Self>) {
        shown.frame = None;
    }
}

delegate_noop!(Shown: WlShmPool);
