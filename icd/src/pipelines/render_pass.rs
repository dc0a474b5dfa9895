//! VkRenderPass: which subpasses have attachments of which kind. Graphics pipelines ignore the state of those that are missing.

use ash::vk;
use hesper_encoder::Writer;
use hesper_encoder::generated::request;

use crate::base::chain::slice;
use crate::base::forwarding::{done, post};
use crate::base::slab::{Kind, Slab};
use crate::generated::forward;
use crate::memory::presented_layout;

/// The kinds of attachments that a subpass uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subpass {
    pub color: bool,
    pub depth_stencil: bool,
}

static RENDER_PASSES: Slab<Box<[Subpass]>> = Slab::new(Kind::RenderPass);

/// What a subpass of a render pass uses, if both exist.
pub fn subpass(render_pass: vk::RenderPass, index: u32) -> Option<Subpass> {
    RENDER_PASSES.get(render_pass)?.get(index as usize).copied()
}

/// What a subpass uses, by the attachments that it refers to.
fn uses(mut color: impl Iterator<Item = u32>, depth_stencil: Option<u32>) -> Subpass {
    let used = |attachment: u32| attachment != vk::ATTACHMENT_UNUSED;
    Subpass { color: color.any(used), depth_stencil: depth_stencil.is_some_and(used) }
}

/// Makes a render pass with the request that `encode` writes.
///
/// # Safety
/// A valid device and output parameter.
unsafe fn create(
    device: vk::Device,
    subpasses: Box<[Subpass]>,
    to: *mut vk::RenderPass,
    encode: impl FnOnce(&mut Writer),
) -> vk::Result {
    // SAFETY: by contract.
    unsafe { RENDER_PASSES.create(subpasses, to, || done(post(device, encode))) }
}

pub unsafe fn create_render_pass(
    device: vk::Device,
    info: *const vk::RenderPassCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::RenderPass,
) -> vk::Result {
    // SAFETY: the arrays of the command's create info, as long as its counts say.
    let subpasses = unsafe {
        let of = |s: &vk::SubpassDescription<'_>| {
            let color = slice(s.p_color_attachments, s.color_attachment_count);
            uses(color.iter().map(|a| a.attachment), s.p_depth_stencil_attachment.as_ref().map(|a| a.attachment))
        };
        slice((*info).p_subpasses, (*info).subpass_count).iter().map(of).collect()
    };
    // SAFETY: the create info, and its array of that length.
    let (mut own, attachments) =
        unsafe { (*info, presented_layout::instead_of((*info).p_attachments, (*info).attachment_count)) };
    if let Some(attachments) = &attachments {
        own.p_attachments = attachments.as_ptr();
    }
    // SAFETY: the command's parameters, with attachments that live until the call is over.
    unsafe { create(device, subpasses, to, |w| request::create_render_pass(w, 0, device, &own, allocator, to)) }
}

pub unsafe fn create_render_pass2(
    device: vk::Device,
    info: *const vk::RenderPassCreateInfo2,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::RenderPass,
) -> vk::Result {
    // SAFETY: the arrays of the command's create info, as long as its counts say.
    let subpasses = unsafe {
        let of = |s: &vk::SubpassDescription2<'_>| {
            let color = slice(s.p_color_attachments, s.color_attachment_count);
            uses(color.iter().map(|a| a.attachment), s.p_depth_stencil_attachment.as_ref().map(|a| a.attachment))
        };
        slice((*info).p_subpasses, (*info).subpass_count).iter().map(of).collect()
    };
    // SAFETY: the create info, and its array of that length.
    let (mut own, attachments) =
        unsafe { (*info, presented_layout::instead_of((*info).p_attachments, (*info).attachment_count)) };
    if let Some(attachments) = &attachments {
        own.p_attachments = attachments.as_ptr();
    }
    // SAFETY: the command's parameters, with attachments that live until the call is over.
    unsafe { create(device, subpasses, to, |w| request::create_render_pass2(w, 0, device, &own, allocator, to)) }
}

pub unsafe fn destroy_render_pass(
    device: vk::Device,
    render_pass: vk::RenderPass,
    allocator: *const vk::AllocationCallbacks,
) {
    if RENDER_PASSES.remove(render_pass).is_some() {
        // SAFETY: the handle is a render pass of this device, which nothing uses any more.
        unsafe { forward::destroy_render_pass(device, render_pass, allocator) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unused_attachments_are_none() {
        let unused = vk::ATTACHMENT_UNUSED;
        let of = |color: &[u32], depth_stencil| uses(color.iter().copied(), depth_stencil);
        assert_eq!(of(&[], None), Subpass { color: false, depth_stencil: false });
        assert_eq!(of(&[unused, unused], Some(unused)), Subpass { color: false, depth_stencil: false });
        assert_eq!(of(&[unused, 0], Some(1)), Subpass { color: true, depth_stencil: true });
    }
}
