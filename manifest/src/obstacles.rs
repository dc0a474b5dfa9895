//! What each obstacle on the way to the host is called in JSON, and by which status the program ends with it.

use hesper_winsys::probe::Obstacle;

/// The part of the stack that an obstacle belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The node, and the right to use it.
    Node,
    /// What kernel and virtual device can do.
    Kernel,
    /// What the host offers.
    Host,
    /// The context, its memory and its ring.
    Ring,
}

/// Obstacle, name, part of the stack, exit status.
const ALL: [(Obstacle, &str, Part, u8); 16] = [
    (Obstacle::NoServer, "no_server", Part::Node, 3),
    (Obstacle::NoDevice, "no_device", Part::Node, 3),
    (Obstacle::NoPermission, "no_permission", Part::Node, 4),
    (Obstacle::MappingDenied, "mapping_denied", Part::Node, 4),
    (Obstacle::NotVirtioGpu, "not_virtio_gpu", Part::Node, 5),
    (Obstacle::OldKernel, "old_kernel", Part::Kernel, 6),
    (Obstacle::No3d, "no_3d", Part::Kernel, 7),
    (Obstacle::NoContextInit, "no_context_init", Part::Kernel, 7),
    (Obstacle::NoBlobs, "no_blobs", Part::Kernel, 7),
    (Obstacle::NoVenus, "no_venus", Part::Host, 7),
    (Obstacle::OldVenus, "old_venus", Part::Host, 7),
    (Obstacle::NoHostVisibleMemory, "no_host_visible_memory", Part::Kernel, 8),
    (Obstacle::GuestVram, "guest_vram", Part::Kernel, 8),
    (Obstacle::NoContext, "no_context", Part::Ring, 9),
    (Obstacle::NoSharedMemory, "no_shared_memory", Part::Ring, 9),
    (Obstacle::Refused, "refused", Part::Ring, 9),
];

fn row(obstacle: Obstacle) -> (Obstacle, &'static str, Part, u8) {
    // A test has all of them in the table.
    ALL.into_iter().find(|(o, ..)| *o == obstacle).unwrap_or((obstacle, "refused", Part::Ring, 9))
}

/// Its name in JSON.
pub fn name(obstacle: Obstacle) -> &'static str {
    row(obstacle).1
}

/// The one of this name.
pub fn by_name(name: &str) -> Option<Obstacle> {
    ALL.into_iter().find(|(_, n, ..)| *n == name).map(|(o, ..)| o)
}

/// The part of the stack that it belongs to.
pub fn part(obstacle: Obstacle) -> Part {
    row(obstacle).2
}

/// The program's exit status.
pub fn status(obstacle: Obstacle) -> u8 {
    row(obstacle).3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        for (obstacle, name, ..) in ALL {
            assert_eq!((super::name(obstacle), by_name(name)), (name, Some(obstacle)));
        }
        // Obstacles are numbered without gaps: the last one's number tells how many there are.
        let numbers: std::collections::BTreeSet<i32> = ALL.into_iter().map(|(o, ..)| o as i32).collect();
        assert_eq!(numbers, (0..=Obstacle::Refused as i32).collect());
    }
}
