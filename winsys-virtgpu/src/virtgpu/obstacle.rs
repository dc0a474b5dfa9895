//! What stands between a program and a Venus device, and what to do about it.

use std::fmt;

use crate::Error;

/// What stands in the way, in the order in which it is met, but for another GPU, which is no step towards a virtio-gpu.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// It is another GPU.
    NotVirtioGpu,
    /// Nobody listens at the test server's socket.
    NoServer,
    /// There is no render node.
    NoDevice,
    /// This user may not open it.
    NoPermission,
    /// The kernel doesn't know what Venus needs.
    OldKernel,
    /// The device has no 3D.
    No3d,
    /// The device can't make contexts of a chosen kind.
    NoContextInit,
    /// The device has no blob resources.
    NoBlobs,
    /// The host offers no Venus.
    NoVenus,
    /// The host offers a Venus that is too old, or none that can be understood.
    OldVenus,
    /// The host's memory can't be seen by the guest.
    NoHostVisibleMemory,
    /// The host's memory would have to come from the guest's, as a private kernel does it.
    GuestVram,
    /// The kernel or the host refuses a context.
    NoContext,
    /// The host makes no shared memory for commands (blob id 0).
    NoSharedMemory,
    /// The node opens, and its memory may not be mapped.
    MappingDenied,
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
            Self::NoServer => {
                "start `virgl_test_server --no-virgl --venus --multi-clients` there; or unset HESPER_VTEST_SOCKET, so that the device is used"
            }
            Self::NoPermission => {
                "add the user to the node's group (render or video), or run the container with --group-add keep-groups"
            }
            Self::NotVirtioGpu => "this driver is for virtio-gpu alone; the GPU's own driver is the right one here",
            Self::OldKernel => "Linux 5.16 or newer is needed in the guest",
            Self::No3d => {
                "the machine's monitor must give it a virtio-gpu with 3D (QEMU: -device virtio-gpu-gl-pci; libkrun: built with GPU=1)"
            }
            Self::NoContextInit => {
                "the machine's monitor must offer the feature CONTEXT_INIT (QEMU 9.2 or newer: venus=on; crosvm: --gpu=context-types=venus)"
            }
            Self::NoBlobs => "the machine's monitor must offer blob resources (QEMU: blob=on,hostmem=4G)",
            Self::NoVenus => {
                "the machine's monitor must offer Venus (QEMU: venus=on; crosvm: --gpu=context-types=venus), with virglrenderer 1.0 or newer"
            }
            Self::OldVenus => "the machine's monitor needs virglrenderer 1.0 or newer, built with Venus",
            Self::NoHostVisibleMemory => {
                "the machine's monitor must give the device a host-visible window (QEMU: hostmem=4G,blob=on)"
            }
            Self::GuestVram => {
                "use a kernel without the private guest-vram patch, and a monitor that gives the device a host-visible window (QEMU: hostmem=4G,blob=on)"
            }
            Self::NoContext => "see the log of the machine's monitor on the host: it must offer Venus contexts",
            Self::NoSharedMemory => {
                "the machine's monitor needs virglrenderer 1.0 or newer; where the host's pages are larger than the guest's, set HESPER_BLOB_ALIGNMENT to their size in bytes (Apple Silicon: 16384)"
            }
            Self::MappingDenied => {
                "a security module forbids it (SELinux: see ausearch -m avc): run the container with --security-opt label=disable, or allow its domain to map dri_device_t"
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

    /// The problem of the device that came closest to being usable; the first of them where several came as close.
    pub fn closest(problems: impl IntoIterator<Item = Self>) -> Option<Self> {
        problems.into_iter().reduce(|closest, p| if p.obstacle > closest.obstacle { p } else { closest })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_device_is_told_of() {
        let closest = |all: &[Obstacle]| {
            let problems = all.iter().enumerate().map(|(i, o)| Problem::new(*o, i.to_string()));
            Problem::closest(problems).map(|p| p.detail)
        };
        assert_eq!(closest(&[]), None);
        assert_eq!(closest(&[Obstacle::NotVirtioGpu, Obstacle::NoPermission]).as_deref(), Some("1"));
        assert_eq!(
            closest(&[Obstacle::MappingDenied, Obstacle::NoVenus, Obstacle::NotVirtioGpu]).as_deref(),
            Some("0")
        );
        assert_eq!(closest(&[Obstacle::NoVenus, Obstacle::NoVenus]).as_deref(), Some("0"));
    }
}
