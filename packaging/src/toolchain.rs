//! What compiler and linker add to what is built: the standard library, an unwinder, the start of programs.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use hesper_rig::{Guest, zig};

/// A part that is linked in and isn't a crate of the registry.
#[derive(Clone, Debug)]
pub struct Part {
    pub name: &'static str,
    pub version: String,
    /// An SPDX expression.
    pub licence: &'static str,
    /// The file with its licence.
    pub text: PathBuf,
}

/// The Rust project's own list of who has written the standard library, an HTML document.
///
/// # Errors
/// When this machine's compiler comes without it, as those that aren't rustup's do.
pub fn standard_library_notices() -> Result<Vec<u8>> {
    let file = PathBuf::from(rustc(&["--print", "sysroot"])?).join("share/doc/rust/COPYRIGHT-library.html");
    std::fs::read(&file).with_context(|| format!("reading {}, which comes with rustup's compiler", file.display()))
}

/// The compiler's version, which is the standard library's.
///
/// # Errors
/// When there is no compiler.
pub fn rust_version() -> Result<String> {
    let said = rustc(&["--version"])?;
    said.split(' ').nth(1).map(str::to_owned).with_context(|| format!("no version in `{said}`"))
}

/// What Zig links in for a guest.
///
/// # Errors
/// When Zig can't be fetched.
pub fn of_zig(guest: Guest) -> Result<Vec<Part>> {
    let home = zig::home()?;
    let part =
        |name, licence, text: &str| Part { name, version: zig::VERSION.to_owned(), licence, text: home.join(text) };
    let mut parts = vec![
        part("compiler-rt of Zig", "MIT", "LICENSE"),
        part("libunwind of LLVM, in Zig's form", "Apache-2.0 WITH LLVM-exception", "lib/libunwind/LICENSE.TXT"),
    ];
    if guest.triple().ends_with("musl") {
        parts.push(part("musl, in Zig's form", "MIT", "lib/libc/musl/COPYRIGHT"));
    }
    Ok(parts)
}

fn rustc(args: &[&str]) -> Result<String> {
    let out = Command::new("rustc").args(args).output().context("running rustc")?;
    ensure!(out.status.success(), "rustc {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    Ok(String::from_utf8_lossy(&out.stdout).trim().to_owned())
}
