//! What a shared object was built for, as its headers tell (System V ABI, "Object Files"; LSB, "Symbol Versioning").
//!
//! The file may be anything: what doesn't add up is an error or isn't there.

use anyhow::{Context, Result, ensure};

const LOAD: u32 = 1;
const DYNAMIC: u32 = 2;
const NEEDED: u64 = 1;
const STRTAB: u64 = 5;
const VERNEED: u64 = 0x6fff_fffe;
const VERNEEDNUM: u64 = 0x6fff_ffff;
/// More entries than any list here has, and bytes than any string.
const MANY: usize = 4096;

/// What a shared object was built for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elf {
    /// `e_machine`.
    pub machine: u16,
    /// The libraries that it needs.
    pub needed: Vec<String>,
    /// Versions of symbols that it needs, with the library of each.
    pub versions: Vec<(String, String)>,
}

/// A C library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CLibrary {
    Glibc,
    Musl,
}

impl CLibrary {
    /// The one that this program uses.
    pub const HERE: Self = if cfg!(target_env = "musl") { Self::Musl } else { Self::Glibc };

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Glibc => "glibc",
            Self::Musl => "musl",
        }
    }
}

/// `e_machine` of this program's architecture; nothing for one that the driver isn't built for.
pub const MACHINE: Option<u16> = match () {
    () if cfg!(target_arch = "x86_64") => Some(62),
    () if cfg!(target_arch = "aarch64") => Some(183),
    () => None,
};

/// An architecture's name.
pub fn architecture(machine: u16) -> String {
    match machine {
        3 => "x86 (32 bits)".to_owned(),
        40 => "ARM (32 bits)".to_owned(),
        62 => "x86-64".to_owned(),
        183 => "AArch64".to_owned(),
        243 => "RISC-V".to_owned(),
        other => format!("architecture {other}"),
    }
}

impl Elf {
    /// Reads a file's bytes.
    ///
    /// # Errors
    /// When it is no ELF file, or a broken one.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let file = Bytes(bytes);
        ensure!(bytes.starts_with(b"\x7fELF"), "it is no ELF file");
        let machine = file.number(18, 2)? as u16;
        // Others can't be opened here, whatever else they say.
        if bytes.get(4..6) != Some(&[2, 1]) {
            return Ok(Self { machine, ..Self::default() });
        }
        let (table, size, count) = (file.number(32, 8)?, file.number(54, 2)?, file.number(56, 2)?);
        let segment = |i: u64| -> Result<Segment> {
            let at = table.checked_add(i * size).context("its program headers are elsewhere")?;
            Ok(Segment {
                kind: file.number(at, 4)? as u32,
                offset: file.number(at + 8, 8)?,
                address: file.number(at + 16, 8)?,
                size: file.number(at + 32, 8)?,
            })
        };
        let segments = (0..count).map(segment).collect::<Result<Vec<_>>>()?;
        // What is mapped from behind the file's end kills the program that touches it (SIGBUS).
        let whole = |s: &Segment| s.offset.checked_add(s.size).is_some_and(|end| end <= bytes.len() as u64);
        ensure!(segments.iter().filter(|s| s.kind == LOAD).all(whole), "it ends too early");
        let Some(dynamic) = segments.iter().find(|s| s.kind == DYNAMIC) else {
            return Ok(Self { machine, ..Self::default() });
        };
        let entries = (0..dynamic.size / 16).take(MANY).map(|i| {
            let at = dynamic.offset.checked_add(i * 16).context("its dynamic section is elsewhere")?;
            Ok((file.number(at, 8)?, file.number(at + 8, 8)?))
        });
        let entries = entries.collect::<Result<Vec<(u64, u64)>>>()?;
        let value = |tag| entries.iter().find(|(t, _)| *t == tag).map(|(_, v)| *v);
        let offset = |address: u64| {
            let holds =
                |s: &&Segment| s.kind == LOAD && (s.address..s.address.saturating_add(s.size)).contains(&address);
            segments.iter().find(holds).and_then(|s| (address - s.address).checked_add(s.offset))
        };
        let strings = value(STRTAB).and_then(offset).context("it has no strings")?;
        let text = |at: u64| file.text(strings.checked_add(at).context("a string is elsewhere")?);
        let needed = entries.iter().filter(|(tag, _)| *tag == NEEDED).map(|(_, at)| text(*at));
        let needed = needed.collect::<Result<Vec<_>>>()?;
        let mut versions = Vec::new();
        if let (Some(mut at), Some(count)) = (value(VERNEED).and_then(offset), value(VERNEEDNUM)) {
            for _ in 0..count.min(MANY as u64) {
                let library = text(file.number(at + 4, 4)?)?;
                let mut name = at.saturating_add(file.number(at + 8, 4)?);
                for _ in 0..file.number(at + 2, 2)? {
                    ensure!(versions.len() < MANY, "it needs too many versions");
                    versions.push((library.clone(), text(file.number(name + 8, 4)?)?));
                    name = name.saturating_add(file.number(name + 12, 4)?);
                }
                at = at.saturating_add(file.number(at + 12, 4)?);
            }
        }
        Ok(Self { machine, needed, versions })
    }

    /// The C library that it was linked to, where it names one.
    pub fn c_library(&self) -> Option<CLibrary> {
        self.needed.iter().find_map(|n| match n.as_str() {
            "libc.so.6" => Some(CLibrary::Glibc),
            "libc.so" => Some(CLibrary::Musl),
            n if n.starts_with("libc.musl-") => Some(CLibrary::Musl),
            _ => None,
        })
    }

    /// The newest version of glibc's symbols that it needs.
    pub fn glibc(&self) -> Option<(u32, u32)> {
        self.versions.iter().filter_map(|(_, v)| numbers(v.strip_prefix("GLIBC_")?)).max()
    }
}

