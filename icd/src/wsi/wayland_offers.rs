//! What a compositor offers: the ways in which it takes pictures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use wayland_client::protocol::wl_callback::{self, WlCallback};
use wayland_client::protocol::wl_registry::{self, WlRegistry};
use wayland_client::protocol::wl_shm::WlShm;
use wayland_client::{Connection, Dispatch, EventQueue, Proxy, QueueHandle, delegate_noop};
use wayland_protocols::wp::linux_dmabuf::zv1::client::zwp_linux_dmabuf_v1::{self, ZwpLinuxDmabufV1};

use crate::base::log::warn_;
use crate::wsi::wayland_link::Link;
use crate::wsi::window::Gone;

/// How long a compositor may take to answer.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The version of linux-dmabuf that is used: the first that tells of modifiers. Later ones tell of them in files, by device and surface.
const DMABUF_VERSION: u32 = 3;

/// The version of wl_shm that is used where there is one as new: the first that has a command to end it.
const SHM_VERSION: u32 = 2;

/// DRM_FORMAT_MOD_LINEAR (Linux, include/uapi/drm/drm_fourcc.h): rows without tiles.
pub const LINEAR: u64 = 0;

/// The ways in which a compositor takes pictures.
pub struct Offers {
    /// In memory that it maps.
    pub shm: WlShm,
    /// In memory of a device.
    dmabuf: Option<ZwpLinuxDmabufV1>,
    /// The formats that memory of a device may have without tiles (DRM_FORMAT_*).
    linear: Vec<u32>,
    /// Whether the compositor has refused what it offers to take.
    refused: AtomicBool,
    // Behind whatever has a part in the connection.
    link: Arc<Link>,
}

impl Offers {
    /// Asks a compositor.
    ///
    /// # Errors
    /// When the connection has failed, or the compositor tells nothing of memory that it maps.
    pub fn ask(link: &Arc<Link>) -> Result<Self, Gone> {
        link.check()?;
        let (mut queue, mut told) = (link.queue::<Told>(), Told::default());
        let registry = link.display().get_registry(&queue.handle(), ());
        // The second answer comes behind the formats of what was bound before: events that nobody takes keep their queue for ever.
        let complete = is_answered(link, &mut queue, &mut told)? && is_answered(link, &mut queue, &mut told)?;
        link.forget(&registry);
        let Told { shm, dmabuf, linear, .. } = told;
        let (Some(shm), true) = (&shm, complete) else {
            end(shm.as_ref(), dmabuf.as_ref());
            warn_!("the Wayland compositor offers no wl_shm, or doesn't answer: VK_ERROR_SURFACE_LOST_KHR");
            return Err(Gone);
        };
        Ok(Self { shm: shm.clone(), dmabuf, linear, refused: AtomicBool::new(false), link: link.clone() })
    }

    /// The way for memory of a device in a format (DRM_FORMAT_*), without tiles, where the compositor takes that.
    pub fn dmabuf(&self, format: u32) -> Option<&ZwpLinuxDmabufV1> {
        // Relaxed: nothing else depends on it.
        let takes = !self.refused.load(Ordering::Relaxed) && self.linear.contains(&format);
        self.dmabuf.as_ref().filter(|_| takes)
    }

    /// The compositor has refused what it offers to take: it won't be asked again.
    pub fn refuse_dmabuf(&self) {
        // Relaxed: as above.
        self.refused.store(true, Ordering::Relaxed);
    }
}

impl Drop for Offers {
    fn drop(&mut self) {
        // Objects of a closed connection are gone.
        if self.link.check().is_ok() {
            end(Some(&self.shm), self.dmabuf.as_ref());
            // A connection that fails now is found by whoever uses it next.
            let _ = self.link.flush();
        }
    }
}

/// Ends what was bound, so that programs which make many surfaces leave nothing with the compositor. Buffers and pools that were made by it stay.
fn end(shm: Option<&WlShm>, dmabuf: Option<&ZwpLinuxDmabufV1>) {
    // Older ones have no command for that.
    if let Some(shm) = shm.filter(|s| s.version() >= SHM_VERSION) {
        shm.release();
    }
    if let Some(dmabuf) = dmabuf {
        dmabuf.destroy();
    }
}

/// Hears what the compositor tells until it has answered everything that was asked so far; whether it has in time.
fn is_answered(link: &Link, queue: &mut EventQueue<Told>, told: &mut Told) -> Result<bool, Gone> {
    told.complete = false;
    let asked = link.display().sync(&queue.handle(), ());
    let complete = link.hear(queue, told, PATIENCE, |t| t.complete)?;
    if !complete {
        link.forget(&asked);
    }
    Ok(complete)
}

/// What a compositor tells of itself.
#[derive(Default)]
struct Told {
    shm: Option<WlShm>,
    dmabuf: Option<ZwpLinuxDmabufV1>,
    linear: Vec<u32>,
    /// It has answered.
    complete: bool,
}

impl Dispatch<WlRegistry, ()> for Told {
    fn event(
        told: &mut Self,
        registry: &WlRegistry,
        event: wl_registry::Event,
        (): &(),
        _: &Connection,
        queue: &QueueHandle<Self>,
    ) {
        let wl_registry::Event::Global { name, interface, version } = event else { return };
        if interface == WlShm::interface().name {
            told.shm = Some(registry.bind(name, version.min(SHM_VERSION), queue, ()));
        } else if interface == ZwpLinuxDmabufV1::interface().name && version >= DMABUF_VERSION {
            told.dmabuf = Some(registry.bind(name, DMABUF_VERSION, queue, ()));
        }
    }
}

impl Dispatch<WlCallback, ()> for Told {
    fn event(told: &mut Self, _: &WlCallback, _: wl_callback::Event, (): &(), _: &Connection, _: &QueueHandle<Self>) {
        told.complete = true;
    }
}

impl Dispatch<ZwpLinuxDmabufV1, ()> for Told {
    fn event(
        told: &mut Self,
        _: &ZwpLinuxDmabufV1,
        event: zwp_linux_dmabuf_v1::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let zwp_linux_dmabuf_v1::Event::Modifier { format, modifier_hi, modifier_lo } = event
            && u64::from(modifier_hi) << 32 | u64::from(modifier_lo) == LINEAR
        {
            told.linear.push(format);
        }
    }
}

// Every compositor takes the formats that are used here (wl_shm.format).
delegate_noop!(Told: ignore WlShm);
