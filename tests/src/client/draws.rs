//! Draws whose parameters lie in an array further apart than they are long (VK_EXT_multi_draw).

use anyhow::Result;
use ash::vk;

use crate::gpu::{Gpu, MULTI_DRAW};
use crate::picture::{AREA, FORMAT, Picture, Points};

/// A draw and what is of no interest to the driver behind it.
#[repr(C)]
struct Apart<T>(T, [u32; 5]);

fn apart<T>(draw: T) -> Apart<T> {
    Apart(draw, [u32::MAX; 5])
}

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    if !gpu.has(MULTI_DRAW) {
        println!("draws: there is no VK_EXT_multi_draw");
        return Ok(());
    }
    let picture = Picture::new(&gpu, vk::ImageCreateInfo::default())?;
    let points = Points::new(&gpu)?;
    let formats = [FORMAT];
    let mut rendering = vk::PipelineRenderingCreateInfo::default().color_attachment_formats(&formats);
    let pipeline = points.pipeline(&gpu, |info| info.p_next = (&raw mut rendering).cast())?;
    let indices = gpu.buffer(8)?;
    indices.fill(|i| i * 20);

    let loader = ash::ext::multi_draw::Device::new(&gpu.instance, &gpu.device);
    let draw = |what: &str, wanted: &[(u32, u32)], draws: &dyn Fn(vk::CommandBuffer)| {
        gpu.run(|cmd| {
            picture.begin(&gpu, cmd);
            let attachments = [picture.attachment()];
            let info = vk::RenderingInfo::default().render_area(AREA).layer_count(1).color_attachments(&attachments);
            // SAFETY: recording with handles of this device.
            unsafe {
                gpu.device.cmd_begin_rendering(cmd, &info);
                gpu.device.cmd_bind_pipeline(cmd, vk::PipelineBindPoint::GRAPHICS, pipeline);
                gpu.device.cmd_bind_index_buffer(cmd, indices.buffer, 0, vk::IndexType::UINT32);
                draws(cmd);
                gpu.device.cmd_end_rendering(cmd);
            }
            picture.end(&gpu, cmd);
        })?;
        picture.expect(what, wanted)
    };

    let simple = [(3, 2), (40, 1), (100, 3)]
        .map(|(first_vertex, vertex_count)| apart(vk::MultiDrawInfoEXT { first_vertex, vertex_count }));
    let stride = size_of_val(&simple[0]) as u32;
    draw("draws with a stride", &[(3, 7), (4, 7), (40, 7), (100, 7), (101, 7), (102, 7)], &|cmd| {
        // SAFETY: recording; three draws lie `stride` bytes apart.
        unsafe { (loader.fp().cmd_draw_multi_ext)(cmd, 3, simple.as_ptr().cast(), 1, 7, stride) };
    })?;

    let indexed = [(1, 1, 0), (4, 2, 5), (7, 1, -130)].map(|(first_index, index_count, vertex_offset)| {
        apart(vk::MultiDrawIndexedInfoEXT { first_index, index_count, vertex_offset })
    });
    let stride = size_of_val(&indexed[0]) as u32;
    let multi = loader.fp().cmd_draw_multi_indexed_ext;
    draw("indexed draws with a stride", &[(20, 0), (85, 0), (105, 0), (10, 0)], &|cmd| {
        // SAFETY: recording; three draws lie `stride` bytes apart, and there is no offset for all.
        unsafe { multi(cmd, 3, indexed.as_ptr().cast(), 1, 0, stride, std::ptr::null()) };
    })?;
    draw("indexed draws with one offset", &[(21, 0), (81, 0), (101, 0), (141, 0)], &|cmd| {
        // SAFETY: as above, with one.
        unsafe { multi(cmd, 3, indexed.as_ptr().cast(), 1, 0, stride, &1) };
    })?;

    // SAFETY: all work is done.
    unsafe { gpu.device.destroy_pipeline(pipeline, None) };
    points.free(&gpu);
    picture.free(&gpu);
    gpu.free(indices);
    Ok(())
}
