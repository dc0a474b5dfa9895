//! What a render node offers, asked for one by one: the first thing that is missing is the problem.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;

use nix::errno::Errno;

use super::ioctl::{Node, Param};
use super::obstacle::{Obstacle, Problem};
use crate::capset::{self, Capset};
use crate::{BlobFlags, Mapping, alignment};

/// Timelines of a context: one of its own and one for each of up to 63 queues.
pub(super) const TIMELINES: u32 = 64;

/// What is known of a usable device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// What the host's Venus can do.
    pub capset: Capset,
    /// The step of blob sizes in bytes, where host and kernel tell it (WIRE.md 8.6).
    pub blob_alignment: Option<u64>,
    /// Whether other devices' drivers can use its memory.
    pub cross_device: bool,
}

/// Opens a node and asks what it can do; makes no context yet.
///
/// # Errors
/// What stands in the way.
pub fn inspect(path: &Path) -> Result<(Node, Facts), Problem> {
    let shown = path.display();
    let problem = |obstacle, what: &str| Problem::new(obstacle, format!("{shown}: {what}"));
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(|e| match e.kind() {
        ErrorKind::PermissionDenied => problem(Obstacle::NoPermission, "permission denied"),
        _ => problem(Obstacle::NoDevice, &e.to_string()),
    })?;
    let node = Node::new(file);
    let driver =
        node.driver().map_err(|_| Problem::new(Obstacle::NotVirtioGpu, format!("{shown} is no DRM device")))?;
    if driver != "virtio_gpu" {
        return Err(Problem::new(Obstacle::NotVirtioGpu, format!("{shown} is driven by {driver}, not by virtio_gpu")));
    }
    let has = |param, obstacle, what: &str| match node.param(param) {
        Some(1) => Ok(()),
        _ => Err(problem(obstacle, what)),
    };
    if node.param(Param::ContextInit).is_none() {
        return Err(problem(Obstacle::OldKernel, "the guest's kernel can't make contexts of a chosen kind"));
    }
    has(Param::Features3d, Obstacle::No3d, "the device has no 3D")?;
    has(Param::ContextInit, Obstacle::NoContextInit, "the device can't make contexts of a chosen kind")?;
    has(Param::CapsetQueryFix, Obstacle::OldKernel, "the guest's kernel can't ask for capsets reliably")?;
    has(Param::ResourceBlob, Obstacle::NoBlobs, "the device has no blob resources")?;
    if let Some(mask) = node.param(Param::SupportedCapsetIds).filter(|mask| mask >> capset::VENUS & 1 == 0) {
        return Err(problem(Obstacle::NoVenus, &format!("the host offers no Venus (capsets {mask:#x})")));
    }
    let alignment = node.param(Param::BlobAlignment);
    if node.param(Param::HostVisible) != Some(1) {
        // Number 9 is upstream's blob alignment. A private patch has taken it for "the host's memory comes from the guest's".
        return Err(match alignment {
            Some(1) => problem(
                Obstacle::GuestVram,
                "the device has no host-visible memory, and the kernel's parameter 9 is 1: a private patch, by which the host's memory would come from the guest's own",
            ),
            _ => problem(Obstacle::NoHostVisibleMemory, "the host gives the device no host-visible memory"),
        });
    }
    let facts = Facts {
        capset: capset(&node).map_err(|(obstacle, what)| problem(obstacle, &what))?,
        blob_alignment: alignment.and_then(alignment::told),
        cross_device: node.param(Param::CrossDevice) == Some(1),
    };
    Ok((node, facts))
}

fn capset(node: &Node) -> Result<Capset, (Obstacle, String)> {
    let mut bytes = [0; capset::SIZE];
    node.capset(capset::VENUS, &mut bytes)
        .map_err(|e| (Obstacle::NoVenus, format!("the host offers no Venus ({e})")))?;
    Capset::parse(&bytes).map_err(|e| {
        // An older host fills less, and what it fills ends with the last byte that isn't zero.
        match bytes.iter().rposition(|b| *b != 0) {
            None => (Obstacle::OldVenus, "the host's Venus capset is all zeros".to_owned()),
            Some(last) => (
                Obstacle::OldVenus,
                format!("{} (its capset has {} bytes)", e.reason(), (last + 1).next_multiple_of(4)),
            ),
        }
    })
}

/// Makes a Venus context on a node that was found fit, and tries the memory that every command goes through.
///
/// # Errors
/// What stands in the way.
pub fn begin(path: &Path, node: &Node, step: u64) -> Result<(), Problem> {
    let problem = |obstacle, what: String| Problem::new(obstacle, format!("{}: {what}", path.display()));
    node.context(capset::VENUS, TIMELINES)
        .map_err(|e| problem(Obstacle::NoContext, format!("no Venus context can be made: {e}")))?;
    let (bo, _) = node
        .create_blob(0, step, BlobFlags::MAPPABLE.0, &[])
        .map_err(|e| problem(Obstacle::NoSharedMemory, format!("no shared memory can be made (blob id 0): {e}")))?;
    let mapped = node.map_offset(bo).map(|offset| Mapping::new(node, step, offset));
    node.close(bo);
    match mapped {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(Errno::EACCES | Errno::EPERM)) => {
            Err(problem(Obstacle::MappingDenied, "the node can be opened, but mapping its memory is denied".to_owned()))
        }
        // What the host refuses of a blob shows when it is mapped (WIRE.md 6.2).
        Ok(Err(e)) => {
            let what = format!("shared memory of {step} bytes (blob id 0) can't be mapped: {}", e.desc());
            Err(problem(Obstacle::NoSharedMemory, what))
        }
        Err(e) => Err(problem(Obstacle::NoSharedMemory, format!("shared memory (blob id 0) can't be mapped: {e}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn what_is_no_device_is_told_apart() {
        let problem = |path: &str| inspect(Path::new(path)).unwrap_err();
        assert_eq!(problem("/dev/dri/renderD999").obstacle, Obstacle::NoDevice);
        assert_eq!(problem("/dev/null").obstacle, Obstacle::NotVirtioGpu);
        let error = Error::from(problem("/dev/null")).to_string();
        assert!(error.contains("/dev/null") && error.contains("virtio-gpu"), "{error}");
    }
}
