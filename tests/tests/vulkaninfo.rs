//! What vulkaninfo shows through Hesper, next to what the host's own driver shows.

use std::collections::BTreeSet;

use hesper_rig::vulkaninfo::{self, Facts, is_feature, last};
use hesper_rig::{Driver, HostVersion};
use hesper_tests::{DEMANDED, OWN_FEATURES, root};

fn count(facts: &Facts, prefix: &str) -> usize {
    facts.keys().filter(|k| k.starts_with(prefix)).count()
}

/// The minor number of the device's version of Vulkan, whose major one is 1.
fn minor(facts: &Facts) -> u32 {
    let version = &facts["VkPhysicalDeviceProperties/apiVersion"];
    let minor = version.strip_prefix("1.").and_then(|rest| rest.split('.').next()).and_then(|minor| minor.parse().ok());
    minor.unwrap_or_else(|| panic!("apiVersion {version}"))
}

/// What Vulkan 1.`minor` demands and a driver hasn't got: a feature that no struct has, or not each struct that names it.
fn missing(facts: &Facts, minor: u32) -> Vec<&'static str> {
    let named = |value: &str| -> BTreeSet<&str> {
        facts.iter().filter(|(k, v)| is_feature(k) && *v == value).map(|(k, _)| last(k)).collect()
    };
    let (on, off) = (named("true"), named("false"));
    let demanded = DEMANDED.iter().filter(|(version, _)| *version <= (1 << 16 | minor)).map(|(_, name)| *name);
    demanded.filter(|name| !on.contains(name) || off.contains(name)).collect()
}

#[test]
fn shows_the_hosts_device() {
    let root = root();
    let hesper = vulkaninfo::facts(&root, Driver::Hesper).unwrap();
    let native = vulkaninfo::facts(&root, Driver::Native).unwrap();
    let get = |facts: &Facts, name: &str| facts.get(name).unwrap_or_else(|| panic!("no {name}")).clone();

    let device = "VkPhysicalDeviceProperties/";
    let name = get(&hesper, &format!("{device}deviceName"));
    assert_eq!(name, format!("Virtio-GPU Venus ({})", get(&native, &format!("{device}deviceName"))));
    assert_eq!(get(&hesper, "VkPhysicalDeviceVulkan12Properties/driverName"), "hesper");
    assert_eq!(get(&hesper, "VkPhysicalDeviceVulkan12Properties/driverID"), "DRIVER_ID_MESA_VENUS");
    for part in ["major", "minor", "subminor", "patch"] {
        let name = format!("VkPhysicalDeviceVulkan12Properties/conformanceVersion/{part}");
        assert_eq!(get(&hesper, &name), get(&native, &name), "{name}");
    }
    assert!((3..=minor(&native)).contains(&minor(&hesper)), "Vulkan 1.{}", minor(&hesper));
    let extensions = count(&hesper, "Device Extensions/");
    // Older codecs know fewer.
    let least = if HostVersion::chosen().unwrap().carries_everything() { 120 } else { 90 };
    assert!(extensions >= least, "{extensions} device extensions");

    // The limits are the host's, all of them.
    let limits: Vec<_> = hesper.keys().filter(|k| k.starts_with("VkPhysicalDeviceLimits/")).collect();
    assert!(limits.len() > 100, "{} limits", limits.len());
    for name in limits {
        assert_eq!(hesper[name], native[name], "{name}");
    }
    // Nothing is promised that the host doesn't have. A feature may stand in another struct there: the host's version is newer.
    let has: BTreeSet<&str> = native.iter().filter(|(_, v)| *v == "true").map(|(k, _)| last(k)).collect();
    let mut features = 0;
    for (name, value) in hesper.iter().filter(|(k, _)| is_feature(k)) {
        if value == "true" {
            features += 1;
            let there = has.contains(last(name)) || OWN_FEATURES.contains(&last(name));
            assert!(there, "{name} is offered, the host doesn't have it");
        }
    }
    assert!(features > least + 30, "only {features} features are offered");
    // Some extensions are the driver's own, whatever the host has.
    let table = include_str!("../../encoder/protocol/extensions.tsv");
    let own: Vec<&str> =
        table.lines().filter(|l| l.ends_with("\tlocal")).filter_map(|l| l.split('\t').next()).collect();
    assert!(!own.is_empty(), "the table has another form");
    for name in hesper.keys().filter_map(|k| k.strip_prefix("Device Extensions/")) {
        let there = native.contains_key(&format!("Device Extensions/{name}"));
        assert!(there || own.contains(&name), "{name} is offered, the host doesn't have it");
    }
    // Queue families: the same flags and counts.
    let queues = |f: &Facts| {
        f.iter()
            .filter(|(k, _)| k.contains("queueCount") || k.contains("queueFlags"))
            .map(|(_, v)| v.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(queues(&hesper), queues(&native));
}

#[test]
fn lacks_little_that_mesas_driver_has() {
    let root = root();
    let hesper = vulkaninfo::facts(&root, Driver::Hesper).unwrap();
    let mesa = vulkaninfo::facts(&root, Driver::Mesa).unwrap();
    assert!(minor(&hesper) >= minor(&mesa), "Vulkan 1.{}, not 1.{}", minor(&hesper), minor(&mesa));
    let status = include_str!("../../docs/STATUS.md");
    for name in mesa.keys().filter_map(|k| k.strip_prefix("Device Extensions/")) {
        let there = hesper.contains_key(&format!("Device Extensions/{name}"));
        assert!(
            there || status.contains(name),
            "Mesa's driver offers {name}; Hesper doesn't, and docs/STATUS.md doesn't say why"
        );
    }
    // Where both know a feature, they agree on it.
    let ours: BTreeSet<&str> =
        hesper.iter().filter(|(k, v)| is_feature(k) && *v == "true").map(|(k, _)| last(k)).collect();
    for name in mesa.iter().filter(|(k, v)| is_feature(k) && *v == "true").map(|(k, _)| last(k)) {
        assert!(
            ours.contains(name) || status.contains(name),
            "Mesa's driver offers {name}; Hesper doesn't, and docs/STATUS.md doesn't say why"
        );
    }
}

/// What vk.xml lists as demanded by the version that is shown is there, on the host's own driver and on Hesper.
#[test]
fn has_what_its_version_demands() {
    let root = root();
    for driver in [Driver::Native, Driver::Hesper] {
        let facts = vulkaninfo::facts(&root, driver).unwrap();
        let minor = minor(&facts);
        let missing = missing(&facts, minor);
        assert!(missing.is_empty(), "{driver} shows Vulkan 1.{minor}, which demands {}", missing.join(", "));
    }
}

#[test]
fn a_feature_that_one_struct_lacks_is_missing() {
    let mut facts: Facts =
        DEMANDED.iter().map(|(_, name)| (format!("VkPhysicalDeviceFeatures/{name}"), "true".to_owned())).collect();
    assert_eq!(facts.len(), 65, "the table has another form");
    facts.insert("VkPhysicalDeviceMaintenance5PropertiesKHR/maintenance5".into(), "false".into());
    assert_eq!(missing(&facts, 4), Vec::<&str>::new());
    facts.insert("VkPhysicalDeviceVulkan14Features/maintenance5".into(), "false".into());
    assert_eq!(missing(&facts, 4), ["maintenance5"]);
    facts.remove("VkPhysicalDeviceFeatures/multiview");
    assert_eq!(missing(&facts, 3), ["multiview"]);
}
