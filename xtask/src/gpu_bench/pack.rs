//! `gpu-bench pack`: the bundle.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use hesper_gpu_bench::machine::{HESPER, LAYER, LAYER_LIBRARY};
use hesper_manifest::icd;
use tar::{Builder, EntryType, Header};

use crate::step::{self, Step};
use crate::table::mib;
use crate::{cargo, setup};

/// Makes a bundle that runs on a machine with a GPU and no network: llama.cpp, a Venus host, Mesa's driver and this one, the test layer and gpu-bench.
#[derive(clap::Args)]
pub struct Args {
    /// The file to write.
    #[arg(long, default_value = ".gpu/pack.tar.xz")]
    out: PathBuf,
    /// Adds lavapipe, to try the bundle on a machine without a GPU.
    #[arg(long)]
    lavapipe: bool,
    /// Other builds of the driver, such as an earlier commit's target/release/libvulkan_hesper.so under names of their own: OLD.so is /opt/beside/OLD.json there, for gpu-bench's
    /// --variants.
    #[arg(long, value_delimiter = ',')]
    beside: Vec<PathBuf>,
}

/// What a bundle without lavapipe may have: it has to travel.
const LARGEST: u64 = 60 << 20;
/// The folder of other builds in the bundle.
const BESIDE: &str = "/opt/beside";
/// Lies beside the bundle.
const START: &str = include_str!("../../../tests/gpu-bench/start.sh");
const LAYER_MANIFEST: &str = include_str!("../../../tests/rig/layer/hesper_test_layer.json");

pub fn run(args: &Args) -> Result<()> {
    setup::ensure()?;
    let tree = hesper_rig::gpu_tree(args.lavapipe)?;
    let builds = args.beside.iter().map(|library| beside(library)).collect::<Result<Vec<_>>>()?.into_iter().flatten();
    let driver = hesper_rig::build_driver()?;
    let build = ["build", "--release", "--quiet", "--package=hesper-gpu-bench"];
    step::run("gpu-bench", "cargo build, a minute", &mut cargo::cargo(&build))?;
    let release = hesper_rig::target_folder()?.join("release");

    let out = hesper_rig::workspace().join(&args.out);
    let above = out.parent().context("the bundle has no folder")?;
    std::fs::create_dir_all(above).with_context(|| format!("making {}", above.display()))?;
    let step = Step::start("Bundle", "xz, a minute");
    let new = out.with_extension("new");
    let file = File::create(&new).with_context(|| format!("making {}", new.display()))?;
    let mut xz = Command::new("xz")
        .args(["-T0", "-6", "-c"])
        .stdin(Stdio::piped())
        .stdout(file)
        .spawn()
        .context("starting xz (Debian's package xz-utils)")?;
    let library = Path::new(HESPER).with_file_name(icd::LIBRARY);
    let manifest = icd::text(&library.to_string_lossy());
    let layer = |file: &str| Path::new(LAYER).join(file).to_string_lossy().into_owned();
    let mut files = vec![
        ("/usr/bin/gpu-bench".to_owned(), std::fs::read(release.join("gpu-bench"))?),
        (library.to_string_lossy().into_owned(), std::fs::read(&driver.library)?),
        (HESPER.to_owned(), manifest.into_bytes()),
        (layer(LAYER_LIBRARY), std::fs::read(release.join(LAYER_LIBRARY))?),
        (layer("hesper_test_layer.json"), LAYER_MANIFEST.as_bytes().to_vec()),
    ];
    files.extend(builds);
    write(xz.stdin.take().context("xz reads nothing")?, &tree, &files)?;
    let status = xz.wait()?;
    ensure!(status.success(), "xz ended with {status}");
    std::fs::rename(&new, &out).with_context(|| format!("making {}", out.display()))?;
    let size = out.metadata()?.len();
    step.done(&mib(size));
    ensure!(args.lavapipe || size <= LARGEST, "{} has {}, more than {}", out.display(), mib(size), mib(LARGEST));
    let start = above.join("start.sh");
    std::fs::write(&start, START).with_context(|| format!("writing {}", start.display()))?;
    println!(
        "{}\nthere: sh {} {0} RESULTS --sections matrix,first-token,cpu,load,batched,server,spin",
        out.display(),
        start.display()
    );
    Ok(())
}

/// The files of another build: its library and a manifest, by the library's name.
fn beside(library: &Path) -> Result<[(String, Vec<u8>); 2]> {
    let name = library.file_stem().and_then(|n| n.to_str()).context("a library without a name")?;
    let there = format!("{BESIDE}/{name}.so");
    let bytes = std::fs::read(library).with_context(|| format!("reading {}", library.display()))?;
    Ok([(format!("{BESIDE}/{name}.json"), icd::text(&there).into_bytes()), (there, bytes)])
}

/// Writes the tree and files besides, by their paths.
fn write(to: impl Write, tree: &Path, files: &[(String, Vec<u8>)]) -> Result<()> {
    let mut tar = Builder::new(to);
    tar.follow_symlinks(false);
    tar.append_dir_all("", tree).with_context(|| format!("packing {}", tree.display()))?;
    for (path, bytes) in files {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o755);
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, path.trim_start_matches('/'), &bytes[..])
            .with_context(|| format!("packing {path}"))?;
    }
    tar.into_inner()?.flush().context("packing")
}
