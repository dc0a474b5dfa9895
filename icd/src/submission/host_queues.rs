//! The queues of a device as the host makes them: it doesn't know of VK_KHR_internally_synchronized_queues.
//!
//! A program may ask for queues of one family with the flag and for others without. These are two kinds to it, each counted from 0 (Vulkan
//! specification, VkDeviceQueueInfo2), and one kind to the host.

use ash::vk;

use crate::base::chain::slice;

/// VK_DEVICE_QUEUE_CREATE_INTERNALLY_SYNCHRONIZED_BIT_KHR: several threads may use the queue at the same time. Every queue of this driver's is such a
/// one: one lock decides the order of submissions (`order`). The host need not know, as it hears of them one after the other.
const INTERNALLY_SYNCHRONIZED: vk::DeviceQueueCreateFlags = vk::DeviceQueueCreateFlags::from_raw(1 << 2);

/// Queues that differ in nothing that the host knows, and their priorities.
type Kind<'a> = (vk::DeviceQueueCreateInfo<'a>, Vec<f32>);

/// What the host is asked for in place of a program's queues.
pub struct HostQueues<'a>(Vec<Kind<'a>>);

impl<'a> HostQueues<'a> {
    /// # Safety
    /// Infos of a valid VkDeviceCreateInfo, with their arrays.
    pub unsafe fn of(infos: &[vk::DeviceQueueCreateInfo<'a>]) -> Self {
        let mut kinds: Vec<Kind<'a>> = Vec::new();
        for info in infos {
            // SAFETY: the info's array of this length.
            let priorities = unsafe { slice(info.p_queue_priorities, info.queue_count) };
            match kinds.iter_mut().find(|(kind, _)| are_alike(kind, info)) {
                // The chains say the same: queues of a family have one global priority (Vulkan specification, VkDeviceCreateInfo).
                Some((_, all)) => all.extend_from_slice(priorities),
                None => kinds.push((info.flags(flags(info)), priorities.to_vec())),
            }
        }
        Self(kinds)
    }

    /// The infos for the host.
    pub fn infos(&self) -> Vec<vk::DeviceQueueCreateInfo<'_>> {
        self.0.iter().map(|(kind, priorities)| kind.queue_priorities(priorities)).collect()
    }
}

/// The flags that the host hears of.
pub fn flags(info: &vk::DeviceQueueCreateInfo<'_>) -> vk::DeviceQueueCreateFlags {
    info.flags & !INTERNALLY_SYNCHRONIZED
}

/// The index that the host knows a queue by: queues of its kind that the program has asked for in `earlier` infos stand before it.
pub fn index(earlier: &[vk::DeviceQueueCreateInfo<'_>], info: &vk::DeviceQueueCreateInfo<'_>, index: u32) -> u32 {
    earlier.iter().filter(|e| are_alike(e, info)).fold(index, |sum, e| sum.saturating_add(e.queue_count))
}

/// Whether queues are of one kind to the host.
fn are_alike(a: &vk::DeviceQueueCreateInfo<'_>, b: &vk::DeviceQueueCreateInfo<'_>) -> bool {
    (a.queue_family_index, flags(a)) == (b.queue_family_index, flags(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_that_differ_in_the_flag_alone_are_one_kind_to_the_host() {
        let (none, protected) = (vk::DeviceQueueCreateFlags::empty(), vk::DeviceQueueCreateFlags::PROTECTED);
        let priorities: [&[f32]; 5] = [&[0.1, 0.2], &[0.3], &[0.4], &[0.5, 0.6, 0.7], &[0.8]];
        let asked = [
            (0, none),
            (1, INTERNALLY_SYNCHRONIZED),
            (0, protected),
            (0, INTERNALLY_SYNCHRONIZED),
            (0, protected | INTERNALLY_SYNCHRONIZED),
        ];
        let infos: Vec<_> = asked
            .into_iter()
            .zip(priorities)
            .map(|((family, flags), priorities)| {
                let info = vk::DeviceQueueCreateInfo::default().queue_family_index(family).flags(flags);
                info.queue_priorities(priorities)
            })
            .collect();
        // SAFETY: infos with their arrays.
        let queues = unsafe { HostQueues::of(&infos) };
        let seen: Vec<_> = queues
            .infos()
            .iter()
            .map(|info| {
                // SAFETY: the info's array of this length.
                let priorities = unsafe { slice(info.p_queue_priorities, info.queue_count) };
                (info.queue_family_index, info.flags.as_raw(), priorities.to_vec())
            })
            .collect();
        let expected =
            [(0, 0, vec![0.1, 0.2, 0.5, 0.6, 0.7]), (1, 0, vec![0.3]), (0, protected.as_raw(), vec![0.4, 0.8])];
        assert_eq!(seen, expected);
        let indices: Vec<u32> = infos
            .iter()
            .enumerate()
            .flat_map(|(i, info)| (0..info.queue_count).map(move |index| (i, info, index)))
            .map(|(i, info, n)| index(&infos[..i], info, n))
            .collect();
        assert_eq!(indices, [0, 1, 0, 0, 2, 3, 4, 1]);
    }
}
