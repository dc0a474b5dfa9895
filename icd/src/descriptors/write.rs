//! Writing descriptors: updates and pushes, cleared of what Vulkan says is ignored (WIRE.md 1.11).

use ash::vk;
use hesper_encoder::generated::request;

use crate::base::chain::slice;
use crate::base::forwarding::post;
use crate::descriptors::set::immutable;

/// Descriptor writes without anything that the other side must not look at.
#[derive(Default)]
pub struct Clean {
    writes: Vec<vk::WriteDescriptorSet<'static>>,
    images: Vec<Vec<vk::DescriptorImageInfo>>,
}

impl Clean {
    /// Copies and clears. `pushed`: the destination sets are ignored.
    ///
    /// # Safety
    /// By valid usage of the update; the originals must outlive this.
    pub unsafe fn new(originals: &[vk::WriteDescriptorSet<'_>], pushed: bool) -> Self {
        let mut clean = Self { writes: Vec::with_capacity(originals.len()), images: Vec::new() };
        for o in originals {
            // SAFETY: only the lifetime changes; the caller keeps what is pointed at.
            let mut w: vk::WriteDescriptorSet<'static> = unsafe { std::mem::transmute(*o) };
            if pushed {
                w.dst_set = vk::DescriptorSet::null();
            }
            // SAFETY: by contract.
            unsafe { clean.clear(&mut w) };
            clean.writes.push(w);
        }
        clean
    }

    /// What to encode.
    pub fn writes(&self) -> &[vk::WriteDescriptorSet<'static>] {
        &self.writes
    }

    unsafe fn clear(&mut self, w: &mut vk::WriteDescriptorSet<'static>) {
        use vk::DescriptorType as T;
        let (images, texels, buffers) = (w.p_image_info, w.p_texel_buffer_view, w.p_buffer_info);
        (w.p_image_info, w.p_texel_buffer_view, w.p_buffer_info) =
            (std::ptr::null(), std::ptr::null(), std::ptr::null());
        match w.descriptor_type {
            T::UNIFORM_BUFFER | T::STORAGE_BUFFER | T::UNIFORM_BUFFER_DYNAMIC | T::STORAGE_BUFFER_DYNAMIC => {
                w.p_buffer_info = buffers
            }
            T::UNIFORM_TEXEL_BUFFER | T::STORAGE_TEXEL_BUFFER => w.p_texel_buffer_view = texels,
            T::SAMPLER | T::COMBINED_IMAGE_SAMPLER | T::SAMPLED_IMAGE | T::STORAGE_IMAGE | T::INPUT_ATTACHMENT => {
                let samples = matches!(w.descriptor_type, T::SAMPLER | T::COMBINED_IMAGE_SAMPLER)
                    && !immutable(w.dst_set, w.dst_binding);
                let looks = w.descriptor_type != T::SAMPLER;
                // SAFETY: by valid usage the array that belongs to the type is there.
                let mut copy = unsafe { slice(images, w.descriptor_count) }.to_vec();
                for i in &mut copy {
                    if !samples {
                        i.sampler = vk::Sampler::null();
                    }
                    if !looks {
                        i.image_view = vk::ImageView::null();
                    }
                }
                w.p_image_info = copy.as_ptr();
                self.images.push(copy);
            }
            // Inline uniform blocks and acceleration structures are in the chain.
            _ => {}
        }
    }
}

pub unsafe fn update_descriptor_sets(
    device: vk::Device,
    n_writes: u32,
    writes: *const vk::WriteDescriptorSet,
    n_copies: u32,
    copies: *const vk::CopyDescriptorSet,
) {
    // SAFETY: by valid usage.
    unsafe {
        let clean = Clean::new(slice(writes, n_writes), false);
        let writes = clean.writes().as_ptr();
        let _ = post(device, |w| request::update_descriptor_sets(w, 0, device, n_writes, writes, n_copies, copies));
    }
}
