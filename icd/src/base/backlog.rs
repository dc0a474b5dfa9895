//! The order of commands that run in the background: on side rings, several at the same time, while the main ring goes on.
//!
//! The program calls everything in one order, and each of its calls counts as over when it returns. A background command is sent later than
//! that, and beside the main ring; three rules keep the host's objects as the program's order has them:
//!
//! 1. A command is sent to a side ring only when the main ring has run all that was sent before the command began. So whatever the
//!    command names is there.
//! 2. A command that ends an object, called while commands of the same device are in the backlog, is kept with the last of these, and sent
//!    when that one and all of the device's before it are over. So nothing that a background command names is gone while it runs.
//! 3. What a background command makes is named to the host only by those who have finished the command. That is the duty of whoever
//!    began it (`pipelines::compiling`).
//!
//! None of this waits for the program: any thread can carry each command from its beginning to its end ([`Backlog::gate`],
//! [`Backlog::send_due`], [`Backlog::take`], [`Backlog::over`]). The main ring waits for nothing here, so commands of other threads
//! aren't held up.

use std::collections::VecDeque;

/// Commands in the backlog at once: each holds a piece of reply memory.
const COMMANDS: usize = 64;
/// Bytes of all their requests together: fewer than one side ring holds, so that no request waits for room there.
pub const BYTES: usize = 48 << 10;
/// What a request takes beside its bytes: the place for its reply.
const REPLY_PLACE: usize = 36;
/// Bytes of the ends that most devices have kept at once.
const SOME_ENDS: usize = 8 << 10;
/// Ends that are kept at once. Objects that the program has done away with still count at the host, which may have few of a kind.
const KEPT: usize = 1024;

/// A command with its reply bit set, and how many bytes its reply takes at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request<'a> {
    pub bytes: &'a [u8],
    pub reply_size: usize,
}

enum Stage<P, A> {
    /// Not sent: the main ring must come to the position first. The reply takes at most so many bytes.
    Waiting(P, usize),
    /// Sent; the reply is still to be read.
    Asked(A),
    /// Somebody waits for the reply.
    Answering,
}

struct Command<P, A> {
    number: u64,
    owner: u64,
    /// Bytes of the request.
    size: usize,
    stage: Stage<P, A>,
}

/// Encoded commands that end objects of one device, each kept with a background command, in the order in which they were called.
struct Ends {
    owner: u64,
    bytes: Vec<u8>,
    /// The number of a background command, and how many ends are kept with it in how many bytes; the numbers ascend.
    with: VecDeque<(u64, usize, usize)>,
}

impl Ends {
    fn new() -> Self {
        Self { owner: 0, bytes: Vec::with_capacity(SOME_ENDS), with: VecDeque::with_capacity(COMMANDS) }
    }

    /// Keeps one more with the last command of the device.
    fn keep(&mut self, number: u64, encode: impl FnOnce(&mut Vec<u8>)) {
        let before = self.bytes.len();
        encode(&mut self.bytes);
        let more = self.bytes.len() - before;
        match self.with.back_mut() {
            Some((last, ends, bytes)) if *last == number => {
                *ends += 1;
                *bytes += more;
            }
            _ => self.with.push_back((number, 1, more)),
        }
    }

    /// Moves those that are kept with commands before `number` to `due`; how many they are.
    fn release(&mut self, number: u64, due: &mut Vec<u8>) -> usize {
        let (mut ends, mut bytes) = (0, 0);
        while let Some((_, e, b)) = self.with.pop_front_if(|(n, _, _)| *n < number) {
            ends += e;
            bytes += b;
        }
        due.extend(self.bytes.drain(..bytes));
        ends
    }
}

/// Background commands whose replies nobody has read yet, oldest first. `P` is a position of the main ring, `A` a question to a side ring.
pub struct Backlog<P, A> {
    commands: VecDeque<Command<P, A>>,
    /// How many of the last commands are waiting to be sent, and their requests, one after the other.
    waiting: usize,
    requests: VecDeque<u8>,
    next: u64,
    bytes: usize,
    /// Those of each device, and of devices that have none now; and how many they are together.
    ends: Vec<Ends>,
    kept: usize,
}

