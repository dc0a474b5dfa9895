//! VK_EXT_primitives_generated_query: primitives are counted, with and without a rasterizer; results come in all forms, and end with a reset.

use anyhow::{Result, ensure};
use ash::vk;
use vk::QueryResultFlags as F;

use super::outcome::Outcome;
use crate::gpu::Gpu;
use crate::picture::{AREA, FORMAT, Picture, Points};
use crate::results;

const QUERIES: u32 = 4;
/// Vertices and instances of each draw of each query: each is one point.
const DRAWS: [&[(u32, u32)]; QUERIES as usize] = [&[(7, 1)], &[], &[(3, 5), (100, 1)], &[(1, 1); 9]];

pub fn run(times: u32) -> Result<Outcome> {
    let name = ash::ext::primitives_generated_query::NAME;
    let mut features = vk::PhysicalDevicePrimitivesGeneratedQueryFeaturesEXT::default();
    let discards = {
        // What the device has is asked before it is made.
        let gpu = Gpu::with(vec![(ash::ext::transform_feedback::NAME, None), (name, None)])?;
        if !gpu.has(name) {
            return Ok(Outcome::LeftOut("there is no VK_EXT_primitives_generated_query"));
        }
        let mut all = vk::PhysicalDeviceFeatures2::default().push_next(&mut features);
        // SAFETY: a valid physical device, which offers the extension of the chained struct.
        unsafe { gpu.instance.get_physical_device_features2(gpu.physical, &mut all) };
        features.primitives_generated_query_with_rasterizer_discard == vk::TRUE
    };
    ensure!(features.primitives_generated_query == vk::TRUE, "the extension is offered without its feature");
    features.p_next = std::ptr::null_mut();
    let gpu = Gpu::with(vec![(ash::ext::transform_feedback::NAME, None), (name, Some(&mut features))])?;
    let scene = Scene::new(&gpu)?;
    let info =
        vk::QueryPoolCreateInfo::default().query_type(vk::QueryType::PRIMITIVES_GENERATED_EXT).query_count(QUERIES);
    for discard in if discards { &[false, true][..] } else { &[false] } {
        let pipeline = scene.pipeline(*discard)?;
        // SAFETY: a valid struct; what is recorded is valid outside of a rendering; handles are destroyed after their last use.
        unsafe {
            results::kind(&gpu, "primitives", &info, 1, &|cmd, pool, i| {
                scene.query(cmd, pipeline, pool, i, &[(5, 1)])
            })?;
            let pool = gpu.device.create_query_pool(&info, None)?;
            for round in 0..6 * times {
                scene.counts(pipeline, pool, round)?;
            }
            gpu.device.destroy_query_pool(pool, None);
            gpu.device.destroy_pipeline(pipeline, None);
        }
    }
    scene.points.free(&gpu);
    scene.picture.free(&gpu);
    Ok(Outcome::Passed)
}

struct Scene<'a> {
    gpu: &'a Gpu,
    picture: Picture,
    points: Points,
}

impl<'a> Scene<'a> {
    fn new(gpu: &'a Gpu) -> Result<Self> {
        Ok(Self { gpu, picture: Picture::new(gpu, vk::ImageCreateInfo::default())?, points: Points::new(gpu)? })
    }

    fn pipeline(&self, discard: bool) -> Result<vk::Pipeline> {
        let formats = [FORMAT];
        let mut rendering = vk::PipelineRenderingCreateInfo::default().color_attachment_formats(&formats);
        let raster =
            vk::PipelineRasterizationStateCreateInfo::default().line_width(1.0).rasterizer_discard_enable(discard);
        self.points.pipeline(self.gpu, |info| {
            info.p_next = (&raw mut rendering).cast();
            info.p_rasterization_state = &raster;
            if discard {
                // Nothing comes to the fragment shader.
                info.stage_count = 1;
            }
        })
    }

