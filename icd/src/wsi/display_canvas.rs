//! Pictures on a display: two framebuffers in the guest's memory (dumb buffers, which every card has), one of which is seen while the other is written.

use std::io;
use std::sync::Arc;

use ash::vk;
use drm::buffer::{Buffer as _, DrmFourcc};
use drm::control::dumbbuffer::{DumbBuffer, DumbMapping};
use drm::control::{Device as _, framebuffer};

use crate::base::log::error;
use crate::wsi::display_card::uninterrupted;
use crate::wsi::display_master::Master;
use crate::wsi::display_scanout::Scanout;
use crate::wsi::window::{Canvas, Gone, Picture, shortage};

/// A framebuffer with its memory.
struct Buffer {
    master: Arc<Master>,
    dumb: DumbBuffer,
    framebuffer: framebuffer::Handle,
    bytes: DumbMapping<'static>,
}

/// Whether memory of `length` bytes holds rows of four bytes a pixel that follow each other by `pitch` bytes.
fn holds(length: usize, pitch: u32, size: vk::Extent2D) -> bool {
    let row = u64::from(size.width) * 4;
    u64::from(pitch) >= row && u64::from(pitch) * u64::from(size.height) <= length as u64
}

impl Buffer {
    /// One of this size, all black.
    fn new(master: Arc<Master>, size: vk::Extent2D) -> io::Result<Self> {
        let card = &master.card;
        let sides = (size.width, size.height);
        let dumb = uninterrupted(|| card.create_dumb_buffer(sides, DrmFourcc::Xrgb8888, 32))?;
        let mut named = dumb;
        let made = card.map_dumb_buffer(&mut named).and_then(|bytes| {
            if !holds(bytes.len(), dumb.pitch(), size) {
                let told = format!("{} bytes in rows of {} for {sides:?} pixels", bytes.len(), dumb.pitch());
                return Err(io::Error::new(io::ErrorKind::InvalidData, told));
            }
            // SAFETY: the lifetime is that of the buffer's name, of which a mapping keeps nothing; the memory stays until the mapping is dropped.
            let bytes = unsafe { std::mem::transmute::<DumbMapping<'_>, DumbMapping<'static>>(bytes) };
            Ok((bytes, uninterrupted(|| card.add_framebuffer(&dumb, 24, 32))?))
        });
        match made {
            Ok((bytes, framebuffer)) => Ok(Self { dumb, framebuffer, bytes, master }),
            Err(e) => {
                // Only a handle that isn't there can fail.
                let _ = uninterrupted(|| card.destroy_dumb_buffer(dumb));
                Err(e)
            }
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let card = &self.master.card;
        // Only handles that aren't there can fail. The mapping holds the memory until it is dropped.
        let _ = uninterrupted(|| card.destroy_framebuffer(self.framebuffer));
        let _ = uninterrupted(|| card.destroy_dumb_buffer(self.dumb));
    }
}

/// Writes a picture into rows that follow each other by `pitch` bytes, from the upper left corner on; what is larger is cut.
fn write(picture: &Picture<'_>, to: &mut [u8], pitch: usize, size: vk::Extent2D) {
    let seen = picture.extent.width.min(size.width) as usize * 4;
    let rows = picture.rows().zip(to.chunks_mut(pitch.max(1)));
    for (from, to) in rows.take(size.height as usize) {
        if let (Some(from), Some(to)) = (from.get(..seen), to.get_mut(..seen)) {
            to.copy_from_slice(from);
        }
    }
}

/// Shows pictures on a display.
pub struct DisplayCanvas {
    scanout: Arc<Scanout>,
    size: vk::Extent2D,
    /// The one that is written next, and the one that was shown last.
    next: Buffer,
    last: Buffer,
}

impl DisplayCanvas {
    /// On a display in a mode of this size.
    ///
    /// # Errors
    /// With a line on stderr: ERROR_OUT_OF_DEVICE_MEMORY where the card has no room, those of [`shortage`], and ERROR_SURFACE_LOST_KHR where the card makes
    /// none otherwise, as when it is gone.
    pub fn new(scanout: Arc<Scanout>, size: vk::Extent2D) -> Result<Self, vk::Result> {
        let buffer = || Buffer::new(scanout.master.clone(), size);
        let made = buffer().and_then(|next| Ok((next, buffer()?)));
        let (next, last) = made.map_err(|e| {
            error!("no swapchain on a display: making a framebuffer failed: {e}");
            match e.raw_os_error() {
                Some(libc::ENOSPC) => vk::Result::ERROR_OUT_OF_DEVICE_MEMORY,
                _ => shortage(&e).unwrap_or(vk::Result::ERROR_SURFACE_LOST_KHR),
            }
        })?;
        Ok(Self { scanout, size, next, last })
    }
}

impl Canvas for DisplayCanvas {
    fn show(&mut self, picture: &Picture<'_>) -> Result<Option<vk::Extent2D>, Gone> {
        let pitch = self.next.dumb.pitch() as usize;
        write(picture, &mut self.next.bytes, pitch, self.size);
        self.scanout.show(self.next.framebuffer).map_err(|e| {
            error!("a display shows no more pictures: {e}");
            Gone
        })?;
        std::mem::swap(&mut self.next, &mut self.last);
        Ok(Some(self.size))
    }
}

impl Drop for DisplayCanvas {
    fn drop(&mut self) {
        self.scanout.forget(&[self.next.framebuffer, self.last.framebuffer]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wsi::lease::Leases;

    fn extent(width: u32, height: u32) -> vk::Extent2D {
        vk::Extent2D { width, height }
    }

    #[test]
    fn memory_that_is_too_small_is_refused() {
        let size = extent(10, 4);
        assert!(holds(160, 40, size) && holds(4096, 64, size));
        for (length, pitch) in [(159, 40), (160, 39), (160, 0), (160, 41), (usize::MAX, 39), (4096, u32::MAX)] {
            assert!(!holds(length, pitch, size), "{length} bytes in rows of {pitch}");
        }
    }

    #[test]
    fn pictures_are_cut_and_leave_the_rest_of_a_row_alone() {
        let (size, pitch) = (extent(3, 2), 16);
        let show = |w: u32, h: u32| {
            let bytes: Vec<u8> = (1..=w * h * 4).map(|b| b as u8).collect();
            let mut to = [0; 32];
            let lease = Leases::new(1).lease().unwrap();
            write(&Picture { bytes: &bytes, extent: extent(w, h), pitch: w as usize * 4, lease }, &mut to, pitch, size);
            to
        };
        let rows = |first: [u8; 16], second: [u8; 16]| [first, second].concat();
        let full = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 0, 0, 0];
        let below = [13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 0, 0, 0, 0];
        assert_eq!(show(3, 2).to_vec(), rows(full, below));
        let wide = [17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 0, 0, 0, 0];
        assert_eq!(show(4, 3).to_vec(), rows(full, wide), "a larger one");
        let mut small = [0; 16];
        small[..4].copy_from_slice(&[1, 2, 3, 4]);
        assert_eq!(show(1, 1).to_vec(), rows(small, [0; 16]), "a smaller one");
    }
}
