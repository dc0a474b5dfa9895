//! Render passes, made in either form.

use ash::{Device, vk};

use crate::command::{How, Load, Pass};
use crate::texels::Texels;

const GENERAL: vk::ImageLayout = vk::ImageLayout::GENERAL;

/// What a VkRenderPass is made from. Its attachments are the colors, depth and stencil, and what the first color is resolved to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PassKind {
    attachments: Vec<(Texels, Load, bool)>,
    colours: u32,
    depth: bool,
    resolved: bool,
    samples: u32,
    pub subpasses: u32,
    pub second_form: bool,
}

impl PassKind {
    /// Of a pass; `None` for dynamic rendering.
    pub fn of(pass: &Pass) -> Option<Self> {
        let How::RenderPass { second_form } = pass.how else { return None };
        Some(Self {
            attachments: pass.attachments().map(|t| (t.texels, t.load, t.stored)).collect(),
            colours: pass.colours.len() as u32,
            depth: pass.depth.is_some(),
            resolved: pass.resolved.is_some(),
            samples: pass.samples,
            subpasses: pass.subpasses(),
            second_form,
        })
    }

    fn samples(&self, attachment: usize) -> vk::SampleCountFlags {
        let resolved = self.resolved && attachment + 1 == self.attachments.len();
        vk::SampleCountFlags::from_raw(if resolved { 1 } else { self.samples })
    }
}

pub fn load_op(load: Load) -> vk::AttachmentLoadOp {
    match load {
        Load::Load => vk::AttachmentLoadOp::LOAD,
        Load::Clear => vk::AttachmentLoadOp::CLEAR,
        Load::DontCare => vk::AttachmentLoadOp::DONT_CARE,
    }
}

pub fn store_op(stored: bool) -> vk::AttachmentStoreOp {
    if stored { vk::AttachmentStoreOp::STORE } else { vk::AttachmentStoreOp::DONT_CARE }
}

/// Makes a render pass.
///
/// # Safety
/// A valid device.
///
/// # Errors
/// Of the driver.
pub unsafe fn create(d: &Device, kind: &PassKind) -> Result<vk::RenderPass, vk::Result> {
    // SAFETY: by contract.
    unsafe { if kind.second_form { second(d, kind) } else { first(d, kind) } }
}

const COLOUR: vk::ImageLayout = vk::ImageLayout::COLOR_ATTACHMENT_OPTIMAL;
const DEPTH: vk::ImageLayout = vk::ImageLayout::DEPTH_STENCIL_ATTACHMENT_OPTIMAL;
const ALL: vk::PipelineStageFlags = vk::PipelineStageFlags::ALL_GRAPHICS;

fn memory() -> vk::AccessFlags {
    vk::AccessFlags::MEMORY_READ | vk::AccessFlags::MEMORY_WRITE
}

unsafe fn first(d: &Device, kind: &PassKind) -> Result<vk::RenderPass, vk::Result> {
    let attachments: Vec<_> = (0..)
        .zip(&kind.attachments)
        .map(|(i, (texels, load, stored))| vk::AttachmentDescription {
            format: texels.format(),
            samples: kind.samples(i),
            load_op: load_op(*load),
            store_op: store_op(*stored),
            stencil_load_op: load_op(*load),
            stencil_store_op: store_op(*stored),
            initial_layout: GENERAL,
            final_layout: GENERAL,
            ..Default::default()
        })
        .collect();
    let reference = |attachment, layout| vk::AttachmentReference { attachment, layout };
    let colours: Vec<_> = (0..kind.colours).map(|i| reference(i, COLOUR)).collect();
    let depth = reference(kind.colours, DEPTH);
    let last = kind.attachments.len() as u32 - 1;
    let unused = vk::ATTACHMENT_UNUSED;
    let resolved: Vec<_> = (0..kind.colours).map(|i| reference(if i == 0 { last } else { unused }, COLOUR)).collect();
    let subpasses: Vec<_> = (1..=kind.subpasses)
        .map(|n| {
            let mut subpass = vk::SubpassDescription::default().color_attachments(&colours);
            if kind.depth {
                subpass = subpass.depth_stencil_attachment(&depth);
            }
            if kind.resolved && n == kind.subpasses {
                subpass = subpass.resolve_attachments(&resolved);
            }
            subpass
        })
        .collect();
    let dependencies: Vec<_> = (1..kind.subpasses)
        .map(|n| vk::SubpassDependency {
            src_subpass: n - 1,
            dst_subpass: n,
            src_stage_mask: ALL,
            dst_stage_mask: ALL,
            src_access_mask: memory(),
            dst_access_mask: memory(),
            dependency_flags: vk::DependencyFlags::BY_REGION,
        })
        .collect();
    let info = vk::RenderPassCreateInfo::default().attachments(&attachments).subpasses(&subpasses);
    // SAFETY: by contract.
    unsafe { d.create_render_pass(&info.dependencies(&dependencies), None) }
}

unsafe fn second(d: &Device, kind: &PassKind) -> Result<vk::RenderPass, vk::Result> {
    let attachments: Vec<_> = (0..)
        .zip(&kind.attachments)
        .map(|(i, (texels, load, stored))| {
            vk::AttachmentDescription2::default()
                .format(texels.format())
                .samples(kind.samples(i))
                .load_op(load_op(*load))
                .store_op(store_op(*stored))
                .stencil_load_op(load_op(*load))
                .stencil_store_op(store_op(*stored))
                .initial_layout(GENERAL)
                .final_layout(GENERAL)
        })
        .collect();
    // The aspect is for input attachments.
    let reference = |attachment, layout| {
        vk::AttachmentReference2::default()
            .attachment(attachment)
            .layout(layout)
            .aspect_mask(vk::ImageAspectFlags::from_raw(super::poison::count()))
    };
    let colours: Vec<_> = (0..kind.colours).map(|i| reference(i, COLOUR)).collect();
    let depth = reference(kind.colours, DEPTH);
    let last = kind.attachments.len() as u32 - 1;
    let unused = vk::ATTACHMENT_UNUSED;
    let resolved: Vec<_> = (0..kind.colours).map(|i| reference(if i == 0 { last } else { unused }, COLOUR)).collect();
    let subpasses: Vec<_> = (1..=kind.subpasses)
        .map(|n| {
            let mut subpass = vk::SubpassDescription2::default().color_attachments(&colours);
            if kind.depth {
                subpass = subpass.depth_stencil_attachment(&depth);
            }
            if kind.resolved && n == kind.subpasses {
                subpass = subpass.resolve_attachments(&resolved);
            }
            subpass
        })
        .collect();
    let dependencies: Vec<_> = (1..kind.subpasses)
        .map(|n| {
            vk::SubpassDependency2::default()
                .src_subpass(n - 1)
                .dst_subpass(n)
                .src_stage_mask(ALL)
                .dst_stage_mask(ALL)
                .src_access_mask(memory())
                .dst_access_mask(memory())
                .dependency_flags(vk::DependencyFlags::BY_REGION)
        })
        .collect();
    let info = vk::RenderPassCreateInfo2::default().attachments(&attachments).subpasses(&subpasses);
    // SAFETY: by contract.
    unsafe { d.create_render_pass2(&info.dependencies(&dependencies), None) }
}
