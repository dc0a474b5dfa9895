//! Buffers belong to all queue families of their device.
//!
//! A buffer with VK_SHARING_MODE_EXCLUSIVE belongs to one family at a time, and the driver's own copies (`submission::upload`) may run on any
//! of them. So at the host every buffer of a device with several families is shared by all of them; and barriers that hand buffers from one family
//! to another become plain ones, as Vulkan demands of shared buffers (VUID-VkBufferMemoryBarrier-synchronization2-03853). What the program
//! sees stays the same: a transfer is a barrier on either side and a semaphore between them, and those are what orders uses of shared buffers, too.

use ash::vk;

/// The queue families of a device, where there are several.
#[derive(Debug, Default)]
pub struct Sharing(Vec<u32>);

impl Sharing {
    /// The sharing between these families, some of which may be named several times.
    pub fn between(families: impl Iterator<Item = u32>) -> Self {
        let mut families: Vec<u32> = families.collect();
        families.sort_unstable();
        families.dedup();
        Self(if families.len() > 1 { families } else { Vec::new() })
    }

    /// Whether there are several.
    pub fn is_needed(&self) -> bool {
        !self.0.is_empty()
    }

    /// A buffer as the host makes it.
    pub fn of<'a>(&'a self, info: &vk::BufferCreateInfo<'a>) -> vk::BufferCreateInfo<'a> {
        if !self.is_needed() || info.sharing_mode != vk::SharingMode::EXCLUSIVE {
            return *info;
        }
        info.sharing_mode(vk::SharingMode::CONCURRENT).queue_family_indices(&self.0)
    }
}

/// A family that a barrier names, for a shared buffer: only what lies outside of the device is a family of its own.
fn outside(family: u32) -> u32 {
    match family {
        vk::QUEUE_FAMILY_EXTERNAL | vk::QUEUE_FAMILY_FOREIGN_EXT => family,
        _ => vk::QUEUE_FAMILY_IGNORED,
    }
}

/// A barrier for a buffer, in either form.
pub trait BufferBarrier: Copy {
    fn families(&mut self) -> (&mut u32, &mut u32);
}

impl BufferBarrier for vk::BufferMemoryBarrier<'_> {
    fn families(&mut self) -> (&mut u32, &mut u32) {
        (&mut self.src_queue_family_index, &mut self.dst_queue_family_index)
    }
}

impl BufferBarrier for vk::BufferMemoryBarrier2<'_> {
    fn families(&mut self) -> (&mut u32, &mut u32) {
        (&mut self.src_queue_family_index, &mut self.dst_queue_family_index)
    }
}

/// Barriers for shared buffers, where those that the program gave name families; `None` where they can stay as they are.
pub fn without_families<B: BufferBarrier>(barriers: &[B]) -> Option<Vec<B>> {
    let names = |b: &B| {
        let mut copy = *b;
        let (from, to) = copy.families();
        (*from, *to) != (outside(*from), outside(*to))
    };
    barriers.iter().any(names).then(|| {
        let mut changed = barriers.to_vec();
        for b in &mut changed {
            let (from, to) = b.families();
            (*from, *to) = (outside(*from), outside(*to));
        }
        changed
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_of_several_families_are_shared() {
        let exclusive = vk::BufferCreateInfo::default().size(64);
        let one = Sharing::between([3, 3].into_iter());
        assert!(!one.is_needed() && one.of(&exclusive).sharing_mode == vk::SharingMode::EXCLUSIVE);
        let several = Sharing::between([2, 0, 2, 1].into_iter());
        let shared = several.of(&exclusive);
        assert!(shared.sharing_mode == vk::SharingMode::CONCURRENT && shared.queue_family_index_count == 3);
        // SAFETY: the array that `several` holds.
        assert_eq!(unsafe { std::slice::from_raw_parts(shared.p_queue_family_indices, 3) }, [0, 1, 2]);
        let own = [0, 2];
        let concurrent = exclusive.sharing_mode(vk::SharingMode::CONCURRENT).queue_family_indices(&own);
        assert_eq!(several.of(&concurrent).p_queue_family_indices, own.as_ptr());
    }

    #[test]
    fn transfers_become_plain_barriers() {
        let barrier = |from, to| {
            vk::BufferMemoryBarrier::default().src_queue_family_index(from).dst_queue_family_index(to).size(7)
        };
        let (ignored, external) = (vk::QUEUE_FAMILY_IGNORED, vk::QUEUE_FAMILY_EXTERNAL);
        assert!(without_families(&[barrier(ignored, ignored)]).is_none());
        let changed = without_families(&[barrier(0, 1), barrier(2, 2), barrier(1, external)]).unwrap();
        let families: Vec<_> = changed.iter().map(|b| (b.src_queue_family_index, b.dst_queue_family_index)).collect();
        assert_eq!(families, [(ignored, ignored), (ignored, ignored), (ignored, external)]);
        assert!(changed.iter().all(|b| b.size == 7));
    }
}
