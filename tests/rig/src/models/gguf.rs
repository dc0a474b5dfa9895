//! As much of GGUF, llama.cpp's file format, as a model with random weights takes (ggml, docs/gguf.md, version 3).

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread;

use anyhow::{Context, Result};

/// A tensor's element type, with ggml's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    F32 = 0,
    F16 = 1,
    Q8_0 = 8,
    Q4K = 12,
}

impl Kind {
    /// Elements of a block, and its bytes.
    fn block(self) -> (u64, u64) {
        match self {
            Self::F32 => (1, 4),
            Self::F16 => (1, 2),
            Self::Q8_0 => (32, 34),
            Self::Q4K => (256, 144),
        }
    }

    /// The bytes of so many elements, which fill blocks.
    fn bytes(self, elements: u64) -> u64 {
        let (per_block, bytes) = self.block();
        elements / per_block * bytes
    }
}

const ALIGNMENT: u64 = 32;
/// Fresh noise in a tensor, in elements; larger ones repeat it, because gigabytes of noise take long.
const TEMPLATE: u64 = 1 << 20;

/// A tensor's place in the file's data, in bytes, and what is there: zeros first, then the weights from where they would be without.
struct Tensor {
    offset: u64,
    len: u64,
    zeros: u64,
    fill: Fill,
}

enum Fill {
    Ones,
    Random(Kind),
}

/// A file in the making.
pub struct Writer {
    random: u64,
    keys: u64,
    header: Vec<u8>,
    infos: Vec<u8>,
    tensors: Vec<Tensor>,
}

impl Writer {
    /// Begins a file; `seed` decides the weights.
    pub fn new(seed: u64) -> Self {
        Self { random: seed, keys: 0, header: Vec::new(), infos: Vec::new(), tensors: Vec::new() }
    }

    fn key(&mut self, key: &str, kind: u32) {
        self.keys += 1;
        text(&mut self.header, key);
        self.header.extend(kind.to_le_bytes());
    }

    fn array(&mut self, key: &str, kind: u32, len: usize) {
        self.key(key, 9);
        self.header.extend(kind.to_le_bytes());
        self.header.extend((len as u64).to_le_bytes());
    }

    pub fn u32(&mut self, key: &str, value: u32) {
        self.key(key, 4);
        self.header.extend(value.to_le_bytes());
    }

    pub fn f32(&mut self, key: &str, value: f32) {
        self.key(key, 6);
        self.header.extend(value.to_le_bytes());
    }

    pub fn string(&mut self, key: &str, value: &str) {
        self.key(key, 8);
        text(&mut self.header, value);
    }

    pub fn strings(&mut self, key: &str, values: &[String]) {
        self.array(key, 8, values.len());
        values.iter().for_each(|v| text(&mut self.header, v));
    }

    pub fn i32s(&mut self, key: &str, values: &[i32]) {
        self.array(key, 5, values.len());
        self.header.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    }

    pub fn f32s(&mut self, key: &str, values: &[f32]) {
        self.array(key, 6, values.len());
        self.header.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    }

    fn add(&mut self, name: &str, kind: Kind, shape: &[u64], zeros: u64, fill: Fill) {
        text(&mut self.infos, name);
        self.infos.extend((shape.len() as u32).to_le_bytes());
        // The fastest dimension comes first.
        self.infos.extend(shape.iter().rev().flat_map(|n| n.to_le_bytes()));
        self.infos.extend((kind as u32).to_le_bytes());
        let offset = self.tensors.last().map_or(0, |t| t.offset + t.len).next_multiple_of(ALIGNMENT);
        self.infos.extend(offset.to_le_bytes());
        self.tensors.push(Tensor { offset, len: kind.bytes(shape.iter().product()), zeros, fill });
    }

    /// A vector of ones, for norms.
    pub fn ones(&mut self, name: &str, n: u64) {
        self.add(name, Kind::F32, &[n], 0, Fill::Ones);
    }

    /// Matrices of random weights around zero, about 0.02 to 0.04 in size; the last dimension of `shape` is a row's. The first `zeros` rows are zeros.
    pub fn tensor(&mut self, name: &str, kind: Kind, shape: &[u64], zeros: u64) {
        let row = shape.last().copied().unwrap_or_default();
        self.add(name, kind, shape, kind.bytes(row) * zeros, Fill::Random(kind));
    }

