//! VK_REMAINING_ARRAY_LAYERS in copies and blits, which VK_KHR_maintenance5 allows there, in both forms of the commands.

use anyhow::{Result, ensure};
use ash::vk;

use crate::gpu::{Buffer, Gpu};

const LAYERS: u32 = 4;
const SIDE: u32 = 8;
/// Words of a layer.
const WORDS: u32 = SIDE * SIDE;
const GENERAL: vk::ImageLayout = vk::ImageLayout::GENERAL;
const EXTENT: vk::Extent3D = vk::Extent3D { width: SIDE, height: SIDE, depth: 1 };

/// What carries layers from one image to the other.
#[derive(Clone, Copy, Debug)]
enum Way {
    Copy,
    Blit,
}

/// Fails where a copy takes more or fewer layers than remain.
pub fn check(gpu: &Gpu) -> Result<()> {
    let (up, down) = (gpu.buffer((LAYERS * WORDS) as usize)?, gpu.buffer((LAYERS * WORDS) as usize)?);
    let images = [Image::new(gpu)?, Image::new(gpu)?];
    for way in [Way::Copy, Way::Blit] {
        for second in [false, true] {
            for base in 0..LAYERS {
                up.fill(|i| i * 3 + base + 1);
                down.fill(|_| u32::MAX);
                gpu.run(|cmd| chain(gpu, cmd, (&up, &images, &down), way, second, base))?;
                // Up into the layers from `base`, over into the same ones of the other image, and down from all of those to the front.
                let copied = (LAYERS - base) * WORDS;
                let what = format!("{way:?}, second form: {second}, from layer {base}");
                for i in 0..LAYERS * WORDS {
                    let (found, wanted) = (down.get(i as usize), if i < copied { i * 3 + base + 1 } else { u32::MAX });
                    ensure!(found == wanted, "{what}: word {i} is {found:#x}, not {wanted:#x}");
                }
            }
        }
    }
    images.into_iter().for_each(|i| i.free(gpu));
    gpu.free(up);
    gpu.free(down);
    Ok(())
}

struct Image {
    image: vk::Image,
    memory: vk::DeviceMemory,
}

impl Image {
    fn new(gpu: &Gpu) -> Result<Self> {
        let info = vk::ImageCreateInfo::default()
            .image_type(vk::ImageType::TYPE_2D)
            .format(vk::Format::R8G8B8A8_UNORM)
            .extent(EXTENT)
            .mip_levels(1)
            .array_layers(LAYERS)
            .samples(vk::SampleCountFlags::TYPE_1)
            .usage(vk::ImageUsageFlags::TRANSFER_SRC | vk::ImageUsageFlags::TRANSFER_DST);
        // SAFETY: handles of this device.
        unsafe {
            let image = gpu.device.create_image(&info, None)?;
            let needs = gpu.device.get_image_memory_requirements(image);
            let kind = gpu.memory_type(needs.memory_type_bits, vk::MemoryPropertyFlags::empty())?;
            let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind);
            let memory = gpu.device.allocate_memory(&info, None)?;
            gpu.device.bind_image_memory(image, memory, 0)?;
            Ok(Self { image, memory })
        }
    }

    fn free(self, gpu: &Gpu) {
        // SAFETY: everything has been waited for.
        unsafe {
            gpu.device.destroy_image(self.image, None);
            gpu.device.free_memory(self.memory, None);
        }
    }

    /// Makes it ready for transfers, whatever was in it.
    fn begin(&self, gpu: &Gpu, cmd: vk::CommandBuffer) {
        let range = vk::ImageSubresourceRange {
            aspect_mask: vk::ImageAspectFlags::COLOR,
            level_count: 1,
            layer_count: vk::REMAINING_ARRAY_LAYERS,
            ..Default::default()
        };
        let all = vk::AccessFlags::MEMORY_READ | vk::AccessFlags::MEMORY_WRITE;
        let barrier = vk::ImageMemoryBarrier::default()
            .image(self.image)
            .new_layout(GENERAL)
            .src_access_mask(all)
            .dst_access_mask(all)
            .subresource_range(range);
        let (stages, none) = (vk::PipelineStageFlags::ALL_COMMANDS, vk::DependencyFlags::empty());
        // SAFETY: recording with handles of this device.
        unsafe { gpu.device.cmd_pipeline_barrier(cmd, stages, stages, none, &[], &[], &[barrier]) };
    }
}

