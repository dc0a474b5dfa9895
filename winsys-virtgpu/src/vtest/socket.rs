//! Requests and replies on the test server's socket.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recv, recvmsg, sendmsg};

use super::protocol::{BLOB_HOST3D, Command, MINIMUM, VERSION};
use crate::health::{GIVE_UP, SAY};
use crate::{Error, notice};

/// How long one look at the socket lasts. A guest that is suspended meanwhile sees one look pass.
const LOOK: Duration = Duration::from_secs(1);

/// A wait for the server, look after look.
#[derive(Default)]
struct Looks(u32);

impl Looks {
    /// The server hasn't moved during a look. Waited for as long as a silent ring is (`ring::silence`).
    fn nothing(&mut self) -> Result<(), Error> {
        self.0 += 1;
        match LOOK * self.0 {
            t if t >= GIVE_UP => Err(Error::Lost("the test server has stopped answering".into())),
            SAY => {
                notice::silent(true);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The server has moved.
    fn something(&mut self) {
        if LOOK * std::mem::take(&mut self.0) >= SAY {
            notice::silent(false);
        }
    }
}

pub struct Socket {
    stream: UnixStream,
    lost: Option<Error>,
}

impl Socket {
    pub fn connect(path: &Path) -> Result<Self, Error> {
        let stream = UnixStream::connect(path).map_err(|e| {
            let hint = "is virgl_test_server --venus running there?";
            Error::NoDevice(format!("can't connect to {}: {e} ({hint})", path.display()).into())
        })?;
        Ok(Self::from_stream(stream))
    }

    /// Takes a connection that stands.
    pub fn from_stream(stream: UnixStream) -> Self {
        let _ = stream.set_read_timeout(Some(LOOK));
        let _ = stream.set_write_timeout(Some(LOOK));
        Self { stream, lost: None }
    }

    /// Introduces the client and settles the version.
    pub fn handshake(&mut self, name: &str) -> Result<u32, Error> {
        let mut body = name.as_bytes().to_vec();
        body.push(0);
        // This one message counts its length in bytes.
        let header = header(body.len() as u32, Command::CreateRenderer);
        self.write(&[&header, &body])?;
        self.send(Command::PingProtocolVersion, &[])?;
        self.send(Command::ResourceBusyWait, &[0, 0])?;
        let (len, id) = self.header()?;
        if id == Command::ResourceBusyWait as u32 {
            return Err(Error::NoDevice("the test server is too old: it knows no protocol versions".into()));
        }
        if (len, id) != (0, Command::PingProtocolVersion as u32) {
            return Err(self.fail("answer to the ping"));
        }
        self.expect(Command::ResourceBusyWait, 1)?;
        self.word()?;
        self.send(Command::ProtocolVersion, &[VERSION])?;
        self.expect(Command::ProtocolVersion, 1)?;
        match self.word()? {
            v @ MINIMUM..=VERSION => Ok(v),
            v => Err(Error::NoDevice(format!("the test server speaks version {v}, Venus needs {MINIMUM}").into())),
        }
    }

    /// Asks for a capset of at most `size` bytes.
    pub fn capset(&mut self, id: u32, size: usize) -> Result<Vec<u8>, Error> {
        self.send(Command::GetCapset, &[id, 0])?;
        let (len, reply) = self.header()?;
        if reply != Command::GetCapset as u32 || len == 0 || len > 1024 {
            return Err(self.fail("answer to the capset"));
        }
        let valid = self.word()?;
        let mut bytes = vec![0; (len as usize - 1) * 4];
        self.read(&mut bytes)?;
        if valid == 0 {
            return Err(Error::NoDevice("the test server has no Venus (start it with --venus)".into()));
        }
        bytes.truncate(size);
        Ok(bytes)
    }

    /// Room for another open file, until it is dropped.
    pub fn room_for_a_file(&self) -> Result<OwnedFd, Error> {
        self.stream.try_clone().map(OwnedFd::from).map_err(|_| too_many_files())
    }

    /// Makes a blob; returns its id and the file behind it, unless this process has no room for another open file. `room` is kept until the file comes.
    pub fn create_blob(
        &mut self,
        flags: u32,
        size: u64,
        id: u64,
        room: Option<OwnedFd>,
    ) -> Result<(u32, Option<OwnedFd>), Error> {
        let body = [BLOB_HOST3D, flags, size as u32, (size >> 32) as u32, id as u32, (id >> 32) as u32];
        self.send(Command::ResourceCreateBlob, &body)?;
        self.expect(Command::ResourceCreateBlob, 1)?;
        let resource = self.word()?;
        if resource == 0 {
            return Err(self.fail("a blob without a number"));
        }
        drop(room);
        Ok((resource, self.fd()?))
    }

    /// Asks for the file behind a blob once more; from protocol version 4 on.
    pub fn export_blob(&mut self, resource: u32) -> Result<OwnedFd, Error> {
        self.send(Command::ResourceExportFd, &[resource])?;
        self.expect(Command::ResourceExportFd, 0)?;
        self.fd()?.ok_or_else(too_many_files)
    }

    /// Has the context run `commands`, as one batch without fences.
    pub fn submit(&mut self, commands: &[u8], batch_words: usize) -> Result<(), Error> {
        let words = 1 + batch_words + commands.len() / 4;
        let mut batch = [0u32; 9];
        // Number of batches; then flags, offset and size of the commands in words.
        batch[0] = 1;
        batch[2] = (1 + batch_words) as u32;
        batch[3] = (commands.len() / 4) as u32;
        let bytes: Vec<u8> = batch.iter().take(1 + batch_words).flat_map(|w| w.to_le_bytes()).collect();
        self.write(&[&header(words as u32, Command::SubmitCmd2), &bytes, commands])
    }

    /// Sends a request of words.
    pub fn send(&mut self, command: Command, body: &[u32]) -> Result<(), Error> {
        let bytes: Vec<u8> = body.iter().flat_map(|w| w.to_le_bytes()).collect();
        self.write(&[&header(body.len() as u32, command), &bytes])
    }

    /// Whether the server is still there.
    pub fn check(&self) -> Result<(), Error> {
        if let Some(e) = &self.lost {
            return Err(e.clone());
        }
        let mut byte = [0];
        match recv(self.stream.as_raw_fd(), &mut byte, MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT) {
            Ok(0) => Err(Error::Lost("the test server has closed the connection".into())),
            Ok(_) | Err(Errno::EAGAIN) | Err(Errno::EINTR) => Ok(()),
            Err(e) => Err(Error::os("test server", e)),
        }
    }

    fn write(&mut self, parts: &[&[u8]]) -> Result<(), Error> {
        if let Some(e) = &self.lost {
            return Err(e.clone());
        }
        let (mut skip, mut looks) = (0, Looks::default());
        let total: usize = parts.iter().map(|p| p.len()).sum();
        while skip < total {
            let mut left = skip;
            let mut slices = Vec::with_capacity(parts.len());
            for p in parts {
                let cut = left.min(p.len());
                left -= cut;
                slices.push(IoSlice::new(p.get(cut..).unwrap_or_default()));
            }
            // No SIGPIPE: it would take the program down.
            match sendmsg::<()>(self.stream.as_raw_fd(), &slices, &[], MsgFlags::MSG_NOSIGNAL, None) {
                Ok(n) => {
                    skip += n;
                    looks.something();
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => looks.nothing().map_err(|e| self.lose(e))?,
                Err(e) => {
                    return Err(self.lose(Error::Lost(format!("writing to the test server: {}", e.desc()).into())));
                }
            }
        }
        Ok(())
    }

    fn read(&mut self, mut to: &mut [u8]) -> Result<(), Error> {
        let mut looks = Looks::default();
        while !to.is_empty() {
            match recv(self.stream.as_raw_fd(), to, MsgFlags::empty()) {
                Ok(0) => return Err(self.lose(closed())),
                Ok(n) => {
                    to = to.get_mut(n..).unwrap_or_default();
                    looks.something();
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => looks.nothing().map_err(|e| self.lose(e))?,
                Err(e) => return Err(self.lose(unreadable(e))),
            }
        }
        Ok(())
    }

    /// The file that follows a reply; none if this process has no room for it.
    fn fd(&mut self) -> Result<Option<OwnedFd>, Error> {
        let mut byte = [0u8; 1];
        let mut iov = [IoSliceMut::new(&mut byte)];
        let mut space = nix::cmsg_space!([std::os::fd::RawFd; 4]);
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let mut looks = Looks::default();
        let received = loop {
            match recvmsg::<()>(self.stream.as_raw_fd(), &mut iov, Some(&mut space), flags) {
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => looks.nothing().map_err(|e| self.lose(e))?,
                other => break other,
            }
        };
        let message = match received {
            Ok(message) => message,
            Err(e) => return Err(self.lose(unreadable(e))),
        };
        let mut fds = Vec::new();
        for c in message.cmsgs().into_iter().flatten() {
            if let ControlMessageOwned::ScmRights(list) = c {
                // SAFETY: recvmsg has just opened these descriptors for this call, and nothing else owns them.
                fds.extend(list.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
            }
        }
        let (got, no_room) = (message.bytes, message.flags.contains(MsgFlags::MSG_CTRUNC));
        match (fds.pop(), fds.is_empty()) {
            _ if got == 0 => Err(self.lose(closed())),
            (Some(fd), true) if !no_room => Ok(Some(fd)),
            (None, _) if no_room => Ok(None),
            // A blob that can't be exported: this one request fails, the connection goes on.
            (None, _) => Err(Error::OutOfDeviceMemory),
            _ => Err(self.fail("more than one file")),
        }
    }

    fn word(&mut self) -> Result<u32, Error> {
        let mut b = [0; 4];
        self.read(&mut b)?;
        Ok(u32::from_le_bytes(b))
    }

    fn header(&mut self) -> Result<(u32, u32), Error> {
        Ok((self.word()?, self.word()?))
    }

    fn expect(&mut self, command: Command, words: u32) -> Result<(), Error> {
        if self.header()? == (words, command as u32) { Ok(()) } else { Err(self.fail("header")) }
    }

    fn fail(&mut self, what: &str) -> Error {
        self.lose(Error::malformed(what))
    }

    fn lose(&mut self, e: Error) -> Error {
        self.lost.get_or_insert(e).clone()
    }
}

fn too_many_files() -> Error {
    Error::Refused("this process has too many open files".into())
}

fn closed() -> Error {
    Error::Lost("the test server has closed the connection".into())
}

fn unreadable(e: Errno) -> Error {
    Error::Lost(format!("reading from the test server: {}", e.desc()).into())
}

fn header(len: u32, command: Command) -> [u8; 8] {
    (u64::from(len) | u64::from(command as u32) << 32).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    /// A client and the server's end of its socket.
    fn pair() -> (Socket, UnixStream) {
        let (a, b) = UnixStream::pair().unwrap();
        (Socket::from_stream(a), b)
    }

    fn words(w: &[u32]) -> Vec<u8> {
        w.iter().flat_map(|w| w.to_le_bytes()).collect()
    }

    #[test]
    fn the_handshake_and_its_bytes() {
        let (mut c, mut s) = pair();
        s.write_all(&words(&[0, 10, 1, 7, 0, 1, 11, 4])).unwrap();
        assert_eq!(c.handshake("x").unwrap(), 4);
        let mut sent = vec![0; 8 + 2 + 8 + 16 + 12];
        s.read_exact(&mut sent).unwrap();
        assert_eq!(&sent[..10], [2, 0, 0, 0, 8, 0, 0, 0, b'x', 0]);
    }

    #[test]
    fn an_old_server() {
        let (mut c, mut s) = pair();
        s.write_all(&words(&[1, 7, 0])).unwrap();
        assert!(matches!(c.handshake("x"), Err(Error::NoDevice(_))));
    }

    #[test]
    fn a_submission_has_the_batch_in_front() {
        let (mut c, mut s) = pair();
        c.submit(&[1, 2, 3, 4, 5, 6, 7, 8], 8).unwrap();
        let mut sent = vec![0; 8 + 36 + 8];
        s.read_exact(&mut sent).unwrap();
        assert_eq!(&sent[..24], words(&[11, 24, 1, 0, 9, 2]));
        assert_eq!(&sent[44..], [1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn malformed_and_missing_answers_lose_the_connection() {
        let (mut c, mut s) = pair();
        s.write_all(&words(&[5, 18, 7])).unwrap();
        assert!(matches!(c.create_blob(1, 4096, 0, None), Err(Error::Lost(_))));
        assert!(matches!(c.send(Command::ContextInit, &[4]), Err(Error::Lost(_))));

        let (mut c, s) = pair();
        drop(s);
        assert!(matches!(c.capset(4, 160), Err(Error::Lost(_))));
        assert!(c.check().is_err());
    }

    #[test]
    fn a_blob_without_a_file_fails_alone() {
        let (mut c, mut s) = pair();
        s.write_all(&words(&[1, 18, 7])).unwrap();
        s.write_all(&[0]).unwrap();
        assert!(matches!(c.create_blob(1, 4096, 3, None), Err(Error::OutOfDeviceMemory)));
        assert!(c.check().is_ok());
    }

    #[test]
    fn a_blob_needs_a_number() {
        let (mut c, mut s) = pair();
        s.write_all(&words(&[1, 18, 0])).unwrap();
        assert!(matches!(c.create_blob(1, 4096, 3, None), Err(Error::Lost(_))));
    }
}
