//! Pictures for a Wayland compositor in memory of the device (linux-dmabuf): the compositor's device reads them where they are.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use ash::vk;
use wayland_client::backend::ObjectData;
use wayland_client::protocol::wl_buffer::WlBuffer;
use wayland_client::{Connection, Dispatch, EventQueue, QueueHandle};
use wayland_protocols::wp::linux_dmabuf::zv1::client::zwp_linux_buffer_params_v1::{
    Event, Flags, ZwpLinuxBufferParamsV1,
};

use crate::wsi::wayland_buffers::Buffers;
use crate::wsi::wayland_link::Link;
use crate::wsi::wayland_offers::{LINEAR, Offers, PATIENCE};
use crate::wsi::window::{DmaBufs, Gone};

/// The format of pictures, blue in the lowest byte (DRM_FORMAT_*; Linux, include/uapi/drm/drm_fourcc.h).
pub fn format(sees_through: bool) -> u32 {
    // ARGB8888 and XRGB8888.
    u32::from_le_bytes(if sees_through { *b"AR24" } else { *b"XR24" })
}

/// Whether there are descriptors for sending all of these files: libwayland gives up the program's connection where it can't duplicate one.
pub fn can_be_sent(pictures: &DmaBufs) -> bool {
    pictures.files.iter().map(OwnedFd::try_clone).collect::<Result<Vec<OwnedFd>, _>>().is_ok()
}

/// Hands memory to a compositor, and waits for its word on each piece: a compositor may refuse what it doesn't understand, and one that weren't asked would
/// end the program's connection. `None` where it takes no such memory, or doesn't take all of it.
///
/// # Errors
/// When the connection has failed.
pub fn import(
    link: &Link,
    offers: &Offers,
    queue: &mut EventQueue<Buffers>,
    extent: vk::Extent2D,
    format: u32,
    pictures: DmaBufs,
) -> Result<Option<Buffers>, Gone> {
    let Some(dmabuf) = offers.dmabuf(format) else { return Ok(None) };
    let sides = (i32::try_from(extent.width), i32::try_from(extent.height));
    let (Ok(width), Ok(height)) = sides else { return Ok(None) };
    link.check()?;
    let handle = queue.handle();
    let ask = |(i, file): (usize, &OwnedFd)| {
        let params = dmabuf.create_params(&handle, i);
        params.add(file.as_fd(), 0, 0, pictures.row, (LINEAR >> 32) as u32, LINEAR as u32);
        params.create(width, height, format, Flags::empty());
        params
    };
    let asked: Vec<ZwpLinuxBufferParamsV1> = pictures.files.iter().enumerate().map(ask).collect();
    let mut buffers = Buffers::new(asked.iter().map(|_| None));
    let taken = |b: &Buffers| b.slots.iter().filter(|s| s.buffer.is_some()).count();
    let answered = link.hear(queue, &mut buffers, PATIENCE, |b| taken(b) + b.refused == asked.len())?;
    asked.iter().for_each(ZwpLinuxBufferParamsV1::destroy);
    if !answered || buffers.refused > 0 {
        buffers.destroy();
        // With the next request of the connection at the latest; one that has failed is found by whoever uses it.
        link.flush()?;
        return Ok(None);
    }
    for (slot, file) in buffers.slots.iter_mut().zip(pictures.files) {
        slot.file = Some(file);
    }
    Ok(Some(buffers))
}

impl Dispatch<ZwpLinuxBufferParamsV1, usize> for Buffers {
    fn event(
        buffers: &mut Self,
        _: &ZwpLinuxBufferParamsV1,
        event: Event,
        i: &usize,
        _: &Connection,
        _: &QueueHandle<Self>,
    ) {
        match event {
            Event::Created { buffer } => {
                if let Some(slot) = buffers.slots.get_mut(*i) {
                    slot.buffer = Some(buffer);
                }
            }
            _ => buffers.refused += 1,
        }
    }

    /// Only `created` brings an object.
    fn event_created_child(_: u16, queue: &QueueHandle<Self>) -> Arc<dyn ObjectData> {
        queue.make_data::<WlBuffer, _>(())
    }
}
