//! A CRTC that sends a display the pictures of a surface, from the first of them until the last swapchain ends; then it shows again what it showed before.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ash::vk;
use drm::control::{Device as _, Mode, PageFlipFlags, connector, crtc, framebuffer};
use parking_lot::Mutex;

use crate::base::log::{error, warn_};
use crate::wsi::display_card::{Layout, uninterrupted};
use crate::wsi::display_master::Master;
use crate::wsi::window::shortage;

/// How long a picture may take to become visible: many times what the slowest screen takes, on a machine that is busy otherwise.
const PATIENCE: Duration = Duration::from_secs(5);

/// One display's CRTC in the hands of a surface's swapchains.
pub struct Scanout {
    pub master: Arc<Master>,
    crtc: crtc::Handle,
    connector: connector::Handle,
    mode: Mode,
    /// What the CRTC sent this display before; `None` where it was off, or served another.
    before: Option<crtc::Info>,
    /// Whether anything was changed.
    changed: AtomicBool,
    /// Whether it was said that the file isn't DRM master for a while.
    said: AtomicBool,
    /// The framebuffer that is seen, until it is removed.
    shown: Mutex<Option<framebuffer::Handle>>,
}

/// The CRTC for a display: that of the plane where it can serve the display, or else the first that can, since who was lent a card may have less of it.
fn choose(layout: &Layout, connector: connector::Handle, plane: u32) -> Option<(crtc::Handle, Option<crtc::Handle>)> {
    let output = layout.outputs.iter().find(|o| o.connector == connector)?;
    let wanted = layout.crtcs.get(plane as usize).filter(|c| output.crtcs.contains(c));
    Some((*wanted.or_else(|| output.crtcs.first())?, output.crtc))
}

impl Scanout {
    /// Takes the CRTC of a plane for a display, for the surface with this number, which has none; nothing is to be seen of that yet.
    ///
    /// # Errors
    /// With a line on stderr: ERROR_SURFACE_LOST_KHR where the display is gone, ERROR_NATIVE_WINDOW_IN_USE_KHR where another surface of this process has
    /// the CRTC, and those of [`shortage`].
    pub fn new(
        master: Arc<Master>,
        connector: connector::Handle,
        plane: u32,
        mode: Mode,
        surface: u64,
    ) -> Result<Arc<Self>, vk::Result> {
        let layout = master.card.layout(false).map_err(|e| {
            error!("no swapchain on a display: looking at the card failed: {e}");
            shortage(&e).unwrap_or(vk::Result::ERROR_SURFACE_LOST_KHR)
        })?;
        let Some((crtc, current)) = choose(&layout, connector, plane) else {
            error!("no swapchain on a display: the display is no longer connected");
            return Err(vk::Result::ERROR_SURFACE_LOST_KHR);
        };
        if !master.flips.take(crtc, surface) {
            error!("no swapchain on a display: another surface of this program shows pictures on its plane");
            return Err(vk::Result::ERROR_NATIVE_WINDOW_IN_USE_KHR);
        }
        let before = uninterrupted(|| master.card.get_crtc(crtc)).ok().filter(|_| current == Some(crtc));
        let (changed, said, shown) = (AtomicBool::new(false), AtomicBool::new(false), Mutex::new(None));
        Ok(Arc::new(Self { master, crtc, connector, mode, before, changed, said, shown }))
    }

    /// Shows a framebuffer of the mode's size, and waits until it is seen. Nothing is to be seen of it while a lent file isn't DRM master, as the screen is
    /// another's then (a switch between virtual terminals); the first picture afterwards sets the mode again.
    ///
    /// # Errors
    /// When the display shows nothing of this process any more, with what failed.
    pub fn show(&self, framebuffer: framebuffer::Handle) -> io::Result<()> {
        let mut shown = self.shown.lock();
        let done = if shown.is_some() { self.flip(framebuffer) } else { self.set_mode(framebuffer) };
        let is_master = match done {
            Err(e) if e.kind() == ErrorKind::PermissionDenied => false,
            done => done.map(|()| true)?,
        };
        // Relaxed: nothing else depends on the line.
        if !is_master && !self.said.swap(true, Ordering::Relaxed) {
            warn_!("a display shows no pictures of this program while the file that was lent for it isn't DRM master");
        }
        *shown = is_master.then_some(framebuffer);
        Ok(())
    }

