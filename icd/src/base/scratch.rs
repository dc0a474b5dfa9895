//! Memory that a thread encodes commands in, again and again.

use std::cell::RefCell;

use hesper_encoder::{Codec, Scratch, Writer};
use hesper_winsys::Error;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
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
