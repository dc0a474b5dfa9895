//! The wl_buffers of a window's pictures, and which of them the compositor has.
//!
//! A compositor that draws with a device gives a dma-buf back as soon as that device has been told to read it: the kernel's fences of the dma-buf tell when it has
//! (Linux, Documentation/driver-api/dma-buf.rst, "Implicit Fence Poll Support"). So a buffer's lease goes when the compositor has given it back *and* no fence is
//! left. A host's device leaves none there.

use std::os::fd::{AsRawFd as _, OwnedFd};

use wayland_client::protocol::wl_buffer::{self, WlBuffer};
use wayland_client::protocol::wl_callback::{self, WlCallback};
use wayland_client::{Connection, Dispatch, QueueHandle};

use crate::wsi::lease::Lease;

/// One of them, by the number of its lease.
pub struct Slot {
    /// `None` until the compositor has taken it.
    pub buffer: Option<WlBuffer>,
    /// As long as the compositor or its device has it.
    lease: Option<Lease>,
    /// The memory, where the compositor's device reads that.
    pub file: Option<OwnedFd>,
    /// Whether the compositor has given it back, and its device may read it still.
    returned: bool,
}

/// Whether no device reads a dma-buf.
fn is_unread(file: &OwnedFd) -> bool {
    let mut fd = libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: one struct of this function's own. A file that can't be asked has no fences.
    unsafe { libc::poll(&mut fd, 1, 0) != 0 }
}

/// All of them, and what the compositor tells.
pub struct Buffers {
    pub slots: Vec<Slot>,
    /// Those that the compositor has refused.
    pub refused: usize,
    /// What tells when the next picture is due.
    pub frame: Option<WlCallback>,
}

impl Buffers {
    /// Buffers of which the compositor has none.
    pub fn new(buffers: impl Iterator<Item = Option<WlBuffer>>) -> Self {
        let slots = buffers.map(|buffer| Slot { buffer, lease: None, file: None, returned: false }).collect();
        Self { slots, refused: 0, frame: None }
    }

    /// How many the compositor has.
    pub fn held(&self) -> usize {
        self.slots.iter().filter(|s| s.lease.is_some()).count()
    }

    /// Takes back what no device reads any more; whether something is left that one may.
    pub fn take_back(&mut self) -> bool {
        for slot in self.slots.iter_mut().filter(|s| s.returned) {
            if slot.file.as_ref().is_none_or(is_unread) {
                (slot.lease, slot.returned) = (None, false);
            }
        }
        self.slots.iter().any(|s| s.returned)
    }

    /// Leaves a buffer to the compositor, until it gives it back.
    pub fn hand_over(&mut self, lease: Lease) -> Option<&WlBuffer> {
        let slot = self.slots.get_mut(lease.number())?;
        let buffer = slot.buffer.as_ref()?;
        slot.lease = Some(lease);
        Some(buffer)
    }

    /// Ends all of them; the compositor keeps the memory of those that it has.
    pub fn destroy(&self) {
        self.slots.iter().filter_map(|s| s.buffer.as_ref()).for_each(WlBuffer::destroy);
    }
}

impl Dispatch<WlBuffer, ()> for Buffers {
    fn event(
        buffers: &mut Self,
        buffer: &WlBuffer,
        _: wl_buffer::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        // Its only event is that the compositor gives it back.
        if let Some(slot) = buffers.slots.iter_mut().find(|s| s.buffer.as_ref() == Some(buffer)) {
            slot.returned = true;
            buffers.take_back();
        }
    }
}

impl Dispatch<WlCallback, ()> for Buffers {
    fn event(
        buffers: &mut Self,
        _: &WlCallback,
        _: wl_callback::Event,
        (): &(),
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        buffers.frame = None;
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Read as _, Write as _, pipe};

    use super::*;
    use crate::wsi::lease::Leases;

    /// A file that isn't ready to be written, as a dma-buf that a device reads, and what makes it ready.
    fn busy() -> (OwnedFd, PipeReader) {
        let (reader, mut writer) = pipe().unwrap();
        // As much as a pipe holds (pipe(7)).
        writer.write_all(&[0; 65_536]).unwrap();
        (writer.into(), reader)
    }

    #[test]
    fn a_buffer_that_a_device_reads_is_not_taken_back() {
        let mut buffers = Buffers::new([None, None].into_iter());
        let leases = Leases::new(2);
        let (file, mut reader) = busy();
        for slot in &mut buffers.slots {
            slot.lease = leases.lease();
        }
        buffers.slots[0].file = Some(file);
        assert!(!buffers.take_back(), "the compositor has both");
        assert_eq!(buffers.held(), 2);
        buffers.slots.iter_mut().for_each(|s| s.returned = true);
        assert!(buffers.take_back());
        assert_eq!(buffers.held(), 1, "memory that no device reads is free at once");
        reader.read_exact(&mut [0; 65_536]).unwrap();
        assert!(!buffers.take_back());
        assert_eq!(buffers.held(), 0);
        assert!(leases.lease().is_some() && leases.lease().is_some());
    }
}