    /// Writes the file, with as many threads as there are processors: gigabytes take seconds.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(mut self, path: &Path) -> Result<()> {
        let what = || format!("writing {}", path.display());
        let file = File::create(path).with_context(what)?;
        let mut head = b"GGUF".to_vec();
        head.extend(3u32.to_le_bytes());
        head.extend((self.tensors.len() as u64).to_le_bytes());
        head.extend(self.keys.to_le_bytes());
        head.append(&mut self.header);
        head.append(&mut self.infos);
        head.resize(head.len().next_multiple_of(ALIGNMENT as usize), 0);
        file.write_all_at(&head, 0).with_context(what)?;
        for tensor in std::mem::take(&mut self.tensors) {
            let template = match tensor.fill {
                Fill::Ones => (0..tensor.len / 4).flat_map(|_| 1f32.to_le_bytes()).collect(),
                Fill::Random(kind) => self.noise(kind, tensor.len),
            };
            // What isn't written reads as zeros.
            let start = head.len() as u64 + tensor.offset;
            repeat(&file, &template, start, tensor.zeros..tensor.len).with_context(what)?;
        }
        let end = file.metadata().with_context(what)?.len().next_multiple_of(ALIGNMENT);
        file.set_len(end).with_context(what)
    }

    /// Blocks of random weights, of at most `len` bytes.
    fn noise(&mut self, kind: Kind, len: u64) -> Vec<u8> {
        let len = len.min(kind.bytes(TEMPLATE)) as usize;
        let mut data = Vec::with_capacity(len);
        while data.len() < len {
            match kind {
                Kind::F32 => {
                    // A float with 23 random bits behind a sign and the exponent of 1/64.
                    let bits = self.next() as u32;
                    data.extend(((bits & 0x8000_0000) | (121 << 23) | (bits & 0x7f_ffff)).to_le_bytes());
                }
                Kind::F16 => {
                    // A half with 10 random bits behind a sign and the exponent of 1/64.
                    let bits = self.next();
                    let half = (bits & 0x8000) as u16 | (9 << 10) | (bits & 0x3ff) as u16;
                    data.extend(half.to_le_bytes());
                }
                Kind::Q8_0 => {
                    // Weights are d * q with q from -128 to 127: d is 2^-12.
                    data.extend((3u16 << 10).to_le_bytes());
                    (0..4).for_each(|_| data.extend(self.next().to_le_bytes()));
                }
                Kind::Q4K => {
                    // Weights are d * 32 * q - dmin * 32 with q from 0 to 15: dmin is 7.5 d. Here d is 2^-13.
                    let (d, dmin): (u16, u16) = (2 << 10, (4 << 10) | 0x380);
                    data.extend(d.to_le_bytes());
                    data.extend(dmin.to_le_bytes());
                    // Eight scales and eight minima of 6 bits, all of them 32.
                    data.extend([0xa0; 8]);
                    data.extend([0; 4]);
                    (0..16).for_each(|_| data.extend(self.next().to_le_bytes()));
                }
            }
        }
        data
    }

    /// splitmix64.
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Writes the bytes `range` of endless repetitions of `template`, which begin at `start` in the file.
fn repeat(file: &File, template: &[u8], start: u64, range: std::ops::Range<u64>) -> std::io::Result<()> {
    let period = template.len() as u64;
    // Pieces that end where a repetition does; small tensors are one.
    let per_thread = (range.end - range.start).div_ceil(threads()).next_multiple_of(period.max(1));
    let write = |from: u64, to: u64| {
        let mut at = from;
        while at < to {
            let phase = (at % period) as usize;
            let piece = &template[phase..(phase + (to - at).min(period) as usize).min(template.len())];
            file.write_all_at(piece, start + at)?;
            at += piece.len() as u64;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let mut parts = Vec::new();
        let mut from = range.start;
        while from < range.end {
            let to = (from / period * period + per_thread).min(range.end);
            parts.push(scope.spawn(move || write(from, to)));
            from = to;
        }
        parts
            .into_iter()
            .try_for_each(|part| part.join().unwrap_or_else(|_| Err(std::io::Error::other("a writer failed"))))
    })
}

fn threads() -> u64 {
    thread::available_parallelism().map_or(1, |n| n.get() as u64)
}

fn text(to: &mut Vec<u8>, text: &str) {
    to.extend((text.len() as u64).to_le_bytes());
    to.extend(text.as_bytes());
}
