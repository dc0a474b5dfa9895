//! `shaders`: the project's GLSL as SPIR-V.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use hesper_rig::shader_compiler::ShaderCompiler;
use hesper_rig::workspace;

use crate::step::Step;
use crate::{bfloat16, decode_vector, setup};

/// Folders of shaders, with the version of Vulkan that they are for.
const FOLDERS: [(&str, &str); 4] = [
    ("icd/shaders", "vulkan1.1"),
    ("icd/shaders/matrices", "vulkan1.3"),
    ("manifest/shaders", "vulkan1.0"),
    ("tests/shaders", "vulkan1.0"),
];

/// Shaders with 16-bit floats that are also made for bfloat16.
const BFLOAT16: [[&str; 2]; 1] = [[
    "icd/shaders/matrices/generated/multiply_f16_f32.comp.spv",
    "icd/shaders/matrices/generated/multiply_bf16_f32.spv",
]];

/// A shader that loads matrices in vectors, which the compiler can't say.
const DECODE_VECTOR: &str = "icd/shaders/matrices/generated/vector_loads.comp.spv";

/// Compiles the shaders of icd/, manifest/ and tests/ into the `generated/` folders beside them.
///
/// The compiler is Debian 13's glslang, in a tree of its own in the user's cache folder, which is made once.
#[derive(clap::Args)]
pub struct Args {
    /// Write nothing; fail if a generated file is not current.
    #[arg(long)]
    check: bool,
}

pub fn run(args: &Args) -> Result<()> {
    setup::ensure()?;
    if args.check { check() } else { write() }
}

/// Compiles all of them.
fn write() -> Result<()> {
    let step = Step::start("Shaders", "some seconds, the first time a minute");
    let all = compiled()?;
    for (path, spirv) in &all {
        let above = path.parent().context("a shader without a folder")?;
        fs::create_dir_all(above)?;
        fs::write(path, spirv).with_context(|| format!("writing {}", path.display()))?;
    }
    for path in strays(&all)? {
        fs::remove_file(&path)?;
    }
    step.done(&format!("{} shaders", all.len()));
    Ok(())
}

/// Compares what is there with what the compiler makes.
///
/// # Errors
/// When a file is missing, different, or belongs to no shader.
pub fn check() -> Result<()> {
    let step = Step::start("Shaders are current", "some seconds, the first time a minute");
    let all = compiled()?;
    let mut wrong: Vec<_> = all
        .iter()
        .filter(|(path, spirv)| fs::read(path).ok().as_ref() != Some(spirv))
        .map(|(p, _)| p.clone())
        .collect();
    wrong.extend(strays(&all)?);
    ensure!(wrong.is_empty(), "not what `cargo xtask shaders` makes: {wrong:#?}");
    step.done(&format!("{} shaders", all.len()));
    Ok(())
}

/// What each shader's SPIR-V is called, and the SPIR-V.
fn compiled() -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let compiler = ShaderCompiler::new()?;
    let mut all = Vec::new();
    for (folder, target) in FOLDERS {
        let folder = workspace().join(folder);
        for source in files(&folder, &["comp", "vert", "frag"])? {
            let name = source.file_name().context("a shader without a name")?.to_string_lossy().into_owned();
            all.push((folder.join("generated").join(name + ".spv"), compiler.compile(&source, target)?));
        }
    }
    let vectors = workspace().join(DECODE_VECTOR);
    let (_, spirv) = all.iter_mut().find(|(path, _)| *path == vectors).context("the shader of vectors is missing")?;
    *spirv = decode_vector::of(spirv).with_context(|| format!("making {DECODE_VECTOR}"))?;
    for [from, to] in BFLOAT16.map(|names| names.map(|n| workspace().join(n))) {
        let (_, spirv) =
            all.iter().find(|(path, _)| *path == from).context("the shader of 16-bit floats is missing")?;
        let spirv = bfloat16::of(spirv).with_context(|| format!("making {}", to.display()))?;
        all.push((to, spirv));
    }
    Ok(all)
}

/// Files of the `generated/` folders that no shader stands for.
fn strays(all: &[(PathBuf, Vec<u8>)]) -> Result<Vec<PathBuf>> {
    let known: BTreeSet<&Path> = all.iter().map(|(path, _)| path.as_path()).collect();
    let mut strays = Vec::new();
    for (folder, _) in FOLDERS {
        let there = files(&workspace().join(folder).join("generated"), &["spv"])?;
        strays.extend(there.into_iter().filter(|path| !known.contains(path.as_path())));
    }
    Ok(strays)
}

/// The files of a folder with one of these extensions, sorted.
fn files(folder: &Path, extensions: &[&str]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| extensions.iter().any(|wanted| e == *wanted)) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
