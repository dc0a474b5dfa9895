//! What a built driver asks of the system that opens it, as readelf tells.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Bytes that the stripped driver may have.
const MAX_SIZE: u64 = 4 << 20;
/// The libraries that the driver may need, and no others: the C library's own. It must load in any container.
const LIBRARIES: [&str; 4] = ["libc.so", "libpthread.so", "libdl.so", "ld-linux-"];
/// The newest symbols that the driver may need of glibc: those of 2018.
const GLIBC: (u32, u32) = (2, 28);
/// All that can be seen of it, so that it can't clash with a program's symbols.
const EXPORTS: [&str; 3] =
    ["vk_icdGetInstanceProcAddr", "vk_icdGetPhysicalDeviceProcAddr", "vk_icdNegotiateLoaderICDInterfaceVersion"];

/// A driver's file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SharedObject {
    pub size: u64,
    /// The libraries that it needs.
    pub needs: Vec<String>,
    /// The newest version of glibc's symbols that it needs; none with another C library.
    pub glibc: Option<(u32, u32)>,
    exports: Vec<String>,
    /// Whether it stays where it is when a program closes it.
    stays: bool,
}

impl SharedObject {
    /// Reads a file.
    ///
    /// # Errors
    /// When it is none, or there is no readelf.
    pub fn read(file: &Path) -> Result<Self> {
        let size = std::fs::metadata(file).with_context(|| format!("reading {}", file.display()))?.len();
        let tables = ["--wide", "--dynamic", "--version-info", "--dyn-syms"];
        let out = Command::new("readelf").args(tables).arg(file).output().context("running readelf")?;
        ensure!(out.status.success(), "readelf: {}", String::from_utf8_lossy(&out.stderr));
        Ok(Self { size, ..Self::parse(&String::from_utf8_lossy(&out.stdout)) })
    }

    fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let Some((_, name)) = line.split_once("Shared library: [") {
                found.needs.push(name.trim_end_matches(']').to_owned());
            }
            found.stays |= line.contains("(FLAGS_1)") && line.contains("NODELETE");
            // 0x0010:   Name: GLIBC_2.28  Flags: none  Version: 5
            let version = words.iter().filter_map(|w| w.strip_prefix("GLIBC_")).filter_map(version).max();
            found.glibc = found.glibc.max(version.filter(|_| line.contains("Name: ")));
            // 85: 0000000000151d90 205 FUNC GLOBAL DEFAULT 12 vk_icdGetInstanceProcAddr
            if let [_, _, _, _, "GLOBAL" | "WEAK", _, section, name] = words[..]
                && section != "UND"
            {
                found.exports.push(name.to_owned());
            }
        }
        found.exports.sort_unstable();
        found
    }

    /// Whether it loads where it should.
    ///
    /// # Errors
    /// What is against it.
    pub fn check(&self) -> Result<()> {
        ensure!(self.size <= MAX_SIZE, "the driver has {} bytes, more than 4 MiB", self.size);
        let foreign: Vec<_> = self.needs.iter().filter(|n| !LIBRARIES.iter().any(|l| n.starts_with(l))).collect();
        ensure!(foreign.is_empty(), "the driver needs more than the C library: {foreign:?}");
        ensure!(self.glibc <= Some(GLIBC), "the driver needs symbols of {}, newer than 2.28", self.glibc());
        ensure!(self.exports == EXPORTS, "the driver shows {:?}, not {EXPORTS:?}", self.exports);
        ensure!(self.stays, "the driver isn't marked to stay (NODELETE)");
        Ok(())
    }

    /// The newest version of glibc's symbols for people.
    pub fn glibc(&self) -> String {
        self.glibc.map_or_else(|| "-".to_owned(), |(major, minor)| format!("GLIBC_{major}.{minor}"))
    }
}

/// `2.28` and `2.2.5`, by their first two numbers.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.').map(|n| n.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
 0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]
 0x0000000000000001 (NEEDED)             Shared library: [libdl.so.2]
 0x000000006ffffffb (FLAGS_1)            Flags: NOW NODELETE
     1: 0000000000000000     0 FUNC    GLOBAL DEFAULT  UND malloc@GLIBC_2.34 (2)
    85: 0000000000151e60   126 FUNC    GLOBAL DEFAULT   12 vk_icdGetPhysicalDeviceProcAddr
    86: 0000000000151d90   205 FUNC    GLOBAL DEFAULT   12 vk_icdGetInstanceProcAddr
    87: 0000000000151ee0    46 FUNC    GLOBAL DEFAULT   12 vk_icdNegotiateLoaderICDInterfaceVersion
  0x0010:   Name: GLIBC_2.2.5  Flags: none  Version: 5
  0x0020:   Name: GLIBC_2.28  Flags: none  Version: 3
";

    #[test]
    fn what_is_against_a_file_is_said() {
        let good = SharedObject::parse(TEXT);
        assert_eq!((good.glibc, good.needs.len()), (Some((2, 28)), 2));
        good.check().unwrap();
        for (from, to) in [
            ("Name: GLIBC_2.28", "Name: GLIBC_2.34"),
            ("libdl.so.2", "libgcc_s.so.1"),
            ("NODELETE", ""),
            ("12 vk_icdGetInstanceProcAddr", "12 vkCreateInstance"),
        ] {
            assert!(SharedObject::parse(&TEXT.replace(from, to)).check().is_err(), "{to}");
        }
        assert!(SharedObject { size: 5 << 20, ..good }.check().is_err());
    }
}
