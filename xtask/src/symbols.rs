//! Names for the addresses in a sanitizer's report. The rig's tree has no program that finds them, and this machine's compiler brings one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The report with the names and lines of functions in programs and libraries that lie in `folder`.
pub fn named(report: &str, folder: &Path) -> String {
    let mut known = BTreeMap::new();
    let lines = report.lines().map(|line| match place(line, folder) {
        Some((file, address)) => {
            let name = known.entry((file.clone(), address.to_owned())).or_insert_with(|| name(&file, address));
            line.replacen("<null> <null>", name, 1)
        }
        None => line.to_owned(),
    });
    lines.map(|line| line + "\n").collect()
}

/// The file and the address of a line like `#0 <null> <null> (hesper-client+0x973f97) …`.
fn place<'a>(line: &'a str, folder: &Path) -> Option<(PathBuf, &'a str)> {
    let (_, rest) = line.split_once("<null> <null> (")?;
    let (file, address) = rest.split_once(')')?.0.rsplit_once("+0x")?;
    let file = folder.join(Path::new(file).file_name()?);
    file.is_file().then_some((file, address))
}

fn name(file: &Path, address: &str) -> String {
    let out = Command::new("addr2line").args(["-Cfpise"]).arg(file).arg(format!("0x{address}")).output();
    out.map_or_else(|_| address.to_owned(), |out| String::from_utf8_lossy(&out.stdout).trim().replace('\n', " "))
}
