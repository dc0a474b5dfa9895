//! What descriptor sets take from their pool, which their layouts tell (Vulkan specification, VkDescriptorSetLayoutBinding).

use std::ffi::c_void;
use std::sync::Arc;

use ash::vk;

use crate::base::chain::{find, slice};

/// What a pool has a number of.
#[derive(Clone, PartialEq, Eq)]
pub enum Kind {
    /// Descriptor sets.
    Sets,
    /// Descriptors of one type; bytes where the type is VK_DESCRIPTOR_TYPE_INLINE_UNIFORM_BLOCK.
    Descriptors(vk::DescriptorType),
    /// Bindings of type VK_DESCRIPTOR_TYPE_INLINE_UNIFORM_BLOCK.
    InlineBlocks,
    /// Descriptors of type VK_DESCRIPTOR_TYPE_MUTABLE_EXT that may become one of these types, in ascending order; `None` for whatever the
    /// device has.
    Mutable(Option<Box<[vk::DescriptorType]>>),
}

/// What every set takes.
static SET: Kind = Kind::Sets;

impl Kind {
    /// The kind of descriptors of this type in element `i` of the array of a create info with the chain `next`: a layout's bindings, or a pool's sizes.
    ///
    /// # Safety
    /// A valid chain.
    pub unsafe fn of(ty: vk::DescriptorType, i: usize, next: *const c_void) -> Self {
        if ty != vk::DescriptorType::MUTABLE_EXT {
            return Self::Descriptors(ty);
        }
        // SAFETY: valid by contract, and so are the lists in the chain.
        let list = unsafe {
            let info = find::<vk::MutableDescriptorTypeCreateInfoEXT<'_>>(next);
            let lists = info.map(|i| slice(i.p_mutable_descriptor_type_lists, i.mutable_descriptor_type_list_count));
            lists.and_then(|l| l.get(i)).map(|l| slice(l.p_descriptor_types, l.descriptor_type_count))
        };
        Self::Mutable(list.map(|types| {
            let mut types = types.to_vec();
            types.sort_unstable();
            types.dedup();
            types.into()
        }))
    }

    /// Whether a pool that has some of this kind can give them to sets that want some of another.
    pub fn serves(&self, wanted: &Self) -> bool {
        match (self, wanted) {
            (Self::Mutable(None), Self::Mutable(_)) => true,
            (Self::Mutable(Some(has)), Self::Mutable(Some(wants))) => wants.iter().all(|t| has.contains(t)),
            _ => self == wanted,
        }
    }
}

/// What sets of one layout take.
pub struct Needs {
    /// What each of them takes.
    fixed: Vec<(Kind, u64)>,
    /// What it takes as many of as its allocation says (VK_DESCRIPTOR_BINDING_VARIABLE_DESCRIPTOR_COUNT_BIT).
    variable: Option<Kind>,
    /// Whether that is all. A descriptor with a sampler that converts Y'CbCr takes as many as the host's driver pleases
    /// (VkSamplerYcbcrConversionImageFormatProperties, combinedImageSamplerDescriptorCount).
    exact: bool,
}

impl Needs {
    /// What sets of a layout with this create info take; `converts` tells whether a binding has immutable samplers that convert Y'CbCr.
    ///
    /// # Safety
    /// A valid create info.
    pub unsafe fn of(
        info: &vk::DescriptorSetLayoutCreateInfo<'_>,
        converts: impl Fn(&vk::DescriptorSetLayoutBinding<'_>) -> bool,
    ) -> Self {
        // SAFETY: the info's array and the one in its chain, each of its length.
        let (bindings, flags) = unsafe {
            let flags = find::<vk::DescriptorSetLayoutBindingFlagsCreateInfo<'_>>(info.p_next);
            let flags = flags.map(|f| slice(f.p_binding_flags, f.binding_count)).unwrap_or_default();
            (slice(info.p_bindings, info.binding_count), flags)
        };
        let mut needs = Self { fixed: Vec::new(), variable: None, exact: true };
        for (i, b) in bindings.iter().enumerate().filter(|(_, b)| b.descriptor_count > 0) {
            // SAFETY: a valid info has a valid chain.
            let kind = unsafe { Kind::of(b.descriptor_type, i, info.p_next) };
            if b.descriptor_type == vk::DescriptorType::INLINE_UNIFORM_BLOCK {
                needs.add(Kind::InlineBlocks, 1);
            }
            if flags.get(i).is_some_and(|f| f.contains(vk::DescriptorBindingFlags::VARIABLE_DESCRIPTOR_COUNT)) {
                needs.variable = Some(kind);
            } else {
                needs.add(kind, b.descriptor_count.into());
            }
            needs.exact &= !converts(b);
        }
        needs
    }

    fn add(&mut self, kind: Kind, n: u64) {
        match self.fixed.iter_mut().find(|(k, _)| *k == kind) {
            Some((_, sum)) => *sum += n,
            None => self.fixed.push((kind, n)),
        }
    }
}

/// What one set takes.
#[derive(Clone)]
pub struct Share {
    needs: Arc<Needs>,
    /// Descriptors of the binding whose number the allocation says.
    variable: u32,
}

impl Share {
    /// The share of a set that is allocated with this number for the binding that has no fixed one, if its layout has such a binding.
    pub fn new(needs: Arc<Needs>, variable: u32) -> Self {
        Self { needs, variable }
    }

