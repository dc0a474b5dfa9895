//! Copies between images and the program's memory that the host's processor makes (VK_EXT_host_image_copy).
//!
//! The host can't reach the program's memory. Texels that go there come in a reply first, and those that come from there travel in the command;
//! either way their rows lie closely on the wire, and nothing but texels of the region is read or written in the program's memory. Regions are
//! cut into pieces, so that no command and no reply outgrows what rings and pools are made for, and several pieces are on their way at the same
//! time. What is copied in the host's own order can't be cut but into layers, which travel one by one.
//!
//! Order: the main ring runs a copy after everything that the program sent before, and the program has waited for what a queue does to the
//! image. A copy to an image is waited for where the program may look at the image's memory in another way than by what it sends later, or write there
//! ([`posted_copies`](super::posted_copies)); so is each from an image.

use ash::vk;
use hesper_encoder::Writer;
use hesper_encoder::generated::{reply, request, types};
use hesper_winsys::ring::Asked;

use crate::base::chain::slice;
use crate::base::connection::Connection;
use crate::base::forwarding::{result_of, result_of_error};
use crate::base::object::Part;
use crate::base::scratch;
use crate::generated::forward;
use crate::memory::allocation;
use crate::memory::device::Device;
use crate::memory::image::{self, Shape, memcpy_size};
use crate::memory::in_flight::in_flight;
use crate::memory::posted_copies::Posting;
use crate::memory::texel_blocks::{Piece, Region, Rows, block};

/// Bytes of texels of a piece. The ring itself takes several at a time, with what stands before them, and the replies to all that is in flight fit
/// into one memory of their pool. Pieces of twice the size mostly take longer (`cargo xtask bench --only host-copies`).
const PIECE: usize = (32 << 10) - 512;

type Outcome = Result<(), vk::Result>;

/// A region of a valid image, in the program's memory.
enum Layout {
    /// Rows of texels.
    Rows(Rows),
    /// Layers, bytes in the host's own order (VK_HOST_IMAGE_COPY_MEMCPY_BIT).
    Opaque(Region),
}

/// How the texels of a region lie in memory.
fn layout(shape: &Shape, flags: vk::HostImageCopyFlagsEXT, mut region: Region) -> Result<Layout, vk::Result> {
    region.layers = shape.within(&region).ok_or(vk::Result::ERROR_VALIDATION_FAILED_EXT)?;
    if flags.contains(vk::HostImageCopyFlagsEXT::MEMCPY) {
        return Ok(Layout::Opaque(region));
    }
    let block = block(shape.format, region.layers.aspect_mask).ok_or(vk::Result::ERROR_VALIDATION_FAILED_EXT)?;
    Rows::new(region, block).map(Layout::Rows).ok_or(vk::Result::ERROR_OUT_OF_HOST_MEMORY)
}

/// Hands each layer of a region in the host's own order to `copy`, with its bytes, and those before it in the program's memory.
///
/// # Safety
/// A valid device and image.
unsafe fn each_layer(
    device: vk::Device,
    image: vk::Image,
    region: Region,
    mut copy: impl FnMut(&Piece, usize, usize) -> Outcome,
) -> Outcome {
    let mut before = 0usize;
    for piece in Piece::each_layer(region) {
        let layer = vk::ImageSubresource {
            aspect_mask: piece.layers.aspect_mask,
            mip_level: piece.layers.mip_level,
            array_layer: piece.layers.base_array_layer,
        };
        // SAFETY: valid by contract.
        let size = unsafe { memcpy_size(device, image, layer)? };
        copy(&piece, before, size)?;
        before = before.checked_add(size).ok_or(vk::Result::ERROR_OUT_OF_HOST_MEMORY)?;
    }
    Ok(())
}

/// Memory for at least `size` bytes, which is used again and again.
fn room(bytes: &mut Vec<u8>, size: usize) -> Result<&mut [u8], vk::Result> {
    let more = size.saturating_sub(bytes.len());
    bytes.try_reserve_exact(more).map_err(|_| vk::Result::ERROR_OUT_OF_HOST_MEMORY)?;
    bytes.resize(bytes.len() + more, 0);
    Ok(bytes)
}

fn outcome(result: vk::Result) -> Outcome {
    if result == vk::Result::SUCCESS { Ok(()) } else { Err(result) }
}

/// The image's shape; what is put off is in place afterwards.
///
/// # Safety
/// A valid device.
unsafe fn settled(device: vk::Device, image: vk::Image) -> Result<&'static Shape, vk::Result> {
    // SAFETY: valid by contract.
    unsafe { Device::of(device).before_host_copy(device) };
    image::shape(image).ok_or(vk::Result::ERROR_VALIDATION_FAILED_EXT)
}

/// A copy to an image that is under way.
struct Up<'a> {
    device: vk::Device,
    connection: &'a Connection,
    info: &'a vk::CopyMemoryToImageInfoEXT<'a>,
}

