//! VkPipelineLayout: which bindings have immutable samplers, for descriptors that are pushed and so have no set to tell.

use ash::vk;
use hesper_encoder::generated::request;

use crate::base::chain::{find, slice};
use crate::base::forwarding::{done, post};
use crate::base::slab::Slab;
use crate::descriptors::set::{self, Immutable};
use crate::generated::forward;

/// The sets of each layout that has immutable samplers at all; the other layouts hold none.
static LAYOUTS: Slab<Box<[Immutable]>> = Slab::new(14);

/// What the set layouts of a pipeline layout hold.
///
/// # Safety
/// A valid create info of a pipeline layout.
unsafe fn sets_of(info: &vk::PipelineLayoutCreateInfo<'_>) -> Box<[Immutable]> {
    // SAFETY: the array of `set_layout_count` handles.
    let layouts = unsafe { slice(info.p_set_layouts, info.set_layout_count) };
    let sets: Box<[Immutable]> = layouts.iter().map(|l| set::immutable_of(*l)).collect();
    if sets.iter().all(|s| s.is_empty()) { Box::default() } else { sets }
}

pub unsafe fn create_pipeline_layout(
    device: vk::Device,
    info: *const vk::PipelineLayoutCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::PipelineLayout,
) -> vk::Result {
    // SAFETY: `to` is the output parameter of vkCreatePipelineLayout, `info` its create info.
    unsafe {
        LAYOUTS.create(sets_of(&*info), to, || {
            done(post(device, |w| request::create_pipeline_layout(w, 0, device, info, allocator, to)))
        })
    }
}

pub unsafe fn destroy_pipeline_layout(
    device: vk::Device,
    layout: vk::PipelineLayout,
    allocator: *const vk::AllocationCallbacks,
) {
    if LAYOUTS.remove(layout).is_some() {
        // SAFETY: the handle is a layout of this device, which nothing uses any more.
        unsafe { forward::destroy_pipeline_layout(device, layout, allocator) };
    }
}

/// The bindings with immutable samplers of the set that a push writes to.
///
/// # Safety
/// `next` must be null or a valid chain; without a layout, the layout's create info is in it (VK_KHR_maintenance6).
pub unsafe fn pushed(layout: vk::PipelineLayout, set: u32, next: *const core::ffi::c_void) -> Immutable {
    let of = |sets: &[Immutable]| sets.get(set as usize).cloned().unwrap_or_default();
    if let Some(sets) = LAYOUTS.get(layout) {
        return of(sets);
    }
    // SAFETY: a valid chain, in which the create info is valid too.
    unsafe { find::<vk::PipelineLayoutCreateInfo>(next).map_or_else(Immutable::default, |info| of(&sets_of(info))) }
}

#[cfg(test)]
mod tests {
    use ash::vk::Handle;

    use super::*;

    #[test]
    fn sets_are_told_apart() {
        let id = LAYOUTS.insert(Box::new([Immutable::default(), [3, 5].into()])).unwrap();
        let layout = vk::PipelineLayout::from_raw(id);
        // SAFETY: there is no chain.
        let told = |layout, set| unsafe { pushed(layout, set, std::ptr::null()) };
        assert_eq!((told(layout, 0).len(), told(layout, 1).as_ref()), (0, &[3, 5][..]));
        assert!(told(layout, 2).is_empty() && told(vk::PipelineLayout::null(), 1).is_empty());
        LAYOUTS.remove(layout);
        assert!(told(layout, 1).is_empty());
    }
}
