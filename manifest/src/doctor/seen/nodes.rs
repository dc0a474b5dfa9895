//! The render nodes that a container may be given.

use std::path::PathBuf;

use hesper_winsys::probe::{self, Obstacle, Problem};

/// The virtio-gpu render nodes, or the usual one if none can be seen from here.
pub fn nodes() -> Vec<PathBuf> {
    let all = probe::nodes(None).unwrap_or_default();
    let ours = |n: &PathBuf| {
        !matches!(probe::inspect(n), Err(Problem { obstacle: Obstacle::NotVirtioGpu | Obstacle::NoDevice, .. }))
    };
    let found: Vec<PathBuf> = all.into_iter().filter(ours).collect();
    if found.is_empty() { vec![PathBuf::from("/dev/dri/renderD128")] } else { found }
}
