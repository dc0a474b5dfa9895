//! Copies between images and the program's memory that the host's processor makes (VK_EXT_host_image_copy).
//!
//! The host can't reach the program's memory. Texels that go there come in a reply first, and those that come from there travel in the command;
//! either way their rows lie closely on the wire, and nothing but texels of the region is read or written in the program's memory. Regions are
//! cut into pieces, so that no command and no reply outgrows what rings and pools are made for.
//!
//! Order: the main ring runs a copy after everything that the program sent before, and the program has waited for what a queue does to the
//! image. Each piece is waited for: afterwards the program may look at the image in any way, through a mapping, too.

use ash::vk;
use hesper_encoder::generated::{reply, request, types};

use crate::base::chain::slice;
use crate::base::forwarding::result_of;
use crate::base::object::Part;
use crate::generated::forward;
use crate::memory::device::Device;
use crate::memory::image::{self, Shape};
use crate::memory::texel_blocks::{Piece, Region, Rows, block};

/// Bytes of texels that a command carries: with what stands before them they fit into a chunk of the pool of streams, which holds 64 KiB.
const UP: usize = (64 << 10) - 512;

/// Bytes of texels that a reply carries: with what stands before them they fit into the pool of replies, which makes memory of its own for
/// replies above 256 KiB.
const DOWN: usize = (256 << 10) - 512;

type Outcome = Result<(), vk::Result>;

/// A region of a valid image, in the program's memory.
enum Layout {
    /// Rows of texels.
    Rows(Rows),
    /// Bytes in the host's own order (VK_HOST_IMAGE_COPY_MEMCPY_BIT).
    Opaque { region: Region, size: usize },
}

/// Where the texels of a region lie in memory.
///
/// # Safety
/// A valid device and image.
unsafe fn layout(
    device: vk::Device,
    image: vk::Image,
    shape: &Shape,
    flags: vk::HostImageCopyFlagsEXT,
    mut region: Region,
) -> Result<Layout, vk::Result> {
    region.layers = shape.within(&region).ok_or(vk::Result::ERROR_VALIDATION_FAILED_EXT)?;
    if !flags.contains(vk::HostImageCopyFlagsEXT::MEMCPY) {
        let block = block(shape.format, region.layers.aspect_mask).ok_or(vk::Result::ERROR_VALIDATION_FAILED_EXT)?;
        return Rows::new(region, block).map(Layout::Rows).ok_or(vk::Result::ERROR_OUT_OF_HOST_MEMORY);
    }
    let mut size = 0usize;
    for layer in 0..region.layers.layer_count {
        let mut copied = vk::SubresourceHostMemcpySizeEXT::default();
        let mut told = vk::SubresourceLayout2KHR::default().push_next(&mut copied);
        let which = vk::ImageSubresource2KHR::default().image_subresource(vk::ImageSubresource {
            aspect_mask: region.layers.aspect_mask,
            mip_level: region.layers.mip_level,
            array_layer: region.layers.base_array_layer + layer,
        });
        // SAFETY: valid handles, and locals.
        unsafe { forward::get_image_subresource_layout2(device, image, &which, &mut told) };
        let more = usize::try_from(copied.size).ok();
        size = more.and_then(|n| size.checked_add(n)).ok_or(vk::Result::ERROR_OUT_OF_HOST_MEMORY)?;
    }
    isize::try_from(size).map_err(|_| vk::Result::ERROR_OUT_OF_HOST_MEMORY)?;
    Ok(Layout::Opaque { region, size })
}

/// Memory for `size` bytes.
fn room(size: usize) -> Result<Vec<u8>, vk::Result> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|_| vk::Result::ERROR_OUT_OF_HOST_MEMORY)?;
    bytes.resize(size, 0);
    Ok(bytes)
}

fn outcome(result: vk::Result) -> Outcome {
    if result == vk::Result::SUCCESS { Ok(()) } else { Err(result) }
}

/// The image's shape; what is put off is in place afterwards, where it may write the image's texels.
///
/// # Safety
/// A valid device.
unsafe fn settled(device: vk::Device, image: vk::Image) -> Result<&'static Shape, vk::Result> {
    let shape = image::shape(image).ok_or(vk::Result::ERROR_VALIDATION_FAILED_EXT)?;
    // A buffer may lie over an image only where the image's texels lie in an order that the program knows.
    if shape.tiling != vk::ImageTiling::OPTIMAL
        // SAFETY: valid by contract.
        && let Some(pending) = unsafe { Device::of(device) }.pending.get()
    {
        // SAFETY: valid by contract.
        unsafe { pending.before_host_copy(device) };
    }
    Ok(shape)
}

/// Sends one piece, whose texels lie closely at `data`.
///
/// # Safety
/// A valid device and info, and `size` bytes at `data`.
unsafe fn send(
    device: vk::Device,
    info: &vk::CopyMemoryToImageInfoEXT,
    piece: &Piece,
    data: *const u8,
    size: usize,
) -> Outcome {
    let region = types::MemoryToImageCopyMESA {
        data_size: size,
        p_data: data.cast(),
        image_subresource: piece.layers,
        image_offset: piece.offset,
        image_extent: piece.extent,
        ..Default::default()
    };
    let info = types::CopyMemoryToImageInfoMESA {
        flags: info.flags,
        dst_image: info.dst_image,
        dst_image_layout: info.dst_image_layout,
        region_count: 1,
        p_regions: &region,
        ..Default::default()
    };
    // SAFETY: valid by contract, and locals that live until the call is over.
    let called = unsafe {
        Device::of(device).connection().call(
            reply::copy_memory_to_image_mesa_size(device, &info),
            |w| request::copy_memory_to_image_mesa(w, 1, device, &info),
            |r| reply::copy_memory_to_image_mesa(r, device, &info),
        )
    };
    outcome(result_of(called))
}

