//! The test server's way: a Unix socket to `virgl_test_server` (WIRE.md 9). For tests, and for machines without a VM.

mod protocol;
mod socket;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::capset::{self, Capset};
use crate::resource::{Handle, Release};
use crate::{BlobFlags, Config, Error, Mapping, Resource, Shmem, Winsys, alignment, round_up};
use protocol::Command;
use socket::Socket;

const DEFAULT_SOCKET: &str = "/tmp/.virgl_test";

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
    /// Words that describe a batch: 8 from protocol version 4 on.
    batch_words: usize,
}

/// Connects to the server and makes a Venus context.
pub fn open(config: &Config) -> Result<Arc<dyn Winsys>, Error> {
    let path = config.vtest_socket.as_deref().unwrap_or(Path::new(DEFAULT_SOCKET));
    let mut socket = Socket::connect(path)?;
    let version = socket.handshake("hesper")?;
    let capset = Capset::parse(&socket.capset(capset::VENUS, capset::SIZE)?)?;
    socket.send(Command::ContextInit, &[capset::VENUS])?;
    Ok(Arc::new(Vtest {
        server: Arc::new(Server { socket: Mutex::new(socket) }),
        capset,
        name: format!("vtest {}", path.display()),
        alignment: alignment(config, 0),
        batch_words: if version >= 4 { 8 } else { 6 },
    }))
}

impl Vtest {
    fn blob(&self, id: u64, size: u64, flags: BlobFlags) -> Result<Resource, Error> {
        let size = round_up(size, self.alignment)?;
        let (resource, fd) = self.server.socket.lock().create_blob(flags.0, size, id)?;
        let handle = Handle { id: resource, bo: 0, fd: Some(fd) };
        Ok(Resource::new(handle, size, self.server.clone()))
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
        let fd = blob.handle.fd.as_ref().ok_or(Error::Unsupported("a blob without a file"))?;
        // A file that is shorter than the mapping would kill the program at the first touch.
        let have = file_size(fd.as_fd())?;
        if have < blob.size {
            let what = format!("the host's blob has {have} bytes, {} were asked for", blob.size);
            return Err(Error::Refused(what.into()));
        }
        Mapping::new(fd, blob.size, 0)
    }

    fn export(&self, blob: &Resource) -> Result<OwnedFd, Error> {
        let fd = blob.handle.fd.as_ref().ok_or(Error::Unsupported("a blob without a file"))?;
        fd.try_clone().map_err(|_| Error::OutOfHostMemory)
    }

    fn import(&self, _fd: BorrowedFd<'_>) -> Result<Resource, Error> {
        Err(Error::Unsupported("the vtest protocol has no import of dma-bufs"))
    }

    fn submit(&self, commands: &[u8]) -> Result<(), Error> {
        self.server.socket.lock().submit(commands, self.batch_words)
    }

    fn check(&self) -> Result<(), Error> {
        // A caller in the middle of a request finds out by itself.
        self.server.socket.try_lock().map_or(Ok(()), |s| s.check())
    }
}

fn file_size(fd: BorrowedFd<'_>) -> Result<u64, Error> {
    // dma-bufs answer lseek, but report no size to fstat.
    use nix::unistd::{Whence, lseek};
    let end = lseek(fd, 0, Whence::SeekEnd).map_err(|e| Error::os("size of a blob", e))?;
    let _ = lseek(fd, 0, Whence::SeekSet);
    Ok(end.max(0) as u64)
}
