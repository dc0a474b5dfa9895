//! Letters between the two processes: four numbers, and files.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use anyhow::{Result, ensure};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

/// What the maker writes, and what the partner does.
pub const MADE: u32 = 0x1234_5678;
pub const ANSWERED: u32 = 0x9abc_def0;
/// Words of the buffer.
pub const WORDS: u64 = 100_000;

pub struct Letter {
    pub sizes: [u64; 4],
    pub files: Vec<OwnedFd>,
}

pub fn send(socket: &UnixStream, letter: &Letter) -> Result<()> {
    let bytes: Vec<u8> = letter.sizes.iter().flat_map(|s| s.to_le_bytes()).collect();
    let files: Vec<RawFd> = letter.files.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&files)];
    let rights = if files.is_empty() { &[][..] } else { &rights };
    let n = sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(&bytes)], rights, MsgFlags::empty(), None)?;
    ensure!(n == bytes.len(), "half a letter");
    Ok(())
}

pub fn receive(socket: &UnixStream) -> Result<Letter> {
    let mut bytes = [0; 32];
    let mut room = nix::cmsg_space!([RawFd; 8]);
    let mut files = Vec::new();
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let got = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut room), MsgFlags::MSG_CMSG_CLOEXEC)?;
    for c in got.cmsgs()? {
        if let ControlMessageOwned::ScmRights(list) = c {
            // SAFETY: recvmsg has just opened these for this call.
            files.extend(list.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    ensure!(got.bytes == 32, "a letter of {} bytes", got.bytes);
    let (numbers, _) = bytes.as_chunks::<8>();
    let mut sizes = [0; 4];
    sizes.iter_mut().zip(numbers).for_each(|(s, b)| *s = u64::from_le_bytes(*b));
    Ok(Letter { sizes, files })
}
