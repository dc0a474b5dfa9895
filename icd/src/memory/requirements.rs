//! What memory buffers and images need: asked once for each kind, answered here from then on.
//!
//! Vulkan promises that buffers made with the same flags and usage have the same alignment and memory types, and that their size
//! is at most their own size rounded up to the alignment; and that images made alike need the same (Vulkan
//! specification, "Resource Memory Association"). So the host is asked for the first of a kind, and the others are made without waiting.

use std::collections::HashMap;
use std::hash::Hash;

use ash::vk;
use parking_lot::Mutex;

use crate::base::chain::find_tagged;

/// What decides what a buffer needs, but for its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BufferKind {
    pub flags: u32,
    pub usage: u32,
}

/// Everything that an image is made from.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ImageKind {
    pub flags: vk::ImageCreateFlags,
    pub image_type: vk::ImageType,
    pub format: vk::Format,
    pub extent: vk::Extent3D,
    pub mip_levels: u32,
    pub array_layers: u32,
    pub samples: vk::SampleCountFlags,
    pub tiling: vk::ImageTiling,
    pub usage: vk::ImageUsageFlags,
    pub initial_layout: vk::ImageLayout,
}

/// A resource's requirements, with those for dedicated allocations.
#[derive(Clone, Copy, Default)]
pub struct Requirements {
    pub memory: vk::MemoryRequirements,
    pub prefers_dedicated: vk::Bool32,
    pub requires_dedicated: vk::Bool32,
}

impl Requirements {
    /// Asks with `ask`, which fills a struct that it is given.
    pub fn ask(ask: impl FnOnce(*mut vk::MemoryRequirements2)) -> Self {
        let mut dedicated = vk::MemoryDedicatedRequirements::default();
        let mut two = vk::MemoryRequirements2 { p_next: (&raw mut dedicated).cast(), ..Default::default() };
        ask(&mut two);
        Self {
            memory: two.memory_requirements,
            prefers_dedicated: dedicated.prefers_dedicated_allocation,
            requires_dedicated: dedicated.requires_dedicated_allocation,
        }
    }

    /// Answers a question, if its chain asks for nothing else.
    ///
    /// # Safety
    /// By valid usage of vkGet*MemoryRequirements2.
    pub unsafe fn answer(&self, to: *mut vk::MemoryRequirements2) -> bool {
        // SAFETY: by contract.
        unsafe {
            let dedicated = find_tagged((*to).p_next, vk::StructureType::MEMORY_DEDICATED_REQUIREMENTS);
            match dedicated {
                None if !(*to).p_next.is_null() => return false,
                Some(p) if (*to).p_next.cast() != p || !(*p).p_next.is_null() => return false,
                None => {}
                Some(p) => {
                    let p: *mut vk::MemoryDedicatedRequirements = p.cast();
                    (*p).prefers_dedicated_allocation = self.prefers_dedicated;
                    (*p).requires_dedicated_allocation = self.requires_dedicated;
                }
            }
            (*to).memory_requirements = self.memory;
        }
        true
    }
}

/// Kinds that were asked for.
pub struct Known<K>(Mutex<Kinds<K>>);

struct Kinds<K> {
    all: HashMap<K, Requirements>,
    /// The one that was asked for last: programs make many of a kind.
    last: Option<(K, Requirements)>,
}

impl<K> Default for Known<K> {
    fn default() -> Self {
        Self(Mutex::new(Kinds { all: HashMap::new(), last: None }))
    }
}

/// Kinds that are kept: a program that makes every image in another size shall not fill the memory.
const KEPT: usize = 1024;

impl<K: Copy + Eq + Hash> Known<K> {
    /// The requirements of a kind.
    pub fn get(&self, kind: &K) -> Option<Requirements> {
        let mut known = self.0.lock();
        if let Some((last, requirements)) = &known.last
            && last == kind
        {
            return Some(*requirements);
        }
        let found = known.all.get(kind).copied()?;
        known.last = Some((*kind, found));
        Some(found)
    }

    /// Remembers them.
    pub fn put(&self, kind: K, requirements: Requirements) {
        let mut known = self.0.lock();
        if known.all.len() < KEPT {
            known.all.insert(kind, requirements);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_in_turns() {
        let known = Known::<u32>::default();
        let needs =
            |size| Requirements { memory: vk::MemoryRequirements { size, ..Default::default() }, ..Default::default() };
        known.put(1, needs(10));
        known.put(2, needs(20));
        for kind in [1, 1, 2, 1, 2, 2] {
            assert_eq!(known.get(&kind).unwrap().memory.size, u64::from(kind) * 10);
        }
        assert!(known.get(&3).is_none());
    }

    #[test]
    fn questions_for_more_are_left_to_the_host() {
        let r = Requirements { prefers_dedicated: 1, ..Default::default() };
        let mut dedicated = vk::MemoryDedicatedRequirements::default();
        let mut two = vk::MemoryRequirements2::default().push_next(&mut dedicated);
        // SAFETY: valid chains.
        unsafe {
            assert!(r.answer(&mut two));
            assert!(r.answer(&mut vk::MemoryRequirements2::default()));
            let mut other = vk::BaseOutStructure::default();
            let mut two = vk::MemoryRequirements2 { p_next: (&raw mut other).cast(), ..Default::default() };
            assert!(!r.answer(&mut two));
        }
        assert_eq!(dedicated.prefers_dedicated_allocation, 1);
    }
}
