//! VkImage: made without waiting once the host has told what images made alike need.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use ash::vk::{self, TaggedStructure};
use hesper_encoder::generated::{reply, request};
use parking_lot::Mutex;

use crate::base::chain::{find, find_tagged};
use crate::base::forwarding::{done, post, result_of};
use crate::base::object::Part;
use crate::base::slab::{Kind, Slab};
use crate::generated::forward;
use crate::memory::device::Device;
use crate::memory::requirements::{ImageKind, Requirements};
use crate::memory::texel_blocks::{self, Block, Region};
use crate::physical::handle_types::HostChain;

/// What is known of an image.
struct Image {
    /// Nothing where planes or a chain may change the answer.
    needs: OnceLock<Requirements>,
    shape: Shape,
    /// Where it lies, if all of it lies in one memory of the program's own.
    memory: OnceLock<vk::DeviceMemory>,
    /// Bytes of each layer in the host's own order, as far as they were asked for, by aspect, mip level and layer.
    memcpy_sizes: Mutex<BTreeMap<[u32; 3], usize>>,
}

static IMAGES: Slab<Image> = Slab::new(Kind::Image);

/// What an image serves as beside the program's own uses where it lies in a swapchain's memory: the driver copies it.
pub const PRESENTABLE: vk::ImageUsageFlags = vk::ImageUsageFlags::TRANSFER_SRC;

/// What copies by the host's processor ask of an image.
pub struct Shape {
    format: vk::Format,
    /// The block of its colors, which most copies are of.
    color: Option<Block>,
    extent: vk::Extent3D,
    mip_levels: u32,
    array_layers: u32,
}

/// The shape of an image that is alive.
pub fn shape(image: vk::Image) -> Option<&'static Shape> {
    IMAGES.get(image).map(|i| &i.shape)
}

/// An image was bound to memory as a whole.
pub fn bound(image: vk::Image, memory: vk::DeviceMemory) {
    // A second time is no valid usage.
    let _ = IMAGES.get(image).map(|i| i.memory.set(memory));
}

/// The memory that an image lies in, if it lies in one.
pub fn memory(image: vk::Image) -> Option<vk::DeviceMemory> {
    IMAGES.get(image)?.memory.get().copied()
}

impl Shape {
    fn of(i: &vk::ImageCreateInfo<'_>) -> Self {
        Self {
            format: i.format,
            color: texel_blocks::block(i.format, vk::ImageAspectFlags::COLOR),
            extent: i.extent,
            mip_levels: i.mip_levels,
            array_layers: i.array_layers,
        }
    }

    /// The texel block that an aspect is copied in; `None` where the image has no such aspect.
    pub fn block(&self, aspect: vk::ImageAspectFlags) -> Option<Block> {
        if aspect == vk::ImageAspectFlags::COLOR { self.color } else { texel_blocks::block(self.format, aspect) }
    }

    /// The layers of a region, counted, if the image has them and the region's texels. Planes that have fewer texels than their image are
    /// taken for as large.
    pub fn within(&self, region: &Region) -> Option<vk::ImageSubresourceLayers> {
        let mut layers = region.layers;
        let left = self.array_layers.checked_sub(layers.base_array_layer)?;
        if layers.layer_count == vk::REMAINING_ARRAY_LAYERS {
            layers.layer_count = left;
        }
        let ends = |offset: i32, extent: u32, whole: u32| {
            let whole = whole.checked_shr(layers.mip_level).unwrap_or(0).max(1);
            u32::try_from(offset).ok().and_then(|o| o.checked_add(extent)).is_some_and(|end| end <= whole)
        };
        let (o, e, w) = (region.offset, region.extent, self.extent);
        let inside = ends(o.x, e.width, w.width) && ends(o.y, e.height, w.height) && ends(o.z, e.depth, w.depth);
        (inside && layers.mip_level < self.mip_levels && layers.layer_count <= left).then_some(layers)
    }
}

/// Bytes of a layer in the order that only the host knows (VkSubresourceHostMemcpySize). The host is asked once.
///
/// # Errors
/// ERROR_VALIDATION_FAILED_EXT for an image that isn't alive, ERROR_OUT_OF_HOST_MEMORY for a size that can't be.
///
/// # Safety
/// A valid device.
pub unsafe fn memcpy_size(
    device: vk::Device,
    image: vk::Image,
    layer: vk::ImageSubresource,
) -> Result<usize, vk::Result> {
    let sizes = &IMAGES.get(image).ok_or(vk::Result::ERROR_VALIDATION_FAILED_EXT)?.memcpy_sizes;
    let key = layer_key(layer);
    if let Some(known) = sizes.lock().get(&key) {
        return Ok(*known);
    }
    let mut copied = vk::SubresourceHostMemcpySizeEXT::default();
    let mut told = vk::SubresourceLayout2KHR::default().push_next(&mut copied);
    let which = vk::ImageSubresource2KHR::default().image_subresource(layer);
    // SAFETY: valid handles, and locals.
    unsafe { forward::get_image_subresource_layout2(device, image, &which, &mut told) };
    // Another thread may have asked meanwhile: the first answer counts.
    Ok(*sizes.lock().entry(key).or_insert(told_size(copied.size)?))
}

