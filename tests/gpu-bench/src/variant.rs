//! This project's driver in another way, to be compared in turns with the one that is measured.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Another build of the driver, switches, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Of the other build; none for the one that is measured.
    pub manifest: Option<PathBuf>,
    /// Of HESPER_DEBUG.
    pub switches: Vec<String>,
}

impl FromStr for Variant {
    type Err = String;

    /// `+contention`, `/opt/old.json` or `/opt/old.json+contention+no-uploads`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split('+');
        let manifest = parts.next().filter(|m| !m.is_empty()).map(PathBuf::from);
        let switches: Vec<String> = parts.map(str::to_owned).collect();
        let is_manifest =
            manifest.as_ref().is_none_or(|m| m.is_absolute() && m.extension().is_some_and(|e| e == "json"));
        let is_something = manifest.is_some() || !switches.is_empty();
        if is_manifest && is_something && switches.iter().all(|s| !s.is_empty() && !s.contains(',')) {
            Ok(Self { manifest, switches })
        } else {
            Err(format!("{text} is neither the path of a manifest, nor switches (+contention), nor both"))
        }
    }
}

impl fmt::Display for Variant {
    /// As it is called in rows: `old+contention`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let build = self.manifest.as_ref().and_then(|m| m.file_stem());
        write!(f, "{}", build.unwrap_or_default().display())?;
        self.switches.iter().try_for_each(|s| write!(f, "+{s}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_builds_and_switches() {
        for (text, name) in [
            ("+contention", "+contention"),
            ("/opt/old.json", "old"),
            ("/opt/old.json+contention+no-uploads", "old+contention+no-uploads"),
        ] {
            assert_eq!(text.parse::<Variant>().unwrap().to_string(), name);
        }
        for wrong in ["", "+", "contention", "old.json", "/opt/old.so", "/opt/old.json+", "+a,b"] {
            assert!(wrong.parse::<Variant>().is_err(), "{wrong}");
        }
    }
}
