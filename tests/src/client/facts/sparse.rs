//! Properties of sparse images.

use ash::vk;

use super::asked::{Asked, Facts, flags};

pub fn tell(asked: &Asked, facts: &mut Facts) {
    use vk::{ImageUsageFlags as U, SampleCountFlags as S};
    for format in asked.formats() {
        for (ty, samples) in [
            (vk::ImageType::TYPE_2D, S::TYPE_1),
            (vk::ImageType::TYPE_2D, S::TYPE_4),
            (vk::ImageType::TYPE_3D, S::TYPE_1),
        ] {
            for usage in [U::SAMPLED | U::TRANSFER_DST, U::STORAGE, U::COLOR_ATTACHMENT] {
                let info = vk::PhysicalDeviceSparseImageFormatInfo2::default()
                    .format(format)
                    .ty(ty)
                    .samples(samples)
                    .usage(usage)
                    .tiling(vk::ImageTiling::OPTIMAL);
                let get = |list: &mut [vk::SparseImageFormatProperties2<'_>]| {
                    // SAFETY: a valid handle, structs made here.
                    unsafe {
                        let get = asked
                            .instance
                            .get_physical_device_sparse_image_format_properties2_len(asked.physical, &info);
                        if list.len() == get {
                            asked.instance.get_physical_device_sparse_image_format_properties2(
                                asked.physical,
                                &info,
                                list,
                            );
                        }
                        get
                    }
                };
                let mut list = vec![vk::SparseImageFormatProperties2::default(); get(&mut [])];
                get(&mut list);
                for (i, p) in list.iter().map(|p| p.properties).enumerate() {
                    let (aspect, g) = (flags(p.aspect_mask), p.image_granularity);
                    let value = format!("{aspect}, {}x{}x{}, {}", g.width, g.height, g.depth, flags(p.flags));
                    facts.tell(format!("Sparse/{format:?}/{ty:?}/{samples:?}/{}/{i}", flags(usage)), value);
                }
            }
        }
    }
}