    /// Draws inside of a query.
    fn query(&self, cmd: vk::CommandBuffer, pipeline: vk::Pipeline, pool: vk::QueryPool, i: u32, draws: &[(u32, u32)]) {
        let d = &self.gpu.device;
        self.picture.begin(self.gpu, cmd);
        let attachments = [self.picture.attachment()];
        let info = vk::RenderingInfo::default().render_area(AREA).layer_count(1).color_attachments(&attachments);
        // SAFETY: recording with handles of this device.
        unsafe {
            d.cmd_begin_query(cmd, pool, i, vk::QueryControlFlags::empty());
            d.cmd_begin_rendering(cmd, &info);
            d.cmd_bind_pipeline(cmd, vk::PipelineBindPoint::GRAPHICS, pipeline);
            for (vertices, instances) in draws {
                d.cmd_draw(cmd, *vertices, *instances, 0, 0);
            }
            d.cmd_end_rendering(cmd);
            d.cmd_end_query(cmd, pool, i);
        }
    }

    /// All queries, reset by the program or on the queue, asked for in another order each time.
    fn counts(&self, pipeline: vk::Pipeline, pool: vk::QueryPool, round: u32) -> Result<()> {
        let (d, by_the_program) = (&self.gpu.device, round.is_multiple_of(2));
        let counts: [u64; QUERIES as usize] =
            DRAWS.map(|draws| draws.iter().map(|(v, i)| u64::from(v * i)).sum::<u64>());
        let copies = self.gpu.buffer(QUERIES as usize * 4)?;
        copies.fill(|_| u32::MAX);
        // SAFETY: handles of this device; arrays with room for what is asked for.
        unsafe {
            if by_the_program {
                d.reset_query_pool(pool, 0, QUERIES);
                self.nothing_is_there(pool, "after a reset by the program")?;
            }
            self.gpu.run(|cmd| {
                if !by_the_program {
                    d.cmd_reset_query_pool(cmd, pool, 0, QUERIES);
                }
                for (i, draws) in (0u32..).zip(DRAWS) {
                    self.query(cmd, pipeline, pool, (i + round) % QUERIES, draws);
                }
                let flags = F::TYPE_64 | F::WAIT | F::WITH_AVAILABILITY;
                d.cmd_copy_query_pool_results(cmd, pool, 0, QUERIES, copies.buffer, 0, 16, flags);
                self.gpu.barrier(cmd);
            })?;
            let mut narrow = [0u32; QUERIES as usize];
            d.get_query_pool_results(pool, 0, &mut narrow, F::WAIT)?;
            for (i, wanted) in counts.iter().enumerate() {
                let at = (i + round as usize) % QUERIES as usize;
                let mut wide = [[0u64; 2]];
                d.get_query_pool_results(pool, at as u32, &mut wide, F::TYPE_64 | F::WITH_AVAILABILITY)?;
                let copied = [copies.get(at * 4), copies.get(at * 4 + 1), copies.get(at * 4 + 2)].map(u64::from);
                ensure!(
                    wide == [[*wanted, 1]] && u64::from(narrow[at]) == *wanted && copied == [*wanted, 0, 1],
                    "query {at} of round {round}: {wide:?}, {} in 32 bits, copied {copied:?}; wanted {wanted}",
                    narrow[at]
                );
            }
            self.gpu.run(|cmd| d.cmd_reset_query_pool(cmd, pool, 0, QUERIES))?;
            self.nothing_is_there(pool, "after a reset on the queue")?;
        }
        self.gpu.free(copies);
        Ok(())
    }

    fn nothing_is_there(&self, pool: vk::QueryPool, when: &str) -> Result<()> {
        for i in 0..QUERIES {
            let mut one = [0u64; 2];
            // SAFETY: a valid pool, and room for a query with its availability.
            let (asked, again) = unsafe {
                let d = &self.gpu.device;
                let again = d.get_query_pool_results(pool, i, &mut one[..1], F::TYPE_64);
                let mut told = [one];
                let asked = d.get_query_pool_results(pool, i, &mut told, F::TYPE_64 | F::WITH_AVAILABILITY);
                one = told[0];
                (asked, again)
            };
            let none = Err(vk::Result::NOT_READY);
            ensure!(asked == none && again == none && one[1] == 0, "query {i} {when}: {asked:?}, {again:?}, {one:?}");
        }
        Ok(())
    }
}
