//! A release: everything that is handed out of a version, and the sums to check it by.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::archive::{self, File};
use crate::contents::{BILL, Contents, NOTICES, Places};
use crate::digest::sha256;
use crate::oci::{self, Tag};
use crate::{deb, rpm};

/// The version that is handed out.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The name of the file with the sums, in the form that sha256sum(1) checks.
pub const SUMS: &str = "SHA256SUMS";

/// Files by their names.
pub type Files = BTreeMap<String, Vec<u8>>;

/// What is handed out of builds: for each guest an archive of driver, program and papers, and its papers by themselves; for those with glibc a deb and an rpm.
///
/// # Errors
/// When one of them can't be written.
pub fn files(all: &[Contents]) -> Result<Files> {
    let mut files = Files::new();
    for contents in all {
        let together = contents.files(Places::Together);
        for paper in [NOTICES, BILL] {
            let file = together.iter().find(|f| f.path.rsplit('/').next() == Some(paper));
            let file = file.with_context(|| format!("no {paper} among the files"))?;
            files.insert(format!("{}.{paper}", contents.folder()), file.bytes.clone());
        }
        let archive = archive::gzip(&archive::tar(&together, "")?)?;
        files.insert(format!("{}.tar.gz", contents.folder()), archive);
        if !contents.is_musl() {
            files.insert(deb::name(contents), deb::package(contents)?);
            files.insert(rpm::name(contents), rpm::package(contents)?);
        }
    }
    Ok(files)
}

/// The images of all guests in one file, which engines call oci-archive; `scratch` is a folder for the layout alone, which is removed before and after.
///
/// # Errors
/// Those of the file system, and when a layer is too large.
pub fn images(tags: &[Tag], revision: Option<&str>, scratch: &Path) -> Result<Files> {
    if scratch.exists() {
        fs::remove_dir_all(scratch).with_context(|| format!("removing {}", scratch.display()))?;
    }
    oci::write(scratch, tags, revision)?;
    let mut layout = Vec::new();
    for path in files_below(scratch)? {
        let name = path.strip_prefix(scratch)?.to_string_lossy().into_owned();
        layout.push(File::data(name, fs::read(&path).with_context(|| format!("reading {}", path.display()))?));
    }
    fs::remove_dir_all(scratch).with_context(|| format!("removing {}", scratch.display()))?;
    Ok(Files::from([(format!("hesper-{VERSION}-oci.tar"), archive::tar(&layout, "")?)]))
}

/// The sums of files, sorted by name.
pub fn sums(files: &Files) -> String {
    files.iter().map(|(name, bytes)| format!("{}  {name}\n", sha256(bytes))).collect()
}

/// The files below a folder, sorted.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).with_context(|| format!("reading {}", next.display()))? {
            let path = entry?.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort_unstable();
    Ok(found)
}
