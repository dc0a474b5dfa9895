//! Numbers of the vtest protocol (WIRE.md 9).

/// A request's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Command {
    ResourceUnref = 3,
    ResourceBusyWait = 7,
    CreateRenderer = 8,
    PingProtocolVersion = 10,
    ProtocolVersion = 11,
    GetCapset = 16,
    ContextInit = 17,
    ResourceCreateBlob = 18,
    SubmitCmd2 = 24,
    ResourceExportFd = 38,
}

/// The newest version that this client speaks.
pub const VERSION: u32 = 4;
/// The oldest one that has Venus.
pub const MINIMUM: u32 = 3;
/// The first version that hands out a blob's file again.
pub const EXPORTS: u32 = 4;
/// `type` of a blob that the host's device memory or shared memory backs.
pub const BLOB_HOST3D: u32 = 2;
