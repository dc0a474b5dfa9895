//! The test server's way: a Unix socket to `virgl_test_server` (WIRE.md 9). For tests, and for machines without a VM.

mod protocol;
mod socket;

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::capset::{self, Capset};
use crate::resource::{Handle, Release, file_size};
use crate::{BlobFlags, Config, Error, Mapping, Resource, Shmem, Winsys, alignment, round_up};
use protocol::{Command, EXPORTS};
use socket::Socket;

/// Where a test server listens that was told nothing else.
pub const DEFAULT_SOCKET: &str = "/tmp/.virgl_test";

struct Server {
    socket: Mutex<Socket>,
}

impl Release for Server {
    fn release(&self, handle: &mut Handle) {
        // A server that has gone away has nothing to give back.
        let _ = self.socket.lock().send(Command::ResourceUnref, &[handle.id]);
    }
}

struct Vtest {
    server: Arc<Server>,
    capset: Capset,
    name: String,
    alignment: u64,
    /// The protocol's.
    version: u32,
}

/// Connects to the server and makes a Venus context.
pub fn open(config: &Config) -> Result<Arc<dyn Winsys>, Error> {
    let path = config.vtest_socket.as_deref().unwrap_or(Path::new(DEFAULT_SOCKET));
    over_socket(Socket::connect(path)?, format!("vtest {}", path.display()), config)
}

/// Makes a Venus context over a connection that stands.
pub fn over(stream: UnixStream, config: &Config) -> Result<Arc<dyn Winsys>, Error> {
    over_socket(Socket::from_stream(stream), "vtest".to_owned(), config)
}

fn over_socket(mut socket: Socket, name: String, config: &Config) -> Result<Arc<dyn Winsys>, Error> {
    let version = socket.handshake("hesper")?;
    let capset = Capset::parse(&socket.capset(capset::VENUS, capset::SIZE)?)?;
    socket.send(Command::ContextInit, &[capset::VENUS])?;
    Ok(Arc::new(Vtest {
        server: Arc::new(Server { socket: Mutex::new(socket) }),
        capset,
        name,
        // The server runs on this machine, with the same pages.
        alignment: alignment::step(alignment::page(), None, config.blob_alignment, 1),
        version,
    }))
}

/// Bytes of blobs whose pages are entered at once when they are mapped: programs look at such one page after the other, and it takes no longer than some milliseconds.
const WORTH_ENTERING: RangeInclusive<u64> = 1 << 20..=512 << 20;

impl Vtest {
    fn blob(&self, id: u64, size: u64, flags: BlobFlags) -> Result<Resource, Error> {
        let size = round_up(size, self.alignment)?;
        let mut socket = self.server.socket.lock();
        // A server this old sends a blob's file once. Where the process has no room for the file now, the blob is better not asked for.
        let room = if self.version < EXPORTS { Some(socket.room_for_a_file()?) } else { None };
        let (resource, fd) = socket.create_blob(flags.0, size, id, room)?;
        drop(socket);
        let handle = Handle { id: resource, fd: Mutex::new(fd), ..Handle::default() };
        Ok(Resource::new(handle, size, self.server.clone()))
    }

    /// The file behind a blob: the one that came with it, or another from servers that can be asked for one.
    fn file(&self, blob: &Resource) -> Result<OwnedFd, Error> {
        match blob.handle.fd.lock().take() {
            Some(fd) => Ok(fd),
            None if self.version >= EXPORTS => self.server.socket.lock().export_blob(blob.handle.id),
            None => Err(Error::Unsupported("a file for a blob again, from a test server this old")),
        }
    }

    /// Has `map` map a blob's file.
    fn map_file(&self, blob: &Resource, map: impl FnOnce(&OwnedFd) -> nix::Result<Mapping>) -> Result<Mapping, Error> {
        let fd = self.file(blob)?;
        let mapping = long_enough(&fd, blob.size).and_then(|()| map(&fd).map_err(|e| Error::os("mapping a blob", e)));
        match &mapping {
            Ok(mapping) if WORTH_ENTERING.contains(&blob.size) => mapping.enter_pages(&fd),
            Ok(_) => {}
            // For the next attempt. A mapping needs its file no longer, and a process may have many more mappings than files.
            Err(_) => {
                blob.handle.fd.lock().get_or_insert(fd);
            }
        }
        mapping
    }
}

impl Winsys for Vtest {
    fn capset(&self) -> &Capset {
        &self.capset
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn alignment(&self) -> u64 {
        self.alignment
    }

    fn create_shmem(&self, size: u64) -> Result<Shmem, Error> {
        let resource = self.blob(0, size, BlobFlags::MAPPABLE)?;
        let mapping = self.map(&resource)?;
        Ok(Shmem::new(resource, mapping))
    }

    fn create_blob(&self, memory: u64, size: u64, flags: BlobFlags, before: &[u8]) -> Result<Resource, Error> {
        if !before.is_empty() {
            self.submit(before)?;
        }
        self.blob(memory, size, flags)
    }

    fn map(&self, blob: &Resource) -> Result<Mapping, Error> {
        self.map_file(blob, |fd| Mapping::new(fd, blob.size, 0))
    }

    fn maps_again(&self) -> bool {
        self.version >= EXPORTS
    }

    unsafe fn map_at(&self, blob: &Resource, at: NonZeroUsize) -> Result<Mapping, Error> {
        // SAFETY: by contract.
        self.map_file(blob, |fd| unsafe { Mapping::placed(at, fd, blob.size, 0) })
    }

    fn export(&self, blob: &Resource) -> Result<OwnedFd, Error> {
        if self.version >= EXPORTS {
            return self.file(blob);
        }
        // The only file there will be; a mapping uses it up.
        let file = blob.handle.fd.lock();
        let file = file.as_ref().ok_or(Error::Unsupported("a file for a mapped blob, from a test server this old"))?;
        file.try_clone().map_err(|_| Error::OutOfHostMemory)
    }

    fn exports_dma_bufs(&self) -> bool {
        // What the server's driver makes of it: a dma-buf, or plain shared memory.
        false
    }

    fn imports(&self) -> bool {
        false
    }

    fn import(&self, _fd: BorrowedFd<'_>) -> Result<Resource, Error> {
        Err(Error::Unsupported("the vtest protocol has no import of dma-bufs"))
    }

    fn submit(&self, commands: &[u8]) -> Result<(), Error> {
        // Words that describe a batch (WIRE.md 9).
        let batch_words = if self.version >= 4 { 8 } else { 6 };
        self.server.socket.lock().submit(commands, batch_words)
    }

    fn check(&self) -> Result<(), Error> {
        // A caller in the middle of a request finds out by itself.
        self.server.socket.try_lock().map_or(Ok(()), |s| s.check())
    }
}

/// Refuses a file that is shorter than what will be mapped of it: that would kill the program at the first touch.
fn long_enough(fd: &OwnedFd, size: u64) -> Result<(), Error> {
    match file_size(fd.as_fd())? {
        have if have < size => {
            Err(Error::Refused(format!("the host's blob has {have} bytes, {size} were asked for").into()))
        }
        _ => Ok(()),
    }
}