/// `2.28`, and `2.2.5` by its first two numbers.
pub fn numbers(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.').map(|n| n.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    size: u64,
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    /// A little-endian number of up to eight bytes.
    fn number(&self, at: u64, size: usize) -> Result<u64> {
        let from = usize::try_from(at).ok().and_then(|a| Some(a..a.checked_add(size)?));
        let bytes = from.and_then(|range| self.0.get(range)).context("it ends too early")?;
        Ok(bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    /// A string that ends with NUL.
    fn text(&self, at: u64) -> Result<String> {
        let rest = usize::try_from(at).ok().and_then(|a| self.0.get(a..)).context("a string is elsewhere")?;
        let end = rest.iter().take(MANY).position(|b| *b == 0).context("a string doesn't end")?;
        Ok(String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_program_is_read() {
        let bytes = std::fs::read("/proc/self/exe").unwrap();
        let elf = Elf::parse(&bytes).unwrap();
        assert_eq!((Some(elf.machine), elf.c_library()), (MACHINE, Some(CLibrary::HERE)), "{elf:?}");
        assert!(CLibrary::HERE == CLibrary::Musl || elf.glibc() >= Some((2, 2)), "{elf:?}");
    }

    #[test]
    fn broken_files_are_errors_and_nothing_worse() {
        let bytes = std::fs::read("/proc/self/exe").unwrap();
        assert!(Elf::parse(b"text").is_err() && Elf::parse(&bytes[..40]).is_err());
        // Each byte of the headers, at its largest.
        for at in 4..1024 {
            let mut broken = bytes[..bytes.len().min(1 << 20)].to_vec();
            broken[at] = 0xff;
            let _ = Elf::parse(&broken);
        }
        // Somebody else's.
        let mut other = bytes[..64].to_vec();
        (other[4], other[18], other[19]) = (1, 40, 0);
        assert_eq!(architecture(Elf::parse(&other).unwrap().machine), "ARM (32 bits)");
    }
}
