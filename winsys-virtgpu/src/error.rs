//! What can go wrong on the way to the host.

use std::fmt;
use std::sync::Arc;

/// An error of the way to the host. Cheap to clone: a lost context returns the same one again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// There is no device, or it can't do Venus.
    NoDevice(Arc<str>),
    /// The host or the kernel refused this one request.
    Refused(Arc<str>),
    /// No memory in the guest, or a size that can't be.
    OutOfHostMemory,
    /// No memory at the host.
    OutOfDeviceMemory,
    /// The context is gone for good.
    Lost(Arc<str>),
    /// This way can't do it.
    Unsupported(&'static str),
}

impl Error {
    /// A refusal of the operating system.
    pub fn os(what: &str, errno: nix::errno::Errno) -> Self {
        use nix::errno::Errno;
        match errno {
            Errno::ENOMEM => Self::OutOfHostMemory,
            Errno::ENOSPC => Self::OutOfDeviceMemory,
            Errno::EPIPE | Errno::ECONNRESET | Errno::ENODEV => {
                Self::Lost(format!("{what}: {} (the host side has gone away)", errno.desc()).into())
            }
            _ => Self::Refused(format!("{what}: {}", errno.desc()).into()),
        }
    }

    /// The reason alone, where the error has one of its own.
    pub fn reason(&self) -> String {
        match self {
            Self::NoDevice(m) | Self::Refused(m) | Self::Lost(m) => m.to_string(),
            other => other.to_string(),
        }
    }

    /// A reply that can't be right.
    pub fn malformed(what: &str) -> Self {
        Self::Lost(format!("the host sent a malformed reply: {what}").into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDevice(m) => write!(f, "no Venus device: {m}"),
            Self::Refused(m) => write!(f, "refused: {m}"),
            Self::OutOfHostMemory => f.write_str("out of memory in the guest"),
            Self::OutOfDeviceMemory => f.write_str("out of memory at the host"),
            Self::Lost(m) => write!(f, "the host is lost: {m}"),
            Self::Unsupported(m) => write!(f, "not possible here: {m}"),
        }
    }
}

impl std::error::Error for Error {}
