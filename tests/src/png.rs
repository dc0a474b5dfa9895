//! Reads the PNG files that programs of cairo's write: 8 bits a channel, with or without alpha, not interlaced (PNG specification, third edition).

use std::io::Read as _;

use anyhow::{Context, Result, bail, ensure};
use flate2::read::ZlibDecoder;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
/// Color types: red, green and blue, and the same with alpha.
const TRUECOLOR: u8 = 2;
const TRUECOLOR_ALPHA: u8 = 6;

/// A picture.
#[derive(Debug, PartialEq, Eq)]
pub struct Png {
    /// Width and height, in pixels.
    pub size: [usize; 2],
    /// Rows of four bytes a pixel: blue, green, red, and a zero.
    pub pixels: Vec<u8>,
}

impl Png {
    /// Reads a file's bytes.
    ///
    /// # Errors
    /// When it is damaged, or of another kind.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let mut rest = bytes.strip_prefix(SIGNATURE).context("it is no PNG file")?;
        let (mut head, mut packed) = (None, Vec::new());
        while let Some((kind, data, after)) = chunk(rest) {
            rest = after;
            match kind {
                b"IHDR" => head = Some(data),
                b"IDAT" => packed.extend_from_slice(data),
                b"IEND" => break,
                _ => {}
            }
        }
        let head: [u8; 13] = head.and_then(|h| h.try_into().ok()).context("it has no head")?;
        let side = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize;
        let size = [side(0), side(4)];
        let channels = match head[8..] {
            [8, TRUECOLOR, 0, 0, 0] => 3,
            [8, TRUECOLOR_ALPHA, 0, 0, 0] => 4,
            _ => bail!("it is of a kind that isn't read here: {:?}", &head[8..]),
        };
        let mut rows = Vec::new();
        ZlibDecoder::new(&packed[..]).read_to_end(&mut rows).context("its pixels can't be unpacked")?;
        let length = size[0].checked_mul(channels).context("it is too wide")?;
        ensure!(size.iter().all(|n| *n > 0) && Some(rows.len()) == size[1].checked_mul(length + 1), "its rows are cut");
        let mut pixels = Vec::with_capacity(size[0] * size[1] * 4);
        let mut above = vec![0; length];
        for row in rows.chunks_exact_mut(length + 1) {
            let (filter, row) = row.split_first_mut().context("a row is empty")?;
            unfilter(*filter, row, &above, channels)?;
            pixels.extend(row.chunks_exact(channels).flat_map(|pixel| [pixel[2], pixel[1], pixel[0], 0]));
            above.copy_from_slice(row);
        }
        Ok(Self { size, pixels })
    }
}

/// The first chunk: its type, its data, and what is behind it.
fn chunk(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_first_chunk::<4>()?;
    let (data, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
    // A checksum, which the unpacked data's own length and checksum make up for.
    Some((kind, data, rest.get(4..)?))
}

/// Turns a row's differences into values (PNG specification, Filtering).
fn unfilter(filter: u8, row: &mut [u8], above: &[u8], channels: usize) -> Result<()> {
    for i in 0..row.len() {
        let (left, corner) = if i < channels { (0, 0) } else { (row[i - channels], above[i - channels]) };
        let guess = match filter {
            0 => 0,
            1 => left,
            2 => above[i],
            3 => ((u16::from(left) + u16::from(above[i])) / 2) as u8,
            4 => paeth(left, above[i], corner),
            _ => bail!("a row has filter {filter}"),
        };
        row[i] = row[i].wrapping_add(guess);
    }
    Ok(())
}

/// The one of three neighbours that is nearest to what they lead to expect.
fn paeth(left: u8, above: u8, corner: u8) -> u8 {
    let expected = i16::from(left) + i16::from(above) - i16::from(corner);
    let distance = |n: u8| (expected - i16::from(n)).abs();
    // Of equal ones the first.
    [left, above, corner].into_iter().min_by_key(|n| distance(*n)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::ZlibEncoder;

    use super::*;

    fn file(size: [u32; 2], kind: u8, rows: &[u8]) -> Vec<u8> {
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
        packed.write_all(rows).unwrap();
        let head = [&size[0].to_be_bytes()[..], &size[1].to_be_bytes(), &[8, kind, 0, 0, 0]].concat();
        let mut bytes = SIGNATURE.to_vec();
        let packed = packed.finish().unwrap();
        for (name, data) in [(b"IHDR", &head[..]), (b"tEXt", &[1]), (b"IDAT", &packed), (b"IEND", &[])] {
            bytes.extend((data.len() as u32).to_be_bytes());
            bytes.extend(name);
            bytes.extend(data);
            bytes.extend([0; 4]);
        }
        bytes
    }

    #[test]
    fn every_filter_is_undone() {
        // Two pixels a row, all rows the same: 10 20 30, 40 50 60.
        let rows = [
            [0, 10, 20, 30, 40, 50, 60],
            [1, 10, 20, 30, 30, 30, 30],
            [2, 0, 0, 0, 0, 0, 0],
            [3, 5, 10, 15, 15, 15, 15],
            [4, 0, 0, 0, 0, 0, 0],
        ];
        let png = Png::read(&file([2, 5], TRUECOLOR, &rows.concat())).unwrap();
        assert_eq!((png.size, png.pixels), ([2, 5], [30, 20, 10, 0, 60, 50, 40, 0].repeat(5)));
    }

    #[test]
    fn alpha_is_left_out() {
        let png = Png::read(&file([1, 1], TRUECOLOR_ALPHA, &[0, 1, 2, 3, 4])).unwrap();
        assert_eq!(png.pixels, [3, 2, 1, 0]);
    }

    #[test]
    fn what_is_damaged_is_refused() {
        let good = file([1, 1], TRUECOLOR, &[0, 1, 2, 3]);
        assert!(Png::read(&good).is_ok());
        for bad in [
            &good[..20],
            &good[1..],
            &file([2, 1], TRUECOLOR, &[0, 1, 2, 3]),
            &file([0, 1], TRUECOLOR, &[0]),
            &file([1, 1], TRUECOLOR, &[9, 1, 2, 3]),
            &file([1, 1], 0, &[0, 1]),
        ] {
            assert!(Png::read(bad).is_err());
        }
    }
}
