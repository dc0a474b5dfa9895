//! One client's connection: what is requested goes to the host, what is answered comes back, and rings are carried meanwhile.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hesper_tests::test_server::memory::Shared;
use hesper_tests::test_server::message::{self, Message, read_file, write_file};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll, ppoll};
use nix::sys::time::TimeSpec;

use super::blob;
use super::ring::{Blobs, Mirror};
use super::transport::{self, CREATE_RING, DESTROY_RING};
use crate::fault::{Counter, Fault, MOMENT};
use crate::script::Script;

/// How long nothing happens before the proxy looks less often.
const QUIET: Duration = Duration::from_millis(2);

pub struct Connection {
    client: UnixStream,
    host: UnixStream,
    script: Arc<Script>,
    blobs: Blobs,
    rings: Vec<Mirror>,
    /// Words that describe a batch: as many as the settled version has.
    batch_words: u32,
    moved: Instant,
}

/// A connection ends: one side has closed it, or the script says so.
struct Closed;

impl From<io::Error> for Closed {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl From<Errno> for Closed {
    fn from(_: Errno) -> Self {
        Self
    }
}

impl Connection {
    pub fn new(client: UnixStream, host: UnixStream, script: Arc<Script>) -> Self {
        let moved = Instant::now();
        Self { client, host, script, blobs: HashMap::new(), rings: Vec::new(), batch_words: 8, moved }
    }

    /// Serves it to its end. A side that has gone ends it, as it would without a proxy.
    pub fn serve(mut self) {
        while let Ok(()) = self.turn() {}
        // Both sockets close with their last owners.
    }

    fn turn(&mut self) -> Result<(), Closed> {
        self.carry()?;
        if self.wait_for_either()? {
            let request = Message::read(&mut self.client)?.ok_or(Closed)?;
            self.moved = Instant::now();
            self.request(request)?;
        }
        Ok(())
    }

    /// Waits a moment, or not at all while there is traffic; whether the client requests something.
    fn wait_for_either(&self) -> Result<bool, Closed> {
        let mut fds =
            [PollFd::new(self.client.as_fd(), PollFlags::POLLIN), PollFd::new(self.host.as_fd(), PollFlags::POLLIN)];
        let pause = if self.moved.elapsed() < QUIET { 0 } else { 100_000 };
        match ppoll(&mut fds, Some(TimeSpec::new(0, pause)), None) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
        let [client, host] = &fds;
        let is = |fd: &PollFd<'_>| fd.any().unwrap_or(false);
        // The host says nothing by itself: it has closed the connection.
        if is(host) { Err(Closed) } else { Ok(is(client)) }
    }

    fn carry(&mut self) -> Result<(), Closed> {
        for ring in &mut self.rings {
            let carried = ring.carry(&self.script, &self.blobs);
            if carried.close {
                return Err(Closed);
            }
            if carried.moved {
                self.moved = Instant::now();
            }
            if let Some(tail) = carried.wake {
                transport::notify(ring.id, tail, self.batch_words).write(&mut self.host)?;
            }
        }
        Ok(())
    }

    fn request(&mut self, mut request: Message) -> Result<(), Closed> {
        let mut due = self.script.tick(Counter::Requests);
        let mut count = |counter| due = due.or(self.script.tick(counter));
        if request.is_answered() {
            count(Counter::Answers);
        }
        match request.id {
            message::CREATE_BLOB => count(Counter::Blobs),
            message::GET_CAPSET => count(Counter::Capsets),
            _ => {}
        }
        match due {
            Some(Fault::Closed) => return Err(Closed),
            Some(Fault::Late) => std::thread::sleep(MOMENT),
            _ => {}
        }
        // The host must find in its rings what the guest had put there before it asked for something.
        self.carry()?;
        if request.id == message::SUBMIT {
            self.look_into(&mut request)?;
        }
        request.write(&mut self.host)?;
        if due == Some(Fault::Unanswered) {
            return Err(Closed);
        }
        if request.is_answered() { self.answer(&request, due) } else { Ok(()) }
    }

    /// A ring's making and its end.
    fn look_into(&mut self, submission: &mut Message) -> Result<(), Closed> {
        let (_, command, ring) = transport::first_command(submission);
        if command == DESTROY_RING {
            self.rings.retain(|r| r.id != ring);
        }
        if command != CREATE_RING {
            return Ok(());
        }
        let Some((layout, at)) = transport::layout(&submission.body) else { return Err(Closed) };
        let Some((file, size)) = self.blobs.get(&layout.resource) else { return Err(Closed) };
        let (guest, size) = (Shared::map(file, *size)?, *size);
        // The same layout in memory of the host's own.
        let words = [2, 1, size as u32, 0, 0, 0];
        Message::of_words(message::CREATE_BLOB, &words).write(&mut self.host)?;
        let reply = Message::read(&mut self.host)?.ok_or(Closed)?;
        let file = read_file(&self.host)?.ok_or(Closed)?;
        let own = Shared::map(&file, size)?;
        if let Some(word) = submission.body.get_mut(at..at + 4) {
            word.copy_from_slice(&reply.word(0).to_le_bytes());
        }
        self.rings.push(Mirror::new(ring, layout, guest, own));
        Ok(())
    }

    /// Waits for the host's answer, while rings go on, and passes it on.
    fn answer(&mut self, request: &Message, due: Option<Fault>) -> Result<(), Closed> {
        loop {
            let mut fds = [PollFd::new(self.host.as_fd(), PollFlags::POLLIN)];
            let timeout = if self.rings.is_empty() { PollTimeout::NONE } else { PollTimeout::ZERO };
            let there = match poll(&mut fds, timeout) {
                Ok(n) => n > 0,
                Err(Errno::EINTR) => false,
                Err(e) => return Err(e.into()),
            };
            if there {
                break;
            }
            self.carry()?;
        }
        let mut reply = Message::read(&mut self.host)?.ok_or(Closed)?;
        let mut file = if request.brings_file() { Some(read_file(&self.host)?) } else { None };
        if reply.id == message::PROTOCOL_VERSION {
            self.batch_words = if reply.word(0) >= 4 { 8 } else { 6 };
        }
        if request.id == message::CREATE_BLOB {
            self.keep(request, &reply, file.as_ref().and_then(Option::as_ref))?;
        }
        match due {
            Some(Fault::AnswerCut) => {
                use std::io::Write as _;
                let bytes = reply.bytes();
                self.client.write_all(bytes.get(..bytes.len() / 2).unwrap_or_default())?;
                return Err(Closed);
            }
            Some(Fault::AnswerGarbage) => {
                reply = Message {
                    length: reply.length ^ 0x5a5a,
                    id: reply.id ^ 0xa5a5_a5a5,
                    body: vec![0xa5; reply.body.len()],
                };
            }
            Some(fault) => blob::damage(fault, request, &mut reply, &mut file)?,
            None => {}
        }
        reply.write(&mut self.client)?;
        if let Some(file) = file {
            write_file(&self.client, file.as_ref())?;
        }
        Ok(())
    }

    /// Keeps the file of memory for commands and replies.
    fn keep(&mut self, request: &Message, reply: &Message, file: Option<&OwnedFd>) -> Result<(), Closed> {
        let is_shared = request.word(4) == 0 && request.word(5) == 0;
        if let Some(file) = file.filter(|_| is_shared) {
            self.blobs.insert(reply.word(0), (file.try_clone()?, request.word(2) as usize));
        }
        Ok(())
    }
}