impl Up<'_> {
    /// Sends one piece, whose texels lie closely at `data`, which isn't looked at any more afterwards; what is to be waited for, where there is no leave to post.
    ///
    /// # Safety
    /// A valid device and info, and `size` bytes at `data`.
    unsafe fn ask(
        &self,
        posting: &mut Option<Posting<'_>>,
        piece: &Piece,
        data: *const u8,
        size: usize,
    ) -> Result<Option<Asked>, vk::Result> {
        let region = types::MemoryToImageCopyMESA {
            data_size: size,
            p_data: data.cast(),
            image_subresource: piece.layers,
            image_offset: piece.offset,
            image_extent: piece.extent,
            ..Default::default()
        };
        let info = types::CopyMemoryToImageInfoMESA {
            flags: self.info.flags,
            dst_image: self.info.dst_image,
            dst_image_layout: self.info.dst_image_layout,
            region_count: 1,
            p_regions: &region,
            ..Default::default()
        };
        let encode =
            // SAFETY: valid by contract, and locals that live until the command is encoded.
            |w: &mut Writer, flags| unsafe { request::copy_memory_to_image_mesa(w, flags, self.device, &info) };
        let asked = match posting {
            Some(posting) => posting.post(self.connection, encode).map(|()| None),
            None => {
                // SAFETY: as above.
                let size = unsafe { reply::copy_memory_to_image_mesa_size(self.device, &info) };
                self.connection.ask(size, |w| encode(w, 1)).map(Some)
            }
        };
        asked.map_err(|e| result_of_error(&e))
    }

    /// Waits until the host has copied a piece, if that is to be waited for.
    fn answer(&self, asked: Option<Asked>) -> Outcome {
        let Some(asked) = asked else { return Ok(()) };
        let answered = self.connection.answer(asked, |r| {
            // SAFETY: the decoder looks at none of the command's parameters: it has nothing to write.
            unsafe { reply::copy_memory_to_image_mesa(r, self.device, std::ptr::null()) }
        });
        outcome(result_of(answered))
    }
}

/// A copy from an image that is under way.
struct Down<'a> {
    device: vk::Device,
    connection: &'a Connection,
    info: &'a vk::CopyImageToMemoryInfoEXT<'a>,
}

impl Down<'_> {
    fn info(&self, piece: &Piece) -> types::CopyImageToMemoryInfoMESA {
        types::CopyImageToMemoryInfoMESA {
            flags: self.info.flags,
            src_image: self.info.src_image,
            src_image_layout: self.info.src_image_layout,
            image_subresource: piece.layers,
            image_offset: piece.offset,
            image_extent: piece.extent,
            ..Default::default()
        }
    }

    /// Asks for one piece of `size` bytes, which will go to `data` or elsewhere.
    ///
    /// # Safety
    /// A valid device and info; `data` isn't null.
    unsafe fn ask(&self, piece: &Piece, data: *mut u8, size: usize) -> Result<Asked, vk::Result> {
        let (info, data) = (self.info(piece), data.cast());
        // SAFETY: valid by contract, and a local that lives until the command is encoded.
        let asked = unsafe {
            self.connection.ask(reply::copy_image_to_memory_mesa_size(self.device, &info, size, data), |w| {
                request::copy_image_to_memory_mesa(w, 1, self.device, &info, size, data);
            })
        };
        asked.map_err(|e| result_of_error(&e))
    }

    /// Waits for a piece, and writes its texels closely to `data`.
    ///
    /// # Safety
    /// A valid device and info, and room for `size` bytes at `data`.
    unsafe fn answer(&self, piece: &Piece, asked: Asked, data: *mut u8, size: usize) -> Outcome {
        let info = self.info(piece);
        let answered = self.connection.answer(asked, |r| {
            // SAFETY: room by contract, beyond which the decoder doesn't write.
            unsafe { reply::copy_image_to_memory_mesa(r, self.device, &info, size, data.cast()) }
        });
        outcome(result_of(answered))
    }
}

