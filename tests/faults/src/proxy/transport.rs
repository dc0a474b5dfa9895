//! The transport commands that the proxy must know (WIRE.md 4).

use hesper_tests::test_server::message::{Message, SUBMIT};

pub const SET_REPLY: u32 = 178;
const SEEK_REPLY: u32 = 179;
pub const CREATE_RING: u32 = 188;
pub const DESTROY_RING: u32 = 189;
const NOTIFY_RING: u32 = 190;
const EXECUTE: u32 = 180;
const ALLOCATE_SETS: u32 = 77;
const SET_ALLOCATE_INFO: u32 = 34;
/// Commands whose reply is their result: submissions, sparse bindings, events, signals.
const RESULTS: [u32; 6] = [18, 34, 45, 46, 174, 206];

/// 32 bits at a byte offset; 0 outside.
fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
}

/// 64 bits at a byte offset; 0 outside.
fn long(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|b| b.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// Where the commands of a submission's first batch begin in its body, and its first command, with the number of the ring that the command
/// is about if it is about one.
pub fn first_command(submission: &Message) -> (usize, u32, u64) {
    let at = submission.word(2) as usize * 4;
    (at, word(&submission.body, at), long(&submission.body, at + 8))
}

/// A ring as the guest describes it; bytes from the start of the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub resource: u32,
    pub head: usize,
    pub tail: usize,
    pub status: usize,
    pub buffer: usize,
    pub buffer_size: usize,
    pub extra: usize,
    pub extra_size: usize,
}

/// Bytes of the members of a VkRingCreateInfoMESA, which end the command: flags, the resource, ten sizes.
const MEMBERS: usize = 8 + 10 * 8;

/// The layout in the command that makes a ring, which ends `body`, and where the resource's number stands.
pub fn layout(body: &[u8]) -> Option<(Layout, usize)> {
    let at = body.len().checked_sub(MEMBERS)?;
    let size = |n: usize| long(body, at + 8 + n * 8) as usize;
    let start = size(0);
    let layout = Layout {
        resource: word(body, at + 4),
        head: start + size(3),
        tail: start + size(4),
        status: start + size(5),
        buffer: start + size(6),
        buffer_size: size(7),
        extra: start + size(8),
        extra_size: size(9),
    };
    layout.buffer_size.is_power_of_two().then_some((layout, at + 4))
}

/// A submission that wakes a ring.
pub fn notify(ring: u64, position: u32, batch_words: u32) -> Message {
    let mut words = vec![0; 1 + batch_words as usize];
    words[0] = 1;
    words[2] = 1 + batch_words;
    words[3] = 6;
    words.extend([NOTIFY_RING, 0, ring as u32, (ring >> 32) as u32, position, 0]);
    Message::of_words(SUBMIT, &words)
}

/// A place where the host will write a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyPlace {
    pub resource: u32,
    pub at: usize,
    pub size: usize,
}

/// A driver that seeks says only where replies begin; none that matters is longer.
const SOUGHT: usize = 256;

/// What a ring's commands have said of replies so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Replies {
    stream: Option<ReplyPlace>,
    /// What lies behind the last reply whose size is known: the next one goes there unless the host is told of another place.
    behind: Option<ReplyPlace>,
}

/// Bytes of the reply to a command that asks for one, where the command is known: a submission or a signal, sets of descriptors without a chain, or
/// commands elsewhere, of which the first asks for one.
fn reply_size(command: &[u8]) -> Option<usize> {
    const RESULT: usize = 8;
    match (word(command, 0), word(command, 4)) {
        (EXECUTE, 0) => Some(RESULT),
        (number, 1) if RESULTS.contains(&number) => Some(RESULT),
        (ALLOCATE_SETS, 1) if word(command, 24) == SET_ALLOCATE_INFO && long(command, 28) == 0 => {
            let sets = word(command, 44) as usize;
            (sets <= 1 << 16).then_some(RESULT + 8 + 8 * sets)
        }
        _ => None,
    }
}

