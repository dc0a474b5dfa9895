//! `hesper`: installs the driver, passes it into containers, and says why no GPU is found.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};
use hesper_manifest::{cdi, doctor, files, icd, install};

/// Installs Hesper, the Vulkan driver for virtio-gpu guests, and says why no GPU is found.
#[derive(Parser)]
#[command(name = "hesper", version)]
struct Cli {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Subcommand)]
enum Sub {
    /// Prints the ICD manifest, the file that tells the Vulkan loader where the driver is.
    Manifest {
        /// The library as the manifest shall name it: a file name that the dynamic linker finds, or a path.
        #[arg(long, default_value = icd::LIBRARY)]
        library: String,
    },
    /// Installs the library and its manifest.
    Install {
        /// The library to install; the one beside this program if it isn't named.
        #[arg(long)]
        library: Option<PathBuf>,
        #[command(flatten)]
        layout: LayoutArgs,
    },
    /// Removes the manifest and the library that it names. Nothing there is no error.
    Uninstall {
        #[command(flatten)]
        layout: LayoutArgs,
    },
    /// Writes the CDI spec, so that container engines take `--device hesper/gpu=all`.
    Cdi {
        /// Where to write it; `-` is standard output.
        #[arg(long, default_value = cdi::DEFAULT_OUTPUT)]
        output: PathBuf,
        /// A render node to pass, again for each; the first virtio-gpu node, or /dev/dri/renderD128, if none is named.
        #[arg(long)]
        node: Vec<PathBuf>,
        #[command(flatten)]
        layout: LayoutArgs,
    },
    /// Says whether Hesper can work here, and if not, why and what to do.
    ///
    /// Exit status: 0 it can; 1 an error of this program; 2 wrong usage; 3 no device; 4 no permission to open it or to map its memory;
    /// 5 no virtio-gpu; 6 the kernel is too old; 7 the host offers no Venus; 8 no host-visible memory; 9 the host refuses.
    Doctor {
        /// JSON instead of text.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
struct LayoutArgs {
    /// A folder that stands before every path written, for packages.
    #[arg(long)]
    destdir: Option<PathBuf>,
    /// Where share/vulkan/icd.d and the libraries are.
    #[arg(long, default_value = "/usr")]
    prefix: PathBuf,
    /// The folder of the library; PREFIX/lib/<multiarch>, PREFIX/lib64 or PREFIX/lib, whichever is there, if it isn't named.
    #[arg(long)]
    libdir: Option<PathBuf>,
}

impl LayoutArgs {
    fn layout(self) -> install::Layout {
        install::Layout { destdir: self.destdir, prefix: self.prefix, libdir: self.libdir }
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(status) => status,
        Err(e) => {
            eprintln!("hesper: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Sub) -> Result<ExitCode> {
    match command {
        Sub::Manifest { library } => print(&icd::text(&library))?,
        Sub::Install { library, layout } => {
            let library = library.map_or_else(install::library_beside_program, Ok)?;
            say(&install::install(&layout.layout(), &library)?)?;
        }
        Sub::Uninstall { layout } => say(&install::uninstall(&layout.layout())?)?,
        Sub::Cdi { output, node, layout } => write_cdi(&output, node, layout.layout())?,
        Sub::Doctor { json } => {
            let report = doctor::examine();
            print(&if json { icd::pretty(&report.json()) } else { report.text() })?;
            return Ok(ExitCode::from(report.status()));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write_cdi(output: &std::path::Path, nodes: Vec<PathBuf>, layout: install::Layout) -> Result<()> {
    let manifest = layout.manifest();
    // What is installed decides; a manifest of another prefix or an edited one is followed.
    let library = if manifest.exists() { icd::library_of(&manifest)?.into() } else { layout.library() };
    let nodes = if nodes.is_empty() { doctor::nodes() } else { nodes };
    let text = icd::pretty(&cdi::Spec { nodes, library: library.clone(), manifest: manifest.clone() }.json()?);
    if output.as_os_str() == "-" {
        return print(&text);
    }
    for path in [&library, &manifest] {
        ensure!(path.exists(), "{} is not there: run `hesper install` first", path.display());
    }
    files::write(output, text.as_bytes())?;
    say(&[format!("wrote {}: podman run --device {}=all …", output.display(), cdi::KIND)])
}

fn say(lines: &[String]) -> Result<()> {
    print(&lines.iter().map(|l| format!("{l}\n")).collect::<String>())
}

/// Like `print!`, but a closed pipe is an error message, not a panic.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("writing to standard output")
}
