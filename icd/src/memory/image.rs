//! VkImage: made without waiting once the host has told what images made alike need.

use std::sync::OnceLock;

use ash::vk;
use hesper_encoder::generated::{reply, request};

use crate::base::forwarding::{done, post, result_of};
use crate::base::object::Part;
use crate::base::slab::Slab;
use crate::generated::forward;
use crate::memory::device::Device;
use crate::memory::requirements::{ImageKind, Requirements};
use crate::physical::handle_types::HostChain;

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
    // SAFETY: a valid device and create info.
    let (d, kind, mut made) = unsafe { (Device::of(device), kind(&*info), *info) };
    // SAFETY: the info's chain.
    let for_host = unsafe { HostChain::of(made.p_next) };
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
    // SAFETY: `to` is the output parameter.
    let (result, image) = unsafe { (IMAGES.create(needs, to, tell), *to) };
    if result == vk::Result::SUCCESS
        && let (Some(kind), None) = (kind, known)
    {
        let which = vk::ImageMemoryRequirementsInfo2 { image, ..Default::default() };
        // SAFETY: an image that was just made, and a struct to write into.
        let told = Requirements::ask(|p| unsafe { forward::get_image_memory_requirements2(device, &which, p) });
        // Nobody else knows the handle yet.
        let _ = IMAGES.get(image).map(|r| r.set(told));
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
    match IMAGES.get(image).and_then(OnceLock::get) {
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
    let known = IMAGES.get(image).and_then(OnceLock::get).filter(|_| plain);
    // SAFETY: a valid output struct and chain.
    let answered = known.is_some_and(|r| unsafe { r.answer(to) });
    if !answered {
        // SAFETY: the command's own parameters.
        unsafe { forward::get_image_memory_requirements2(device, info, to) };
    }
}