/// Records copies from a buffer over two images to a buffer, all with the layers that remain from `base`.
fn chain(
    gpu: &Gpu,
    cmd: vk::CommandBuffer,
    (up, images, down): (&Buffer, &[Image; 2], &Buffer),
    way: Way,
    second: bool,
    base: u32,
) {
    let d = &gpu.device;
    let layers = vk::ImageSubresourceLayers {
        aspect_mask: vk::ImageAspectFlags::COLOR,
        mip_level: 0,
        base_array_layer: base,
        layer_count: vk::REMAINING_ARRAY_LAYERS,
    };
    let [from, to] = images;
    from.begin(gpu, cmd);
    to.begin(gpu, cmd);
    let corners = [vk::Offset3D::default(), vk::Offset3D { x: SIDE as i32, y: SIDE as i32, z: 1 }];
    // SAFETY: recording with handles of this device; what is copied lies inside of the buffers.
    unsafe {
        if second {
            let region = [vk::BufferImageCopy2::default().image_subresource(layers).image_extent(EXTENT)];
            let info = vk::CopyBufferToImageInfo2::default().src_buffer(up.buffer).dst_image(from.image);
            d.cmd_copy_buffer_to_image2(cmd, &info.dst_image_layout(GENERAL).regions(&region));
            gpu.barrier(cmd);
            match way {
                Way::Copy => {
                    let region =
                        [vk::ImageCopy2::default().src_subresource(layers).dst_subresource(layers).extent(EXTENT)];
                    let info = vk::CopyImageInfo2::default().src_image(from.image).src_image_layout(GENERAL);
                    let info = info.dst_image(to.image).dst_image_layout(GENERAL).regions(&region);
                    d.cmd_copy_image2(cmd, &info);
                }
                Way::Blit => {
                    let region = vk::ImageBlit2::default().src_subresource(layers).src_offsets(corners);
                    let region = [region.dst_subresource(layers).dst_offsets(corners)];
                    let info = vk::BlitImageInfo2::default().src_image(from.image).src_image_layout(GENERAL);
                    let info = info.dst_image(to.image).dst_image_layout(GENERAL).regions(&region);
                    d.cmd_blit_image2(cmd, &info);
                }
            }
            gpu.barrier(cmd);
            let info = vk::CopyImageToBufferInfo2::default().src_image(to.image).src_image_layout(GENERAL);
            d.cmd_copy_image_to_buffer2(cmd, &info.dst_buffer(down.buffer).regions(&region));
        } else {
            let region =
                [vk::BufferImageCopy { image_subresource: layers, image_extent: EXTENT, ..Default::default() }];
            d.cmd_copy_buffer_to_image(cmd, up.buffer, from.image, GENERAL, &region);
            gpu.barrier(cmd);
            match way {
                Way::Copy => {
                    let region = vk::ImageCopy::default().src_subresource(layers).dst_subresource(layers);
                    d.cmd_copy_image(cmd, from.image, GENERAL, to.image, GENERAL, &[region.extent(EXTENT)]);
                }
                Way::Blit => {
                    let region = vk::ImageBlit::default().src_subresource(layers).src_offsets(corners);
                    let region = [region.dst_subresource(layers).dst_offsets(corners)];
                    let filter = vk::Filter::NEAREST;
                    d.cmd_blit_image(cmd, from.image, GENERAL, to.image, GENERAL, &region, filter);
                }
            }
            gpu.barrier(cmd);
            d.cmd_copy_image_to_buffer(cmd, to.image, GENERAL, down.buffer, &region);
        }
        gpu.barrier(cmd);
    }
}
