//! The reply decoders: a caller with any chains and arrays, and a reply of any bytes.
//!
//! An input is: the decoder's number (2 bytes), how many bytes of choices follow (1 byte), these, and the reply.

use hesper_encoder::Reader;

use crate::caller::Caller;
use crate::choices::Choices;
use crate::generated::replies::REPLIES;

pub fn run(input: &[u8]) {
    let mut input = Choices::new(input);
    let (decode, _) = REPLIES[usize::from(input.u16()) % REPLIES.len()];
    let choices = usize::from(input.byte());
    let mut caller = Caller::new(input.piece(choices));
    let reply = input.piece(usize::MAX);
    let mut reader = Reader::new(reply);
    // SAFETY: the parameters are made for the command as the specification wants them.
    let most = unsafe { decode(&mut caller, &mut reader) };
    if !reader.is_bad() {
        let rest = std::iter::from_fn(|| reader.take(1)).count();
        assert!(reply.len() - rest <= most, "a reply of {} bytes where {most} are the most", reply.len() - rest);
    }
}

/// For each decoder a good reply, for callers with chains and arrays of several sizes.
pub fn seeds() -> Vec<Vec<u8>> {
    let of = |(i, (_, words)): (usize, &(_, &[u32]))| {
        [0u8, 3, 203].map(|choice| {
            let head = [&(i as u16).to_le_bytes()[..], &[12], &[choice; 12]].concat();
            head.into_iter().chain(words.iter().flat_map(|w| w.to_le_bytes())).collect()
        })
    };
    REPLIES.iter().enumerate().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_decoder_takes_a_good_reply() {
        for (decode, words) in REPLIES {
            let reply: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
            let (mut caller, mut reader) = (Caller::new(&[]), Reader::new(&reply));
            // SAFETY: as in `run`.
            unsafe { decode(&mut caller, &mut reader) };
            assert!(!reader.is_bad() && reader.take(1).is_none(), "the reply of command {}", words[0]);
        }
    }
}
