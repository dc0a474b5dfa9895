//! The test server's socket: a server that answers any bytes with any files, and then closes its end.
//!
//! An input is the server's answers as pieces, each: its length (1 byte), the files that come with it (1 byte), and these bytes. Which
//! requests the client makes once it is connected doesn't depend on it.

use std::io::IoSlice;
use std::net::Shutdown;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use hesper_winsys::{BlobFlags, Config, Error, Winsys, vtest};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::unistd::ftruncate;

use crate::choices::Choices;

/// A file of `pages` pages and a half, so that the last page isn't whole.
fn file(pages: u8) -> Option<OwnedFd> {
    let file = memfd_create("blob", MFdFlags::MFD_CLOEXEC).ok()?;
    ftruncate(&file, i64::from(pages) * 4096 + 2048).ok()?;
    Some(file)
}

/// Sends the pieces of the input; more than a socket holds aren't sent.
fn answer(server: &UnixStream, input: &[u8]) {
    let mut input = Choices::new(input);
    while !input.is_empty() {
        let (length, files) = (input.byte(), input.byte());
        let files: Vec<OwnedFd> = (0..files % 6).filter_map(|_| file(files / 6 % 5)).collect();
        let numbers: Vec<i32> = files.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&numbers)];
        let rights = if numbers.is_empty() { &[][..] } else { &rights };
        let piece = [IoSlice::new(input.piece(length.into()))];
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        if sendmsg::<()>(server.as_raw_fd(), &piece, rights, flags, None).is_err() {
            return;
        }
    }
}

/// What a driver does on a connection, as long as that goes well.
fn requests(winsys: &dyn Winsys) -> Result<(), Error> {
    let memory = winsys.create_shmem(3 * 4096)?;
    // Every page of it is there.
    for at in (0..memory.mapping().len()).step_by(4096) {
        assert!(memory.mapping().write(at, &[1]), "a mapping that is shorter than it says");
    }
    winsys.submit(&[0; 16])?;
    for flags in [BlobFlags::MAPPABLE, BlobFlags::MAPPABLE | BlobFlags::SHAREABLE] {
        let blob = match winsys.create_blob(7, 5000, flags, &[]) {
            Err(Error::OutOfDeviceMemory) => continue,
            other => other?,
        };
        for _ in 0..2 {
            if let Ok(mapping) = winsys.map(&blob) {
                let last = mapping.len() - 1;
                assert!(mapping.len() >= 5000 && mapping.write(last, &[1]));
            }
            let _ = winsys.export(&blob);
        }
    }
    winsys.check()
}

pub fn run(input: &[u8]) {
    let Ok((client, server)) = UnixStream::pair() else { return };
    answer(&server, input);
    let _ = server.shutdown(Shutdown::Write);
    if let Ok(winsys) = vtest::over(client, &Config::default()) {
        let _ = requests(&*winsys);
    }
}

/// The whole way with good answers, each in a piece of its own: with and without files again, and with files that are too short.
pub fn seeds() -> Vec<Vec<u8>> {
    [(4u32, 3u8), (3, 3), (4, 0)].map(|(version, pages)| conversation(version, pages)).to_vec()
}

fn conversation(version: u32, pages: u8) -> Vec<u8> {
    let mut out = Vec::new();
    let mut piece = |words: &[u32]| {
        for part in words.chunks(60) {
            out.extend([part.len() as u8 * 4, 0]);
            out.extend(part.iter().flat_map(|w| w.to_le_bytes()));
        }
    };
    piece(&[0, 10, 1, 7, 0, 1, 11, version]);
    let capset: Vec<u32> =
        crate::capset::seeds()[0].chunks(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect();
    piece(&[&[capset.len() as u32 + 1, 16, 1][..], &capset].concat());
    for blob in 1..4 {
        out.extend([12, 0]);
        out.extend([1, 18, blob].into_iter().flat_map(u32::to_le_bytes));
        out.extend([1, pages * 6 + 1, 0]);
        for _ in 0..4 {
            // The file again, where it is asked for.
            if version > 3 && blob > 1 {
                out.extend([8, 0]);
                out.extend([0u32, 38].into_iter().flat_map(u32::to_le_bytes));
                out.extend([1, pages * 6 + 1, 0]);
            }
        }
    }
    out
}