/// What became of a command that ends an object.
#[derive(Debug, PartialEq)]
pub enum Ending {
    /// It has to be sent: no background command can name the object.
    Send,
    /// It is kept until the background commands before it are over.
    Kept,
    /// Too many are kept: the host has to have run this background command first, and all before it.
    RunFirst(u64),
}

impl<P, A> Default for Backlog<P, A> {
    fn default() -> Self {
        Self {
            commands: VecDeque::new(),
            waiting: 0,
            requests: VecDeque::new(),
            next: 0,
            bytes: 0,
            ends: Vec::new(),
            kept: 0,
        }
    }
}

impl<P: Copy, A> Backlog<P, A> {
    /// Takes a command of a device, which may be sent when the main ring has come to `after`; its number, or `None` where there is no
    /// room, which is for a command that is waited for at once.
    pub fn begin(&mut self, owner: u64, after: P, request: Request) -> Option<u64> {
        let size = request.bytes.len();
        let bytes_with_it = self.bytes + size + REPLY_PLACE;
        if self.commands.len() >= COMMANDS || bytes_with_it > BYTES {
            return None;
        }
        if self.commands.capacity() == 0 {
            // Grown step by step, they would hold up every other of the first creations.
            self.commands.reserve(COMMANDS);
            self.requests.reserve(BYTES);
        }
        let number = self.next;
        self.next += 1;
        self.bytes = bytes_with_it;
        self.waiting += 1;
        self.requests.extend(request.bytes);
        let stage = Stage::Waiting(after, request.reply_size);
        self.commands.push_back(Command { number, owner, size, stage });
        Some(number)
    }

    /// Commands that nobody has finished.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Commands whose answers aren't there, by `answered`, or that somebody waits for.
    pub fn unanswered(&self, answered: impl Fn(&A) -> bool) -> usize {
        let is = |c: &&Command<P, A>| !matches!(&c.stage, Stage::Asked(a) if answered(a));
        self.commands.iter().filter(is).count()
    }

    /// Sends what may be sent, in order.
    pub fn send_due(&mut self, reached: impl Fn(P) -> bool, mut send: impl FnMut(Request) -> A) {
        let sent = self.commands.len().saturating_sub(self.waiting);
        for command in self.commands.range_mut(sent..) {
            let Stage::Waiting(after, reply_size) = command.stage else { continue };
            if !reached(after) {
                return;
            }
            let bytes = self.requests.make_contiguous().get(..command.size).unwrap_or_default();
            command.stage = Stage::Asked(send(Request { bytes, reply_size }));
            self.requests.drain(..command.size);
            self.waiting -= 1;
        }
    }

    fn find(&mut self, number: u64) -> Option<&mut Command<P, A>> {
        self.commands.iter_mut().find(|c| c.number == number)
    }

    /// Where the main ring has to come before a command can be sent, unless it has been.
    pub fn gate(&mut self, number: u64) -> Option<P> {
        match self.find(number)?.stage {
            Stage::Waiting(after, _) => Some(after),
            _ => None,
        }
    }

    /// The question whose answer tells that a command is over; `None` if it isn't sent, or somebody else waits for it.
    pub fn take(&mut self, number: u64) -> Option<A> {
        let command = self.find(number)?;
        match std::mem::replace(&mut command.stage, Stage::Answering) {
            Stage::Asked(asked) => Some(asked),
            other => {
                command.stage = other;
                None
            }
        }
    }

    /// Whether a command's answer is there, by `answered`, and nobody waits for it or has read it.
    pub fn is_answered(&self, number: u64, answered: impl Fn(&A) -> bool) -> bool {
        let is = |c: &Command<P, A>| c.number == number && matches!(&c.stage, Stage::Asked(a) if answered(a));
        self.commands.iter().any(is)
    }

    /// The host has run all commands before this one. Returns the ends that were kept for them, to be sent now.
    pub fn release(&mut self, number: u64) -> Vec<u8> {
        let mut due = Vec::new();
        if self.kept > 0 {
            self.kept -= self.ends.iter_mut().map(|e| e.release(number, &mut due)).sum::<usize>();
        }
        due
    }

