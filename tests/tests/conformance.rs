//! Areas in which drivers that hand calls on are known to go wrong (docs/conformance.md), on the host's own driver, on Mesa's and on Hesper.

use std::collections::BTreeMap;
use std::time::Instant;

use hesper_rig::{Driver, Host};
use hesper_tests::{both, median, output, root};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");
const DOCUMENT: &str = include_str!("../../docs/conformance.md");
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

/// What a driver says to each of these areas: that it passes, and what of it may differ between drivers; why it was left out; or how it failed.
fn says(
    driver: Driver,
    areas: &[&'static str],
    settings: &[(&str, &str)],
    times: u32,
) -> BTreeMap<&'static str, String> {
    let root = root();
    let host = driver.needs_host().then(|| Host::start_with(&root, settings).unwrap());
    let ask = |area: &&'static str| {
        let command = match &host {
            Some(host) => root.client(driver, Some(host), CLIENT),
            None => root.native_with_layer(settings, CLIENT),
        };
        let start = Instant::now();
        let out = output(area, command.unwrap().args(["conformance", area, "--times", &times.to_string()]));
        let text = both(&out);
        println!("{driver}, {area}, {:.1} s: {text}", start.elapsed().as_secs_f64());
        let line = |beginning: &str| text.lines().find(|l| l.starts_with(beginning)).map(str::to_owned);
        let outcome = match (line(&format!("ok {area}")), line("left out")) {
            (Some(_), _) if out.status.success() => format!("passes {}", line("full pools").unwrap_or_default()),
            (_, Some(left_out)) if out.status.success() => left_out,
            _ => format!("FAILS: {}\n{text}", out.status),
        };
        (*area, outcome.trim_end().to_owned())
    };
    let said = areas.iter().map(ask).collect();
    if let Some(host) = host.filter(|_| driver == Driver::Hesper) {
        assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
    }
    said
}

/// Fails unless the host's own driver passes every area, and Hesper says what the host's own driver says; but of pools that are full, which Vulkan
/// lets a driver give more from, it says that they are.
fn as_natively(settings: &[(&str, &str)], times: u32) {
    let [native, hesper] = [Driver::Native, Driver::Hesper].map(|driver| says(driver, &AREAS, settings, times));
    for area in AREAS {
        assert!(native[area].starts_with("passes"), "{area} on the host's own driver: {}", native[area]);
        if area == "descriptor-pools" {
            let (_, told) = hesper[area].split_once("full pools: [").unwrap_or_else(|| panic!("{}", hesper[area]));
            let full = |result| result == "ERROR_OUT_OF_POOL_MEMORY";
            assert!(told.trim_end_matches(']').split(", ").all(full), "{area}: {told}");
        } else {
            assert_eq!(native[area], hesper[area], "{area}: native on the left, hesper on the right");
        }
    }
}

/// With the switch that has the host count.
#[test]
fn pools_that_the_host_counts_are_as_natively() {
    const AREA: [&str; 3] = ["conformance", "descriptor-pools", "--times=1"];
    let root = root();
    let host = Host::start(&root).unwrap();
    let [native, hesper] = [Driver::Native, Driver::Hesper].map(|driver| {
        let mut command = root.client(driver, Some(&host), CLIENT).unwrap();
        let out = output("descriptor-pools", command.args(AREA).env("HESPER_DEBUG", "vtest,no-pool-counts"));
        assert!(out.status.success(), "{driver}: {}", both(&out));
        both(&out).lines().find(|l| l.starts_with("full pools")).map(str::to_owned)
    });
    assert!(native.is_some());
    assert_eq!(native, hesper);
}

/// What docs/conformance.md says of a driver in the row of an area: column 3 is the host's own driver, 4 Mesa's and 5 Hesper.
fn documented(area: &str, column: usize) -> &'static str {
    let row = DOCUMENT.lines().find(|l| l.starts_with(&format!("| `{area}` |")));
    let cell = row.and_then(|r| r.trim_end_matches(" |").split(" | ").nth(column));
    cell.unwrap_or_else(|| panic!("docs/conformance.md has no row of {area}, or none of six columns"))
}

#[test]
fn the_client_and_the_document_have_these_areas() {
    let mut command = root().client(Driver::Native, None, CLIENT).unwrap();
    let out = output("the client", command.args(["conformance", "nothing"]));
    let known = format!("the areas are {AREAS:?}");
    assert!(!out.status.success() && both(&out).contains(&known), "{}", both(&out));
    assert_eq!(DOCUMENT.lines().filter(|l| l.starts_with("| `")).count(), AREAS.len());
    for area in AREAS {
        assert!([3, 5].iter().all(|column| documented(area, *column).starts_with("passes")), "{area}");
    }
}

#[test]
fn areas_as_natively() {
    as_natively(&[], 1);
}

#[test]
fn areas_as_natively_with_memory_of_the_devices_own() {
    as_natively(&[("HESPER_TEST_LAYER_DISCRETE", "1")], 1);
}

/// Those that the document says Mesa's driver passes always.
#[test]
fn areas_on_mesa() {
    let (always, others): (Vec<_>, Vec<_>) = AREAS.into_iter().partition(|a| documented(a, 4).starts_with("passes"));
    assert!(others.iter().all(|a| documented(a, 4).starts_with("at times")), "what is known of {others:?}?");
    for (area, outcome) in says(Driver::Mesa, &always, &[], 1) {
        assert!(outcome.starts_with("passes"), "{area}: {outcome}");
    }
}

/// With thousands of pipelines, and every allocation refused.
#[test]
#[ignore = "half a minute, on a busy machine minutes; part of cargo xtask nightly"]
fn areas_as_natively_at_length() {
    as_natively(&[], 20);
}

/// Prints what the areas take that are nothing but calls and answers, on each driver in turns; medians of three.
#[test]
#[ignore = "prints times, for docs/conformance.md"]
fn times_of_areas() {
    const TIMES: [&str; 3] = ["conformance", "--times", "5"];
    let root = root();
    let host = Host::start(&root).unwrap();
    for area in ["device-host", "descriptor-pools"] {
        let run = |driver| {
            let mut command = root.client(driver, Some(&host), CLIENT).unwrap();
            let start = Instant::now();
            let out = output(area, command.args(TIMES).arg(area));
            // Mesa's driver is known to hang at times.
            assert!(out.status.success() || driver == Driver::Mesa, "{area} on {driver}:\n{}", both(&out));
            start.elapsed().as_secs_f64()
        };
        let rounds = [(); 3].map(|()| Driver::ALL.map(run));
        let times = [0, 1, 2].map(|i| median(&rounds.map(|round| round[i])));
        let [native, mesa, hesper] = times;
        println!(
            "{area}: native {native:.2} s, mesa {mesa:.2} s, hesper {hesper:.2} s; hesper/mesa {:.2}, hesper/native {:.2}",
            hesper / mesa,
            hesper / native
        );
    }
}
