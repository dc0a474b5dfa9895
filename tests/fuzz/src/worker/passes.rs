//! Recording passes.

use ash::vk;

use super::copies::{colour, depth_stencil};
use super::drawing::{Drawing, PipelineKind};
use super::render_passes::{PassKind, load_op, store_op};
use super::thread::{Ended, Thread};
use crate::command::{Load, Pass, Style, Target, Work};
use crate::plan::images::SIDE;
use crate::texels::Class;

fn area(pass: &Pass) -> vk::Rect2D {
    let [x, y, width, height] = pass.area;
    vk::Rect2D { offset: vk::Offset2D { x: x as i32, y: y as i32 }, extent: vk::Extent2D { width, height } }
}

fn clear_value(target: &Target) -> vk::ClearValue {
    if target.texels.is_colour() {
        vk::ClearValue { color: colour(target.texels.class(), target.value) }
    } else {
        vk::ClearValue { depth_stencil: depth_stencil(target.value) }
    }
}

impl<'a> Thread<'a> {
    /// What draws share, made at the first of them.
    pub fn drawing(&mut self) -> Result<&'a Drawing, Ended> {
        let shared = self.shared;
        let gpu = &shared.gpu;
        // SAFETY: a valid device of this program.
        let make = || unsafe { Drawing::new(&gpu.device, gpu.memory_type(true, u32::MAX), gpu.captures) };
        let made = shared.drawing.get_or_init(make);
        self.must("making what draws need", made.as_ref().map_err(|e| *e))
    }

    pub unsafe fn pass(&mut self, cb: vk::CommandBuffer, pass: &Pass) -> Result<(), Ended> {
        let kind = PassKind::of(pass);
        let d = &self.shared.gpu.device;
        // SAFETY: by the plan.
        unsafe {
            let mut subpass = 0;
            self.begin(cb, pass, kind.as_ref(), 0)?;
            for work in &pass.work {
                match work {
                    Work::Next => {
                        subpass += 1;
                        self.next(cb, pass, kind.as_ref(), subpass)?;
                    }
                    Work::Begin { pool, query, precise } => {
                        use vk::QueryControlFlags as F;
                        let flags = if *precise { F::PRECISE } else { F::empty() };
                        d.cmd_begin_query(cb, self.shared.handles.queries.get(*pool), *query, flags);
                    }
                    Work::End { pool, query } => d.cmd_end_query(cb, self.shared.handles.queries.get(*pool), *query),
                    Work::Clear { target, value } => self.clear_target(cb, pass, *target, *value),
                    Work::Draw { style, first, count, instance, quarters, captured } => {
                        self.bind(cb, pass, kind.as_ref(), subpass, *style, captured.is_some())?;
                        let depth = f32::from(*quarters) / 4.0;
                        let side = SIDE as f32;
                        let viewport = vk::Viewport {
                            width: side,
                            height: side,
                            min_depth: depth,
                            max_depth: 1.0,
                            ..Default::default()
                        };
                        d.cmd_set_viewport(cb, 0, &[viewport]);
                        d.cmd_set_scissor(cb, 0, &[area(pass)]);
                        if let Some((buffer, at)) = captured {
                            self.begin_capture(cb, *buffer, *at);
                        }
                        d.cmd_draw(cb, *count, 1, *first, *instance);
                        if captured.is_some() {
                            self.end_capture(cb);
                        }
                        self.called(4);
                    }
                }
            }
            match &kind {
                None => d.cmd_end_rendering(cb),
                Some(kind) if kind.second_form => d.cmd_end_render_pass2(cb, &vk::SubpassEndInfo::default()),
                Some(_) => d.cmd_end_render_pass(cb),
            }
        }
        self.called(pass.work.len() as u64 + 1);
        Ok(())
    }

    unsafe fn begin(
        &mut self,
        cb: vk::CommandBuffer,
        pass: &Pass,
        kind: Option<&PassKind>,
        subpass: u32,
    ) -> Result<(), Ended> {
        let Some(kind) = kind else {
            // SAFETY: by the plan.
            return unsafe { self.begin_rendering(cb, pass, subpass) };
        };
        let d = &self.shared.gpu.device;
        let mut views = Vec::new();
        for t in pass.attachments() {
            views.push(self.view(t.image, t.mip, t.layer, pass.layers)?);
        }
        // SAFETY: by the plan.
        unsafe {
            let made = self.drawing()?.pass(d, kind);
            let render_pass = self.must("vkCreateRenderPass", made)?;
            let info = vk::FramebufferCreateInfo::default().render_pass(render_pass).attachments(&views);
            let info = info.width(pass.size[0]).height(pass.size[1]).layers(pass.layers);
            let made = d.create_framebuffer(&info, None);
            let framebuffer = self.must("vkCreateFramebuffer", made)?;
            if let Some(first) = pass.attachments().next() {
                self.shared.images.keep(first.image, framebuffer);
            }
            // As many as there are up to the last attachment that is cleared.
            let count = pass.attachments().enumerate().filter(|(_, t)| t.load == Load::Clear).map(|(i, _)| i + 1).max();
            let values: Vec<_> = pass.attachments().take(count.unwrap_or(0)).map(clear_value).collect();
            let info = vk::RenderPassBeginInfo {
                render_pass,
                framebuffer,
                render_area: area(pass),
                clear_value_count: values.len() as u32,
                p_clear_values: self.edge.array(&values),
                ..Default::default()
            };
            if kind.second_form {
                let contents = vk::SubpassBeginInfo::default().contents(vk::SubpassContents::INLINE);
                d.cmd_begin_render_pass2(cb, &info, &contents);
            } else {
                d.cmd_begin_render_pass(cb, &info, vk::SubpassContents::INLINE);
            }
        }
        self.called(1);
        Ok(())
    }

    /// Begins dynamic rendering, or resumes it; it is suspended where more comes.
    unsafe fn begin_rendering(&mut self, cb: vk::CommandBuffer, pass: &Pass, part: u32) -> Result<(), Ended> {
        use vk::RenderingFlags as F;
        const LAYOUT: vk::ImageLayout = vk::ImageLayout::GENERAL;
        let mut infos = Vec::new();
        for t in pass.attachments() {
            let view = self.view(t.image, t.mip, t.layer, pass.layers)?;
            infos.push(vk::RenderingAttachmentInfo {
                image_view: view,
                image_layout: LAYOUT,
                // Nothing is resolved, but for the first.
                resolve_image_view: super::poison::handle(),
                resolve_image_layout: LAYOUT,
                load_op: load_op(t.load),
                store_op: store_op(t.stored),
                clear_value: clear_value(t),
                ..Default::default()
            });
        }
        if pass.resolved.is_some()
            && let Some(view) = infos.pop().map(|info| info.image_view)
        {
            // Integers have no average.
            let float = pass.colours[0].texels.class() == Class::Float;
            infos[0].resolve_mode =
                if float { vk::ResolveModeFlags::AVERAGE } else { vk::ResolveModeFlags::SAMPLE_ZERO };
            infos[0].resolve_image_view = view;
        }
        let has = |without| pass.depth.is_some_and(|t| t.texels.class() != without);
        let depth = infos.get(pass.colours.len()).copied().unwrap_or_default();
        let more = part + 1 < pass.subpasses();
        let flags = [(part > 0, F::RESUMING), (more, F::SUSPENDING)];
        let flags = flags.into_iter().filter(|(on, _)| *on).fold(F::empty(), |sum, (_, flag)| sum | flag);
        let mut info = vk::RenderingInfo::default()
            .flags(flags)
            .render_area(area(pass))
            .layer_count(pass.layers)
            .color_attachments(&infos[..pass.colours.len()]);
        if has(Class::Stencil) {
            info = info.depth_attachment(&depth);
        }
        if has(Class::Depth) {
            info = info.stencil_attachment(&depth);
        }
        // SAFETY: by the plan.
        unsafe { self.shared.gpu.device.cmd_begin_rendering(cb, &info) };
        Ok(())
    }

    unsafe fn next(
        &mut self,
        cb: vk::CommandBuffer,
        pass: &Pass,
        kind: Option<&PassKind>,
        part: u32,
    ) -> Result<(), Ended> {
        let d = &self.shared.gpu.device;
        // SAFETY: by the plan.
        unsafe {
            match kind {
                None => {
                    d.cmd_end_rendering(cb);
                    self.begin_rendering(cb, pass, part)?;
                }
                Some(kind) if kind.second_form => {
                    let contents = vk::SubpassBeginInfo::default().contents(vk::SubpassContents::INLINE);
                    d.cmd_next_subpass2(cb, &contents, &vk::SubpassEndInfo::default());
                }
                Some(_) => d.cmd_next_subpass(cb, vk::SubpassContents::INLINE),
            }
        }
        Ok(())
    }

    unsafe fn bind(
        &mut self,
        cb: vk::CommandBuffer,
        pass: &Pass,
        kind: Option<&PassKind>,
        subpass: u32,
        style: Style,
        captured: bool,
    ) -> Result<(), Ended> {
        let kind = PipelineKind {
            style,
            colours: pass.colours.iter().map(|t| t.texels).collect(),
            depth: pass.depth.map(|t| t.texels),
            samples: pass.samples,
            pass: kind.map(|kind| (kind.clone(), subpass)),
            captured,
        };
        // SAFETY: by the plan.
        unsafe { self.bind_graphics(cb, &kind) }
    }

    /// Binds a graphics pipeline, which is made at its first use.
    pub unsafe fn bind_graphics(&mut self, cb: vk::CommandBuffer, kind: &PipelineKind) -> Result<(), Ended> {
        let drawing = self.drawing()?;
        let d = &self.shared.gpu.device;
        // SAFETY: by the plan.
        unsafe {
            let made = drawing.pipeline(d, kind, &self.edge);
            let pipeline = self.must("vkCreateGraphicsPipelines", made)?;
            d.cmd_bind_pipeline(cb, vk::PipelineBindPoint::GRAPHICS, pipeline);
        }
        Ok(())
    }

    /// Clears a target in all of the area.
    unsafe fn clear_target(&mut self, cb: vk::CommandBuffer, pass: &Pass, target: Option<u32>, value: u8) {
        let Some(cleared) = target.map_or(pass.depth.as_ref(), |t| pass.colours.get(t as usize)) else { return };
        let attachment = [vk::ClearAttachment {
            aspect_mask: cleared.texels.whole().flags(),
            // Depth has no number.
            color_attachment: target.unwrap_or(super::poison::count()),
            clear_value: clear_value(&Target { value, ..*cleared }),
        }];
        let rect = [vk::ClearRect { rect: area(pass), base_array_layer: 0, layer_count: pass.layers }];
        let (attachment, rect) = (self.edge.array(&attachment), self.edge.array(&rect));
        // SAFETY: by the plan.
        unsafe { (self.shared.gpu.device.fp_v1_0().cmd_clear_attachments)(cb, 1, attachment, 1, rect) };
    }
}
