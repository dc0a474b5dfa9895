//! Areas in which drivers that hand calls on are known to go wrong (docs/conformance.md), on the host's own driver, on Mesa's and on Hesper.

use std::collections::BTreeMap;

use hesper_rig::{Driver, Host};
use hesper_tests::{both, output, quick, root};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");
const AREAS: [&str; 12] = [
    "external-buffers",
    "timestamps",
    "calibrated",
    "coverage",
    "maintenance5",
    "suballocations",
    "primitives",
    "device-host",
    "many-pipelines",
    "allocation-failures",
    "mutable-descriptors",
    "descriptor-pools",
];

/// What a driver says to each area: the client's last line, or how it ended.
fn says(driver: Driver, settings: &[(&str, &str)], times: &str) -> BTreeMap<&'static str, String> {
    let root = root();
    let host = driver.needs_host().then(|| Host::start_with(&root, settings).unwrap());
    let said = AREAS.map(|area| {
        let mut command = match &host {
            Some(host) => root.client(driver, Some(host), CLIENT),
            None => root.native_with_layer(settings, CLIENT),
        };
        let out = output(area, command.as_mut().unwrap().args(["conformance", area, "--times", times]));
        let text = both(&out);
        println!("{driver}, {area}: {text}");
        let ok = out.status.success() && text.lines().any(|l| l == format!("ok {area}"));
        let left_out = text.lines().find(|l| l.starts_with("left out"));
        let told = text.lines().find(|l| l.starts_with("full pools")).unwrap_or_default();
        let outcome = match left_out {
            _ if ok => format!("passes {told}"),
            Some(line) if out.status.success() => line.to_owned(),
            _ => format!("FAILS: {}\n{text}", out.status),
        };
        (area, outcome.trim_end().to_owned())
    });
    if let Some(host) = host {
        assert!(!host.log().contains("fatal") || driver == Driver::Mesa, "the host complains:\n{}", host.log());
    }
    said.into()
}

/// Fails unless Hesper says to each area what the host's own driver says.
fn as_natively(settings: &[(&str, &str)], times: &str) {
    let [native, hesper] = [Driver::Native, Driver::Hesper].map(|driver| says(driver, settings, times));
    for area in AREAS {
        assert!(native[area].starts_with("passes"), "{area} on the host's own driver: {}", native[area]);
        assert_eq!(native[area], hesper[area], "{area}: native on the left, hesper on the right");
    }
}

#[test]
fn areas_as_natively() {
    as_natively(&[], "1");
}

#[test]
fn areas_as_natively_with_memory_of_the_devices_own() {
    as_natively(&[("HESPER_TEST_LAYER_DISCRETE", "1")], "1");
}

/// With thousands of pipelines, and every allocation refused.
#[test]
fn areas_as_natively_at_length() {
    if !quick() {
        as_natively(&[], "20");
    }
}

/// Prints what docs/conformance.md says of Mesa's driver.
#[test]
fn areas_on_mesa() {
    let said = says(Driver::Mesa, &[], "1");
    for (area, outcome) in &said {
        println!("mesa, {area}: {outcome}");
    }
    assert!(said.values().filter(|outcome| outcome.starts_with("passes")).count() >= 9, "{said:#?}");
}
