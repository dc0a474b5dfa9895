//! Writing descriptors. What a descriptor's type ignores the encoder leaves out (WIRE.md 1.11, `ignored.tsv`); samplers of bindings
//! with immutable ones are ignored too, and only the set or the pipeline layout knows those bindings.

use ash::vk;
use hesper_encoder::generated::request;

use crate::base::chain::slice;
use crate::base::forwarding::post;
use crate::descriptors::set::immutable;

/// Writes whose samplers are ignored, copied without them.
pub struct Copies {
    writes: Vec<vk::WriteDescriptorSet<'static>>,
    /// What the copies point at.
    _images: Vec<Vec<vk::DescriptorImageInfo>>,
}

impl Copies {
    /// Copies the writes if any has a binding with immutable samplers, as `is_immutable` tells.
    ///
    /// # Safety
    /// Each write must be valid but for what is ignored, and its arrays must outlive the copies.
    pub unsafe fn of(
        originals: &[vk::WriteDescriptorSet<'_>],
        is_immutable: impl Fn(&vk::WriteDescriptorSet<'_>) -> bool,
    ) -> Option<Self> {
        use vk::DescriptorType as T;
        let ignores = |w: &vk::WriteDescriptorSet<'_>| {
            matches!(w.descriptor_type, T::SAMPLER | T::COMBINED_IMAGE_SAMPLER) && is_immutable(w)
        };
        if !originals.iter().any(ignores) {
            return None;
        }
        let mut copies = Self { writes: Vec::with_capacity(originals.len()), _images: Vec::new() };
        for original in originals {
            // SAFETY: only the lifetime changes; the caller keeps what the write points at.
            let mut write: vk::WriteDescriptorSet<'static> = unsafe { std::mem::transmute(*original) };
            if ignores(original) {
                // SAFETY: writes of these types have an array of images.
                let mut images = unsafe { slice(write.p_image_info, write.descriptor_count) }.to_vec();
                images.iter_mut().for_each(|i| i.sampler = vk::Sampler::null());
                write.p_image_info = images.as_ptr();
                copies._images.push(images);
            }
            copies.writes.push(write);
        }
        Some(copies)
    }

    /// What to encode in place of the originals; as many.
    pub fn as_ptr(&self) -> *const vk::WriteDescriptorSet<'static> {
        self.writes.as_ptr()
    }
}

pub unsafe fn update_descriptor_sets(
    device: vk::Device,
    n_writes: u32,
    writes: *const vk::WriteDescriptorSet,
    n_copies: u32,
    copies: *const vk::CopyDescriptorSet,
) {
    // SAFETY: both arrays are as long as the command says, and the copies of the first live until it is encoded.
    unsafe {
        let without = Copies::of(slice(writes, n_writes), |w| immutable(w.dst_set, w.dst_binding));
        let writes = without.as_ref().map_or(writes, |c| c.as_ptr().cast());
        let _ = post(device, |w| request::update_descriptor_sets(w, 0, device, n_writes, writes, n_copies, copies));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ash::vk::Handle;

    #[test]
    fn samplers_of_immutable_bindings_are_left_out() {
        use vk::DescriptorType as T;
        let image = vk::DescriptorImageInfo {
            sampler: vk::Sampler::from_raw(0xdead),
            image_view: vk::ImageView::from_raw(7),
            image_layout: vk::ImageLayout::GENERAL,
        };
        let images = [image; 2];
        let write = |binding, ty| {
            vk::WriteDescriptorSet::default().dst_binding(binding).descriptor_type(ty).image_info(&images)
        };
        let writes = [write(1, T::COMBINED_IMAGE_SAMPLER), write(2, T::COMBINED_IMAGE_SAMPLER)];
        // SAFETY: valid writes, which outlive the copies.
        let copies = unsafe { Copies::of(&writes, |w| w.dst_binding == 2) }.unwrap();
        let samplers: Vec<u64> = copies
            .writes
            .iter()
            // SAFETY: the arrays of two images each.
            .flat_map(|w| unsafe { slice(w.p_image_info, w.descriptor_count) })
            .map(|i| i.sampler.as_raw())
            .collect();
        assert_eq!(samplers, [0xdead, 0xdead, 0, 0]);
        // SAFETY: as above.
        let none = unsafe { Copies::of(&[write(2, T::SAMPLED_IMAGE)], |_| true) };
        assert!(none.is_none(), "only samplers are immutable");
    }
}
