//! The house: floors of the driver, no circles, files of a size that can be read at once.

use hesper_rig::workspace;
use hesper_tests::house::{Source, arrows_upwards, circles, missing_tests, named_tests, sources, too_long};

fn all() -> Vec<Source> {
    let all = sources(workspace()).unwrap();
    let there = |path: &str| all.iter().any(|s| s.path == path);
    assert!(there("icd/src/base/slab.rs") && there("icd/src/generated/thunks.rs") && there("tests/tests/house.rs"));
    all
}

#[test]
fn each_folder_of_the_driver_uses_only_those_before_it() {
    let found = arrows_upwards(&all());
    assert!(found.is_empty(), "{} arrows upwards:\n{}", found.len(), found.join("\n"));
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let found = circles(&all());
    assert!(found.is_empty(), "{} circles:\n{}", found.len(), found.join("\n"));
}

#[test]
fn every_handwritten_file_is_short() {
    let found = too_long(&all());
    assert!(found.is_empty(), "too long: {found:#?}");
}

#[test]
fn the_tests_that_documents_name_exist() {
    let document = include_str!("../../docs/macos.md");
    assert!(named_tests(document).len() > 10, "docs/macos.md names its tests otherwise than it did");
    let missing = missing_tests(document, &all());
    assert!(missing.is_empty(), "docs/macos.md names tests that aren't there: {missing:?}");
}
