//! VkSampler: which ones convert Y'CbCr, since descriptors with these take more than one of a pool's.

use ash::vk;
use hesper_encoder::generated::request;

use crate::base::chain::find;
use crate::base::forwarding::{done, post};
use crate::base::slab::{Kind, Slab};
use crate::generated::forward;

/// The samplers that convert.
static CONVERTING: Slab<()> = Slab::new(Kind::Sampler);

/// Whether a sampler was made with a VkSamplerYcbcrConversion.
pub fn converts(sampler: vk::Sampler) -> bool {
    CONVERTING.get(sampler).is_some()
}

pub unsafe fn create_sampler(
    device: vk::Device,
    info: *const vk::SamplerCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::Sampler,
) -> vk::Result {
    // SAFETY: the create info of vkCreateSampler, and its chain.
    let conversion = unsafe { find::<vk::SamplerYcbcrConversionInfo>((*info).p_next) };
    // SAFETY: `to` is the output parameter; what is encoded is the command's own parameters.
    unsafe {
        CONVERTING.create_if(conversion.map(|_| ()), to, || {
            done(post(device, |w| request::create_sampler(w, 0, device, info, allocator, to)))
        })
    }
}

pub unsafe fn destroy_sampler(device: vk::Device, sampler: vk::Sampler, allocator: *const vk::AllocationCallbacks) {
    if sampler == vk::Sampler::null() {
        return;
    }
    CONVERTING.remove(sampler);
    // SAFETY: a sampler of this device, which nothing uses any more.
    unsafe { forward::destroy_sampler(device, sampler, allocator) };
}
