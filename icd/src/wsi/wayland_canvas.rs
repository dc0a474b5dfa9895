//! Pictures in a Wayland window, in the compositor's order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ash::vk;
use wayland_client::EventQueue;

use crate::wsi::wayland_buffers::Buffers;
use crate::wsi::wayland_dmabuf;
use crate::wsi::wayland_link::Link;
use crate::wsi::wayland_offers::Offers;
use crate::wsi::wayland_shm::Pool;
use crate::wsi::window::{Canvas, DmaBufs, Gone, HELD, Picture};

/// How long a compositor may be silent about a picture until its window counts as hidden: it says nothing of pictures that nobody sees, and programs must go on
/// all the same.
const HIDDEN: Duration = Duration::from_millis(250);

/// How long a picture waits for room in the socket, as where the program has just asked for very much.
const FULL: Duration = Duration::from_secs(1);

/// Shows pictures of one size in a window.
pub struct WaylandCanvas {
    queue: EventQueue<Buffers>,
    buffers: Buffers,
    /// What pictures are copied into; `None` where the compositor reads them where they are.
    pool: Option<Pool>,
    /// When the last picture was shown.
    last: Instant,
    // Behind whatever has a part in the connection.
    link: Arc<Link>,
}

impl WaylandCanvas {
    /// A canvas for pictures of this size, in memory that the compositor maps.
    ///
    /// # Errors
    /// ERROR_SURFACE_LOST_KHR when the connection has failed, ERROR_OUT_OF_HOST_MEMORY where there is no memory.
    pub fn over_shm(
        link: Arc<Link>,
        offers: &Offers,
        extent: vk::Extent2D,
        sees_through: bool,
    ) -> Result<Self, vk::Result> {
        link.check()?;
        let queue = link.queue();
        let (pool, buffers) = Pool::new(&offers.shm, &queue.handle(), extent, sees_through)?;
        link.flush()?;
        Ok(Self { queue, buffers, pool: Some(pool), last: Instant::now(), link })
    }

    /// The same in memory of the device's; `None` where the compositor doesn't take that.
    ///
    /// # Errors
    /// When the connection has failed.
    pub fn over_dma_bufs(
        link: Arc<Link>,
        offers: &Offers,
        extent: vk::Extent2D,
        sees_through: bool,
        pictures: DmaBufs,
    ) -> Result<Option<Self>, Gone> {
        let mut queue = link.queue();
        let format = wayland_dmabuf::format(sees_through);
        let buffers = wayland_dmabuf::import(&link, offers, &mut queue, extent, format, pictures)?;
        Ok(buffers.map(|buffers| Self { queue, buffers, pool: None, last: Instant::now(), link }))
    }
}

/// How long nobody looks whether a device still reads what the compositor has given back.
const LOOK: Duration = Duration::from_millis(1);

/// Whether the compositor may be given another picture.
fn has_room(buffers: &Buffers) -> bool {
    buffers.held() < buffers.slots.len().min(HELD)
}

/// Whether it may be given one in this mode.
fn is_due(buffers: &Buffers, mode: vk::PresentModeKHR) -> bool {
    has_room(buffers) && (mode != vk::PresentModeKHR::FIFO || buffers.frame.is_none())
}

impl Canvas for WaylandCanvas {
    fn ready(&mut self, mode: vk::PresentModeKHR, within: Duration) -> Result<bool, Gone> {
        let hidden = HIDDEN.saturating_sub(self.last.elapsed());
        let is_read = self.buffers.take_back();
        let within = match has_room(&self.buffers) {
            true => within.min(hidden),
            false if is_read => within.min(LOOK),
            false => within,
        };
        let told = self.link.hear(&mut self.queue, &mut self.buffers, within, |b| is_due(b, mode))?;
        Ok(told || has_room(&self.buffers) && self.last.elapsed() >= HIDDEN)
    }

    fn is_ready(&mut self, mode: vk::PresentModeKHR) -> bool {
        // What fails is found by whoever shows the picture.
        if self.link.check().is_err() || self.queue.dispatch_pending(&mut self.buffers).is_err() {
            return false;
        }
        self.buffers.take_back();
        is_due(&self.buffers, mode)
    }

    fn show(&mut self, picture: &Picture<'_>) -> Result<Option<vk::Extent2D>, Gone> {
        self.link.check()?;
        if !has_room(&self.buffers) {
            return Ok(None);
        }
        let lease = match &mut self.pool {
            Some(pool) => pool.copy(picture),
            None => Some(picture.lease.clone()),
        };
        let Some(buffer) = lease.and_then(|lease| self.buffers.hand_over(lease)) else { return Ok(None) };
        let surface = &self.link.surface;
        surface.attach(Some(buffer), 0, 0);
        surface.damage(0, 0, i32::MAX, i32::MAX);
        if self.buffers.frame.is_none() {
            self.buffers.frame = Some(surface.frame(&self.queue.handle(), ()));
        }
        surface.commit();
        self.last = Instant::now();
        self.link.send(FULL)?;
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
        self.buffers.destroy();
        if let Some(frame) = &self.buffers.frame {
            self.link.forget(frame);
        }
        // Events that nobody takes keep their queue for ever. A connection that fails now is found by whoever uses it next.
        let _ = self.queue.dispatch_pending(&mut self.buffers);
        let _ = self.link.flush();
    }
}
