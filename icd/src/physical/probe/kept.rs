//! What was found out of a device, kept from one start to the next: a line for what it is good for, one for each extension, a checksum.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use crate::base::kept_file;
use crate::physical::probe::findings::Findings;
use crate::physical::probe::table::TABLE;

/// Of the file's form, of the shaders and of what their results mean. Another one is as good as no file.
const VERSION: u32 = 1;

/// The name of the file of a device with this deviceUUID.
pub fn file_name(uuid: &[u8; 16]) -> String {
    let uuid: String = uuid.iter().map(|b| format!("{b:02x}")).collect();
    format!("probes-{uuid}.txt")
}

/// What a file tells, if it is whole and of this version of the host's driver.
pub fn read(path: &Path, driver_version: u32) -> Option<Findings> {
    let (of, found) = parse(&fs::read_to_string(path).ok()?)?;
    (of == driver_version).then_some(found)
}

/// Writes what was found.
///
/// # Errors
/// Those of the file system.
pub fn write(path: &Path, driver_version: u32, found: &Findings) -> std::io::Result<()> {
    kept_file::replace(path, &[text(driver_version, found).as_bytes()])
}

/// The file's content.
pub fn text(driver_version: u32, found: &Findings) -> String {
    let mut text = format!("probes {VERSION} driver {driver_version}\n");
    for (extension, numbers) in found.each() {
        text.push_str(&extension.name.to_string_lossy());
        match numbers {
            Some(numbers) => numbers.iter().for_each(|n| text += &format!(" {n}")),
            None => text.push_str(" -"),
        }
        text.push('\n');
    }
    let sum = checksum(&text);
    text + &format!("checksum {sum:016x}\n")
}

/// The version of the host's driver that a file is for, and what was found, if the file is one of these.
pub fn parse(text: &str) -> Option<(u32, Findings)> {
    let mut lines = text.lines();
    let driver = lines.next()?.rsplit_once(' ')?.1.parse().ok()?;
    let mut found = Findings::default();
    for (extension, numbers) in TABLE.iter().zip(&mut found.0) {
        let told = lines.next()?.strip_prefix(extension.name.to_str().ok()?)?.strip_prefix(' ')?;
        if told != "-" {
            let told: Option<Vec<u32>> = told.split(' ').map(|n| n.parse().ok()).collect();
            *numbers = Some(told.filter(|n| (extension.possible)(n))?);
        }
    }
    // The head, the checksum, and numbers in the form in which they are written.
    (self::text(driver, &found) == text).then_some((driver, found))
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

    #[test]
    fn what_was_written_is_read_and_nonsense_is_not() {
        let found = Findings([None, Some(vec![132, 64])]);
        let whole = text(7, &found);
        assert_eq!(parse(&whole), Some((7, found.clone())));
        assert_eq!(parse(&text(0, &Findings::default())), Some((0, Findings::default())));
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]), None, "{end} bytes of the file");
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone().into_bytes();
            bytes[at] ^= 1;
            assert_eq!(parse(&String::from_utf8(bytes).unwrap()), None, "byte {at} is damaged");
        }
        let impossible = text(7, &Findings([None, Some(vec![0, 64])]));
        assert_eq!(parse(&impossible), None);
        let older = whole.replace("probes 1", "probes 0");
        assert_eq!(parse(&older), None);
        let (content, sum) = whole.split_once("checksum ").unwrap();
        assert_ne!(sum.to_uppercase(), sum, "a sum of digits alone");
        for otherwise in [format!("+{sum}"), sum.to_uppercase()] {
            assert_eq!(parse(&format!("{content}checksum {otherwise}")), None);
        }
    }
}
