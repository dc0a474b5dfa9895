//! The test server's messages (WIRE.md 9).

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

pub const UNREF: u32 = 3;
pub const BUSY_WAIT: u32 = 7;
pub const CREATE_RENDERER: u32 = 8;
pub const PING: u32 = 10;
pub const PROTOCOL_VERSION: u32 = 11;
pub const GET_CAPSET: u32 = 16;
pub const CONTEXT_INIT: u32 = 17;
pub const CREATE_BLOB: u32 = 18;
pub const SUBMIT: u32 = 24;
pub const EXPORT: u32 = 38;
const SYNC_WAIT: u32 = 23;
/// Requests that are answered. Only those of devices with DRM nodes are missing.
const ANSWERED: [u32; 10] = [BUSY_WAIT, PING, PROTOCOL_VERSION, 15, GET_CAPSET, CREATE_BLOB, 19, 21, SYNC_WAIT, EXPORT];

/// A request or a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// As it stands in the header: words, or bytes for one request.
    pub length: u32,
    pub id: u32,
    pub body: Vec<u8>,
}

impl Message {
    /// A message of words.
    pub fn of_words(id: u32, words: &[u32]) -> Self {
        Self { length: words.len() as u32, id, body: words.iter().flat_map(|w| w.to_le_bytes()).collect() }
    }

    /// Reads one; `None` where the other side has closed the connection.
    pub fn read(from: &mut UnixStream) -> io::Result<Option<Self>> {
        let mut header = [0; 8];
        match from.read_exact(&mut header) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof || e.kind() == io::ErrorKind::ConnectionReset => {
                return Ok(None);
            }
            done => done?,
        }
        let [a, b, c, d, e, f, g, h] = header;
        let (length, id) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        let size = if id == CREATE_RENDERER { length as usize } else { length as usize * 4 };
        let mut body = vec![0; size];
        from.read_exact(&mut body)?;
        Ok(Some(Self { length, id, body }))
    }

    /// Its bytes.
    pub fn bytes(&self) -> Vec<u8> {
        [&self.length.to_le_bytes(), &self.id.to_le_bytes(), self.body.as_slice()].concat()
    }

    /// Writes it.
    pub fn write(&self, to: &mut UnixStream) -> io::Result<()> {
        to.write_all(&self.bytes())
    }

    /// Word `n` of the body.
    pub fn word(&self, n: usize) -> u32 {
        let bytes = self.body.get(n * 4..n * 4 + 4).and_then(|b| b.try_into().ok());
        bytes.map_or(0, u32::from_le_bytes)
    }

    /// Whether a request of this kind is answered.
    pub fn is_answered(&self) -> bool {
        ANSWERED.contains(&self.id)
    }

    /// Whether a file follows a reply of this kind.
    pub fn brings_file(&self) -> bool {
        [CREATE_BLOB, EXPORT, SYNC_WAIT].contains(&self.id)
    }
}

/// Reads the byte behind a reply, and the file that comes with it.
pub fn read_file(from: &UnixStream) -> io::Result<Option<OwnedFd>> {
    let mut byte = [0; 1];
    let mut iov = [IoSliceMut::new(&mut byte)];
    let mut space = nix::cmsg_space!([RawFd; 1]);
    let message = recvmsg::<()>(from.as_raw_fd(), &mut iov, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
    if message.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    for c in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(files) = c {
            // SAFETY: recvmsg has just opened these descriptors for this call, and nothing else owns them.
            return Ok(files.first().map(|fd| unsafe { OwnedFd::from_raw_fd(*fd) }));
        }
    }
    Ok(None)
}

/// Writes the byte behind a reply, with a file or without.
pub fn write_file(to: &UnixStream, file: Option<&OwnedFd>) -> io::Result<()> {
    let fds = file.map(|f| [f.as_raw_fd()]);
    let rights: Vec<ControlMessage<'_>> = fds.iter().map(|fds| ControlMessage::ScmRights(fds)).collect();
    sendmsg::<()>(to.as_raw_fd(), &[IoSlice::new(&[0])], &rights, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}
