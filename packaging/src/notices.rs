//! The licences of all that is handed out, in one text: this project's own first, then those of others, each text once.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use hesper_rig::workspace;

use crate::crates::Crate;
use crate::toolchain::Part;

/// How the names of files with licences begin, in any case.
const NAMES: [&str; 6] = ["licence", "license", "copying", "copyright", "notice", "unlicense"];
const RULE: &str = "--------------------------------------------------------------------------------";

/// The text.
///
/// # Errors
/// When a file can't be read, or a crate that isn't under MIT's licence brings none.
pub fn text(crates: &[Crate], parts: &[Part]) -> Result<String> {
    let mut texts: Vec<(String, Vec<String>)> = Vec::new();
    let mut add = |text: String, whose: String| match texts.iter_mut().find(|(t, _)| *t == text) {
        Some((_, all)) if all.contains(&whose) => {}
        Some((_, all)) => all.push(whose),
        None => texts.push((text, vec![whose])),
    };
    let own = workspace();
    let mut text = String::from("Hesper is licensed under MIT or Apache-2.0, as you like.\n");
    for file in ["LICENSE-MIT", "LICENSE-APACHE"] {
        let _ = write!(text, "\n{RULE}\n{}\n", read(&own.join(file))?);
    }
    text.push_str("\nIts driver and its program have parts that others have written:\n\n");
    for foreign in crates.iter().filter(|c| c.is_foreign()) {
        let name = format!("{} {}", foreign.id.name, foreign.id.version);
        let place = foreign.repository.as_deref().map(|r| format!(", {r}")).unwrap_or_default();
        let _ = writeln!(text, "{name}: {}{place}", foreign.licence);
        let files = files(&foreign.folder)?;
        for file in &files {
            add(read(file)?, name.clone());
        }
        if files.is_empty() {
            ensure!(foreign.licence.contains("MIT"), "{name} brings no licence, and isn't under MIT's");
            add(mit(&foreign.authors), name);
        }
    }
    for part in parts {
        let _ = writeln!(text, "{} {}: {}", part.name, part.version, part.licence);
        add(read(&part.text)?, format!("{} {}", part.name, part.version));
    }
    text.push_str(
        "Rust's standard library: MIT OR Apache-2.0; rust-standard-library.html, beside this file, has its notices\n",
    );
    for (licence, whose) in texts {
        let _ = write!(text, "\n{RULE}\nOf {}:\n\n{licence}\n", whose.join(", "));
    }
    Ok(text)
}

/// The files with licences at the top of a crate, by name.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if entry.file_type()?.is_file() && NAMES.iter().any(|n| name.starts_with(n)) {
            files.push(entry.path());
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn read(file: &Path) -> Result<String> {
    let bytes = fs::read(file).with_context(|| format!("reading {}", file.display()))?;
    Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n").trim_end().to_owned())
}

/// MIT's licence, for a crate that names it and brings no text.
fn mit(authors: &[String]) -> String {
    let text = include_str!("../../LICENSE-MIT");
    let terms = text.split_once("Permission is hereby granted").map_or(text, |(_, terms)| terms);
    let authors = if authors.is_empty() { "its authors".to_owned() } else { authors.join(", ") };
    format!("MIT License\n\nCopyright (c) {authors}\n\nPermission is hereby granted{}", terms.trim_end())
}

#[cfg(test)]
mod tests {
    use hesper_rig::Guest;

    use super::*;
    use crate::{crates, toolchain};

    #[test]
    fn every_crates_licence_is_there_once() {
        let crates = crates::linked(Guest::Arm64Musl).unwrap();
        let text = text(&crates, &toolchain::of_zig(Guest::Arm64Musl).unwrap()).unwrap();
        for foreign in crates.iter().filter(|c| c.is_foreign()) {
            let name = format!("{} {}", foreign.id.name, foreign.id.version);
            let headings = text.lines().filter(|l| l.starts_with("Of "));
            assert!(headings.clone().any(|l| l.contains(&name)), "no licence of {name}");
        }
        for (words, count) in [
            ("Carl Lerche + nix-rust Authors", 1),
            ("Copyright (c) Daniel Franklin <", 1),
            ("Of libunwind of LLVM", 1),
            ("Copyright © 2005-2020 Rich Felker", 1),
            ("/root/", 0),
        ] {
            assert_eq!(text.matches(words).count(), count, "{words}");
        }
        let none =
            Crate { licence: "ISC".to_owned(), folder: std::env::temp_dir().join("hesper-none"), ..crates[0].clone() };
        fs::create_dir_all(&none.folder).unwrap();
        let none = Crate { checksum: Some(String::new()), ..none };
        assert!(super::text(&[none], &[]).unwrap_err().to_string().contains("brings no licence"));
    }
}
