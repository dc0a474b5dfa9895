//! A window as its user and its program see it, whatever the window system.

use anyhow::Result;

use super::super::stage::Stage;

/// A window that the environment's display server shows.
pub trait Place {
    /// A device with the window's surface, which the window outlives.
    fn stage(&self) -> Result<Stage>;

    /// Gives the window another size, where others than the swapchain decide it.
    fn resize(&mut self, size: [u32; 2]) -> Result<()>;

    /// Takes the window from the screen, as a user does who minimises it.
    fn minimise(&mut self) -> Result<()>;

    /// Brings it back.
    fn restore(&mut self) -> Result<()>;

    /// Ends the window, as far as that may be while there is a surface.
    fn destroy(&mut self) -> Result<()>;
}
