//! Which render nodes there are, which one can be used, and why another can't.

use std::fmt;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use drm::Device as _;

use super::ioctl::{Node, Param};
use crate::Error;
use crate::capset::{self, Capset};

/// Where render nodes are.
const FOLDER: &str = "/dev/dri";

/// What stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// There is no render node.
    NoDevice,
    /// This user may not open it.
    NoPermission,
    /// It is another GPU.
    NotVirtioGpu,
    /// The kernel doesn't know what Venus needs.
    OldKernel,
    /// The host offers no Venus, or one that is too old.
    NoVenus,
    /// The host's memory can't be seen by the guest.
    NoHostVisibleMemory,
    /// The host refused what it had offered.
    Refused,
}

impl Obstacle {
    /// What to do about it.
    pub fn advice(self) -> &'static str {
        match self {
            Self::NoDevice => {
                "give the machine a virtio-gpu (krunkit and libkrun do), and pass it to the container: --device /dev/dri"
            }
            Self::NoPermission => {
                "add the user to the node's group (render or video), or run the container with --group-add keep-groups"
            }
            Self::NotVirtioGpu => "this driver is for virtio-gpu alone; the GPU's own driver is the right one here",
            Self::OldKernel => "Linux 5.16 or newer is needed in the guest",
            Self::NoVenus => {
                "the machine's monitor must offer Venus (QEMU: venus=on; crosvm: --gpu=context-types=venus), with virglrenderer 1.0 or newer"
            }
            Self::NoHostVisibleMemory => {
                "the machine's monitor must give the device a host-visible window (QEMU: hostmem=4G,blob=on)"
            }
            Self::Refused => "see the log of the machine's monitor on the host",
        }
    }
}

/// Why a device can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it is.
    pub obstacle: Obstacle,
    /// How it showed.
    pub detail: String,
}

impl Problem {
    pub(crate) fn new(obstacle: Obstacle, detail: impl Into<String>) -> Self {
        Self { obstacle, detail: detail.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.obstacle.advice())
    }
}

impl From<Problem> for Error {
    fn from(p: Problem) -> Self {
        Self::NoDevice(p.to_string().into())
    }
}

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

/// All render nodes, or the one that was asked for.
///
/// # Errors
/// [`Obstacle::NoDevice`] if there is none.
pub fn nodes(asked: Option<&Path>) -> Result<Vec<PathBuf>, Problem> {
    if let Some(path) = asked {
        return Ok(vec![path.to_path_buf()]);
    }
    let none = |why: String| Problem::new(Obstacle::NoDevice, why);
    let entries = std::fs::read_dir(FOLDER).map_err(|e| match e.kind() {
        ErrorKind::NotFound => none(format!("there is no {FOLDER}")),
        _ => Problem::new(Obstacle::NoPermission, format!("{FOLDER}: {e}")),
    })?;
    let is_render = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("renderD"));
    let mut found: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(is_render).collect();
    found.sort();
    if found.is_empty() { Err(none(format!("{FOLDER} has no render node"))) } else { Ok(found) }
}

/// The first usable node, open.
///
/// # Errors
/// The problem of the device that came closest to being usable.
pub fn find(asked: Option<&Path>) -> Result<(PathBuf, Node, Facts), Problem> {
    let mut closest: Option<Problem> = None;
    for path in nodes(asked)? {
        match inspect(&path) {
            Ok((node, facts)) => return Ok((path, node, facts)),
            Err(p) => {
                // The order of obstacles is the order in which they are met, but for another GPU.
                let rank = |p: &Problem| if p.obstacle == Obstacle::NotVirtioGpu { 0 } else { 1 + p.obstacle as u32 };
                if closest.as_ref().is_none_or(|c| rank(c) < rank(&p)) {
                    closest = Some(p);
                }
            }
        }
    }
    Err(closest.unwrap_or_else(|| Problem::new(Obstacle::NoDevice, "there is no render node")))
}

/// Opens a node and asks what it can do; makes no context yet.
///
/// # Errors
/// What stands in the way.
pub fn inspect(path: &Path) -> Result<(Node, Facts), Problem> {
    let shown = path.display();
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(|e| match e.kind() {
        ErrorKind::PermissionDenied => Problem::new(Obstacle::NoPermission, format!("{shown}: permission denied")),
        _ => Problem::new(Obstacle::NoDevice, format!("{shown}: {e}")),
    })?;
    let node = Node::new(file);
    let driver =
        node.get_driver().map_err(|_| Problem::new(Obstacle::NotVirtioGpu, format!("{shown} is no DRM device")))?;
    let name = driver.name.to_string_lossy().into_owned();
    if name != "virtio_gpu" {
        return Err(Problem::new(Obstacle::NotVirtioGpu, format!("{shown} is driven by {name}, not by virtio_gpu")));
    }
    let need = |param, obstacle, what: &str| match node.param(param) {
        Some(1) => Ok(()),
        _ => Err(Problem::new(obstacle, format!("{shown}: {what}"))),
    };
    if node.param(Param::ContextInit).is_none() {
        return Err(Problem::new(
            Obstacle::OldKernel,
            format!("{shown}: the guest's kernel can't make contexts of a chosen kind"),
        ));
    }
    need(Param::Features3d, Obstacle::NoVenus, "the host offers no 3D")?;
    need(Param::ContextInit, Obstacle::NoVenus, "the host can't make contexts of a chosen kind")?;
    need(Param::CapsetQueryFix, Obstacle::OldKernel, "the guest's kernel can't ask for capsets reliably")?;
    need(Param::ResourceBlob, Obstacle::NoVenus, "the host offers no blob resources")?;
    let capsets = node.param(Param::SupportedCapsetIds);
    if capsets.is_some_and(|mask| mask >> capset::VENUS & 1 == 0) {
        return Err(Problem::new(
            Obstacle::NoVenus,
            format!("{shown}: the host offers no Venus (capsets {:#x})", capsets.unwrap_or(0)),
        ));
    }
    need(Param::HostVisible, Obstacle::NoHostVisibleMemory, "the host gives the device no host-visible memory")?;
    let mut bytes = [0; capset::SIZE];
    node.capset(capset::VENUS, &mut bytes).map_err(|e| Problem::new(Obstacle::NoVenus, format!("{shown}: {e}")))?;
    let capset = Capset::parse(&bytes).map_err(|e| Problem::new(Obstacle::NoVenus, format!("{shown}: {e}")))?;
    let facts = Facts {
        capset,
        blob_alignment: node.param(Param::BlobAlignment).filter(|a| *a != 0),
        cross_device: node.param(Param::CrossDevice) == Some(1),
    };
    Ok((node, facts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_device_is_told_apart() {
        let problem = |path: &str| inspect(Path::new(path)).unwrap_err();
        assert_eq!(problem("/dev/dri/renderD999").obstacle, Obstacle::NoDevice);
        assert_eq!(problem("/dev/null").obstacle, Obstacle::NotVirtioGpu);
        let error = Error::from(problem("/dev/null")).to_string();
        assert!(error.contains("/dev/null") && error.contains("virtio-gpu"), "{error}");
    }

    #[test]
    fn an_asked_for_node_is_the_only_one() {
        assert_eq!(nodes(Some(Path::new("/x"))).unwrap(), [PathBuf::from("/x")]);
        assert_eq!(find(Some(Path::new("/dev/dri/renderD999"))).unwrap_err().obstacle, Obstacle::NoDevice);
    }
}
