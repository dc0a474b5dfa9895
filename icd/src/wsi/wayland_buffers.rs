//! The wl_buffers of a window's pictures, and which of them the compositor has.

use wayland_client::protocol::wl_buffer::{self, WlBuffer};
use wayland_client::protocol::wl_callback::{self, WlCallback};
use wayland_client::{Connection, Dispatch, QueueHandle};

use crate::wsi::lease::Lease;

/// One of them, by the number of its lease.
pub struct Slot {
    /// `None` until the compositor has taken it.
    pub buffer: Option<WlBuffer>,
    /// As long as the compositor has it.
    lease: Option<Lease>,
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
        let slots = buffers.map(|buffer| Slot { buffer, lease: None }).collect();
        Self { slots, refused: 0, frame: None }
    }

    /// How many the compositor has.
    pub fn held(&self) -> usize {
        self.slots.iter().filter(|s| s.lease.is_some()).count()
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
            slot.lease = None;
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
