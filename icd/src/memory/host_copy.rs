//! Copies between images and the program's memory that the host's processor makes (VK_EXT_host_image_copy).
//!
//! The host can't reach the program's memory. Texels that go there come in a reply first, and those that come from there travel in the command;
//! either way their rows lie closely on the wire, and nothing but texels of the region is read or written in the program's memory. Regions are
//! cut into pieces, so that no command and no reply outgrows the memory that it goes through, and several pieces are on their way at the same
//! time. What is copied in the host's own order can't be cut but into layers, which travel one by one.
//!
//! Order: the main ring runs a copy after everything that the program sent before, and the program has waited for what a queue does to the
//! image. A copy to an image is waited for where the program may look at the image's memory in another way than by what it sends later, or write there
//! ([`posted_copies`](super::posted_copies)); so is each from an image.

use ash::vk;
use hesper_encoder::generated::{reply, request, types};
use hesper_encoder::{Reader, Texels, Writer};
use hesper_winsys::ring::{Asked, ReplyKind};

use crate::base::chain::slice;
use crate::base::connection::Connection;
use crate::base::forwarding::{result_of, result_of_error};
use crate::base::object::Part;
use crate::base::outcomes::REPLY;
use crate::generated::forward;
use crate::memory::allocation;
use crate::memory::device::Device;
use crate::memory::image::{self, Shape, memcpy_size};
use crate::memory::in_flight::in_flight;
use crate::memory::posted_copies::{self, Posting};
use crate::memory::texel_blocks::{Piece, Region, Rows};

/// Bytes of texels of a piece that is waited for. The ring itself takes several at a time, with what stands before them, and the replies to all that is in flight fit
/// into one memory of their pool. Pieces of twice the size take a fifth less where guest and host run on processors near each other, and a fifth more where these are far
/// (`cargo xtask bench --only host-copies`).
const PIECE: usize = (32 << 10) - 512;

