//! A surface of Wayland, by a connection of the program's own, and a device for it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ash::{khr, vk};
use wayland_client::protocol::wl_callback::{self, WlCallback};
use wayland_client::protocol::wl_compositor::WlCompositor;
use wayland_client::protocol::wl_registry::{self, WlRegistry};
use wayland_client::protocol::wl_surface::WlSurface;
use wayland_client::{Connection, Dispatch, EventQueue, Proxy as _, QueueHandle, delegate_noop};

use super::stage::{Chain, Stage};

pub const SIZE: [u32; 2] = [50, 40];

/// How long anything may take that waits for no compositor, on a machine with other work, too.
pub const AT_ONCE: Duration = Duration::from_secs(5);

/// A surface on the compositor that the environment names.
pub struct Place {
    pub surface: WlSurface,
    pub queue: EventQueue<Told>,
    pub connection: Connection,
}

/// What the compositor told.
#[derive(Default)]
pub struct Told {
    compositor: Option<WlCompositor>,
    pub answers: u32,
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
        if let wl_registry::Event::Global { name, interface, .. } = event
            && interface == WlCompositor::interface().name
        {
            told.compositor = Some(registry.bind(name, 4, queue, ()));
        }
    }
}

impl Dispatch<WlCallback, ()> for Told {
    fn event(told: &mut Self, _: &WlCallback, _: wl_callback::Event, (): &(), _: &Connection, _: &QueueHandle<Self>) {
        told.answers += 1;
    }
}

delegate_noop!(Told: WlCompositor);
delegate_noop!(Told: ignore WlSurface);

impl Place {
    pub fn new() -> Result<Self> {
        let connection = Connection::connect_to_env().context("no Wayland compositor")?;
        let (mut queue, mut told) = (connection.new_event_queue(), Told::default());
        let _registry = connection.display().get_registry(&queue.handle(), ());
        queue.roundtrip(&mut told)?;
        let surface = told.compositor.context("no wl_compositor")?.create_surface(&queue.handle(), ());
        Ok(Self { surface, queue, connection })
    }

    pub fn stage(&self) -> Result<Stage> {
        stage(&self.connection, &self.surface)
    }
}

/// A device with the surface of a window, which outlives it.
pub fn stage(connection: &Connection, surface: &WlSurface) -> Result<Stage> {
    Stage::on(khr::wayland_surface::NAME, |entry, instance| {
        let loader = khr::wayland_surface::Instance::new(entry, instance);
        let display = connection.backend().display_ptr().cast();
        let info = vk::WaylandSurfaceCreateInfoKHR::default().display(display).surface(surface.id().as_ptr().cast());
        // SAFETY: a valid instance with the extension, and valid pointers.
        unsafe {
            let physical = *instance.enumerate_physical_devices()?.first().context("there is no device")?;
            let presents = loader.get_physical_device_wayland_presentation_support(physical, 0, &mut *display);
            ensure!(presents, "queues of the first family don't present");
            loader.create_wayland_surface(&info, None).context("vkCreateWaylandSurfaceKHR")
        }
    })?
    .context("the device has no VK_KHR_swapchain")
}

/// Ends a swapchain; nothing that a compositor does may hold that up.
pub fn end_at_once(stage: &Stage, chain: Chain) -> Result<()> {
    let start = Instant::now();
    stage.end(chain)?;
    ensure!(start.elapsed() < AT_ONCE, "the swapchain took {:?} to end", start.elapsed());
    Ok(())
}
