//! Windows (xdg-shell): a program may show something once it was told that its window is there.

use wayland_protocols::xdg::shell::server::xdg_popup::XdgPopup;
use wayland_protocols::xdg::shell::server::xdg_positioner::XdgPositioner;
use wayland_protocols::xdg::shell::server::xdg_surface::{self, XdgSurface};
use wayland_protocols::xdg::shell::server::xdg_toplevel::XdgToplevel;
use wayland_protocols::xdg::shell::server::xdg_wm_base::{self, XdgWmBase};
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New};

use super::state::{State, ignored_objects};

impl GlobalDispatch<XdgWmBase, ()> for State {
    fn bind(_: &mut Self, _: &DisplayHandle, _: &Client, new: New<XdgWmBase>, (): &(), init: &mut DataInit<'_, Self>) {
        init.init(new, ());
    }
}

impl Dispatch<XdgWmBase, ()> for State {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &XdgWmBase,
        request: xdg_wm_base::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        match request {
            xdg_wm_base::Request::GetXdgSurface { id, .. } => drop(init.init(id, ())),
            xdg_wm_base::Request::CreatePositioner { id } => drop(init.init(id, ())),
            _ => {}
        }
    }
}

impl Dispatch<XdgSurface, ()> for State {
    fn request(
        _: &mut Self,
        _: &Client,
        surface: &XdgSurface,
        request: xdg_surface::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        match request {
            xdg_surface::Request::GetToplevel { id } => {
                let toplevel = init.init(id, ());
                // Zeros leave the size to the program.
                toplevel.configure(0, 0, Vec::new());
                surface.configure(1);
            }
            xdg_surface::Request::GetPopup { id, .. } => drop(init.init(id, ())),
            _ => {}
        }
    }
}

ignored_objects!(XdgToplevel, XdgPositioner, XdgPopup);
