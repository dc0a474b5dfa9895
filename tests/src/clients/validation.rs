//! The Khronos validation layer before a driver, and what it says there.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use hesper_rig::{ClientPackages, build_driver};

/// The layer's name for the loader.
const LAYER: &str = "VK_LAYER_KHRONOS_validation";
/// Whatever a program does with its own messages, the layer prints its own; information, too, as a sign that the layer is there.
const SETTINGS: [(&str, &str); 2] = [
    ("VK_KHRONOS_VALIDATION_DEBUG_ACTION", "VK_DBG_LAYER_ACTION_LOG_MSG"),
    ("VK_KHRONOS_VALIDATION_REPORT_FLAGS", "error,warn,info"),
];
/// What the layer calls the message that tells its settings.
const SIGN: &str = "status-message";

/// What the layer said during a run: errors and warnings by their identifiers, each once.
#[derive(Clone, Debug, Default)]
pub struct Validation {
    /// Between the program and its driver.
    pub client: BTreeSet<String>,
    /// Between the host and its driver.
    pub host: BTreeSet<String>,
}

/// What the layer says where a program enables an extension that is younger than the layer.
const TOO_YOUNG: &str = "WARNING-CreateDevice-extension-not-found";
/// What it says then of the extension's structs and flags.
const OF_THE_YOUNG: [&str; 2] = ["-pNext-pNext", "-flags-parameter"];

impl Validation {
    /// What is said on either side that isn't said natively. Extensions that Hesper has on top of the native driver may be younger than the layer: what it
    /// says of those is left out.
    pub fn beyond(&self, native: &Self) -> Vec<String> {
        let beyond = |said: &BTreeSet<String>, side| {
            let is_old = said.contains(TOO_YOUNG);
            let knows =
                |id: &&String| !(is_old && (*id == TOO_YOUNG || OF_THE_YOUNG.iter().any(|end| id.ends_with(end))));
            said.difference(&native.client).filter(knows).map(|id| format!("{side}: {id}")).collect::<Vec<_>>()
        };
        [beyond(&self.client, "guest"), beyond(&self.host, "host")].concat()
    }
}

/// Settings that put the layer before the driver of a program.
pub(super) fn of_a_client(packages: &ClientPackages) -> Vec<(&'static str, String)> {
    let folder = packages.layers().display().to_string();
    let mut settings = vec![("VK_ADD_LAYER_PATH", folder), ("VK_INSTANCE_LAYERS", LAYER.to_owned())];
    settings.extend(SETTINGS.map(|(name, value)| (name, value.to_owned())));
    settings
}

/// The same for a host, whose test layer stays between the layer and its driver.
///
/// # Errors
/// When the test layer can't be built.
pub(super) fn of_a_host(packages: &ClientPackages) -> Result<Vec<(&'static str, String)>> {
    let build = build_driver()?;
    let mut settings = of_a_client(packages);
    for (name, value) in &mut settings {
        if let Some((_, more)) = build.layer_environment().into_iter().find(|(of_test_layer, _)| of_test_layer == name)
        {
            *value = format!("{value}:{}", more.to_string_lossy());
        }
    }
    Ok(settings)
}

/// The identifiers of what the layer says in a log.
///
/// # Errors
/// When there is no sign of the layer.
pub(super) fn said(log: &str) -> Result<BTreeSet<String>> {
    let all = || log.lines().filter_map(message);
    all().find(|(_, id)| id.contains(SIGN)).context("there is no sign of the validation layer")?;
    Ok(all().filter(|(kind, _)| *kind != "Information").map(|(_, id)| id.to_owned()).collect())
}

/// Kind and identifier of a message like `Validation Error: [ VUID-vkMapMemory-memory-00678 ] …`.
fn message(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once("Validation ")?;
    let (kind, rest) = rest.split_once(": [ ")?;
    let (id, _) = rest.split_once(" ]")?;
    Some((kind, id))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIVE: &str = "Validation Information: [ WARNING-CreateInstance-status-message ] Object 0: …";

    #[test]
    fn messages_are_found_by_their_identifiers() {
        let log = format!("{ACTIVE}\nValidation Error: [ VUID-a-00001 ] Object 0\nx Validation Warning: [ b ] | y\n");
        let ids: Vec<_> = said(&log).unwrap().into_iter().collect();
        assert_eq!(ids, ["VUID-a-00001", "b"]);
        assert!(said(ACTIVE).unwrap().is_empty());
        assert!(said("Validation Error: [ VUID-a-00001 ] …").is_err(), "the layer isn't known to be there");
    }

    #[test]
    fn what_is_said_natively_may_be_said_on_both_sides() {
        let [a, b] = ["a", "b"].map(|id| BTreeSet::from([id.to_owned()]));
        let native = Validation { client: a.clone(), ..Validation::default() };
        assert!(Validation { client: a.clone(), host: a.clone() }.beyond(&native).is_empty());
        assert_eq!(Validation { client: a.clone(), host: b.clone() }.beyond(&native), ["host: b"]);
        assert_eq!(Validation { client: b, host: a }.beyond(&native), ["guest: b"]);
        let client = [TOO_YOUNG, "VUID-a-pNext-pNext", "VUID-b"].map(str::to_owned).into();
        assert_eq!(Validation { client, ..Validation::default() }.beyond(&native), ["guest: VUID-b"]);
        let client = BTreeSet::from(["VUID-a-pNext-pNext".to_owned()]);
        assert_eq!(Validation { client, ..Validation::default() }.beyond(&native), ["guest: VUID-a-pNext-pNext"]);
    }
}
