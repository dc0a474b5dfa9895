//! Files for a root file system, and the tar archives that hold them.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

/// A file of root's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path without the slash in front.
    pub path: String,
    /// Its permissions.
    pub mode: u16,
    pub bytes: Vec<u8>,
}

impl File {
    /// A file that all may read.
    pub fn data(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), mode: 0o644, bytes: bytes.into() }
    }

    /// A file that all may run.
    pub fn program(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), mode: 0o755, bytes: bytes.into() }
    }
}

/// The folders above the files, each before those in it.
pub fn folders(files: &[File]) -> BTreeSet<&str> {
    files.iter().flat_map(|f| f.path.match_indices('/').map(|(end, _)| &f.path[..end])).collect()
}

/// A tar archive (ustar) of the files and the folders above them, whose names begin with `start`: `./` in a deb, nothing in an image.
///
/// # Errors
/// When a path is too long for the format.
pub fn tar(files: &[File], start: &str) -> Result<Vec<u8>> {
    let mut tar = Builder::new(Vec::new());
    if !start.is_empty() {
        append(&mut tar, start, EntryType::Directory, 0o755, &[])?;
    }
    for folder in folders(files) {
        append(&mut tar, &format!("{start}{folder}/"), EntryType::Directory, 0o755, &[])?;
    }
    for file in files {
        append(&mut tar, &format!("{start}{}", file.path), EntryType::Regular, file.mode, &file.bytes)?;
    }
    Ok(tar.into_inner()?)
}

fn append(tar: &mut Builder<Vec<u8>>, path: &str, kind: EntryType, mode: u16, bytes: &[u8]) -> Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode.into());
    header.set_size(bytes.len() as u64);
    // Owner root, time 0: nothing of the machine that packs.
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    // `Header::set_path` leaves out the `./` that a deb's names begin with.
    let name = &mut header.as_old_mut().name;
    let space = name.get_mut(..path.len()).with_context(|| format!("{path} is too long for an archive"))?;
    space.copy_from_slice(path.as_bytes());
    header.set_cksum();
    tar.append(&header, bytes).with_context(|| format!("adding {path}"))
}

/// Compresses, the same way each time.
///
/// # Errors
/// None that is known: it writes into memory.
pub fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    gzip.write_all(bytes)?;
    Ok(gzip.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_come_before_what_is_in_them() {
        let files = [File::data("usr/share/a", "1"), File::program("usr/bin/b", "2")];
        for start in ["", "./"] {
            let tar = tar(&files, start).unwrap();
            let mut names = Vec::new();
            for entry in tar::Archive::new(&tar[..]).entries().unwrap() {
                let entry = entry.unwrap();
                assert_eq!(entry.header().mtime().unwrap(), 0);
                names.push((
                    String::from_utf8(entry.path_bytes().into_owned()).unwrap(),
                    entry.header().mode().unwrap(),
                ));
            }
            let all = [
                ("usr/", 0o755),
                ("usr/bin/", 0o755),
                ("usr/share/", 0o755),
                ("usr/share/a", 0o644),
                ("usr/bin/b", 0o755),
            ];
            let own = (!start.is_empty()).then_some((start, 0o755));
            let expected = own.into_iter().map(|(n, m)| (n.to_owned(), m));
            let expected: Vec<_> = expected.chain(all.iter().map(|(n, m)| (format!("{start}{n}"), *m))).collect();
            assert_eq!(names, expected);
        }
        let long = [File::data("x".repeat(101), "")];
        assert!(tar(&long, "").is_err());
    }
}
