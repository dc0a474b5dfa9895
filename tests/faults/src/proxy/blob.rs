//! Blobs and capsets other than the host's.

use std::io;
use std::os::fd::OwnedFd;

use hesper_tests::test_server::message::Message;
use nix::fcntl::OFlag;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::{ftruncate, pipe2};

use crate::fault::Fault;

/// The capset's mask of extensions, in words from the answer's start, and the first number of the future, which neither host nor driver knows.
const MASK: usize = 6;
const FUTURE: usize = 704;

/// Changes an answer, and the file that comes with it.
pub fn damage(
    fault: Fault,
    request: &Message,
    reply: &mut Message,
    file: &mut Option<Option<OwnedFd>>,
) -> io::Result<()> {
    match (fault, file) {
        (Fault::BlobRefused, Some(file)) => *file = None,
        (Fault::BlobShort, Some(Some(file))) => {
            // Half of what was asked for: the host's own file may be longer than that.
            let short = memfd_create(c"short", MFdFlags::MFD_CLOEXEC)?;
            ftruncate(&short, i64::from(request.word(2) / 2))?;
            *file = short;
        }
        (Fault::BlobUnmappable, Some(file)) => *file = Some(pipe2(OFlag::O_CLOEXEC)?.0),
        (Fault::BlobNumberless, _) => set(reply, 0, 0),
        (Fault::CapsetZeros, _) => reply.body[4..].fill(0),
        (Fault::CapsetShort, _) => {
            reply.body.truncate(4 + 20);
            reply.length = 1 + 20 / 4;
        }
        (Fault::CapsetUnknown, _) => {
            // The wire's, vk.xml's, and those of the extensions that carry commands.
            for word in 1..4 {
                set(reply, word, 99);
            }
        }
        (Fault::CapsetFuture, _) => {
            // Of vk.xml, command serialisation and Venus.
            for (word, version) in [(2, 1 << 22 | 7 << 12 | 999), (3, 77), (4, 77)] {
                set(reply, word, version);
            }
            // Extensions that there aren't yet.
            for word in MASK + FUTURE / 32..MASK + 32 {
                set(reply, word, u32::MAX);
            }
            reply.body.extend([0xa5; 64]);
            reply.length += 64 / 4;
        }
        _ => {}
    }
    Ok(())
}

fn set(reply: &mut Message, word: usize, value: u32) {
    if let Some(bytes) = reply.body.get_mut(word * 4..word * 4 + 4) {
        bytes.copy_from_slice(&value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The driver would send what the real host behind the proxy doesn't know.
    #[test]
    fn the_future_is_beyond_what_the_driver_knows() {
        let table = include_str!("../../../../encoder/protocol/extensions.tsv");
        let numbers = table.lines().filter_map(|l| l.split('\t').nth(1)?.parse::<usize>().ok());
        assert!(numbers.max().is_some_and(|last| last > 600 && last < FUTURE));
    }
}
