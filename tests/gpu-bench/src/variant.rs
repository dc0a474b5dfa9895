//! This project's driver in another way, to be compared in turns with the one that is measured.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Another build of the driver, switches and settings, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// Of the other build; none for the one that is measured.
    pub manifest: Option<PathBuf>,
    /// Of HESPER_DEBUG.
    pub switches: Vec<String>,
    /// Variables of the driver's, with their values.
    pub settings: Vec<(String, String)>,
}

impl FromStr for Variant {
    type Err = String;

    /// `+contention`, `/opt/old.json` or `/opt/old.json+HESPER_IDLE_US=200+no-uploads`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split('+');
        let manifest = parts.next().filter(|m| !m.is_empty()).map(PathBuf::from);
        let (settings, switches): (Vec<&str>, Vec<&str>) = parts.partition(|part| part.contains('='));
        let settings: Vec<(String, String)> = settings
            .into_iter()
            .filter_map(|setting| setting.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let switches: Vec<String> = switches.into_iter().map(str::to_owned).collect();
        let is_manifest =
            manifest.as_ref().is_none_or(|m| m.is_absolute() && m.extension().is_some_and(|e| e == "json"));
        let is_something = manifest.is_some() || !switches.is_empty() || !settings.is_empty();
        let are_switches = switches.iter().all(|s| !s.is_empty() && !s.contains(','));
        // HESPER_DEBUG has its own way, which keeps the test server's switch.
        let are_settings = settings.iter().all(|(name, _)| name.starts_with("HESPER_") && name != "HESPER_DEBUG");
        if is_manifest && is_something && are_switches && are_settings {
            Ok(Self { manifest, switches, settings })
        } else {
            Err(format!("{text} is neither a manifest's path, nor +SWITCH or +HESPER_SETTING=VALUE, nor both"))
        }
    }
}

impl fmt::Display for Variant {
    /// As it is called in rows: `old+contention+HESPER_IDLE_US=200`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let build = self.manifest.as_ref().and_then(|m| m.file_stem());
        write!(f, "{}", build.unwrap_or_default().display())?;
        self.switches.iter().try_for_each(|s| write!(f, "+{s}"))?;
        self.settings.iter().try_for_each(|(name, value)| write!(f, "+{name}={value}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_are_builds_switches_and_settings() {
        for (text, name) in [
            ("+contention", "+contention"),
            ("/opt/old.json", "old"),
            ("/opt/old.json+contention+no-uploads", "old+contention+no-uploads"),
            ("+HESPER_IDLE_US=200", "+HESPER_IDLE_US=200"),
            ("/opt/old.json+HESPER_IDLE_US=200+contention", "old+contention+HESPER_IDLE_US=200"),
        ] {
            assert_eq!(text.parse::<Variant>().unwrap().to_string(), name);
        }
        for wrong in [
            "",
            "+",
            "contention",
            "old.json",
            "/opt/old.so",
            "/opt/old.json+",
            "+a,b",
            "+LD_PRELOAD=x",
            "+=1",
            "+HESPER_DEBUG=a",
        ] {
            assert!(wrong.parse::<Variant>().is_err(), "{wrong}");
        }
    }
}