/// Fetches one piece, whose texels will lie closely at `data`.
///
/// # Safety
/// A valid device and info, and room for `size` bytes at `data`.
unsafe fn fetch(
    device: vk::Device,
    info: &vk::CopyImageToMemoryInfoEXT,
    piece: &Piece,
    data: *mut u8,
    size: usize,
) -> Outcome {
    let info = types::CopyImageToMemoryInfoMESA {
        flags: info.flags,
        src_image: info.src_image,
        src_image_layout: info.src_image_layout,
        image_subresource: piece.layers,
        image_offset: piece.offset,
        image_extent: piece.extent,
        ..Default::default()
    };
    // SAFETY: valid by contract, and locals that live until the call is over.
    let called = unsafe {
        Device::of(device).connection().call(
            reply::copy_image_to_memory_mesa_size(device, &info, size, data.cast()),
            |w| request::copy_image_to_memory_mesa(w, 1, device, &info, size, data.cast()),
            |r| reply::copy_image_to_memory_mesa(r, device, &info, size, data.cast()),
        )
    };
    outcome(result_of(called))
}

pub unsafe fn copy_memory_to_image(device: vk::Device, info: *const vk::CopyMemoryToImageInfoEXT) -> vk::Result {
    // SAFETY: a valid info.
    let info = unsafe { &*info };
    let copy = |r: &vk::MemoryToImageCopyEXT| -> Outcome {
        let region = Region {
            layers: r.image_subresource,
            offset: r.image_offset,
            extent: r.image_extent,
            row_length: r.memory_row_length,
            image_height: r.memory_image_height,
        };
        let from: *const u8 = r.p_host_pointer.cast();
        // SAFETY: a valid device and its image.
        let layout = unsafe { layout(device, info.dst_image, settled(device, info.dst_image)?, info.flags, region)? };
        let rows = match layout {
            Layout::Opaque { region, size } => {
                // SAFETY: the program's memory has what the host says that the region takes.
                return unsafe { send(device, info, &Piece::whole(&region), from, size) };
            }
            Layout::Rows(rows) => rows,
        };
        for piece in rows.pieces(UP) {
            let size = rows.bytes(&piece);
            let Some(starts) = rows.apart(&piece) else {
                // SAFETY: the program's memory holds the region's rows.
                unsafe { send(device, info, &piece, from.add(rows.start(&piece)), size)? };
                continue;
            };
            let mut closely = room(size)?;
            for (to, start) in closely.chunks_exact_mut(rows.row()).zip(starts) {
                // SAFETY: a row of the region in the program's memory, which is no memory of this function's.
                unsafe { std::ptr::copy_nonoverlapping(from.add(start), to.as_mut_ptr(), to.len()) };
            }
            // SAFETY: a local of this size.
            unsafe { send(device, info, &piece, closely.as_ptr(), size)? };
        }
        Ok(())
    };
    // SAFETY: the info's array of this length.
    let copied = unsafe { slice(info.p_regions, info.region_count) }.iter().try_for_each(copy);
    copied.err().unwrap_or(vk::Result::SUCCESS)
}

pub unsafe fn copy_image_to_memory(device: vk::Device, info: *const vk::CopyImageToMemoryInfoEXT) -> vk::Result {
    // SAFETY: a valid info.
    let info = unsafe { &*info };
    let copy = |r: &vk::ImageToMemoryCopyEXT| -> Outcome {
        let region = Region {
            layers: r.image_subresource,
            offset: r.image_offset,
            extent: r.image_extent,
            row_length: r.memory_row_length,
            image_height: r.memory_image_height,
        };
        let to: *mut u8 = r.p_host_pointer.cast();
        // SAFETY: a valid device and its image.
        let layout = unsafe { layout(device, info.src_image, settled(device, info.src_image)?, info.flags, region)? };
        let rows = match layout {
            Layout::Opaque { region, size } => {
                // SAFETY: the program's memory has room for what the host says that the region takes.
                return unsafe { fetch(device, info, &Piece::whole(&region), to, size) };
            }
            Layout::Rows(rows) => rows,
        };
        for piece in rows.pieces(DOWN) {
            let size = rows.bytes(&piece);
            let Some(starts) = rows.apart(&piece) else {
                // SAFETY: the program's memory has room for the region's rows.
                unsafe { fetch(device, info, &piece, to.add(rows.start(&piece)), size)? };
                continue;
            };
            let mut closely = room(size)?;
            // SAFETY: a local of this size.
            unsafe { fetch(device, info, &piece, closely.as_mut_ptr(), size)? };
            for (from, start) in closely.chunks_exact(rows.row()).zip(starts) {
                // SAFETY: a row of the region in the program's memory, which is no memory of this function's.
                unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.add(start), from.len()) };
            }
        }
        Ok(())
    };
    // SAFETY: the info's array of this length.
    let copied = unsafe { slice(info.p_regions, info.region_count) }.iter().try_for_each(copy);
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