    /// Shows the next framebuffer after another one.
    fn flip(&self, framebuffer: framebuffer::Handle) -> io::Result<()> {
        let Master { card, flips, .. } = &*self.master;
        flips.forget(card, self.crtc).map_err(|e| failed("reading what the kernel tells", &e))?;
        uninterrupted(|| card.page_flip(self.crtc, framebuffer, PageFlipFlags::EVENT, None))
            .map_err(|e| failed("flipping to the next picture", &e))?;
        flips.wait(card, self.crtc, PATIENCE).map_err(|e| failed("waiting for the next picture to be seen", &e))
    }

    /// Shows a first framebuffer.
    fn set_mode(&self, framebuffer: framebuffer::Handle) -> io::Result<()> {
        // Relaxed: read by whoever has the last reference.
        self.changed.store(true, Ordering::Relaxed);
        let (at, connectors, mode) = ((0, 0), [self.connector], Some(self.mode));
        uninterrupted(|| self.master.card.set_crtc(self.crtc, Some(framebuffer), at, &connectors, mode))
            .map_err(|e| failed("setting the mode", &e))
    }

    /// Framebuffers are about to be removed: where one of them is seen, the CRTC goes off, and the next picture sets the mode again.
    pub fn forget(&self, framebuffers: &[framebuffer::Handle]) {
        let mut shown = self.shown.lock();
        if shown.is_some_and(|s| framebuffers.contains(&s)) {
            *shown = None;
        }
    }
}

/// An error with what has failed.
fn failed(what: &str, e: &io::Error) -> io::Error {
    io::Error::new(e.kind(), format!("{what}: {e}"))
}

impl Drop for Scanout {
    fn drop(&mut self) {
        // Relaxed: this is the last reference.
        if self.changed.load(Ordering::Relaxed) {
            let card = &self.master.card;
            let before = self.before.and_then(|b| Some((b.framebuffer()?, b.position(), b.mode()?)));
            let restored = before.is_some_and(|(framebuffer, at, mode)| {
                let set = || card.set_crtc(self.crtc, Some(framebuffer), at, &[self.connector], Some(mode));
                uninterrupted(set).is_ok()
            });
            // What was shown before may be gone.
            if !restored && let Err(e) = uninterrupted(|| card.set_crtc(self.crtc, None, (0, 0), &[], None)) {
                warn_!("a display isn't left as it was found: {e}");
            }
        }
        self.master.flips.give_back(self.crtc);
    }
}

#[cfg(test)]
mod tests {
    use drm::control::from_u32;

    use super::*;
    use crate::wsi::display_card::Output;

    #[test]
    fn a_display_gets_a_crtc_that_can_serve_it() {
        let crtc = |n: u32| from_u32::<crtc::Handle>(n).unwrap();
        let connector = |n: u32| from_u32::<connector::Handle>(n).unwrap();
        let output = |n, crtcs: &[u32]| Output {
            connector: connector(n),
            name: String::new(),
            millimeters: (0, 0),
            modes: Vec::new(),
            crtcs: crtcs.iter().map(|c| crtc(*c)).collect(),
            crtc: None,
        };
        let layout = Layout {
            crtcs: [10, 11, 12].map(crtc).into(),
            connectors: [1, 2, 3].map(connector).into(),
            outputs: vec![output(1, &[10, 12]), output(2, &[11])],
        };
        let chosen = |display, plane| choose(&layout, connector(display), plane).map(|(c, _)| u32::from(c));
        assert_eq!([chosen(1, 0), chosen(1, 2), chosen(2, 1)], [Some(10), Some(12), Some(11)]);
        assert_eq!([chosen(1, 1), chosen(2, 7)], [Some(10), Some(11)], "less of the card than the plane's");
        assert_eq!(chosen(3, 0), None, "no longer connected");
    }
}