/// Bytes of texels, in rows of how many, that the processor's cache doesn't have to keep until the host reads them.
const STREAMED: (usize, usize) = (64 << 10, 4 << 10);
/// Bytes of texels that don't come through the same memory again and again: processors that are far from each other would hand its lines to and fro.
const MUCH: usize = 2 << 20;

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
    let block = shape.block(region.layers.aspect_mask).ok_or(vk::Result::ERROR_VALIDATION_FAILED_EXT)?;
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
    /// Hands the encoder of one piece's command to `send`; it is given the command's flags.
    ///
    /// # Safety
    /// A valid device and info, and valid texels, until `send` returns.
    unsafe fn with_command<R>(
        &self,
        piece: &Piece,
        texels: Texels,
        send: impl FnOnce(&dyn Fn(&mut Writer, u32)) -> R,
    ) -> R {
        let region = types::MemoryToImageCopyMESA {
            data_size: texels.len(),
            p_data: texels,
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
        // SAFETY: valid by contract, and locals that live until the command is encoded.
        let encode =
            |w: &mut Writer, flags: u32| unsafe { request::copy_memory_to_image_mesa(w, flags, self.device, &info) };
        send(&encode)
    }

    /// Posts one piece, whose texels aren't looked at any more afterwards.
    ///
    /// # Safety
    /// As [`Self::with_command`].
    unsafe fn post(&self, posting: &mut Posting<'_>, piece: &Piece, texels: Texels) -> Outcome {
        let (all, row) = STREAMED;
        let texels = Texels { is_streamed: texels.len() >= all && texels.row >= row, ..texels };
        // SAFETY: by contract.
        let posted = unsafe { self.with_command(piece, texels, |encode| posting.post(texels.len(), encode)) };
        posted.map_err(|e| result_of_error(&e))
    }

    /// Sends one piece, whose texels aren't looked at any more afterwards.
    ///
    /// # Safety
    /// As [`Self::with_command`].
    unsafe fn ask(&self, piece: &Piece, texels: Texels) -> Result<Asked, vk::Result> {
        let ask = |encode: &dyn Fn(&mut Writer, u32)| self.connection.ask(ReplyKind::Ordinary, REPLY, |w| encode(w, 1));
        // SAFETY: by contract.
        unsafe { self.with_command(piece, texels, ask) }.map_err(|e| result_of_error(&e))
    }

    /// Waits until the host has copied a piece.
    fn answer(&self, asked: Asked) -> Outcome {
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

    /// Asks for one piece's texels.
    ///
    /// # Safety
    /// A valid device and info; the texels' address isn't null.
    unsafe fn ask(&self, piece: &Piece, texels: Texels, kind: ReplyKind) -> Result<Asked, vk::Result> {
        let info = self.info(piece);
        let (size, data) = (texels.len(), texels.first.cast_mut().cast());
        // SAFETY: valid by contract, and a local that lives until the command is encoded.
        let asked = unsafe {
            self.connection.ask(kind, reply::copy_image_to_memory_mesa_size(self.device, &info, size, data), |w| {
                request::copy_image_to_memory_mesa(w, 1, self.device, &info, size, data);
            })
        };
        asked.map_err(|e| result_of_error(&e))
    }

    /// Waits for a piece, and writes its texels.
    ///
    /// # Safety
    /// A valid device and info, and texels that are valid for writes.
    unsafe fn answer(&self, piece: &Piece, asked: Asked, texels: Texels) -> Outcome {
        let info = self.info(piece);
        let (size, data) = (texels.len(), texels.first.cast_mut().cast());
        let decode = |r: &mut Reader| {
            // SAFETY: the decoder writes nothing but the texels, and as many as are asked for.
            let result = unsafe { reply::copy_image_to_memory_mesa(r, self.device, &info, size, data) };
            if result == vk::Result::SUCCESS && r.awaits_rows() {
                r.set_bad();
            }
            result
        };
        // SAFETY: by contract.
        outcome(result_of(unsafe { self.connection.answer_texels(asked, texels, decode) }))
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
    let mut posting = memory.and_then(|m| d.posted_copies.begin(up.connection, || allocation::out_of_sight(m)));
    let mut copy = |r: &vk::MemoryToImageCopyEXT| -> Outcome {
        let region = Region {
            layers: r.image_subresource,
            offset: r.image_offset,
            extent: r.image_extent,
            row_length: r.memory_row_length,
            image_height: r.memory_image_height,
        };
        let from: *const u8 = r.p_host_pointer.cast();
        match (layout(shape, info.flags, region)?, &mut posting) {
            // SAFETY: the device's image; the program's memory has what the host says that each layer takes.
            (Layout::Opaque(region), _) => unsafe {
                each_layer(device, info.dst_image, region, |piece, before, size| {
                    up.ask(piece, Texels::closely(from.add(before), size)).and_then(|asked| up.answer(asked))
                })
            },
            (Layout::Rows(rows), Some(posting)) => {
                // SAFETY: the program's memory holds the region's rows.
                rows.pieces(posted_copies::PIECE)
                    .try_for_each(|piece| unsafe { up.post(posting, &piece, rows.texels(&piece, from)) })
            }
            (Layout::Rows(rows), None) => {
                // SAFETY: the program's memory holds the region's rows.
                let ask = |piece: &Piece| unsafe { up.ask(piece, rows.texels(piece, from)) };
                in_flight(rows.pieces(PIECE), ask, |_, asked| up.answer(asked))
            }
        }
    };
    // SAFETY: the info's array of this length.
    let regions = unsafe { slice(info.p_regions, info.region_count) };
    regions.iter().try_for_each(&mut copy).err().unwrap_or(vk::Result::SUCCESS)
}

pub unsafe fn copy_image_to_memory(device: vk::Device, info: *const vk::CopyImageToMemoryInfoEXT) -> vk::Result {
    // SAFETY: a valid info, of a valid device.
    let (info, connection) = unsafe { (&*info, Device::of(device).connection()) };
    let down = Down { device, connection, info };
    let copy = |r: &vk::ImageToMemoryCopyEXT| -> Outcome {
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
                    let texels = Texels::closely(to.add(before), size);
                    down.ask(piece, texels, ReplyKind::Ordinary).and_then(|asked| down.answer(piece, asked, texels))
                })
            },
            Layout::Rows(rows) => {
                let kind = if rows.size() >= MUCH { ReplyKind::Much } else { ReplyKind::Ordinary };
                // SAFETY: the program's memory, which isn't null.
                let ask = |piece: &Piece| unsafe { down.ask(piece, rows.texels(piece, to), kind) };
                // SAFETY: the program's memory has room for the region's rows.
                let answer = |piece: Piece, asked| unsafe { down.answer(&piece, asked, rows.texels(&piece, to)) };
                in_flight(rows.pieces(PIECE), ask, answer)
            }
        }
    };
    // SAFETY: the info's array of this length.
    let regions = unsafe { slice(info.p_regions, info.region_count) };
    regions.iter().try_for_each(copy).err().unwrap_or(vk::Result::SUCCESS)
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