fn layer_key(layer: vk::ImageSubresource) -> [u32; 3] {
    [layer.aspect_mask.as_raw(), layer.mip_level, layer.array_layer]
}

/// As the host answers, but for the size of a layer in its own order: the program has memory for what it is told, so copies mustn't be told another.
pub unsafe fn get_image_subresource_layout2(
    device: vk::Device,
    image: vk::Image,
    which: *const vk::ImageSubresource2KHR,
    to: *mut vk::SubresourceLayout2KHR,
) {
    // SAFETY: handed on.
    unsafe { forward::get_image_subresource_layout2(device, image, which, to) };
    // SAFETY: the question and the answer's chain.
    let (layer, copied) = unsafe {
        ((*which).image_subresource, find_tagged((*to).p_next, vk::SubresourceHostMemcpySizeEXT::STRUCTURE_TYPE))
    };
    let Some(copied) = copied.map(|p| p.cast::<vk::SubresourceHostMemcpySizeEXT>()) else { return };
    // SAFETY: a struct of this type, of the program's own.
    let copied = unsafe { &mut *copied };
    if let (Some(image), Ok(told)) = (IMAGES.get(image), told_size(copied.size)) {
        copied.size = *image.memcpy_sizes.lock().entry(layer_key(layer)).or_insert(told) as u64;
    }
}

/// A size that the host told; 0 is what a struct holds that the host hasn't written, and in a copy would mean all that there is.
fn told_size(size: u64) -> Result<usize, vk::Result> {
    let size = isize::try_from(size).ok().filter(|size| *size > 0);
    size.map(isize::unsigned_abs).ok_or(vk::Result::ERROR_OUT_OF_HOST_MEMORY)
}

fn kind(i: &vk::ImageCreateInfo<'_>) -> Option<ImageKind> {
    let special = vk::ImageCreateFlags::DISJOINT | vk::ImageCreateFlags::SPARSE_BINDING;
    let plain = i.p_next.is_null() && !i.flags.intersects(special) && i.sharing_mode == vk::SharingMode::EXCLUSIVE;
    plain.then_some(ImageKind {
        flags: i.flags,
        image_type: i.image_type,
        format: i.format,
        extent: i.extent,
        mip_levels: i.mip_levels,
        array_layers: i.array_layers,
        samples: i.samples,
        tiling: i.tiling,
        usage: i.usage,
        initial_layout: i.initial_layout,
    })
}

pub unsafe fn create_image(
    device: vk::Device,
    info: *const vk::ImageCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::Image,
) -> vk::Result {
    // SAFETY: a valid device and create info.
    let (d, mut made) = unsafe { (Device::of(device), *info) };
    // SAFETY: the info's chain.
    let (swapchain, for_host) =
        unsafe { (find::<vk::ImageSwapchainCreateInfoKHR>(made.p_next), HostChain::of(made.p_next)) };
    if swapchain.is_some_and(|s| s.swapchain != vk::SwapchainKHR::null()) {
        made.usage |= PRESENTABLE;
    }
    // Of what the program has asked for, whose chain isn't the host's.
    let (kind, shape) = (kind(&made), Shape::of(&made));
    if let Some(chain) = &for_host {
        made.p_next = chain.first();
    }
    let info = &raw const made;
    // One that was made before can be made again, but for want of memory.
    let known = kind.and_then(|k| d.images.get(&k));
    // SAFETY: the encoders and the decoder read and write what the parameters of vkCreateImage point at.
    let tell = || unsafe {
        match known {
            Some(_) => done(post(device, |w| request::create_image(w, 0, device, info, allocator, to))),
            None => result_of(d.connection().call(
                reply::create_image_size(device, info, allocator, to),
                |w| request::create_image(w, 1, device, info, allocator, to),
                |r| reply::create_image(r, device, info, allocator, to),
            )),
        }
    };
    let needs = known.map_or_else(OnceLock::new, OnceLock::from);
    let new = Image { needs, shape, memory: OnceLock::new(), memcpy_sizes: Mutex::default() };
    // SAFETY: `to` is the output parameter.
    let (result, image) = unsafe { (IMAGES.create(new, to, tell), *to) };
    if result == vk::Result::SUCCESS
        && let (Some(kind), None) = (kind, known)
    {
        let which = vk::ImageMemoryRequirementsInfo2 { image, ..Default::default() };
        // SAFETY: an image that was just made, and a struct to write into.
        let told = Requirements::ask(|p| unsafe { forward::get_image_memory_requirements2(device, &which, p) });
        // Nobody else knows the handle yet.
        let _ = IMAGES.get(image).map(|i| i.needs.set(told));
        d.images.put(kind, told);
    }
    result
}

