//! A window of Wayland with a role (xdg-shell), so that every compositor shows it.

use std::time::Duration;

use anyhow::{Context, Result};
use wayland_client::globals::{GlobalListContents, registry_queue_init};
use wayland_client::protocol::wl_compositor::WlCompositor;
use wayland_client::protocol::wl_registry::{self, WlRegistry};
use wayland_client::protocol::wl_surface::WlSurface;
use wayland_client::{Connection, Dispatch, EventQueue, QueueHandle, delegate_noop};
use wayland_protocols::xdg::shell::client::xdg_surface::{self, XdgSurface};
use wayland_protocols::xdg::shell::client::xdg_toplevel::XdgToplevel;
use wayland_protocols::xdg::shell::client::xdg_wm_base::{self, XdgWmBase};

use super::super::stage::Stage;
use super::super::wayland_place;
use super::place::Place;

/// How often a compositor is asked whether it has told the window's size, and the rest between two times.
const ASKED: u32 = 50;
const REST: Duration = Duration::from_millis(10);

/// A window.
pub struct Toplevel {
    /// Gone once the window is.
    role: Option<(XdgSurface, XdgToplevel)>,
    surface: WlSurface,
    told: Told,
    queue: EventQueue<Told>,
    connection: Connection,
}

/// What the compositor told.
#[derive(Default)]
struct Told {
    /// That there may be a picture now, and how large it may be.
    configured: bool,
}

impl Toplevel {
    /// A window on the compositor that the environment names.
    pub fn new() -> Result<Self> {
        let connection = Connection::connect_to_env().context("no Wayland compositor")?;
        let (globals, queue) = registry_queue_init::<Told>(&connection)?;
        let handle = queue.handle();
        let compositor: WlCompositor = globals.bind(&handle, 4..=4, ())?;
        let wm: XdgWmBase = globals.bind(&handle, 1..=1, ())?;
        let surface = compositor.create_surface(&handle, ());
        let xdg = wm.get_xdg_surface(&surface, &handle, ());
        let toplevel = xdg.get_toplevel(&handle, ());
        let mut new = Self { role: Some((xdg, toplevel)), surface, told: Told::default(), queue, connection };
        new.appear()?;
        Ok(new)
    }

    /// Asks for a place on the screen, and waits until pictures may come.
    fn appear(&mut self) -> Result<()> {
        self.told.configured = false;
        self.surface.commit();
        for _ in 0..ASKED {
            self.queue.roundtrip(&mut self.told)?;
            if self.told.configured {
                break;
            }
            // The test compositor tells it once alone.
            std::thread::sleep(REST);
        }
        Ok(())
    }
}

impl Place for Toplevel {
    fn stage(&self) -> Result<Stage> {
        wayland_place::stage(&self.connection, &self.surface)
    }

    fn resize(&mut self, _: [u32; 2]) -> Result<()> {
        // Whatever the swapchain has.
        Ok(())
    }

    fn minimise(&mut self) -> Result<()> {
        let (_, toplevel) = self.role.as_ref().context("the window is gone")?;
        toplevel.set_minimized();
        self.queue.roundtrip(&mut self.told)?;
        Ok(())
    }

    /// Unmapped and mapped again, by xdg-shell's rules for both: compositors don't tell what minimises a window, nor what doesn't.
    fn restore(&mut self) -> Result<()> {
        self.surface.attach(None, 0, 0);
        self.surface.commit();
        self.appear()
    }

    fn destroy(&mut self) -> Result<()> {
        // The wl_surface itself has to outlive the swapchain: nobody could tell a pointer to it from one to something else.
        let (xdg, toplevel) = self.role.take().context("the window is gone")?;
        toplevel.destroy();
        xdg.destroy();
        self.queue.roundtrip(&mut self.told)?;
        Ok(())
    }
}

impl Dispatch<WlRegistry, GlobalListContents> for Told {
    fn event(
        _: &mut Self,
        _: &WlRegistry,
        _: wl_registry::Event,
        _: &GlobalListContents,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
    }
}

impl Dispatch<XdgSurface, ()> for Told {
    fn event(
        told: &mut Self,
        surface: &XdgSurface,
        event: xdg_surface::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        if let xdg_surface::Event::Configure { serial } = event {
            surface.ack_configure(serial);
            told.configured = true;
        }
    }
}

impl Dispatch<XdgWmBase, ()> for Told {
    fn event(_: &mut Self, wm: &XdgWmBase, event: xdg_wm_base::Event, (): &(), _: &Connection, _: &QueueHandle<Self>) {
        if let xdg_wm_base::Event::Ping { serial } = event {
            wm.pong(serial);
        }
    }
}

delegate_noop!(Told: WlCompositor);
delegate_noop!(Told: ignore WlSurface);
delegate_noop!(Told: ignore XdgToplevel);