pub unsafe fn copy_memory_to_image(device: vk::Device, info: *const vk::CopyMemoryToImageInfoEXT) -> vk::Result {
    // SAFETY: a valid info, of a valid device.
    let (info, d) = unsafe { (&*info, Device::of(device)) };
    // SAFETY: a valid device.
    let shape = match unsafe { settled(device, info.dst_image) } {
        Ok(shape) => shape,
        Err(e) => return e,
    };
    let up = Up { device, connection: d.connection(), info };
    // What is in the host's own order is waited for, layer by layer.
    let by_rows = !info.flags.contains(vk::HostImageCopyFlagsEXT::MEMCPY);
    let memory = image::memory(info.dst_image).filter(|_| by_rows);
    let mut posting = memory.and_then(|memory| d.posted_copies.begin(|| allocation::out_of_sight(memory)));
    let mut copy = |closely: &mut Vec<u8>, r: &vk::MemoryToImageCopyEXT| -> Outcome {
        let region = Region {
            layers: r.image_subresource,
            offset: r.image_offset,
            extent: r.image_extent,
            row_length: r.memory_row_length,
            image_height: r.memory_image_height,
        };
        let from: *const u8 = r.p_host_pointer.cast();
        match layout(shape, info.flags, region)? {
            // SAFETY: the device's image; the program's memory has what the host says that each layer takes.
            Layout::Opaque(region) => unsafe {
                each_layer(device, info.dst_image, region, |piece, before, size| {
                    up.ask(&mut None, piece, from.add(before), size).and_then(|asked| up.answer(asked))
                })
            },
            Layout::Rows(rows) => {
                let ask = |piece: &Piece| {
                    let size = rows.bytes(piece);
                    let Some(starts) = rows.apart(piece) else {
                        // SAFETY: the program's memory holds the region's rows.
                        return unsafe { up.ask(&mut posting, piece, from.add(rows.start(piece)), size) };
                    };
                    let closely = room(closely, rows.largest(PIECE))?;
                    for (to, start) in closely.chunks_exact_mut(rows.row()).zip(starts) {
                        // SAFETY: a row of the region in the program's memory, which is no memory of this function's.
                        unsafe { std::ptr::copy_nonoverlapping(from.add(start), to.as_mut_ptr(), to.len()) };
                    }
                    // SAFETY: bytes of this thread's, in which the rows of the largest piece fit.
                    unsafe { up.ask(&mut posting, piece, closely.as_ptr(), size) }
                };
                in_flight(rows.pieces(PIECE), ask, |_, asked| up.answer(asked))
            }
        }
    };
    // SAFETY: the info's array of this length.
    let regions = unsafe { slice(info.p_regions, info.region_count) };
    let copied = scratch::with_bytes(|closely| regions.iter().try_for_each(|r| copy(closely, r)));
    copied.err().unwrap_or(vk::Result::SUCCESS)
}

pub unsafe fn copy_image_to_memory(device: vk::Device, info: *const vk::CopyImageToMemoryInfoEXT) -> vk::Result {
    // SAFETY: a valid info, of a valid device.
    let (info, connection) = unsafe { (&*info, Device::of(device).connection()) };
    let down = Down { device, connection, info };
    let copy = |closely: &mut Vec<u8>, r: &vk::ImageToMemoryCopyEXT| -> Outcome {
        let region = Region {
            layers: r.image_subresource,
            offset: r.image_offset,
            extent: r.image_extent,
            row_length: r.memory_row_length,
            image_height: r.memory_image_height,
        };
        let to: *mut u8 = r.p_host_pointer.cast();
        // SAFETY: a valid device.
        match layout(unsafe { settled(device, info.src_image)? }, info.flags, region)? {
            // SAFETY: the device's image; the program's memory has room for what the host says that each layer takes.
            Layout::Opaque(region) => unsafe {
                each_layer(device, info.src_image, region, |piece, before, size| {
                    let to = to.add(before);
                    down.ask(piece, to, size).and_then(|asked| down.answer(piece, asked, to, size))
                })
            },
            Layout::Rows(rows) => {
                // SAFETY: the program's memory, which isn't null.
                let ask = |piece: &Piece| unsafe { down.ask(piece, to, rows.bytes(piece)) };
                let answer = |piece: Piece, asked| {
                    let size = rows.bytes(&piece);
                    let Some(starts) = rows.apart(&piece) else {
                        // SAFETY: the program's memory has room for the region's rows.
                        return unsafe { down.answer(&piece, asked, to.add(rows.start(&piece)), size) };
                    };
                    let closely = room(closely, rows.largest(PIECE))?;
                    // SAFETY: bytes of this thread's, in which the rows of the largest piece fit.
                    unsafe { down.answer(&piece, asked, closely.as_mut_ptr(), size)? };
                    for (from, start) in closely.chunks_exact(rows.row()).zip(starts) {
                        // SAFETY: a row of the region in the program's memory, which is no memory of this function's.
                        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.add(start), from.len()) };
                    }
                    Ok(())
                };
                in_flight(rows.pieces(PIECE), ask, answer)
            }
        }
    };
    // SAFETY: the info's array of this length.
    let regions = unsafe { slice(info.p_regions, info.region_count) };
    let copied = scratch::with_bytes(|closely| regions.iter().try_for_each(|r| copy(closely, r)));
    copied.err().unwrap_or(vk::Result::SUCCESS)
}

pub unsafe fn copy_image_to_image(device: vk::Device, info: *const vk::CopyImageToImageInfoEXT) -> vk::Result {
    // SAFETY: a valid info, of a valid device.
    unsafe {
        for image in [(*info).src_image, (*info).dst_image] {
            if let Err(e) = settled(device, image) {
                return e;
            }
        }
        forward::copy_image_to_image(device, info)
    }
}
