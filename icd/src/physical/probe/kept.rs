//! What was found out of a device, kept from one start to the next: a line for each extension, and a checksum.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use crate::base::kept_file;
use crate::physical::probe::entry::{Entry, Outcome};
use crate::physical::probe::extension::Extension;
use crate::physical::probe::table::{COUNT, TABLE};

/// Of the file's form, of what the shaders are given, and of what results mean. Another one is as good as no file.
const VERSION: u32 = 2;

/// What is known of each extension of the table, in its order.
pub type Entries = [Option<Entry>; COUNT];

/// The name of the file of a device with this deviceUUID.
pub fn file_name(uuid: &[u8; 16]) -> String {
    let uuid: String = uuid.iter().map(|b| format!("{b:02x}")).collect();
    format!("probes-{uuid}.txt")
}

/// What a file tells, if it is whole.
pub fn read(path: &Path) -> Option<Entries> {
    parse(&fs::read_to_string(path).ok()?)
}

/// Writes what is known.
///
/// # Errors
/// Those of the file system.
pub fn write(path: &Path, entries: &Entries) -> std::io::Result<()> {
    kept_file::replace(path, &[text(entries).as_bytes()])
}

/// The file's content.
pub fn text(entries: &Entries) -> String {
    let mut text = format!("probes {VERSION}\n");
    for (extension, entry) in TABLE.iter().zip(entries) {
        text += &format!("{} {}\n", extension.name.to_string_lossy(), words(entry.as_ref()));
    }
    let sum = checksum(&text);
    text + &format!("checksum {sum:016x}\n")
}

/// An entry in a line.
fn words(entry: Option<&Entry>) -> String {
    let Some(Entry { key, outcome }) = entry else { return "unknown".into() };
    match outcome {
        Outcome::Found(numbers) => {
            format!("{key:016x} found{}", numbers.iter().map(|n| format!(" {n}")).collect::<String>())
        }
        Outcome::Absent => format!("{key:016x} absent"),
        Outcome::Failed { at, times } => format!("{key:016x} failed {at} {times}"),
    }
}

/// What is known, if this is the content of such a file.
pub fn parse(text: &str) -> Option<Entries> {
    let mut lines = text.lines().skip(1);
    let mut entries = Entries::default();
    for (extension, entry) in TABLE.iter().zip(&mut entries) {
        let line = lines.next()?.strip_prefix(extension.name.to_str().ok()?)?.strip_prefix(' ')?;
        *entry = if line == "unknown" { None } else { Some(parsed(extension, line)?) };
    }
    // With the head, the checksum and nothing else.
    (self::text(&entries) == text).then_some(entries)
}

/// The entry of an extension that these words tell of.
fn parsed(extension: &Extension, line: &str) -> Option<Entry> {
    let mut words = line.split(' ');
    let key = u64::from_str_radix(words.next()?, 16).ok()?;
    let outcome = match words.next()? {
        "found" => {
            let numbers: Option<Vec<u32>> = words.map(|n| n.parse().ok()).collect();
            Outcome::Found(numbers.filter(|n| (extension.possible)(n))?)
        }
        "absent" => Outcome::Absent,
        "failed" => Outcome::Failed { at: words.next()?.parse().ok()?, times: words.next()?.parse().ok()? },
        _ => return None,
    };
    Some(Entry { key, outcome })
}

/// Of some text. A newer compiler's hash may be another one, and the file counts as damaged then.
fn checksum(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(outcome: Outcome) -> Option<Entry> {
        Some(Entry { key: 0xfedc_ba98_7654_3210, outcome })
    }

    #[test]
    fn what_was_written_is_read_and_nonsense_is_not() {
        let failed = Outcome::Failed { at: 1_753_000_000, times: 2 };
        let all = [entry(Outcome::Found(vec![132, 64])), entry(failed), entry(Outcome::Absent)];
        let whole = text(&all);
        assert_eq!(parse(&whole), Some(all.clone()));
        assert_eq!(parse(&text(&Entries::default())), Some(Entries::default()));
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]), None, "{end} bytes of the file");
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone().into_bytes();
            bytes[at] ^= 1;
            assert_eq!(parse(&String::from_utf8(bytes).unwrap()), None, "byte {at} is damaged");
        }
        let impossible = text(&[entry(Outcome::Found(vec![0, 64])), None, None]);
        assert_eq!(parse(&impossible), None);
        let older = whole.replace("probes 2", "probes 1");
        assert_eq!(parse(&older), None);
        let (content, sum) = whole.split_once("checksum ").unwrap();
        assert_ne!(sum.to_uppercase(), sum, "a sum of digits alone");
        for otherwise in [format!("+{sum}"), sum.to_uppercase()] {
            assert_eq!(parse(&format!("{content}checksum {otherwise}")), None);
        }
    }
}
