//! What swapchains ask of a window system; one file for each answers.

use std::borrow::Cow;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use ash::vk;

use crate::wsi::lease::Lease;

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

impl From<Gone> for vk::Result {
    fn from(_: Gone) -> Self {
        Self::ERROR_SURFACE_LOST_KHR
    }
}

/// What an error of the system's means that only says that it is short of something, which may pass: ERROR_OUT_OF_HOST_MEMORY.
pub fn shortage(e: &io::Error) -> Option<vk::Result> {
    let is_short = matches!(e.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM));
    is_short.then_some(vk::Result::ERROR_OUT_OF_HOST_MEMORY)
}

/// Pictures that a window system's server may have at once: one that is seen, one that is to be seen next, and one more for servers that are slow to give
/// one back.
pub const HELD: usize = 3;

/// A window, or what stands for one.
pub trait Window: Send + Sync {
    /// What it is like.
    ///
    /// # Errors
    /// When it is gone.
    fn look(&self) -> Result<Look, Gone>;

    /// A way to show pictures of this size in it, whose alpha channel means one of the things that the window can do.
    ///
    /// # Errors
    /// What vkCreateSwapchainKHR returns when it is gone, or can't be drawn into.
    fn canvas(&self, extent: vk::Extent2D, alpha: vk::CompositeAlphaFlagsKHR) -> Result<Box<dyn Canvas>, vk::Result>;

    /// Whether the server may take pictures of the device's own memory, whose alpha channel means one of the things that the window can do.
    ///
    /// # Errors
    /// When it is gone.
    fn takes_dma_bufs(&self, _alpha: vk::CompositeAlphaFlagsKHR) -> Result<bool, Gone> {
        Ok(false)
    }

    /// A way to show pictures that lie in these dma-bufs; `None` where the server doesn't take one of them, or can't be asked.
    ///
    /// # Errors
    /// When it is gone.
    fn dma_buf_canvas(
        &self,
        _extent: vk::Extent2D,
        _alpha: vk::CompositeAlphaFlagsKHR,
        _pictures: DmaBufs,
    ) -> Result<Option<Box<dyn Canvas>>, Gone> {
        Ok(None)
    }

    /// Whether anybody sees its pictures: nobody needs the others' bytes.
    fn is_seen(&self) -> bool {
        true
    }

    /// From one picture to the next one that can be seen; `None` where nobody looks, or where the canvas tells.
    fn refresh(&self) -> Option<Duration>;

    /// Whether the way to the window is still there, by what is at hand: nobody is asked, so that this never waits.
    ///
    /// # Errors
    /// When the window system has closed it.
    fn check(&self) -> Result<(), Gone> {
        Ok(())
    }

    /// Whether what the program has said of the window when it presents a picture, and nothing that it says later, is to be seen with that picture:
    /// presenting waits for the picture, then.
    fn goes_with_pictures(&self) -> bool {
        false
    }
}

/// A window to which this driver has no way. Loaders make a surface of no driver where one driver fails, so the surface says at its use that nothing can
/// be shown.
pub struct Unreachable;

impl Window for Unreachable {
    fn look(&self) -> Result<Look, Gone> {
        Err(Gone)
    }

    fn canvas(&self, _: vk::Extent2D, _: vk::CompositeAlphaFlagsKHR) -> Result<Box<dyn Canvas>, vk::Result> {
        Err(Gone.into())
    }

    fn refresh(&self) -> Option<Duration> {
        None
    }

    fn check(&self) -> Result<(), Gone> {
        Err(Gone)
    }
}

/// Pictures in memory that the server reads itself: a file for each, in the order of their leases' numbers. Four bytes a texel, rows without tiles.
pub struct DmaBufs {
    pub files: Vec<OwnedFd>,
    /// Bytes from one row to the next.
    pub row: u32,
}

/// A picture in memory, four bytes a texel.
pub struct Picture<'a> {
    /// From the first texel to the last one.
    pub bytes: &'a [u8],
    pub extent: vk::Extent2D,
    /// Bytes from one row to the next.
    pub pitch: usize,
    /// Keeps the memory as it is; kept as long as the server reads it.
    pub lease: Lease,
}

impl Picture<'_> {
    /// The texels of each row.
    pub fn rows(&self) -> impl Iterator<Item = &[u8]> {
        let row = self.extent.width as usize * 4;
        self.bytes.chunks(self.pitch.max(1)).map(move |r| r.get(..row).unwrap_or(r))
    }

    /// Its rows, one right behind the other.
    pub fn closely(&self) -> Cow<'_, [u8]> {
        if self.pitch == self.extent.width as usize * 4 {
            Cow::Borrowed(self.bytes)
        } else {
            Cow::Owned(self.rows().collect::<Vec<_>>().concat())
        }
    }
}

/// Shows pictures in a window.
pub trait Canvas: Send {
    /// Waits until the next picture can be shown in this mode, at most so long; whether it can. Where it can't, a picture that is shown all the same may be
    /// left out.
    ///
    /// # Errors
    /// When the window is gone.
    fn ready(&mut self, _mode: vk::PresentModeKHR, _within: Duration) -> Result<bool, Gone> {
        Ok(true)
    }

    /// Whether the next picture can be shown in this mode now, by what is at hand: nothing is asked for and nothing is read, so that the program's own thread
    /// may ask, whatever it is about to do with the connection.
    fn is_ready(&mut self, _mode: vk::PresentModeKHR) -> bool {
        false
    }

    /// Shows one; its memory may change when nobody has its lease any more. Returns the window's size, `None` where any will do.
    ///
    /// # Errors
    /// When the window is gone.
    fn show(&mut self, picture: &Picture<'_>) -> Result<Option<vk::Extent2D>, Gone>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wsi::lease::Leases;

    #[test]
    fn rows_are_brought_together() {
        let bytes: Vec<u8> = (0..20).collect();
        let extent = |width, height| vk::Extent2D { width, height };
        let picture = |bytes, extent, pitch| Picture { bytes, extent, pitch, lease: Leases::new(1).lease().unwrap() };
        let wide = picture(&bytes, extent(2, 2), 12);
        assert_eq!(wide.rows().collect::<Vec<_>>(), [&bytes[..8], &bytes[12..]]);
        assert_eq!(*wide.closely(), [&bytes[..8], &bytes[12..]].concat());
        let close = picture(&bytes[..16], extent(2, 2), 8);
        assert!(matches!(close.closely(), Cow::Borrowed(b) if b == &bytes[..16]));
        assert_eq!(picture(&[], extent(2, 2), 0).rows().count(), 0);
    }

    #[test]
    fn what_passes_is_no_lost_window() {
        let of = |errno| shortage(&io::Error::from_raw_os_error(errno));
        assert_eq!([libc::EMFILE, libc::ENFILE, libc::ENOMEM].map(of), [Some(vk::Result::ERROR_OUT_OF_HOST_MEMORY); 3]);
        assert_eq!([libc::ENODEV, libc::EACCES, libc::ENOENT].map(of), [None; 3]);
    }
}
