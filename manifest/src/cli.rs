//! The program's arguments.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::children::Part;
use crate::{cdi, icd, install};

/// Installs Hesper, the Vulkan driver for virtio-gpu guests, and says why no GPU is found.
#[derive(Parser)]
#[command(name = "hesper", version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Sub,
}

/// What it does.
#[derive(Subcommand)]
pub enum Sub {
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
        /// A render node to pass, again for each; all virtio-gpus' nodes if none is named.
        #[arg(long)]
        node: Vec<PathBuf>,
        /// Vendor and class of the devices. Containers with another C library need another library, and so a spec of another kind.
        #[arg(long, default_value = cdi::KIND)]
        kind: String,
        #[command(flatten)]
        layout: LayoutArgs,
    },
    /// Goes down the whole stack, and says whether programs find a GPU, and if not, why and what to do.
    ///
    /// Exit status: 0 they do; 1 an error of this program; 2 wrong usage; 3 no device; 4 no permission to open it or to map its memory;
    /// 5 no virtio-gpu; 6 the kernel is too old; 7 the host offers no Venus; 8 no host-visible memory; 9 the host refuses;
    /// 10 no Vulkan loader; 11 the loader doesn't come to this driver; 12 the host doesn't answer; 13 Vulkan fails, or computes something else.
    Doctor {
        /// JSON instead of text (docs/doctor.md).
        #[arg(long)]
        json: bool,
    },
    /// Measures for fifteen seconds what programs wait for, and says whether it is as it should be (exit status 1 if it isn't).
    Bench {
        /// JSON instead of text (docs/doctor.md).
        #[arg(long)]
        json: bool,
    },
    /// Prints what leads programs to this driver: `eval "$(hesper env)"`, or `podman run $(hesper env --podman) …`.
    Env {
        /// Arguments for podman instead of lines for a shell.
        #[arg(long)]
        podman: bool,
    },
    /// Runs a program with a trace of the driver's, and says where time went. Ends with the program's own status.
    Trace {
        /// Keep the trace here, for ui.perfetto.dev or chrome://tracing.
        #[arg(long)]
        keep: Option<PathBuf>,
        program: OsString,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Writes man pages and shell completions below a folder, such as /usr, for packages.
    Generate {
        /// share/man, share/bash-completion, share/zsh and share/fish are made in it.
        prefix: PathBuf,
    },
    /// Does what may hang or crash, for `doctor`.
    #[command(hide = true)]
    Examine {
        #[command(subcommand)]
        task: Examine,
    },
}

/// What a process of its own does.
#[derive(Subcommand)]
pub enum Examine {
    /// Goes the way to the host.
    Way,
    /// Uses Vulkan.
    Vulkan {
        #[arg(long)]
        driver: Option<PathBuf>,
        #[arg(long, value_parser = Part::by_name)]
        part: Part,
    },
}

/// Where things are installed.
#[derive(Args)]
pub struct LayoutArgs {
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
    /// The layout that they name.
    pub fn layout(self) -> install::Layout {
        install::Layout { destdir: self.destdir, prefix: self.prefix, libdir: self.libdir }
    }
}
