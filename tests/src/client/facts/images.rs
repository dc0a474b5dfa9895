//! Which images can be made, over a grid of formats, types, tilings, usages and flags.

use ash::vk;

use super::asked::{Asked, Facts, flags};

const TYPES: [vk::ImageType; 3] = [vk::ImageType::TYPE_1D, vk::ImageType::TYPE_2D, vk::ImageType::TYPE_3D];
const TILINGS: [vk::ImageTiling; 2] = [vk::ImageTiling::OPTIMAL, vk::ImageTiling::LINEAR];

/// Those that the device knows.
fn usages(asked: &Asked) -> Vec<vk::ImageUsageFlags> {
    use vk::ImageUsageFlags as U;
    let host_copies = asked.has(ash::ext::host_image_copy::NAME).then_some(U::HOST_TRANSFER_EXT);
    let core = [
        U::TRANSFER_SRC | U::TRANSFER_DST,
        U::SAMPLED,
        U::STORAGE,
        U::COLOR_ATTACHMENT,
        U::DEPTH_STENCIL_ATTACHMENT | U::SAMPLED,
        U::COLOR_ATTACHMENT | U::INPUT_ATTACHMENT | U::TRANSIENT_ATTACHMENT,
    ];
    core.into_iter().chain(host_copies).collect()
}

fn creations() -> [vk::ImageCreateFlags; 6] {
    use vk::ImageCreateFlags as C;
    [
        C::empty(),
        C::CUBE_COMPATIBLE,
        C::MUTABLE_FORMAT | C::EXTENDED_USAGE,
        C::TYPE_2D_ARRAY_COMPATIBLE,
        C::SPARSE_BINDING | C::SPARSE_RESIDENCY,
        C::DISJOINT | C::ALIAS,
    ]
}

pub fn tell(asked: &Asked, facts: &mut Facts) {
    let usages = usages(asked);
    for format in asked.formats() {
        for (ty, tiling) in TYPES.into_iter().flat_map(|ty| TILINGS.map(|tiling| (ty, tiling))) {
            for (usage, create) in usages.iter().flat_map(|usage| creations().map(|create| (*usage, create))) {
                let info = vk::PhysicalDeviceImageFormatInfo2 {
                    format,
                    ty,
                    tiling,
                    usage,
                    flags: create,
                    ..Default::default()
                };
                let mut ycbcr = vk::SamplerYcbcrConversionImageFormatProperties::default();
                let mut two = vk::ImageFormatProperties2::default().push_next(&mut ycbcr);
                // SAFETY: a valid handle, structs made here.
                let result = unsafe {
                    asked.instance.get_physical_device_image_format_properties2(asked.physical, &info, &mut two)
                };
                let p = two.image_format_properties;
                let value = match result {
                    Ok(()) => image(&p, ycbcr.combined_image_sampler_descriptor_count),
                    Err(vk::Result::ERROR_FORMAT_NOT_SUPPORTED) => continue,
                    Err(e) => format!("{e:?}"),
                };
                let (usage, create) = (flags(usage), flags(create));
                facts.tell(format!("Images/{format:?}/{ty:?}/{tiling:?}/{usage}/{create}"), value);
            }
        }
    }
}

/// Properties of images in a line.
pub fn image(p: &vk::ImageFormatProperties, descriptors: u32) -> String {
    let e = p.max_extent;
    format!(
        "{}x{}x{}, {} levels, {} layers, samples {}, {} bytes, {descriptors} descriptors",
        e.width,
        e.height,
        e.depth,
        p.max_mip_levels,
        p.max_array_layers,
        flags(p.sample_counts),
        p.max_resource_size
    )
}