impl Replies {
    /// The places that commands in `bytes` name, in their order. Commands have no lengths, so they are found by how they look.
    pub fn find(&mut self, bytes: &[u8], is_shared: impl Fn(u32) -> bool) -> Vec<ReplyPlace> {
        let mut found = Vec::new();
        // Where the command begins that a place was told for.
        let mut asking = None;
        for at in (0..bytes.len()).step_by(4) {
            if word(bytes, at + 4) > 1 {
                continue;
            }
            let (resource, position, size) = (word(bytes, at + 16), long(bytes, at + 20), long(bytes, at + 28));
            let whole =
                at + 36 <= bytes.len() && [word(bytes, at + 4), word(bytes, at + 8), word(bytes, at + 12)] == [0, 1, 0];
            if word(bytes, at) == SET_REPLY && whole && is_shared(resource) && size <= 1 << 30 {
                let stream = ReplyPlace { resource, at: position as usize, size: size as usize };
                let command = bytes.get(at + 36..).unwrap_or_default();
                let known = reply_size(command).filter(|known| *known <= stream.size);
                // Of commands elsewhere nobody knows how many ask for replies.
                self.behind = known.filter(|_| word(command, 0) != EXECUTE).map(|known| stream.behind(known));
                self.stream = Some(stream);
                found.push(ReplyPlace { size: known.unwrap_or(stream.size), ..stream });
                asking = Some(at + 36);
            } else if word(bytes, at) == SEEK_REPLY && word(bytes, at + 4) == 0 && at + 16 <= bytes.len() {
                let position = long(bytes, at + 8) as usize;
                let stream = self.stream.filter(|s| position < s.size && position.is_multiple_of(4));
                found.extend(stream.map(|s| ReplyPlace {
                    at: s.at + position,
                    size: SOUGHT.min(s.size - position),
                    ..s
                }));
            } else if asking != Some(at)
                && word(bytes, at) == ALLOCATE_SETS
                && let Some(behind) = self.behind
                && let Some(size) = reply_size(bytes.get(at..).unwrap_or_default()).filter(|size| *size <= behind.size)
            {
                found.push(ReplyPlace { size, ..behind });
                self.behind = Some(behind.behind(size));
            }
        }
        found
    }
}

impl ReplyPlace {
    /// What follows so many bytes of it.
    fn behind(self, size: usize) -> Self {
        Self { at: self.at + size, size: self.size.saturating_sub(size), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|w| w.to_le_bytes()).collect()
    }

    #[test]
    fn replies_are_found() {
        let mut replies = Replies::default();
        let set = bytes(&[9, 9, SET_REPLY, 0, 1, 0, 5, 64, 0, 128, 0, 77]);
        let place = ReplyPlace { resource: 5, at: 64, size: 128 };
        assert_eq!(replies.find(&set, |r| r == 5), [place]);
        assert_eq!(replies.find(&set, |r| r == 6), []);
        let seek = bytes(&[SEEK_REPLY, 0, 32, 0, 1]);
        assert_eq!(replies.find(&seek, |_| true), [ReplyPlace { at: 96, size: 96, ..place }]);
    }

    #[test]
    fn replies_of_a_run_are_found() {
        let mut replies = Replies::default();
        let sets = |n: u32| {
            let info = [1, 0, SET_ALLOCATE_INFO, 0, 0, 8, 0, n];
            [&[ALLOCATE_SETS, 1, 7, 0], &info[..], &[n, 0], &vec![9; 4 * n as usize]].concat()
        };
        let set = [SET_REPLY, 0, 1, 0, 5, 64, 0, 1000, 0];
        let run = bytes(&[&set[..], &sets(1), &[1234, 0, 3], &sets(3)].concat());
        let place = |at, size| ReplyPlace { resource: 5, at, size };
        assert_eq!(replies.find(&run, |_| true), [place(64, 24), place(88, 40)]);
        assert_eq!(replies.find(&bytes(&sets(2)), |_| true), [place(128, 32)], "it goes on");
        let elsewhere = bytes(&[&set[..], &[EXECUTE, 0, 1, 0]].concat());
        assert_eq!(replies.find(&elsewhere, |_| true), [place(64, 8)]);
        assert_eq!(replies.find(&bytes(&sets(2)), |_| true), [], "how many replies were written isn't known");
    }

    #[test]
    fn a_ring_is_read_from_its_end() {
        let mut words = vec![0; 3 + 13 + 22];
        let at = words.len() - 22;
        words[at + 1] = 4;
        for (i, v) in [0, 0x2000, 0, 0, 64, 128, 192, 4096, 4288, 4].into_iter().enumerate() {
            words[at + 2 + i * 2] = v;
        }
        let (layout, resource) = layout(&bytes(&words)).unwrap();
        assert_eq!((layout.resource, layout.tail, layout.buffer, layout.buffer_size), (4, 64, 192, 4096));
        assert_eq!(resource, (at + 1) * 4);
    }
}