pub unsafe fn destroy_image(device: vk::Device, image: vk::Image, allocator: *const vk::AllocationCallbacks) {
    if IMAGES.remove(image).is_some() {
        // SAFETY: an image that was alive until now.
        unsafe { forward::destroy_image(device, image, allocator) };
    }
}

pub unsafe fn get_device_image_memory_requirements(
    device: vk::Device,
    info: *const vk::DeviceImageMemoryRequirements,
    to: *mut vk::MemoryRequirements2,
) {
    // SAFETY: a question whose create info is valid.
    let (mut question, mut made) = unsafe { (*info, *(*info).p_create_info) };
    // SAFETY: the create info's chain.
    let for_host = unsafe { HostChain::of(made.p_next) };
    if let Some(chain) = &for_host {
        made.p_next = chain.first();
    }
    question.p_create_info = &made;
    // SAFETY: the entry point's parameters, and a question that outlives the call.
    unsafe { forward::get_device_image_memory_requirements(device, &question, to) };
}

pub unsafe fn get_image_memory_requirements(device: vk::Device, image: vk::Image, to: *mut vk::MemoryRequirements) {
    match IMAGES.get(image).and_then(|i| i.needs.get()) {
        // SAFETY: `to` is the output parameter.
        Some(r) => unsafe { to.write(r.memory) },
        // SAFETY: the command's own parameters.
        None => unsafe { forward::get_image_memory_requirements(device, image, to) },
    }
}

pub unsafe fn get_image_memory_requirements2(
    device: vk::Device,
    info: *const vk::ImageMemoryRequirementsInfo2,
    to: *mut vk::MemoryRequirements2,
) {
    // SAFETY: a valid input struct.
    let (image, plain) = unsafe { ((*info).image, (*info).p_next.is_null()) };
    let known = IMAGES.get(image).and_then(|i| i.needs.get()).filter(|_| plain);
    // SAFETY: a valid output struct and chain.
    let answered = known.is_some_and(|r| unsafe { r.answer(to) });
    if !answered {
        // SAFETY: the command's own parameters.
        unsafe { forward::get_image_memory_requirements2(device, info, to) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_was_not_told_is_an_error() {
        assert_eq!(told_size(4096), Ok(4096));
        for size in [0, 1 << 63, u64::MAX] {
            assert_eq!(told_size(size), Err(vk::Result::ERROR_OUT_OF_HOST_MEMORY), "{size}");
        }
    }

    #[test]
    fn regions_outside_of_an_image_are_found() {
        let extent = vk::Extent3D { width: 30, height: 20, depth: 1 };
        let info = vk::ImageCreateInfo { extent, mip_levels: 3, array_layers: 4, ..Default::default() };
        let shape = Shape::of(&info);
        let layers = |mip_level, base_array_layer, layer_count| vk::ImageSubresourceLayers {
            aspect_mask: vk::ImageAspectFlags::COLOR,
            mip_level,
            base_array_layer,
            layer_count,
        };
        let ask = |layers, offset: [i32; 3], extent: [u32; 3]| {
            let ([x, y, z], [width, height, depth]) = (offset, extent);
            let (offset, extent) = (vk::Offset3D { x, y, z }, vk::Extent3D { width, height, depth });
            shape.within(&Region { layers, offset, extent, row_length: 0, image_height: 0 }).map(|l| l.layer_count)
        };
        assert_eq!(ask(layers(0, 0, 4), [0; 3], [30, 20, 1]), Some(4));
        assert_eq!(ask(layers(2, 1, vk::REMAINING_ARRAY_LAYERS), [0; 3], [7, 5, 1]), Some(3));
        for (layers, offset, extent) in [
            (layers(0, 1, 4), [0; 3], [30, 20, 1]),
            (layers(0, 5, vk::REMAINING_ARRAY_LAYERS), [0; 3], [30, 20, 1]),
            (layers(0, u32::MAX, 2), [0; 3], [30, 20, 1]),
            (layers(3, 0, 1), [0; 3], [1, 1, 1]),
            (layers(u32::MAX, 0, 1), [0; 3], [1, 1, 1]),
            (layers(1, 0, 1), [0; 3], [16, 10, 1]),
            (layers(0, 0, 1), [1, 0, 0], [30, 20, 1]),
            (layers(0, 0, 1), [-1, 0, 0], [3, 3, 1]),
            (layers(0, 0, 1), [i32::MAX, 0, 0], [u32::MAX, 3, 1]),
            (layers(0, 0, 1), [0, 0, 1], [3, 3, 1]),
        ] {
            assert_eq!(ask(layers, offset, extent), None, "{offset:?} {extent:?}");
        }
    }
}
