//! What a device can do with images of each kind of texels.

use ash::{Instance, vk};

use crate::facts::Abilities;
use crate::image::{Dimensions, Shape};
use crate::texels::{Class, Texels};

/// For each of [`Texels`], with optimal and with linear tiling. `host_copies`: whether the device has VK_EXT_host_image_copy; `planes`:
/// whether it has formats of several planes.
pub fn abilities(
    instance: &Instance,
    physical: vk::PhysicalDevice,
    host_copies: bool,
    planes: bool,
) -> Vec<[Abilities; 2]> {
    let of = |texels: &Texels| {
        let had = planes || texels.class() != Class::Planes;
        let with =
            |linear| if had { one(instance, physical, *texels, linear, host_copies) } else { Abilities::default() };
        [false, true].map(with)
    };
    Texels::ALL.iter().map(of).collect()
}

fn one(
    instance: &Instance,
    physical: vk::PhysicalDevice,
    texels: Texels,
    linear: bool,
    host_copies: bool,
) -> Abilities {
    use vk::FormatFeatureFlags2 as F;
    let mut wide = vk::FormatProperties3::default();
    let mut properties = vk::FormatProperties2::default().push_next(&mut wide);
    // SAFETY: a valid physical device, and a struct with its chain.
    unsafe { instance.get_physical_device_format_properties2(physical, texels.format(), &mut properties) };
    let has = if linear { wide.linear_tiling_features } else { wide.optimal_tiling_features };
    let drawn = if texels.is_colour() { F::COLOR_ATTACHMENT } else { F::DEPTH_STENCIL_ATTACHMENT };
    let plain = Shape {
        texels,
        dimensions: Dimensions::Two,
        extent: [16, 16, 1],
        mips: 1,
        layers: 1,
        samples: 1,
        linear,
        attachment: has.contains(drawn) && !linear,
        host: host_copies && has.contains(F::HOST_IMAGE_TRANSFER_EXT),
    };
    let limits = |shape: Shape| {
        // SAFETY: a valid physical device.
        unsafe {
            instance.get_physical_device_image_format_properties(
                physical,
                texels.format(),
                shape.dimensions.kind(),
                shape.tiling(),
                shape.usage(),
                vk::ImageCreateFlags::empty(),
            )
        }
    };
    let made = |dimensions| {
        let flat = dimensions == Dimensions::Two;
        let found = limits(Shape { dimensions, attachment: plain.attachment && flat, ..plain });
        // With several planes there is one level of one layer.
        let single = texels.class() == Class::Planes;
        let many = |l: vk::ImageFormatProperties| {
            l.max_mip_levels >= 4 && (l.max_array_layers >= 4 || dimensions == Dimensions::Three)
        };
        found.is_ok_and(|l| single || many(l))
    };
    let transfers = has.contains(F::TRANSFER_SRC | F::TRANSFER_DST);
    let four = |l: vk::ImageFormatProperties| l.sample_counts.contains(vk::SampleCountFlags::TYPE_4);
    Abilities {
        made: Dimensions::ALL.map(|d| transfers && made(d)),
        samples: plain.attachment && limits(Shape { host: false, ..plain }).is_ok_and(four),
        blit_from: has.contains(F::BLIT_SRC),
        blit_to: has.contains(F::BLIT_DST),
        smooth: has.contains(F::SAMPLED_IMAGE_FILTER_LINEAR),
        attachment: plain.attachment,
        host: plain.host,
    }
}
