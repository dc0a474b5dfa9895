//! Builds of the driver to compare with: of a release's tag, or of another revision.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::revision::git;
use crate::step;

/// A build of the driver that isn't the checkout's.
pub struct Other {
    /// For people: a revision, or a file.
    pub name: String,
    /// The shared object.
    pub library: PathBuf,
}

impl Other {
    /// The build in a file.
    pub fn in_file(library: &Path) -> Self {
        Self { name: library.display().to_string(), library: library.to_path_buf() }
    }

    /// A build of the last release that the checkout comes after, by its tag.
    ///
    /// # Errors
    /// Where there is no such tag, and as [`Self::of_revision`].
    pub fn of_last_release(folder: &Path) -> Result<Self> {
        let tag = git(&["describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"]);
        let tag = tag.context(
            "there is no release to compare with: name a build with --against, or a revision with --revision",
        )?;
        Self::of_revision(&tag, folder)
    }

    /// A build of a commit, a branch or a tag, which is kept in `folder`.
    ///
    /// # Errors
    /// When there is no such revision, or it can't be built.
    pub fn of_revision(name: &str, folder: &Path) -> Result<Self> {
        let commit = git(&["rev-parse", "--verify", &format!("{name}^{{commit}}")])?;
        let library = folder.join(format!("libvulkan_hesper-{commit}.so"));
        if !library.is_file() {
            let source = folder.join("source");
            unpack(&commit, &source)?;
            let target = folder.join("build");
            let mut build = crate::cargo::cargo(&["build", "--release", "--locked", "--quiet", "--package=hesper-icd"]);
            build.current_dir(&source).env("CARGO_TARGET_DIR", &target);
            step::run(&format!("Building the driver of {name}"), "some minutes", &mut build)?;
            let built = target.join("release/libvulkan_hesper.so");
            fs::rename(&built, &library).with_context(|| format!("keeping {}", built.display()))?;
            fs::remove_dir_all(&source).with_context(|| format!("removing {}", source.display()))?;
        }
        Ok(Self { name: name.to_owned(), library })
    }
}

/// The files of a commit, in a folder of their own.
fn unpack(commit: &str, folder: &Path) -> Result<()> {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let mut git = Command::new("git");
    git.current_dir(hesper_rig::workspace()).args(["archive", "--format=tar", commit]).stdout(Stdio::piped());
    let mut child = git.spawn().context("starting git")?;
    let files = child.stdout.take().context("git has no output")?;
    let unpacked = tar::Archive::new(files).unpack(folder);
    let status = child.wait().context("waiting for git")?;
    ensure!(status.success(), "git archive {commit} ended with {status}");
    unpacked.with_context(|| format!("unpacking {commit} into {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commits_files_are_unpacked() {
        let folder = std::env::temp_dir().join(format!("hesper-commit-{}", std::process::id()));
        unpack("HEAD", &folder).unwrap();
        assert!(folder.join("Cargo.lock").is_file() && !folder.join(".git").exists());
        fs::remove_dir_all(&folder).unwrap();
        assert!(unpack("no-such-commit", &folder).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_revision_that_isnt_there_is_an_error() {
        let e = Other::of_revision("no-such-revision", Path::new("/nowhere")).err().unwrap();
        assert!(e.to_string().contains("no-such-revision"), "{e}");
    }
}
