//! The test server's end of a socket (WIRE.md 9), as far as it takes to have a ring made and to be called.

use std::io::{IoSlice, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicU32;

use anyhow::{Context, Result, bail, ensure};
use hesper_winsys::{Mapping, capset};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use nix::unistd::ftruncate;

const BUSY_WAIT: u32 = 7;
const CREATE_RENDERER: u32 = 8;
const PING: u32 = 10;
const VERSION: u32 = 11;
const GET_CAPSET: u32 = 16;
const CREATE_BLOB: u32 = 18;
const SUBMIT: u32 = 24;

/// The protocol's version that is spoken here, and the words that describe a batch in it.
const SPOKEN: u32 = 4;
const BATCH: usize = 9 * 4;
/// The numbers of commands of the context, and where one of them tells a ring's words (WIRE.md 4).
const CREATE_RING: u32 = 188;
const NOTIFY_RING: u32 = 190;
const RESOURCE: usize = 56;
const WORDS: [usize; 3] = [84, 92, 100];

/// A ring's memory.
pub struct RingAtHost {
    memory: Mapping,
    /// Of head, tail and status, in bytes.
    places: [usize; 3],
}

impl RingAtHost {
    /// Head, tail and status.
    ///
    /// # Errors
    /// Where one of them lies outside of the memory.
    pub fn words(&self) -> Result<[&AtomicU32; 3]> {
        let word = |at: usize| self.memory.word(at).context("a ring's word outside of its memory");
        let [head, tail, status] = self.places;
        Ok([word(head)?, word(tail)?, word(status)?])
    }
}

/// What comes after the ring was made.
pub struct Calls(UnixStream);

impl Calls {
    /// Whether the guest has called since the last time.
    ///
    /// # Errors
    /// When it says anything else.
    pub fn any(&mut self) -> Result<bool> {
        let mut any = false;
        loop {
            let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
            if poll(&mut fds, PollTimeout::ZERO).context("looking at the socket")? == 0 {
                return Ok(any);
            }
            let (id, body) = read(&mut self.0)?;
            ensure!(id == SUBMIT && word(&body, BATCH) == NOTIFY_RING, "request {id} instead of a call");
            any = true;
        }
    }
}

/// Answers a guest until it has had a ring made.
///
/// # Errors
/// When it says anything else, or the kernel refuses memory.
pub fn until_ring(mut socket: UnixStream) -> Result<(RingAtHost, Calls)> {
    let mut blobs: Vec<(OwnedFd, u64)> = Vec::new();
    loop {
        let (id, body) = read(&mut socket)?;
        match id {
            PING => answer(&mut socket, PING, &[])?,
            BUSY_WAIT => answer(&mut socket, BUSY_WAIT, &[0])?,
            VERSION => answer(&mut socket, VERSION, &[SPOKEN])?,
            GET_CAPSET => answer(&mut socket, GET_CAPSET, &today())?,
            CREATE_BLOB => {
                let size = u64::from(word(&body, 8)) | u64::from(word(&body, 12)) << 32;
                let file = memfd_create("blob", MFdFlags::MFD_CLOEXEC).context("making shared memory")?;
                ftruncate(&file, i64::try_from(size)?).context("making shared memory")?;
                blobs.push((file.try_clone()?, size));
                answer(&mut socket, CREATE_BLOB, &[blobs.len() as u32])?;
                let files = [file.as_raw_fd()];
                let rights = [ControlMessage::ScmRights(&files)];
                sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(&[0])], &rights, MsgFlags::MSG_NOSIGNAL, None)?;
            }
            SUBMIT if word(&body, BATCH) == CREATE_RING => {
                let resource = word(&body, BATCH + RESOURCE) as usize;
                let blob = blobs.get(resource.wrapping_sub(1)).context("a ring in memory that isn't there")?;
                let memory = Mapping::new(&blob.0, blob.1, 0).context("mapping a ring")?;
                let places = WORDS.map(|at| word(&body, BATCH + at) as usize);
                return Ok((RingAtHost { memory, places }, Calls(socket)));
            }
            // Those that aren't answered.
            _ => {}
        }
    }
}

/// The capset of a host that can do what a ring takes, behind the word that says that there is one.
fn today() -> Vec<u32> {
    let mut words = vec![0; 1 + capset::SIZE / 4];
    // The wire's version, vk.xml's, shared memory, a mask, waits and timelines (WIRE.md 8.4).
    for (at, value) in [(0, 1), (4, 4_211_031), (16, 1), (20, 1), (148, 1), (152, 1)] {
        words[1 + at / 4] = value;
    }
    words[0] = 1;
    words
}

fn word(body: &[u8], at: usize) -> u32 {
    body.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn answer(socket: &mut UnixStream, id: u32, words: &[u32]) -> Result<()> {
    let bytes: Vec<u8> = [words.len() as u32, id].iter().chain(words).flat_map(|w| w.to_le_bytes()).collect();
    socket.write_all(&bytes).context("answering the guest")
}

/// A request's number and what follows.
fn read(socket: &mut UnixStream) -> Result<(u32, Vec<u8>)> {
    let mut header = [0; 8];
    socket.read_exact(&mut header).context("reading a request")?;
    let (length, id) = (word(&header, 0) as usize, word(&header, 4));
    // One request counts its bytes, the others their words.
    let size = if id == CREATE_RENDERER { length } else { length * 4 };
    if size > 1 << 20 {
        bail!("a request of {size} bytes");
    }
    let mut body = vec![0; size];
    socket.read_exact(&mut body).context("reading a request")?;
    Ok((id, body))
}
