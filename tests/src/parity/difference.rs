//! Facts in which Hesper differs from Mesa's driver.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use hesper_rig::vulkaninfo::Facts;

use super::facts::Answers;

/// How Hesper's answer differs from that of Mesa's driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Mesa's driver has it, Hesper hasn't.
    Lacks,
    /// Both have it, with different values.
    Differs,
    /// Hesper has it and neither Mesa's driver nor the host's own has.
    Beyond,
    /// Hesper has it on top, as the host's own driver has: nothing that asks for a reason.
    OnTop,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Lacks, Self::Differs, Self::Beyond, Self::OnTop];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lacks => "lacks",
            Self::Differs => "differs",
            Self::Beyond => "beyond",
            Self::OnTop => "on top",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|k| k.name() == text).ok_or_else(|| format!("{text} is no kind of difference"))
    }
}

/// A fact in which Hesper differs from Mesa's driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The fact's name.
    pub fact: String,
    /// How.
    pub kind: Kind,
}

/// All of them, by name.
pub fn differences(answers: &Answers) -> Vec<Difference> {
    let Answers { native, mesa, hesper } = answers;
    let names: BTreeSet<&String> = mesa.keys().chain(hesper.keys()).collect();
    let kind = |name: &String| match (has(mesa, name), has(hesper, name)) {
        (None, None) => None,
        (Some(m), None) if elsewhere(hesper, name, m) => None,
        (None, Some(h)) if elsewhere(mesa, name, h) => None,
        (Some(_), None) => Some(Kind::Lacks),
        (Some(m), Some(h)) if m == h => None,
        (Some(m), Some(h)) if more_features(name, h, m) && has(native, name) == Some(h) => Some(Kind::OnTop),
        (Some(_), Some(_)) => Some(Kind::Differs),
        (None, Some(_)) if contradicts(native, name) => Some(Kind::Beyond),
        (None, Some(_)) => Some(Kind::OnTop),
    };
    names.into_iter().filter_map(|n| Some(Difference { fact: n.clone(), kind: kind(n)? })).collect()
}

/// Whether another struct of the same sort says the same of what this one doesn't name: those of versions stand for those of extensions, and the
/// drivers' versions may differ. One that is there and says something else is a difference, whatever others say.
fn elsewhere(facts: &Facts, name: &str, value: &str) -> bool {
    fn parts(name: &str) -> Option<(bool, &str)> {
        let (section, member) = name.strip_prefix("VkPhysicalDevice")?.split_once('/')?;
        Some((section.contains("Features"), member))
    }
    let parts_of_name = parts(name);
    parts_of_name.is_some()
        && !facts.contains_key(name)
        && facts.iter().any(|(n, v)| v == value && parts(n) == parts_of_name)
}

/// Whether the features of a format are all of `fewer` and others.
fn more_features(name: &str, more: &str, fewer: &str) -> bool {
    let more: BTreeSet<&str> = more.split('|').collect();
    name.starts_with("Formats/") && fewer.split('|').all(|feature| more.contains(feature))
}

/// The value of a fact, if it says that something is there.
fn has<'a>(facts: &'a Facts, name: &str) -> Option<&'a str> {
    facts.get(name).map(String::as_str).filter(|v| *v != "false")
}

/// Whether the host's own driver hasn't got something. Structs that it doesn't show at all say nothing: an older vulkaninfo knows fewer,
/// and those of a version stand for those of extensions.
fn contradicts(native: &Facts, name: &str) -> bool {
    match native.get(name) {
        Some(value) => value == "false",
        None => !name.starts_with("Vk"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(list: &[(&str, &str)]) -> Facts {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn each_kind_is_told() {
        let answers = Answers {
            native: facts(&[
                ("Images/top", "1"),
                ("VkA/invented", "false"),
                ("VkA/lost", "true"),
                ("Formats/more", "A|B|C"),
                ("Formats/invented", "A|B"),
            ]),
            mesa: facts(&[
                ("VkA/same", "1"),
                ("VkA/lost", "true"),
                ("VkA/other", "1"),
                ("VkA/invented", "false"),
                ("Formats/more", "A|C"),
                ("Formats/invented", "A"),
                ("VkPhysicalDeviceVulkan99Features/moved", "true"),
                ("VkPhysicalDeviceVulkan99Features/lost there", "true"),
                ("VkPhysicalDeviceVulkan99Properties/gone", "1"),
            ]),
            hesper: facts(&[
                ("VkA/same", "1"),
                ("VkA/lost", "false"),
                ("VkA/other", "2"),
                ("VkA/invented", "true"),
                ("VkA/unknown", "true"),
                ("Images/top", "1"),
                ("Images/made up", "1"),
                ("VkA/off", "false"),
                ("Formats/more", "A|B|C"),
                ("Formats/invented", "A|D"),
                ("VkPhysicalDeviceMovedFeaturesKHR/moved", "true"),
                ("VkPhysicalDeviceVulkan99Features/lost there", "false"),
                ("VkPhysicalDeviceLostFeaturesKHR/lost there", "true"),
                ("VkPhysicalDeviceGoneFeaturesKHR/gone", "1"),
            ]),
        };
        let found: Vec<_> = differences(&answers).into_iter().map(|d| (d.fact, d.kind)).collect();
        let expected = [
            ("Formats/invented", Kind::Differs),
            ("Formats/more", Kind::OnTop),
            ("Images/made up", Kind::Beyond),
            ("Images/top", Kind::OnTop),
            ("VkA/invented", Kind::Beyond),
            ("VkA/lost", Kind::Lacks),
            ("VkA/other", Kind::Differs),
            ("VkA/unknown", Kind::OnTop),
            ("VkPhysicalDeviceGoneFeaturesKHR/gone", Kind::OnTop),
            ("VkPhysicalDeviceVulkan99Features/lost there", Kind::Lacks),
            ("VkPhysicalDeviceVulkan99Properties/gone", Kind::Lacks),
        ];
        assert_eq!(found, expected.map(|(name, kind)| (name.to_owned(), kind)));
    }

    #[test]
    fn kinds_are_read_as_they_are_written() {
        for kind in Kind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert!("none".parse::<Kind>().is_err());
    }
}
