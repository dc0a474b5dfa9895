//! Numbers that lie in blocks: a scale of 16 bits and 32 numbers of four bits, as in quantized models.

use crate::physical::probe::halves;

/// Rows of such blocks; `columns` is a multiple of 32.
pub struct Blocks {
    pub rows: u32,
    pub columns: u32,
}

/// The scale of a row's block.
fn scale(row: u32, block: u32) -> f32 {
    [0.5, 1.0, 2.0, 4.0].into_iter().cycle().nth((row + block * 2) as usize).unwrap_or(1.0)
}

/// The four bits of an element.
fn bits(row: u32, column: u32) -> u32 {
    (row * 7 + column * 5 + row * column) % 16
}

impl Blocks {
    /// The blocks, row by row.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for row in 0..self.rows {
            for block in 0..self.columns / 32 {
                bytes.extend(halves::bits(scale(row, block)).to_le_bytes());
                for four in 0..8 {
                    let at = block * 32 + four * 4;
                    let word = (0..4).fold(0, |word, i| word | bits(row, at + i) << (4 * i));
                    bytes.extend((word as u16).to_le_bytes());
                }
            }
        }
        bytes
    }

    /// The elements as 16-bit floats in rows, with `added` to each.
    pub fn halves(&self, added: f32) -> Vec<u8> {
        let places = (0..self.rows).flat_map(|row| (0..self.columns).map(move |column| (row, column)));
        let element = |(row, column)| scale(row, column / 32) * (bits(row, column) as f32 - 8.0) + added;
        places.flat_map(|place| halves::bits(element(place)).to_le_bytes()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_those_of_the_blocks() {
        let blocks = Blocks { rows: 3, columns: 64 };
        let (bytes, halves) = (blocks.bytes(), blocks.halves(64.0));
        assert_eq!((bytes.len(), halves.len()), (3 * 2 * 18, 3 * 64 * 2));
        // Element 37 of row 1: the second byte pair of the row's second block, in its second four bits.
        let block = &bytes[3 * 18..4 * 18];
        assert_eq!(block[..2], halves::bits(4.0).to_le_bytes());
        let four = u16::from_le_bytes([block[4], block[5]]) >> 4 & 15;
        let at = (64 + 37) * 2;
        assert_eq!(halves[at..at + 2], halves::bits(4.0 * (f32::from(four) - 8.0) + 64.0).to_le_bytes());
    }
}
