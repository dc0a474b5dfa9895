//! What memory and synchronisation objects of other processes and devices can be used for.

use ash::vk;

use super::asked::{Asked, Facts, flags};
use super::images::image;

/// Every handle type of memory; those of other systems, too.
fn memory_types() -> impl Iterator<Item = vk::ExternalMemoryHandleTypeFlags> {
    (0..12).map(|bit| vk::ExternalMemoryHandleTypeFlags::from_raw(1 << bit))
}

pub fn tell(asked: &Asked, facts: &mut Facts) {
    buffers(asked, facts);
    images(asked, facts);
    fences(asked, facts);
    semaphores(asked, facts);
}

fn memory(p: &vk::ExternalMemoryProperties) -> String {
    let (from, with) = (flags(p.export_from_imported_handle_types), flags(p.compatible_handle_types));
    format!("{}, from imported {from}, compatible {with}", flags(p.external_memory_features))
}

fn buffers(asked: &Asked, facts: &mut Facts) {
    use vk::BufferUsageFlags as U;
    let usages = [U::TRANSFER_SRC | U::TRANSFER_DST, U::STORAGE_BUFFER, U::UNIFORM_TEXEL_BUFFER, U::VERTEX_BUFFER];
    for handle in memory_types() {
        for (usage, create) in usages.into_iter().flat_map(|usage| {
            [vk::BufferCreateFlags::empty(), vk::BufferCreateFlags::SPARSE_BINDING].map(|create| (usage, create))
        }) {
            let info = vk::PhysicalDeviceExternalBufferInfo::default().flags(create).usage(usage).handle_type(handle);
            let mut p = vk::ExternalBufferProperties::default();
            // SAFETY: a valid handle, structs made here.
            unsafe { asked.instance.get_physical_device_external_buffer_properties(asked.physical, &info, &mut p) };
            // A type is compatible with itself even where nothing can be done with it.
            if !p.external_memory_properties.external_memory_features.is_empty() {
                let value = memory(&p.external_memory_properties);
                facts.tell(format!("External buffers/{handle:?}/{}/{}", flags(usage), flags(create)), value);
            }
        }
    }
}

fn images(asked: &Asked, facts: &mut Facts) {
    use vk::{Format as F, ImageTiling as T, ImageUsageFlags as U};
    let formats = [
        F::R8_UNORM,
        F::R8G8B8A8_UNORM,
        F::B8G8R8A8_UNORM,
        F::R16G16B16A16_SFLOAT,
        F::D32_SFLOAT,
        F::G8_B8R8_2PLANE_420_UNORM,
    ];
    let modifiers = asked.has(ash::ext::image_drm_format_modifier::NAME).then_some(T::DRM_FORMAT_MODIFIER_EXT);
    let tilings: Vec<_> = [T::OPTIMAL, T::LINEAR].into_iter().chain(modifiers).collect();
    for handle in memory_types() {
        for (format, tiling) in formats.into_iter().flat_map(|f| tilings.iter().map(move |t| (f, *t))) {
            for usage in [U::TRANSFER_SRC | U::TRANSFER_DST, U::SAMPLED, U::COLOR_ATTACHMENT] {
                let mut external = vk::PhysicalDeviceExternalImageFormatInfo::default().handle_type(handle);
                let mut modifier = vk::PhysicalDeviceImageDrmFormatModifierInfoEXT::default();
                let mut info = vk::PhysicalDeviceImageFormatInfo2::default()
                    .format(format)
                    .ty(vk::ImageType::TYPE_2D)
                    .tiling(tiling)
                    .usage(usage)
                    .push_next(&mut external);
                if tiling == T::DRM_FORMAT_MODIFIER_EXT {
                    // DRM_FORMAT_MOD_LINEAR is 0.
                    info = info.push_next(&mut modifier);
                }
                let mut may = vk::ExternalImageFormatProperties::default();
                let mut two = vk::ImageFormatProperties2::default().push_next(&mut may);
                // SAFETY: a valid handle, structs made here.
                let result = unsafe {
                    asked.instance.get_physical_device_image_format_properties2(asked.physical, &info, &mut two)
                };
                let p = two.image_format_properties;
                let value = match result {
                    Ok(()) => format!("{}, {}", memory(&may.external_memory_properties), image(&p, 0)),
                    Err(vk::Result::ERROR_FORMAT_NOT_SUPPORTED) => continue,
                    Err(e) => format!("{e:?}"),
                };
                facts.tell(format!("External images/{handle:?}/{format:?}/{tiling:?}/{}", flags(usage)), value);
            }
        }
    }
}

fn fences(asked: &Asked, facts: &mut Facts) {
    for handle in (0..4).map(|bit| vk::ExternalFenceHandleTypeFlags::from_raw(1 << bit)) {
        let info = vk::PhysicalDeviceExternalFenceInfo::default().handle_type(handle);
        let mut p = vk::ExternalFenceProperties::default();
        // SAFETY: a valid handle, structs made here.
        unsafe { asked.instance.get_physical_device_external_fence_properties(asked.physical, &info, &mut p) };
        if !p.external_fence_features.is_empty() {
            let (from, with) = (flags(p.export_from_imported_handle_types), flags(p.compatible_handle_types));
            let value = format!("{}, from imported {from}, compatible {with}", flags(p.external_fence_features));
            facts.tell(format!("External fences/{handle:?}"), value);
        }
    }
}

fn semaphores(asked: &Asked, facts: &mut Facts) {
    for kind in [vk::SemaphoreType::BINARY, vk::SemaphoreType::TIMELINE] {
        for handle in (0..5).map(|bit| vk::ExternalSemaphoreHandleTypeFlags::from_raw(1 << bit)) {
            let mut of_kind = vk::SemaphoreTypeCreateInfo::default().semaphore_type(kind);
            let info = vk::PhysicalDeviceExternalSemaphoreInfo::default().handle_type(handle).push_next(&mut of_kind);
            let mut p = vk::ExternalSemaphoreProperties::default();
            // SAFETY: a valid handle, structs made here.
            unsafe { asked.instance.get_physical_device_external_semaphore_properties(asked.physical, &info, &mut p) };
            if !p.external_semaphore_features.is_empty() {
                let (from, with) = (flags(p.export_from_imported_handle_types), flags(p.compatible_handle_types));
                let value =
                    format!("{}, from imported {from}, compatible {with}", flags(p.external_semaphore_features));
                facts.tell(format!("External semaphores/{kind:?}/{handle:?}"), value);
            }
        }
    }
}
