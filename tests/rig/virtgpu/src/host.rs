//! What is behind an imitated node: a test server, or nothing.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use hesper_winsys::{BlobFlags, Capset, Config, Error, Resource, Winsys, capset};
use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;

/// Memory of a blob.
pub struct Memory {
    /// The host's id.
    pub resource: u32,
    /// The file; nothing where the host refuses, which shows when the blob is mapped (WIRE.md 6.2).
    pub file: Option<OwnedFd>,
    /// Given back at the host with the memory.
    _held: Option<Resource>,
}

/// The host of one open node.
pub enum Host {
    /// Nobody runs commands; memory is this process's own.
    Nobody,
    /// A context of a test server.
    Server(Arc<dyn Winsys>),
}

impl Host {
    /// Connects to a test server.
    ///
    /// # Errors
    /// EIO where it can't be used.
    pub fn connect(socket: &Path) -> Result<Self, Errno> {
        let config = Config { vtest: true, vtest_socket: Some(socket.into()), ..Config::default() };
        hesper_winsys::open(&config).map(Self::Server).map_err(|_| Errno::EIO)
    }

    /// The Venus capset (WIRE.md 8.4).
    pub fn capset(&self) -> [u8; capset::SIZE] {
        let mut bytes = [0; capset::SIZE];
        let mut set = |at: usize, value: u32| bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        // The wire format; blobs with id 0, waits in rings, timelines.
        [0, 16, 148, 152].into_iter().for_each(|at| set(at, 1));
        match self {
            Self::Nobody => {
                // Vulkan 1.4, and the newest spec version of Venus.
                set(4, 1 << 22 | 4 << 12);
                set(12, 4);
                set(20, 1);
            }
            Self::Server(winsys) => {
                let Capset { vk_xml_version, venus_version, codec } = winsys.capset();
                set(4, *vk_xml_version);
                set(12, *venus_version);
                codec.mask.iter().enumerate().for_each(|(i, word)| set(20 + i * 4, *word));
            }
        }
        bytes
    }

    /// Memory of `size` bytes for a blob, after `before` has run.
    ///
    /// # Errors
    /// ENODEV where the server has gone.
    pub fn blob(&self, id: u64, size: u64, flags: u32, before: &[u8]) -> Result<Memory, Errno> {
        let Self::Server(winsys) = self else {
            let file = memfd_create(c"blob", MFdFlags::MFD_CLOEXEC)?;
            ftruncate(&file, i64::try_from(size).map_err(|_| Errno::EINVAL)?)?;
            return Ok(Memory { resource: 1, file: Some(file), _held: None });
        };
        match winsys.create_blob(id, size, BlobFlags(flags), before) {
            Ok(held) => Ok(Memory { resource: held.id(), file: winsys.export(&held).ok(), _held: Some(held) }),
            Err(Error::Lost(_)) => Err(Errno::ENODEV),
            Err(_) => Ok(Memory { resource: 0, file: None, _held: None }),
        }
    }

    /// Has the context run commands.
    ///
    /// # Errors
    /// ENODEV where the server has gone.
    pub fn submit(&self, commands: &[u8]) -> Result<(), Errno> {
        match self {
            Self::Nobody => Ok(()),
            Self::Server(winsys) => winsys.submit(commands).map_err(|_| Errno::ENODEV),
        }
    }
}
