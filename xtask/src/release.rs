//! `release`: all that is handed out of a version, with sums.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use hesper_manifest::files;
use hesper_packaging::oci::Tag;
use hesper_packaging::release::{self, Files, SUMS, VERSION};
use hesper_packaging::{Contents, archive};
use hesper_rig::{Guest, target_folder, workspace};

use crate::table::mib;
use crate::{changelog, handed_out, revision};

/// Writes everything that is handed out of the version in Cargo.toml into target/release-VERSION: drivers for x86-64 and AArch64 with glibc and musl, packages, images, papers, the source, and
/// their sums.
///
/// It wants a tree without changes, whose CHANGELOG.md has a section for the version. The same commit gives the same bytes.
#[derive(clap::Args)]
pub struct Args {
    /// Go on where the tree has changes or CHANGELOG.md lacks the version, for a trial: into target/release-VERSION-trial, without the source.
    #[arg(long, conflicts_with = "tag")]
    trial: bool,
    /// The guests of a trial; all if none is named.
    #[arg(long, requires = "trial", value_delimiter = ',', num_args = 1..)]
    target: Vec<Guest>,
    /// Set the tag vVERSION in the end.
    #[arg(long)]
    tag: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let revision = revision::clean();
    let changelog = fs::read_to_string(workspace().join("CHANGELOG.md")).context("reading CHANGELOG.md")?;
    let ready = ready(revision.as_deref(), changelog::check(&changelog, VERSION));
    match ready {
        Err(e) if args.trial => println!("A trial, no release: {e:#}"),
        ready => ready?,
    }
    let folder = target_folder()?.join(format!("release-{VERSION}{}", if args.trial { "-trial" } else { "" }));
    let guests = if args.target.is_empty() { Guest::value_variants() } else { &args.target };
    let contents = handed_out::build(guests)?;
    let mut all = release::files(&contents)?;
    all.extend(release::images(&tags(contents), revision.as_deref(), &target_folder()?.join("release-layout"))?);
    if !args.trial {
        all.extend(source()?);
    }
    write(&folder, &all)?;
    if args.tag {
        git(&["tag", "--annotate", "--message", &format!("Hesper {VERSION}"), &format!("v{VERSION}")])?;
        println!("The tag is v{VERSION}.");
    }
    println!("\nTo check what came over:      cd {} && sha256sum --check {SUMS}", folder.display());
    println!("To check that it is the source's: cargo xtask release on that commit, and compare {SUMS}");
    Ok(())
}

/// Whether the tree is as its commit, and what CHANGELOG.md says of the version.
fn ready(revision: Option<&str>, changelog: Result<()>) -> Result<()> {
    if revision.is_none() {
        bail!("the tree has changes that are in no commit, or there is no git (--trial goes on all the same)");
    }
    changelog
}

/// The images of each C library under the name that `cargo xtask image` gives them, with the version.
fn tags(contents: Vec<Contents>) -> Vec<Tag> {
    let (musl, glibc): (Vec<_>, Vec<_>) = contents.into_iter().partition(Contents::is_musl);
    let tag = |suffix: &str, images| Tag { name: format!("localhost/hesper:{VERSION}{suffix}"), images };
    [tag("", glibc), tag("-musl", musl)].into_iter().filter(|t| !t.images.is_empty()).collect()
}

/// The source, as the commit has it.
fn source() -> Result<Files> {
    let tar = git(&["archive", "--format=tar", &format!("--prefix=hesper-{VERSION}/"), "HEAD"])?;
    Ok(Files::from([(format!("hesper-{VERSION}.tar.gz"), archive::gzip(&tar)?)]))
}

fn git(args: &[&str]) -> Result<Vec<u8>> {
    let out = Command::new("git").current_dir(workspace()).args(args).output().context("running git")?;
    ensure!(out.status.success(), "git {}: {}", args.join(" "), String::from_utf8_lossy(&out.stderr));
    Ok(out.stdout)
}

/// Writes files and their sums into a folder that has nothing else.
fn write(folder: &Path, all: &Files) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    for (name, bytes) in all {
        files::write(&folder.join(name), bytes)?;
        println!("{}  {}", folder.join(name).display(), mib(bytes.len() as u64));
    }
    // Last: a folder with sums is whole.
    files::write(&folder.join(SUMS), release::sums(all).as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_and_a_version_without_words_are_refused() {
        let said = |revision, changelog| ready(revision, changelog).map_err(|e| e.to_string());
        assert_eq!(said(Some("abc"), Ok(())), Ok(()));
        assert!(said(None, Ok(())).unwrap_err().contains("in no commit"));
        assert_eq!(
            said(Some("abc"), changelog::check("# Changelog\n", VERSION)).unwrap_err().matches(VERSION).count(),
            1
        );
    }

    #[test]
    fn a_folder_has_what_its_sums_say_and_nothing_else() {
        let folder = std::env::temp_dir().join(format!("hesper-release-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("old"), "old").unwrap();
        write(&folder, &Files::from([("a".to_owned(), b"1".to_vec()), ("b".to_owned(), b"2".to_vec())])).unwrap();
        let check =
            || Command::new("sha256sum").args(["--check", "--strict", SUMS]).current_dir(&folder).output().unwrap();
        assert!(check().status.success() && !folder.join("old").exists());
        fs::write(folder.join("b"), "3").unwrap();
        assert!(!check().status.success());
        fs::remove_dir_all(&folder).unwrap();
    }
}
