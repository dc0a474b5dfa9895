//! VkImage: made without waiting once the host has told what images made alike need.

use std::sync::OnceLock;

use ash::vk;
use ash::vk::Handle;
use hesper_encoder::generated::{reply, request};

use crate::base::forwarding::{done, post, result_of};
use crate::base::object::Part;
use crate::base::slab::Slab;
use crate::generated::forward;
use crate::memory::device::Device;
use crate::memory::requirements::{ImageKind, Requirements};

/// What is known of an image; nothing where planes or a chain may change the answer.
static IMAGES: Slab<OnceLock<Requirements>> = Slab::new(12);

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
    // SAFETY: by valid usage.
    unsafe {
        let d = Device::of(device);
        let kind = kind(&*info);
        // One that was made before can be made again, but for want of memory.
        let known = kind.and_then(|k| d.images.get(&k));
        let Some(id) = IMAGES.insert(known.map_or_else(OnceLock::new, OnceLock::from)) else {
            return vk::Result::ERROR_OUT_OF_HOST_MEMORY;
        };
        *to = vk::Image::from_raw(id);
        let result = match known {
            Some(_) => done(post(device, |w| request::create_image(w, 0, device, info, allocator, to))),
            None => result_of(d.connection().call(
                reply::create_image_size(device, info, allocator, to),
                |w| request::create_image(w, 1, device, info, allocator, to),
                |r| reply::create_image(r, device, info, allocator, to),
            )),
        };
        if result != vk::Result::SUCCESS {
            IMAGES.remove(vk::Image::from_raw(id));
            *to = vk::Image::null();
            return result;
        }
        if let (Some(kind), None) = (kind, known) {
            let which = vk::ImageMemoryRequirementsInfo2 { image: *to, ..Default::default() };
            let told = Requirements::ask(|p| forward::get_image_memory_requirements2(device, &which, p));
            // Nobody else knows the handle yet.
            let _ = IMAGES.get(*to).map(|r| r.set(told));
            d.images.put(kind, told);
        }
    }
    vk::Result::SUCCESS
}

pub unsafe fn destroy_image(device: vk::Device, image: vk::Image, allocator: *const vk::AllocationCallbacks) {
    if IMAGES.remove(image).is_some() {
        // SAFETY: by valid usage.
        unsafe { forward::destroy_image(device, image, allocator) };
    }
}

pub unsafe fn get_image_memory_requirements(device: vk::Device, image: vk::Image, to: *mut vk::MemoryRequirements) {
    // SAFETY: by valid usage.
    unsafe {
        match IMAGES.get(image).and_then(OnceLock::get) {
            Some(r) => *to = r.memory,
            None => forward::get_image_memory_requirements(device, image, to),
        }
    }
}

pub unsafe fn get_image_memory_requirements2(
    device: vk::Device,
    info: *const vk::ImageMemoryRequirementsInfo2,
    to: *mut vk::MemoryRequirements2,
) {
    // SAFETY: by valid usage.
    unsafe {
        let plain = (*info).p_next.is_null();
        let known = IMAGES.get((*info).image).and_then(OnceLock::get).filter(|_| plain);
        if !known.is_some_and(|r| r.answer(to)) {
            forward::get_image_memory_requirements2(device, info, to);
        }
    }
}
