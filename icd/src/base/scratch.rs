//! Memory that a thread encodes commands in, again and again.

use std::cell::RefCell;

use hesper_encoder::{Codec, Scratch, Writer};
use hesper_winsys::Error;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
    static BYTES: RefCell<Vec<u8>> = RefCell::default();
}

/// Bytes of a thread's that are kept for its next call.
const KEPT: usize = 64 << 10;

/// Hands this thread's bytes to `f`, which may want more of them, as whoever had them before has left them.
pub fn with_bytes<R>(f: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    // A thread that is ending, or a call within a call, begins with none.
    let mut bytes = BYTES.try_with(RefCell::take).unwrap_or_default();
    let done = f(&mut bytes);
    if bytes.capacity() <= KEPT {
        let _ = BYTES.try_with(|kept| kept.replace(bytes));
    }
    done
}

/// Encodes with this thread's scratch memory and hands the bytes to `then`.
pub fn with_encoded<R>(
    codec: &Codec,
    encode: impl FnOnce(&mut Writer),
    then: impl FnOnce(&[u8]) -> Result<R, Error>,
) -> Result<R, Error> {
    let mut encode = Some(encode);
    let mut then = Some(then);
    let mut run = |scratch: &mut Scratch| match (encode.take(), then.take()) {
        (Some(e), Some(t)) => t(scratch.encode(codec, e).ok_or(Error::OutOfHostMemory)?),
        _ => Err(Error::OutOfHostMemory),
    };
    // A thread that is ending, or a call within a call, gets memory of its own.
    let done = SCRATCH.try_with(|s| s.try_borrow_mut().ok().map(|mut s| run(&mut s)));
    match done {
        Ok(Some(result)) => result,
        _ => run(&mut Scratch::default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_kept_for_the_threads_next_call_but_for_many() {
        let capacity = |more: usize| {
            with_bytes(|bytes| {
                let before = bytes.capacity();
                bytes.reserve_exact(more.saturating_sub(bytes.len()));
                before
            })
        };
        assert_eq!(capacity(4096), 0);
        assert_eq!(capacity(KEPT + 1), 4096);
        assert_eq!(capacity(100), 0, "so many aren't kept");
        let within = with_bytes(|outer| {
            outer.push(1);
            with_bytes(|inner| inner.len())
        });
        assert_eq!(within, 0, "a call within a call has bytes of its own");
    }
}
