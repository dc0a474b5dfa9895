//! This driver's manifest, and the library that it names: whether the loader comes to them.

use std::path::Path;

use serde_json::json;

use crate::children::Opened;
use crate::children::told::Outcome;
use crate::doctor::finding::{Finding, Status, exit};
use crate::doctor::seen::elf::{self, CLibrary, Elf};
use crate::doctor::seen::manifests::{self, Manifests};
use crate::doctor::seen::{Libc, Machine};
use crate::icd;

const INSTALL_AGAIN: &str = "run `hesper install` again, or have the manifest name the library's place";

/// Whether the loader finds and takes the manifest.
pub fn manifest(machine: &Machine) -> Finding {
    let all = &machine.manifests;
    let facts = json!({
        "path": all.ours().map(|m| &m.path),
        "all": all.all.iter().map(|m| json!({
            "path": m.path, "library": m.library.as_ref().ok(), "problem": m.library.as_ref().err(), "ignored": m.ignored,
        })).collect::<Vec<_>>(),
    });
    let finding = judge(machine, all).with(facts);
    match finding.status {
        // The loader may be compiled for other folders: what it has found counts.
        Status::Fail if machine.device().is_some() => Finding { status: Status::Warn, exit: 0, ..finding },
        _ => finding,
    }
}

fn judge(machine: &Machine, all: &Manifests) -> Finding {
    let unknown = all.unknown.iter().map(|(name, (a, b, c))| format!("{name} (since {a}.{b}.{c})"));
    let unknown = unknown.collect::<Vec<_>>().join(" and ");
    if let Some(ours) = all.ours() {
        let path = ours.path.display();
        if let Some(ignored) = &ours.ignored {
            let advice = "unset that variable, or have it let *hesper* through";
            return Finding::fail(exit::DRIVER, format!("{path} is ignored: {ignored}"), advice);
        }
        if let Err(wrong) = &ours.library {
            let advice = "run `hesper install` again, or write it anew with `hesper manifest`";
            return Finding::fail(exit::DRIVER, format!("{path}: {wrong}"), advice);
        }
        if !unknown.is_empty() {
            let why = format!("{path}: found, though this loader is too old to know {unknown}");
            return Finding::warn(why, "set VK_ICD_FILENAMES to the manifest, too: older loaders know that");
        }
        return Finding::pass(format!("{path}: installed"));
    }
    let elsewhere = elsewhere(machine);
    let why = match (all.variable, all.missing.is_empty(), &elsewhere) {
        (Some(name), false, _) => {
            let missing = all.missing.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(" and ");
            format!("no manifest of this driver: {name} names {missing}, which isn't there")
        }
        (Some(name), true, Some(path)) => {
            format!("no manifest of this driver: {name} names others, and leaves out {path}")
        }
        (Some(name), true, None) => format!("no manifest of this driver: {name} names others"),
        _ if !unknown.is_empty() => {
            format!("no manifest of this driver where the Vulkan loader looks, which is too old to know {unknown}")
        }
        _ => "no manifest of this driver where the Vulkan loader looks".to_owned(),
    };
    let advice = match (all.variable, elsewhere, unknown.is_empty()) {
        (Some(name), Some(path), _) => format!("unset {name}, or set it to {path}"),
        (_, _, false) => "set VK_ICD_FILENAMES to the manifest, or run `hesper install`".to_owned(),
        (Some(name), ..) => format!("run `hesper install` and unset {name}, or set it to the manifest"),
        _ => "run `hesper install`, or set VK_DRIVER_FILES to the manifest (`hesper env` prints how)".to_owned(),
    };
    Finding::fail(exit::DRIVER, why, advice)
}

/// A manifest of this driver's where the loader would look if no variable led it elsewhere.
fn elsewhere(machine: &Machine) -> Option<String> {
    let folders = manifests::folders(&machine.environment);
    let path = folders.into_iter().map(|f| f.join(icd::MANIFEST)).find(|p| p.is_file())?;
    Some(path.display().to_string())
}

