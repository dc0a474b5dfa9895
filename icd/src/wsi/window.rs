//! What swapchains ask of a window system; one file for each answers.

use std::time::Duration;

use ash::vk;

/// What a window is like at the moment.
pub struct Look {
    /// Its size; `None` where the swapchain decides.
    pub extent: Option<vk::Extent2D>,
    /// What may become of the alpha channel.
    pub alpha: vk::CompositeAlphaFlagsKHR,
    /// The formats that pictures may have, the best first; all of them have four bytes a texel, and hold sRGB colors.
    pub formats: &'static [vk::Format],
}

/// The window is no more, or the way to it: VK_ERROR_SURFACE_LOST_KHR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// A window, or what stands for one.
pub trait Window: Send + Sync {
    /// What it is like.
    ///
    /// # Errors
    /// When it is gone.
    fn look(&self) -> Result<Look, Gone>;

    /// A way to show pictures of this size in it.
    ///
    /// # Errors
    /// When it is gone.
    fn canvas(&self, extent: vk::Extent2D) -> Result<Box<dyn Canvas>, Gone>;

    /// From one picture to the next one that can be seen; `None` where nobody looks.
    fn refresh(&self) -> Option<Duration>;
}

/// A picture in memory: rows of four bytes a texel, which follow each other closely.
pub struct Picture<'a> {
    pub bytes: &'a [u8],
    pub extent: vk::Extent2D,
}

/// Shows pictures in a window.
pub trait Canvas: Send {
    /// Shows one; its memory may change afterwards. Returns the window's size, `None` where any will do.
    ///
    /// # Errors
    /// When the window is gone.
    fn show(&mut self, picture: &Picture<'_>) -> Result<Option<vk::Extent2D>, Gone>;
}