    /// Each kind, and how many of it; a kind may come twice.
    pub fn parts(&self) -> impl Iterator<Item = (&Kind, u64)> {
        let Needs { fixed, variable, .. } = &*self.needs;
        let variable = variable.iter().map(|kind| (kind, self.variable.into()));
        std::iter::once((&SET, 1)).chain(fixed.iter().map(|(kind, n)| (kind, *n))).chain(variable)
    }

    /// Whether the set may take more of its descriptors' types than `parts` says.
    pub fn may_take_more(&self) -> bool {
        !self.needs.exact
    }

    /// Whether another set is laid out as this one, and so takes the same.
    pub fn is_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.needs, &other.needs) && (self.variable == other.variable || self.needs.variable.is_none())
    }
}

#[cfg(test)]
mod tests {
    use ash::vk::DescriptorType as T;

    use super::*;

    fn binding(i: u32, ty: T, n: u32) -> vk::DescriptorSetLayoutBinding<'static> {
        vk::DescriptorSetLayoutBinding::default().binding(i).descriptor_type(ty).descriptor_count(n)
    }

    fn parts(info: &vk::DescriptorSetLayoutCreateInfo<'_>, variable: u32) -> Vec<(Kind, u64)> {
        // SAFETY: an info whose arrays outlive the call.
        let needs = unsafe { Needs::of(info, |_| false) };
        Share::new(Arc::new(needs), variable).parts().map(|(kind, n)| (kind.clone(), n)).collect()
    }

    #[test]
    fn bindings_of_one_type_are_added_and_empty_ones_left_out() {
        let bindings = [
            binding(3, T::STORAGE_BUFFER, 2),
            binding(0, T::SAMPLER, 0),
            binding(1, T::UNIFORM_BUFFER, 1),
            binding(7, T::STORAGE_BUFFER, 5),
            binding(8, T::INLINE_UNIFORM_BLOCK, 48),
            binding(9, T::INLINE_UNIFORM_BLOCK, 16),
        ];
        let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
        let wanted = [
            (Kind::Sets, 1),
            (Kind::Descriptors(T::STORAGE_BUFFER), 7),
            (Kind::Descriptors(T::UNIFORM_BUFFER), 1),
            (Kind::InlineBlocks, 2),
            (Kind::Descriptors(T::INLINE_UNIFORM_BLOCK), 64),
        ];
        assert!(parts(&info, 9) == wanted);
        assert!(parts(&vk::DescriptorSetLayoutCreateInfo::default(), 0) == [(Kind::Sets, 1)]);
    }

    #[test]
    fn a_binding_without_a_fixed_number_has_the_allocations() {
        let bindings = [binding(0, T::SAMPLED_IMAGE, 3), binding(1, T::SAMPLED_IMAGE, 1000)];
        let flags = [vk::DescriptorBindingFlags::empty(), vk::DescriptorBindingFlags::VARIABLE_DESCRIPTOR_COUNT];
        let mut flags = vk::DescriptorSetLayoutBindingFlagsCreateInfo::default().binding_flags(&flags);
        let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings).push_next(&mut flags);
        let images = Kind::Descriptors(T::SAMPLED_IMAGE);
        assert!(parts(&info, 40) == [(Kind::Sets, 1), (images.clone(), 3), (images, 40)]);
    }

    #[test]
    fn mutable_descriptors_are_told_apart_by_what_they_may_become() {
        let lists = [[T::STORAGE_BUFFER, T::UNIFORM_BUFFER], [T::UNIFORM_BUFFER, T::STORAGE_BUFFER]];
        let lists = lists.each_ref().map(|l| vk::MutableDescriptorTypeListEXT::default().descriptor_types(l));
        let mut mutable = vk::MutableDescriptorTypeCreateInfoEXT::default().mutable_descriptor_type_lists(&lists);
        let bindings = [0, 1].map(|i| binding(i, T::MUTABLE_EXT, i + 1));
        let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings).push_next(&mut mutable);
        let both: Kind = Kind::Mutable(Some([T::UNIFORM_BUFFER, T::STORAGE_BUFFER].into()));
        assert!(parts(&info, 0) == [(Kind::Sets, 1), (both.clone(), 3)]);
        let [one, other] = [T::UNIFORM_BUFFER, T::SAMPLER].map(|t| Kind::Mutable(Some([t].into())));
        let any = Kind::Mutable(None);
        assert!(both.serves(&one) && both.serves(&both) && any.serves(&other) && any.serves(&any));
        assert!(!both.serves(&other) && !one.serves(&both) && !both.serves(&any));
        assert!(!any.serves(&Kind::Descriptors(T::UNIFORM_BUFFER)));
    }

    #[test]
    fn sets_with_samplers_that_convert_may_take_more() {
        let bindings = [binding(0, T::COMBINED_IMAGE_SAMPLER, 1), binding(1, T::STORAGE_BUFFER, 1)];
        let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
        for converting in [0, 5] {
            // SAFETY: an info whose array outlives the call.
            let needs = unsafe { Needs::of(&info, |b| b.binding == converting) };
            assert_eq!(Share::new(Arc::new(needs), 0).may_take_more(), converting == 0);
        }
    }
}
