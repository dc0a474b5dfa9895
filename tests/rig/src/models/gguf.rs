//! As much of GGUF, llama.cpp's file format, as a model with random weights takes (ggml, docs/gguf.md, version 3).

/// A tensor's element type, with ggml's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    F32 = 0,
    F16 = 1,
    Q4K = 12,
}

const ALIGNMENT: usize = 32;
/// Bytes of a block of 256 weights.
const Q4K_BYTES: usize = 144;
/// Blocks of fresh noise in a tensor; larger ones repeat them, because gigabytes of noise take long.
const TEMPLATE: usize = 4096;

/// A file in the making.
pub struct Writer {
    random: u64,
    keys: u64,
    tensors: u64,
    header: Vec<u8>,
    infos: Vec<u8>,
    data: Vec<u8>,
}

impl Writer {
    /// Begins a file; `seed` decides the weights.
    pub fn new(seed: u64) -> Self {
        Self { random: seed, keys: 0, tensors: 0, header: Vec::new(), infos: Vec::new(), data: Vec::new() }
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

    fn info(&mut self, name: &str, kind: Kind, shape: &[u64]) {
        self.tensors += 1;
        text(&mut self.infos, name);
        self.infos.extend((shape.len() as u32).to_le_bytes());
        // The fastest dimension comes first.
        self.infos.extend(shape.iter().rev().flat_map(|n| n.to_le_bytes()));
        self.infos.extend((kind as u32).to_le_bytes());
        pad(&mut self.data);
        self.infos.extend((self.data.len() as u64).to_le_bytes());
    }

    /// A vector of ones, for norms.
    pub fn ones(&mut self, name: &str, n: u64) {
        self.info(name, Kind::F32, &[n]);
        self.data.extend((0..n).flat_map(|_| 1f32.to_le_bytes()));
    }

    /// A matrix of random weights around zero, about 0.02 to 0.04 in size; its first `zeros` rows are zeros.
    pub fn tensor(&mut self, name: &str, kind: Kind, rows: u64, columns: u64, zeros: u64) {
        self.info(name, kind, &[rows, columns]);
        let start = self.data.len();
        self.random(kind, rows, columns);
        let zeros = (self.data.len() - start) * zeros as usize / rows as usize;
        self.data[start..start + zeros].fill(0);
    }

    fn random(&mut self, kind: Kind, rows: u64, columns: u64) {
        match kind {
            Kind::F32 | Kind::F16 => {
                for _ in 0..rows * columns {
                    // A half with 10 random bits behind a sign and the exponent of 1/64.
                    let bits = self.next();
                    let half = (bits & 0x8000) as u16 | (9 << 10) | (bits & 0x3ff) as u16;
                    self.data.extend(half.to_le_bytes());
                }
            }
            Kind::Q4K => {
                let blocks = (rows * columns / 256) as usize;
                let start = self.data.len();
                for _ in 0..blocks.min(TEMPLATE) {
                    // Weights are d * 32 * q - dmin * 32 with q from 0 to 15: dmin is 7.5 d. Here d is 2^-13.
                    let (d, dmin): (u16, u16) = (2 << 10, (4 << 10) | 0x380);
                    self.data.extend(d.to_le_bytes());
                    self.data.extend(dmin.to_le_bytes());
                    // Eight scales and eight minima of 6 bits, all of them 32.
                    self.data.extend([0xa0; 8]);
                    self.data.extend([0; 4]);
                    for _ in 0..16 {
                        let quants = self.next();
                        self.data.extend(quants.to_le_bytes());
                    }
                }
                let (template, end) = (self.data.len() - start, start + blocks * Q4K_BYTES);
                while self.data.len() < end {
                    let n = template.min(end - self.data.len());
                    self.data.extend_from_within(start..start + n);
                }
            }
        }
    }

    /// splitmix64.
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The file's bytes.
    pub fn finish(self) -> Vec<u8> {
        let mut file = b"GGUF".to_vec();
        file.extend(3u32.to_le_bytes());
        file.extend(self.tensors.to_le_bytes());
        file.extend(self.keys.to_le_bytes());
        file.extend(self.header);
        file.extend(self.infos);
        pad(&mut file);
        file.extend(self.data);
        file
    }
}

fn text(to: &mut Vec<u8>, text: &str) {
    to.extend((text.len() as u64).to_le_bytes());
    to.extend(text.as_bytes());
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
}
