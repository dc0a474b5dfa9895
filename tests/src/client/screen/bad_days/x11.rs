//! A window of X11 on a bad day.

use anyhow::Result;
use x11rb::protocol::xproto::ConnectionExt as _;

use super::super::stage::Stage;
use super::super::window::Place as X11;
use super::place::Place;

impl Place for X11 {
    fn stage(&self) -> Result<Stage> {
        X11::stage(self)
    }

    fn resize(&mut self, size: [u32; 2]) -> Result<()> {
        X11::resize(self, size.map(|n| n as u16))
    }

    fn minimise(&mut self) -> Result<()> {
        Ok(self.connection.unmap_window(self.window)?.check()?)
    }

    fn restore(&mut self) -> Result<()> {
        Ok(self.connection.map_window(self.window)?.check()?)
    }

    fn destroy(&mut self) -> Result<()> {
        Ok(self.connection.destroy_window(self.window)?.check()?)
    }
}
