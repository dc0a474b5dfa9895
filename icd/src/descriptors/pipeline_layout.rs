//! VkPipelineLayout: which bindings have immutable samplers, for descriptors that are pushed and so have no set to tell.

use ash::vk;
use hesper_encoder::generated::request;

use crate::base::chain::{find, slice};
use crate::base::forwarding::{done, post};
use crate::base::slab::{Kind, Slab};
use crate::descriptors::layout::{Immutable, immutable_of};
use crate::generated::forward;

/// The sets of a pipeline layout.
type Sets = Box<[Option<Immutable>]>;

/// The sets of each layout that has immutable samplers at all.
static LAYOUTS: Slab<Sets> = Slab::new(Kind::PipelineLayout);

/// What the set layouts of a pipeline layout hold; `None` where none has immutable samplers.
///
/// # Safety
/// A valid create info of a pipeline layout.
unsafe fn sets_of(info: &vk::PipelineLayoutCreateInfo<'_>) -> Option<Sets> {
    // SAFETY: the array of `set_layout_count` handles.
    let layouts = unsafe { slice(info.p_set_layouts, info.set_layout_count) };
    let any = layouts.iter().any(|l| immutable_of(*l).is_some());
    any.then(|| layouts.iter().map(|l| immutable_of(*l).cloned()).collect())
}

pub unsafe fn create_pipeline_layout(
    device: vk::Device,
    info: *const vk::PipelineLayoutCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::PipelineLayout,
) -> vk::Result {
    // SAFETY: `to` is the output parameter of vkCreatePipelineLayout, `info` its create info.
    unsafe {
        LAYOUTS.create_if(sets_of(&*info), to, || {
            done(post(device, |w| request::create_pipeline_layout(w, 0, device, info, allocator, to)))
        })
    }
}

pub unsafe fn destroy_pipeline_layout(
    device: vk::Device,
    layout: vk::PipelineLayout,
    allocator: *const vk::AllocationCallbacks,
) {
    if layout == vk::PipelineLayout::null() {
        return;
    }
    LAYOUTS.remove(layout);
    // SAFETY: the handle is a layout of this device, which nothing uses any more.
    unsafe { forward::destroy_pipeline_layout(device, layout, allocator) };
}

/// The bindings with immutable samplers of the set that a push writes to.
///
/// # Safety
/// `next` must be null or a valid chain; without a layout, the layout's create info is in it (VK_KHR_maintenance6).
pub unsafe fn pushed(layout: vk::PipelineLayout, set: u32, next: *const core::ffi::c_void) -> Option<Immutable> {
    let of = |sets: &Sets| sets.get(set as usize)?.clone();
    if let Some(sets) = LAYOUTS.get(layout) {
        return of(sets);
    }
    // SAFETY: a valid chain, in which the create info is valid too.
    unsafe { find::<vk::PipelineLayoutCreateInfo>(next).and_then(|info| of(&sets_of(info)?)) }
}

#[cfg(test)]
mod tests {
    use ash::vk::Handle;

    use super::*;

    #[test]
    fn sets_are_told_apart() {
        let id = LAYOUTS.insert(Box::new([None, Some([3, 5].into())])).unwrap();
        let layout = vk::PipelineLayout::from_raw(id);
        // SAFETY: there is no chain.
        let told = |layout, set| unsafe { pushed(layout, set, std::ptr::null()) };
        assert_eq!((told(layout, 0), told(layout, 1).as_deref()), (None, Some(&[3, 5][..])));
        assert_eq!((told(layout, 2), told(vk::PipelineLayout::null(), 1)), (None, None));
        LAYOUTS.remove(layout);
        assert_eq!(told(layout, 1), None);
    }
}