    /// Drops the request of the command at a place, if it is waiting to be sent and never will be, as the host is gone.
    fn forget_request(&mut self, at: usize) {
        let Some(before) = (at + self.waiting).checked_sub(self.commands.len()) else { return };
        let start: usize = self.commands.range(at - before..at).map(|c| c.size).sum();
        let size = self.commands.get(at).map_or(0, |c| c.size);
        self.requests.drain(start..start + size);
        self.waiting -= 1;
    }

    /// A command is over: it leaves the backlog. Returns the ends that no command of their device's is left for, to be sent now.
    pub fn over(&mut self, number: u64) -> Vec<u8> {
        if let Some(at) = self.commands.iter().position(|c| c.number == number) {
            self.forget_request(at);
            self.bytes -= self.commands.remove(at).map_or(0, |command| command.size + REPLY_PLACE);
        }
        let mut due = Vec::new();
        for ends in self.ends.iter_mut().filter(|ends| !ends.with.is_empty()) {
            let oldest = self.commands.iter().find(|c| c.owner == ends.owner).map_or(self.next, |c| c.number);
            self.kept -= ends.release(oldest, &mut due);
        }
        due
    }

    /// Keeps a command that ends an object of a device, which `encode` appends, as long as a background command may name the object.
    pub fn end(&mut self, owner: u64, encode: impl FnOnce(&mut Vec<u8>)) -> Ending {
        let Some(last) = self.commands.iter().rev().find(|c| c.owner == owner).map(|c| c.number) else {
            return Ending::Send;
        };
        if self.kept >= KEPT {
            return Ending::RunFirst(last);
        }
        let place = |of: &dyn Fn(&Ends) -> bool| self.ends.iter().position(of);
        let at = place(&|e| e.owner == owner).or_else(|| place(&|e| e.with.is_empty())).unwrap_or(self.ends.len());
        if at == self.ends.len() {
            self.ends.push(Ends::new());
        }
        if let Some(ends) = self.ends.get_mut(at) {
            ends.owner = owner;
            ends.keep(last, encode);
            self.kept += 1;
        }
        Ending::Kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(backlog: &mut Backlog<u32, u8>, owner: u64, after: u32, n: u8) -> Option<u64> {
        backlog.begin(owner, after, Request { bytes: &[n; 4], reply_size: 16 })
    }

    fn send(backlog: &mut Backlog<u32, u8>, reached: u32) -> Vec<u8> {
        let mut sent = Vec::new();
        backlog.send_due(
            |p| p <= reached,
            |r| {
                assert_eq!((r.bytes.len(), r.reply_size), (4, 16), "no end is sent with it");
                sent.push(r.bytes[0]);
                r.bytes[0]
            },
        );
        sent
    }

    #[test]
    fn a_command_is_sent_once_and_only_after_what_was_sent_before_it() {
        let mut b = Backlog::default();
        let first = begin(&mut b, 1, 10, 1).unwrap();
        let second = begin(&mut b, 1, 20, 2).unwrap();
        assert_eq!((send(&mut b, 9), b.gate(first), b.take(first)), (vec![], Some(10), None));
        assert_eq!((send(&mut b, 19), b.gate(first), b.gate(second)), (vec![1], None, Some(20)));
        assert_eq!(send(&mut b, 30), vec![2]);
        assert_eq!(send(&mut b, 30), vec![], "nothing is sent twice");
        assert_eq!((b.take(first), b.take(first)), (Some(1), None), "one reads the reply");
    }

    #[test]
    fn a_command_never_overtakes_one_before_it() {
        let mut b = Backlog::default();
        begin(&mut b, 1, 20, 1);
        // A thread that has looked at the main ring earlier, and comes later.
        begin(&mut b, 2, 10, 2);
        assert_eq!(send(&mut b, 15), vec![]);
        assert_eq!(send(&mut b, 20), vec![1, 2]);
    }

    #[test]
    fn what_is_over_without_having_been_sent_takes_its_request_along() {
        let mut b = Backlog::default();
        let numbers: Vec<_> = (0..5).map(|n| begin(&mut b, 1, 10 * n, n as u8).unwrap()).collect();
        assert_eq!(send(&mut b, 0), [0]);
        b.over(numbers[3]);
        b.over(numbers[0]);
        b.over(numbers[1]);
        assert_eq!((send(&mut b, 20), send(&mut b, 40)), (vec![2], vec![4]));
        assert_eq!((b.waiting, b.requests.len()), (0, 0));
    }

    #[test]
    fn ends_are_kept_until_all_commands_before_them_are_over() {
        let mut b = Backlog::default();
        let end = |b: &mut Backlog<u32, u8>, owner, n| b.end(owner, |to| to.push(n));
        assert_eq!(end(&mut b, 1, 0), Ending::Send, "nothing runs");
        let first = begin(&mut b, 1, 0, 1).unwrap();
        assert_eq!(end(&mut b, 1, 1), Ending::Kept);
        assert_eq!(end(&mut b, 2, 9), Ending::Send, "of another device");
        let second = begin(&mut b, 1, 0, 2).unwrap();
        let third = begin(&mut b, 2, 0, 3).unwrap();
        assert_eq!(end(&mut b, 1, 2), Ending::Kept);
        send(&mut b, 0);
        assert_eq!(end(&mut b, 2, 8), Ending::Kept);
        assert_eq!(b.over(third), vec![8], "the others are another device's");
        assert_eq!(b.over(first), vec![1]);
        assert_eq!(end(&mut b, 1, 3), Ending::Kept, "nobody has read that the second is over");
        assert_eq!(b.over(second), vec![2, 3]);
        assert_eq!((b.len(), b.kept, end(&mut b, 1, 4)), (0, 0, Ending::Send));
    }

    #[test]
    fn ends_wait_for_older_commands_that_run_beside() {
        let mut b = Backlog::default();
        let numbers: Vec<_> = (0..3).map(|n| begin(&mut b, 1, 0, n).unwrap()).collect();
        assert_eq!(b.end(1, |to| to.push(1)), Ending::Kept);
        send(&mut b, 0);
        assert_eq!((b.over(numbers[2]), b.over(numbers[0])), (vec![], vec![]));
        assert_eq!((b.over(numbers[1]), b.kept), (vec![1], 0));
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let mut b = Backlog::default();
        let mut numbers = Vec::new();
        while let Some(number) = begin(&mut b, 1, 0, 1) {
            numbers.push(number);
        }
        assert_eq!(numbers.len(), COMMANDS);
        for _ in 0..KEPT {
            assert_eq!(b.end(1, |to| to.push(0)), Ending::Kept);
        }
        let last = *numbers.last().unwrap();
        assert_eq!(b.end(1, |to| to.push(0)), Ending::RunFirst(last));
        send(&mut b, 0);
        assert_eq!(b.over(last).len(), 0, "all others may still run");
        assert_eq!(b.release(last + 1).len(), KEPT);
        assert_eq!(b.end(1, |to| to.push(0)), Ending::Kept);
        for number in numbers {
            b.over(number);
        }
        assert_eq!((b.len(), b.bytes, b.kept), (0, 0, 0));

        let large = Request { bytes: &[0; BYTES / 2], reply_size: 0 };
        assert!(b.begin(1, 0, large).is_some() && b.begin(1, 0, large).is_none());
    }

    #[test]
    fn answers_that_are_there() {
        let mut b = Backlog::default();
        let numbers: Vec<_> = (0..3).map(|n| begin(&mut b, 1, n, n as u8).unwrap()).collect();
        send(&mut b, 1);
        let answered = |b: &Backlog<u32, u8>, which: fn(&u8) -> bool| {
            (numbers.clone().into_iter().filter(|n| b.is_answered(*n, which)).collect::<Vec<_>>(), b.unanswered(which))
        };
        assert_eq!(answered(&b, |_| true), (numbers[..2].to_vec(), 1), "the third isn't sent");
        assert_eq!(answered(&b, |a| *a == 1), (vec![numbers[1]], 2), "not in order");
        assert_eq!(answered(&b, |_| false), (vec![], 3));
        b.take(numbers[0]);
        assert_eq!(answered(&b, |_| true), (vec![numbers[1]], 2), "somebody waits for the first");
        b.over(numbers[0]);
        assert_eq!(answered(&b, |_| true), (vec![numbers[1]], 1));
    }
}
