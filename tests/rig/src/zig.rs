//! cargo with Zig's linker and C libraries: it links for guests that this machine has no C library of, and for older versions of one.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::cache::{self, Wheel};
use crate::{Guest, std_source, target_folder, workspace};

/// Zig, of which only the linker, the C libraries and the unwinder serve here.
const ZIG: Wheel = Wheel {
    package: "ziglang==0.17.1",
    file: "ziglang-0.17.1-py3-none-manylinux_2_12_x86_64.manylinux2010_x86_64.musllinux_1_1_x86_64.whl",
    sha256: "ea6cc5d87b033cf0aedfbc8f9549a908cae6c50ac31f1698188fa48a74524b54",
};
/// What makes cargo call it as it calls a C compiler.
const ZIGBUILD: Wheel = Wheel {
    package: "cargo-zigbuild==0.24.1",
    file: "cargo_zigbuild-0.24.1-py3-none-manylinux1_x86_64.manylinux_2_5_x86_64.whl",
    sha256: "238a1ab54a95053a4eadc34775c81f795a8ad75f80bfed63f3f445f518102375",
};

/// Zig's version.
pub const VERSION: &str = "0.17.1";

/// The folder of Zig, with the licences of what it links in.
///
/// # Errors
/// When it can't be fetched.
pub fn home() -> Result<PathBuf> {
    Ok(ZIG.unpacked()?.join("ziglang"))
}

/// Where [`build`] leaves what it has built.
///
/// # Errors
/// When cargo can't say where its target folder is.
pub fn output(guest: Guest, profile: Profile) -> Result<PathBuf> {
    Ok(folder()?.join(guest.triple()).join(profile.name()))
}

/// How a build is optimised: profiles of the workspace's Cargo.toml.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// As what is handed out.
    Release,
    /// To be there soon: what is looked at there isn't its speed.
    Soon,
}

impl Profile {
    fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Soon => "soon",
        }
    }
}

/// A target folder of its own: build scripts look at RUSTC_BOOTSTRAP, and where it changes between two builds in one folder both are made anew each time.
fn folder() -> Result<PathBuf> {
    Ok(target_folder()?.join("guests"))
}

/// `cargo build` for a guest.
///
/// # Errors
/// When Zig or the standard library's sources can't be had.
pub fn build(guest: Guest, packages: &[&str], profile: Profile) -> Result<Command> {
    let target = guest.zig_target();
    ensure!(cfg!(target_arch = "x86_64"), "building for other guests needs an x86-64 machine: Zig is pinned for that");
    let mut command = Command::new(ZIGBUILD.program("cargo_zigbuild-0.24.1.data/scripts/cargo-zigbuild")?);
    command
        .args(["zigbuild", "--profile", profile.name(), "--locked", "--target", &target, "--target-dir"])
        .arg(folder()?)
        .current_dir(workspace());
    command.args(packages.iter().flat_map(|p| ["--package", p]));
    command.env("CARGO_ZIGBUILD_ZIG_PATH", ZIG.program("ziglang/zig")?);
    let mut flags = same_paths()?;
    if target.ends_with("musl") {
        // rustc links a static library for musl otherwise, which isn't what a loader opens.
        flags.push("-Ctarget-feature=-crt-static".to_owned());
    }
    // Flags with a separator that no path has.
    command.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    // The compiler comes with a standard library for this machine alone. It is built as it was by those who made the compiler, though they call
    // that way unstable (RUSTC_BOOTSTRAP).
    if !target.starts_with("x86_64-unknown-linux-gnu") {
        command.arg("-Zbuild-std=std,panic_unwind").env("RUSTC_BOOTSTRAP", "1");
        command.env("__CARGO_TESTS_ONLY_SRC_ROOT", std_source::ensure()?);
    }
    Ok(command)
}

/// Flags by which the messages of panics name sources in the same way wherever they lie, so that each checkout gives the same bytes.
fn same_paths() -> Result<Vec<String>> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let home = home.context("neither CARGO_HOME nor HOME says where cargo keeps its sources")?;
    let names = [(home, "/cargo"), (cache::folder(), "/cache"), (workspace().to_path_buf(), "/hesper")];
    Ok(names.map(|(folder, name)| format!("--remap-path-prefix={}={name}", folder.display())).into())
}
