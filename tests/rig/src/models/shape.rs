//! The shapes of models: a tiny one, and those of real ones, for speed.

use std::fmt;
use std::str::FromStr;

use super::gguf::Kind;

/// The weights' format in a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weights {
    /// 16-bit floats.
    F16,
    /// Blocks of 32 with 8 bits each.
    Q8,
    /// Blocks of 256 with 4 bits each.
    Q4K,
}

impl Weights {
    const ALL: [Self; 3] = [Self::F16, Self::Q8, Self::Q4K];

    /// Its name in file names and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::F16 => "f16",
            Self::Q8 => "q8_0",
            Self::Q4K => "q4_k",
        }
    }

    pub(super) fn kind(self) -> Kind {
        match self {
            Self::F16 => Kind::F16,
            Self::Q8 => Kind::Q8_0,
            Self::Q4K => Kind::Q4K,
        }
    }
}

impl FromStr for Weights {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|w| w.name() == name).ok_or_else(|| format!("{name} is none of {}", names()))
    }
}

/// The shape of a model of llama's architecture, or of one that differs from it in what is told here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub(super) name: &'static str,
    /// What llama.cpp calls the architecture.
    pub(super) architecture: &'static str,
    pub(super) layers: u32,
    pub(super) width: u32,
    pub(super) feed_forward: u32,
    pub(super) heads: u32,
    pub(super) kv_heads: u32,
    pub(super) head: u32,
    pub(super) vocabulary: u32,
    pub(super) experts: Option<Experts>,
}

/// A mixture of experts in place of one feed-forward network, each of the shape's `feed_forward`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Experts {
    pub count: u32,
    /// How many of them a token goes through.
    pub used: u32,
    /// Elements of the norms that architectures with experts have for queries and for keys.
    pub norm: u32,
}

const LLAMA: Shape = Shape {
    name: "",
    architecture: "llama",
    layers: 0,
    width: 0,
    feed_forward: 0,
    heads: 32,
    kv_heads: 8,
    head: 128,
    vocabulary: 128_256,
    experts: None,
};

impl Shape {
    /// Two small layers: its speed is all overhead.
    pub const TINY: Self = Self {
        name: "tiny",
        layers: 2,
        width: 256,
        feed_forward: 512,
        heads: 4,
        kv_heads: 2,
        head: 64,
        vocabulary: 512,
        ..LLAMA
    };

    /// All of them: the tiny one, then those of real models.
    pub const ALL: [Self; 8] = [
        Self::TINY,
        // The tiny one with experts.
        Self {
            name: "tiny-moe",
            architecture: "olmoe",
            kv_heads: 4,
            experts: Some(Experts { count: 8, used: 2, norm: 256 }),
            ..Self::TINY
        },
        Self { name: "llama3.2-1b", layers: 16, width: 2048, feed_forward: 8192, head: 64, ..LLAMA },
        Self { name: "llama3.2-3b", layers: 28, width: 3072, feed_forward: 8192, heads: 24, ..LLAMA },
        Self { name: "llama3.1-8b", layers: 32, width: 4096, feed_forward: 14_336, ..LLAMA },
        Self {
            name: "llama2-13b",
            layers: 40,
            width: 5120,
            feed_forward: 13_824,
            heads: 40,
            kv_heads: 40,
            vocabulary: 32_000,
            ..LLAMA
        },
        Self {
            name: "olmoe-1b-7b",
            architecture: "olmoe",
            layers: 16,
            width: 2048,
            feed_forward: 1024,
            heads: 16,
            kv_heads: 16,
            vocabulary: 50_304,
            experts: Some(Experts { count: 64, used: 8, norm: 2048 }),
            ..LLAMA
        },
        Self {
            name: "qwen3-30b-a3b",
            architecture: "qwen3moe",
            layers: 48,
            width: 2048,
            feed_forward: 768,
            kv_heads: 4,
            vocabulary: 151_936,
            experts: Some(Experts { count: 128, used: 8, norm: 128 }),
            ..LLAMA
        },
    ];

    /// How many tokens it knows.
    pub fn vocabulary(self) -> u32 {
        self.vocabulary
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(|s| s.name).join(", ");
        Self::ALL.into_iter().find(|s| s.name == name).ok_or_else(|| format!("{name} is none of {}", names()))
    }
}
