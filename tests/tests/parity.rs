//! Hesper has what Mesa's venus driver has over the same host, and says the same of it, unless tests/parity.tsv says why not.

use std::path::Path;

use hesper_rig::HostVersion;
use hesper_tests::parity::{FEW_FORMATS, Kind, Meant, ask, differences};
use hesper_tests::root;

#[test]
fn no_difference_to_mesas_driver_is_unexplained() {
    let client = Path::new(env!("CARGO_BIN_EXE_hesper-client"));
    let answers = ask(&root(), HostVersion::chosen().unwrap(), client, FEW_FORMATS).unwrap();
    for (driver, facts) in [("native", &answers.native), ("Mesa", &answers.mesa), ("Hesper", &answers.hesper)] {
        for section in ["VkPhysicalDeviceLimits/", "Device Extensions/", "Formats/", "Images/", "Instance extensions/"]
        {
            assert!(facts.keys().any(|f| f.starts_with(section)), "{driver} says nothing of {section}");
        }
    }
    let meant = Meant::read().unwrap();
    let bad: Vec<String> = differences(&answers)
        .into_iter()
        .filter(|d| d.kind != Kind::OnTop && meant.line(d).is_none())
        .map(|d| {
            format!("{} {}: {:?}, not {:?}", d.kind, d.fact, answers.hesper.get(&d.fact), answers.mesa.get(&d.fact))
        })
        .collect();
    assert!(bad.is_empty(), "{} differences without a reason in tests/parity.tsv:\n{}", bad.len(), bad.join("\n"));
}