/// Whether the library can be opened.
pub fn library(machine: &Machine) -> Finding {
    let named = machine.manifests.ours().and_then(|m| m.library_path());
    let Some(named) = named else { return Finding::skip("there is no manifest to name it") };
    let elf = machine.library.as_ref().map(|(_, elf)| elf);
    let facts = json!({
        "path": machine.library.as_ref().map(|(path, _)| path),
        "needs": elf.and_then(|e| e.as_ref().ok()).map(|e| &e.needed),
        "glibc": elf.and_then(|e| e.as_ref().ok()).and_then(Elf::glibc).map(|(a, b)| format!("{a}.{b}")),
        "c_library": machine.libc.kind.name(),
    });
    let finding = match machine.vulkan::<Opened>("library") {
        Outcome::Done(opened) => {
            let version = opened.version.map(|v| format!(", Vulkan {v}")).unwrap_or_default();
            Finding::pass(format!("{}: can be opened{version}", opened.path.display()))
        }
        Outcome::Failed(words) => {
            let (why, advice) = explain(&named, elf, machine.libc, &words);
            Finding::fail(exit::DRIVER, format!("{}: {why}", named.display()), advice)
        }
        Outcome::Died(how) => match elf {
            Some(Err(wrong)) => Finding::fail(exit::DRIVER, format!("{}: {wrong}", named.display()), INSTALL_AGAIN),
            _ => {
                let why = format!("{}: opening it ends the program: {how}", named.display());
                Finding::fail(exit::DRIVER, why, INSTALL_AGAIN)
            }
        },
        Outcome::Silent(_) => {
            let why = format!("{}: opening it doesn't come to an end", named.display());
            Finding::fail(exit::DRIVER, why, "see whether the file system that it lies on answers")
        }
        Outcome::NotReached => Finding::skip("opening the loader ended the program"),
    };
    finding.with(facts)
}

/// Why a library can't be opened, and what to do; the dynamic linker's words where they are all that is known.
fn explain(path: &Path, elf: Option<&Result<Elf, String>>, here: Libc, words: &str) -> (String, String) {
    let build = "install a build for this guest: `cargo xtask build --target amd64`, arm64, amd64-musl or arm64-musl (docs/builds.md)";
    if path.is_absolute() && !path.exists() {
        return ("it isn't there".to_owned(), INSTALL_AGAIN.to_owned());
    }
    match elf {
        Some(Err(wrong)) => (wrong.clone(), INSTALL_AGAIN.to_owned()),
        Some(Ok(elf)) => {
            if Some(elf.machine) != elf::MACHINE {
                let (theirs, ours) = (elf::architecture(elf.machine), std::env::consts::ARCH);
                return (format!("it is for {theirs}, and programs here are for {ours}"), build.to_owned());
            }
            if let Some(kind) = elf.c_library().filter(|k| *k != here.kind) {
                let (theirs, ours) = (kind.name(), here.kind.name());
                return (format!("it is for the C library {theirs}, and programs here use {ours}"), build.to_owned());
            }
            if let (Some(needs), Some(has)) = (elf.glibc(), here.version)
                && here.kind == CLibrary::Glibc
                && needs > has
            {
                let why = format!("it needs glibc {}.{}, and there is {}.{}", needs.0, needs.1, has.0, has.1);
                return (why, build.to_owned());
            }
            (
                format!("it can't be opened: {words}"),
                "install what it needs; a build of `cargo xtask build --target` needs the C library alone".to_owned(),
            )
        }
        None => (format!("it can't be opened: {words}"), INSTALL_AGAIN.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_found_in_the_file() {
        let here = Libc { kind: CLibrary::Glibc, version: Some((2, 36)) };
        let why = |elf: Elf| explain(Path::new("/proc/self/exe"), Some(&Ok(elf)), here, "the linker's words").0;
        let machine = elf::MACHINE.unwrap();
        let needs = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let base = Elf { machine, needed: needs(&["libc.so.6"]), ..Elf::default() };
        assert!(why(Elf { machine: 243, ..base.clone() }).contains("RISC-V"));
        for musl in ["libc.so", "libc.musl-x86_64.so.1"] {
            assert!(why(Elf { needed: needs(&[musl]), ..base.clone() }).contains("the C library musl"));
        }
        let version = |v: &str| vec![("libc.so.6".to_owned(), v.to_owned())];
        assert!(
            why(Elf { versions: version("GLIBC_2.38"), ..base.clone() })
                .contains("needs glibc 2.38, and there is 2.36")
        );
        assert!(why(Elf { versions: version("GLIBC_2.36"), ..base }).contains("the linker's words"));
        assert!(explain(Path::new("/nowhere/x.so"), None, here, "").0.contains("isn't there"));
    }
}
