//! VK_IMAGE_LAYOUT_PRESENT_SRC_KHR: a layout that no host has been asked for, since its devices are made without swapchains. There such images are in
//! VK_IMAGE_LAYOUT_GENERAL, in which everything can be done to them.

use ash::vk;

use crate::base::chain::slice;
use crate::base::object::Part;
use crate::generated::forward;
use crate::memory::device::Device;

/// What the host is told instead.
pub const AT_HOST: vk::ImageLayout = vk::ImageLayout::GENERAL;

/// A struct that takes an image from one layout to another.
pub trait Turns: Copy {
    /// From, and to.
    fn layouts(&mut self) -> [&mut vk::ImageLayout; 2];
}

impl Turns for vk::ImageMemoryBarrier<'_> {
    fn layouts(&mut self) -> [&mut vk::ImageLayout; 2] {
        [&mut self.old_layout, &mut self.new_layout]
    }
}

impl Turns for vk::ImageMemoryBarrier2<'_> {
    fn layouts(&mut self) -> [&mut vk::ImageLayout; 2] {
        [&mut self.old_layout, &mut self.new_layout]
    }
}

impl Turns for vk::AttachmentDescription {
    fn layouts(&mut self) -> [&mut vk::ImageLayout; 2] {
        [&mut self.initial_layout, &mut self.final_layout]
    }
}

impl Turns for vk::AttachmentDescription2<'_> {
    fn layouts(&mut self) -> [&mut vk::ImageLayout; 2] {
        [&mut self.initial_layout, &mut self.final_layout]
    }
}

impl Turns for vk::HostImageLayoutTransitionInfoEXT<'_> {
    fn layouts(&mut self) -> [&mut vk::ImageLayout; 2] {
        [&mut self.old_layout, &mut self.new_layout]
    }
}

/// What the host is told in place of some structs, where one of them names the layout.
///
/// # Safety
/// `p` must be null or valid for reads of `n` structs.
#[inline]
pub unsafe fn instead_of<T: Turns>(p: *const T, n: u32) -> Option<Vec<T>> {
    // SAFETY: by contract.
    let list = unsafe { slice(p, n) };
    let named = |t: &T| {
        let mut t = *t;
        t.layouts().into_iter().any(|l| *l == vk::ImageLayout::PRESENT_SRC_KHR)
    };
    if list.iter().any(named) { Some(changed(list)) } else { None }
}

/// Apart: only the last barrier of a picture names the layout.
#[cold]
fn changed<T: Turns>(list: &[T]) -> Vec<T> {
    let mut changed = list.to_vec();
    for layout in changed.iter_mut().flat_map(Turns::layouts) {
        if *layout == vk::ImageLayout::PRESENT_SRC_KHR {
            *layout = AT_HOST;
        }
    }
    changed
}

pub unsafe fn transition_image_layout(
    device: vk::Device,
    n: u32,
    infos: *const vk::HostImageLayoutTransitionInfoEXT,
) -> vk::Result {
    // SAFETY: a valid device, and the entry point's array of `n` structs.
    let instead = unsafe {
        Device::of(device).before_host_copy(device);
        instead_of(infos, n)
    };
    // SAFETY: the command's own parameters, or a list that lives until the call is over.
    unsafe { forward::transition_image_layout(device, n, instead.as_ref().map_or(infos, |i| i.as_ptr())) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vk::ImageLayout as L;

    #[test]
    fn only_the_layout_of_presented_images_is_changed() {
        let barrier = |from, to| vk::ImageMemoryBarrier::default().old_layout(from).new_layout(to);
        let plain = [barrier(L::UNDEFINED, L::GENERAL), barrier(L::GENERAL, L::TRANSFER_SRC_OPTIMAL)];
        // SAFETY: a list of that length, and none.
        unsafe {
            assert!(instead_of(plain.as_ptr(), 2).is_none() && instead_of(plain.as_ptr(), 0).is_none());
            assert!(instead_of::<vk::AttachmentDescription>(std::ptr::null(), 0).is_none());
        }
        let named = [barrier(L::UNDEFINED, L::TRANSFER_DST_OPTIMAL), barrier(L::PRESENT_SRC_KHR, L::PRESENT_SRC_KHR)];
        // SAFETY: a list of that length.
        let changed = unsafe { instead_of(named.as_ptr(), 2) }.unwrap();
        let layouts: Vec<_> = changed.iter().map(|b| (b.old_layout, b.new_layout)).collect();
        assert!(layouts == [(L::UNDEFINED, L::TRANSFER_DST_OPTIMAL), (AT_HOST, AT_HOST)]);
        let attachment = vk::AttachmentDescription2::default().final_layout(L::PRESENT_SRC_KHR);
        // SAFETY: one struct.
        let changed = unsafe { instead_of(&attachment, 1) }.unwrap();
        assert!(changed[0].initial_layout == L::UNDEFINED && changed[0].final_layout == AT_HOST);
    }
}
