//! Recordings that hold nothing but barriers and copies between buffers: an ended one is held back, since the submission that it is made
//! for may do without the host (`submission::upload`).

use std::sync::atomic::{AtomicBool, Ordering};

use ash::vk;

/// Copies of one recording; a recording with more goes to the host as it is.
const MANY: usize = 64;

/// A recorded copy from one buffer to another.
#[derive(Clone, Copy)]
pub struct CopyCommand {
    pub from: vk::Buffer,
    pub to: vk::Buffer,
    pub region: vk::BufferCopy,
}

/// Notes copies; whether the recording can still be held back with them.
pub fn note(copies: &mut Vec<CopyCommand>, more: impl Iterator<Item = CopyCommand>) -> bool {
    copies.extend(more.take(MANY));
    copies.len() < MANY
}

/// Whether an ended recording is held back. Only recordings with VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT are.
///
/// Several threads may look at the recording of a command buffer that they submit; the one whose [`Self::claim`] succeeds has the
/// recording to itself, to send or forget it. Release when the recording has ended, acquire by whoever looks: what was recorded is there.
#[derive(Default)]
pub struct Held(AtomicBool);

impl Held {
    /// The recording has ended and is held back.
    pub fn hold(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the recording is held back.
    pub fn is_held(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Ends that the recording is held back; whether it was, which only one caller is told.
    pub fn claim(&self) -> bool {
        // The first look only spares the others the step that one of them must win, and orders nothing by itself.
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_many_threads_gets_a_held_recording() {
        for _ in 0..200 {
            let held = Held::default();
            assert!(!held.claim(), "nothing is held");
            held.hold();
            let claimed: usize = std::thread::scope(|s| {
                let threads: Vec<_> = (0..4).map(|_| s.spawn(|| usize::from(held.claim()))).collect();
                threads.into_iter().map(|t| t.join().unwrap()).sum()
            });
            assert_eq!(claimed, 1);
            assert!(!held.is_held());
        }
    }

    #[test]
    fn many_copies_are_not_held_back() {
        let copy = CopyCommand { from: vk::Buffer::null(), to: vk::Buffer::null(), region: vk::BufferCopy::default() };
        let mut copies = Vec::new();
        assert!(note(&mut copies, std::iter::repeat_n(copy, MANY - 1)));
        assert!(!note(&mut copies, std::iter::repeat_n(copy, 100_000)));
        assert!(copies.len() < 2 * MANY, "they aren't all kept");
    }
}
