//! VkDescriptorSetLayout: which bindings have immutable samplers, and what sets of the layout take from their pools.

use std::sync::Arc;

use ash::vk;
use hesper_encoder::generated::request;

use crate::base::chain::slice;
use crate::base::forwarding::{done, post};
use crate::base::slab::{Kind, Slab};
use crate::descriptors::needs::Needs;
use crate::descriptors::sampler::converts;
use crate::generated::forward;

/// The bindings of a layout that have immutable samplers: what updates name there is ignored.
pub type Immutable = Arc<[u32]>;

/// What is known of a layout.
pub struct Layout {
    /// `None` where no binding has immutable samplers.
    pub immutable: Option<Immutable>,
    pub needs: Arc<Needs>,
}

static LAYOUTS: Slab<Layout> = Slab::new(Kind::DescriptorSetLayout);

/// What is known of the layout with this handle.
pub fn layout(handle: vk::DescriptorSetLayout) -> Option<&'static Layout> {
    LAYOUTS.get(handle)
}

/// The bindings of a layout that have immutable samplers, if there are any.
pub fn immutable_of(handle: vk::DescriptorSetLayout) -> Option<&'static Immutable> {
    layout(handle)?.immutable.as_ref()
}

/// The immutable samplers of a binding.
///
/// # Safety
/// A valid binding.
unsafe fn samplers<'a>(binding: &vk::DescriptorSetLayoutBinding<'a>) -> &'a [vk::Sampler] {
    use vk::DescriptorType as T;
    // With other types the pointer is ignored and may be anything.
    if !matches!(binding.descriptor_type, T::SAMPLER | T::COMBINED_IMAGE_SAMPLER) {
        return &[];
    }
    // SAFETY: with these types the array has a sampler for each descriptor, or there is none.
    unsafe { slice(binding.p_immutable_samplers, binding.descriptor_count) }
}

/// What is known of a layout that is made like this.
///
/// # Safety
/// A valid create info.
unsafe fn described(info: &vk::DescriptorSetLayoutCreateInfo<'_>) -> Layout {
    // SAFETY: the info's array of this length.
    let bindings = unsafe { slice(info.p_bindings, info.binding_count) };
    // SAFETY: a binding of a valid info.
    let has_some = |b: &&vk::DescriptorSetLayoutBinding<'_>| !unsafe { samplers(b) }.is_empty();
    let mut immutable = bindings.iter().filter(has_some).map(|b| b.binding).peekable();
    let immutable = immutable.peek().is_some().then(|| immutable.collect());
    // SAFETY: a valid info, whose bindings are valid too.
    let needs = unsafe { Needs::of(info, |b| samplers(b).iter().any(|s| converts(*s))) };
    Layout { immutable, needs: Arc::new(needs) }
}

pub unsafe fn create_descriptor_set_layout(
    device: vk::Device,
    info: *const vk::DescriptorSetLayoutCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::DescriptorSetLayout,
) -> vk::Result {
    // SAFETY: `info` is the create info of vkCreateDescriptorSetLayout, `to` the output parameter; what is encoded is the command's own parameters.
    unsafe {
        LAYOUTS.create(described(&*info), to, || {
            done(post(device, |w| request::create_descriptor_set_layout(w, 0, device, info, allocator, to)))
        })
    }
}

pub unsafe fn destroy_descriptor_set_layout(
    device: vk::Device,
    layout: vk::DescriptorSetLayout,
    allocator: *const vk::AllocationCallbacks,
) {
    if layout == vk::DescriptorSetLayout::null() {
        return;
    }
    LAYOUTS.remove(layout);
    // SAFETY: a layout of this device, which nothing uses any more.
    unsafe { forward::destroy_descriptor_set_layout(device, layout, allocator) };
}
