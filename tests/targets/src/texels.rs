//! Texels in rows of the program's memory: a reply of any bytes goes nowhere else, and what is gathered of them is what is there.
//!
//! An input is: bytes of a row (2 bytes), rows, bytes between two, slices, bytes between two, bytes before the first row (1 byte each), and the reply.

use ash::vk;
use hesper_encoder::generated::reply;
use hesper_encoder::{Codec, Reader, Scratch, Texels};

use crate::choices::Choices;

/// What nobody may have written over.
const UNTOUCHED: u8 = 0xee;
/// Bytes of a reply in front of the texels: the command, its result, how many bytes follow.
const HEAD: usize = 16;

/// Memory of exactly the size that its rows want.
struct Memory {
    bytes: Vec<u8>,
    texels: Texels,
    /// Whether each byte is a texel's.
    is_texel: Vec<bool>,
}

impl Memory {
    fn new(choices: &mut Choices) -> Self {
        let row = usize::from(choices.u16() % 700);
        let [rows, gap, slices, slice_gap, before] = std::array::from_fn(|_| usize::from(choices.byte()));
        let (rows, slices, before) = (rows % 6, slices % 4, before % 64);
        let row_pitch = row + gap;
        let slice_pitch = rows * row_pitch + slice_gap;
        let is_texel = |at: usize| {
            (at % slice_pitch.max(1)) / row_pitch.max(1) < rows && at % slice_pitch.max(1) % row_pitch.max(1) < row
        };
        let extent = slices
            .checked_sub(1)
            .map_or(0, |s| s * slice_pitch + rows.checked_sub(1).map_or(0, |r| r * row_pitch + row));
        let mut bytes = vec![UNTOUCHED; before + extent];
        let first = bytes.as_mut_ptr().wrapping_add(before);
        let texels = Texels { row, rows, row_pitch, slices, slice_pitch, ..Texels::closely(first, 0) };
        let is_texel = (0..before).map(|_| false).chain((0..extent).map(is_texel)).collect();
        Self { bytes, texels, is_texel }
    }

    /// The bytes that are texels', or those that aren't.
    fn those(&self, texels: bool) -> impl Iterator<Item = u8> {
        self.bytes.iter().zip(&self.is_texel).filter(move |(_, is)| **is == texels).map(|(byte, _)| *byte)
    }
}

pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    let memory = Memory::new(&mut choices);
    let answer = choices.piece(usize::MAX);
    let (size, data) = (memory.texels.len(), memory.texels.first.cast_mut().cast());
    assert_eq!(memory.is_texel.iter().filter(|is| **is).count(), size, "the rows that the target has made");
    // SAFETY: the reply's bytes, and rows that lie in the memory.
    let told = unsafe { Reader::over(answer.as_ptr(), answer.len()).into_rows(memory.texels) }.decode(|r| {
        // SAFETY: the decoder looks at no parameter but the size and the address, and writes to the rows alone.
        let result = unsafe { reply::copy_image_to_memory_mesa(r, vk::Device::null(), std::ptr::null(), size, data) };
        (result, r.awaits_rows())
    });
    assert!(memory.those(false).all(|byte| byte == UNTOUCHED), "bytes between the rows were written");
    match told {
        Some((_, false)) => {
            let sent = answer.get(HEAD..HEAD + size).unwrap_or_default();
            assert!(memory.those(true).eq(sent.iter().copied()), "other texels than the reply's");
        }
        Some((_, true)) | None => assert!(memory.those(true).all(|byte| byte == UNTOUCHED), "texels of no reply"),
    }
    let wanted: Vec<u8> = memory.those(true).chain([0; 3]).take(size.next_multiple_of(4)).collect();
    for is_streamed in [false, true] {
        let mut scratch = Scratch::default();
        let texels = Texels { is_streamed, ..memory.texels };
        // SAFETY: rows that lie in the memory.
        let gathered = scratch.encode(&Codec::ALL, |w| unsafe { w.texels(&texels) });
        assert!(gathered.is_some_and(|bytes| bytes == wanted), "other texels than the rows', streamed: {is_streamed}");
    }
}

/// Good replies for rows of several sizes, one of a command that has failed, and one that brings too little.
pub fn seeds() -> Vec<Vec<u8>> {
    let reply = |shape: [u8; 7], result: i32, size: usize| {
        let size_now = if result < 0 { 0 } else { size };
        let head = [&297u32.to_le_bytes()[..], &result.to_le_bytes(), &(size_now as u64).to_le_bytes()].concat();
        let texels = (1..=size_now.next_multiple_of(4)).map(|i| i as u8);
        shape.into_iter().chain(head).chain(texels).collect()
    };
    vec![
        reply([5, 0, 3, 7, 2, 9, 1], 0, 30),
        reply([128, 0, 5, 0, 1, 0, 3], 0, 640),
        reply([144, 2, 2, 64, 3, 200, 0], 0, 656 * 6),
        reply([5, 0, 3, 7, 2, 9, 1], -2, 30),
        reply([5, 0, 3, 7, 2, 9, 1], 0, 24),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_replies_fill_the_rows() {
        for seed in seeds().iter().take(3) {
            let mut choices = Choices::new(seed);
            let size = Memory::new(&mut choices).texels.len();
            assert_eq!(choices.piece(usize::MAX).len(), HEAD + size.next_multiple_of(4));
        }
    }
}
