//! The house: floors of the driver, no circles, files of a size that can be read at once.

use std::fs;
use std::path::Path;

use hesper_rig::workspace;
use hesper_tests::house::{
    Source, arrows_upwards, circles, linked, missing_tests, named_tests, rows, sources, too_long, untried,
};

/// Pages that README.md leads to whose commands measure, test or make what the checkout has, for those who work on it.
const OF_DEVELOPERS: [&str; 8] = [
    "docs/performance.md",
    "docs/calls.md",
    "docs/choices.md",
    "docs/reliability.md",
    "docs/STATUS.md",
    "docs/ARCHITECTURE.md",
    "docs/venus/WIRE.md",
    "CHANGELOG.md",
];

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

/// Reads README.md and the pages that it leads to.
fn pages() -> Vec<(String, String)> {
    let read = |page: &str| fs::read_to_string(workspace().join(page)).unwrap_or_else(|e| panic!("{page}: {e}"));
    let readme = read("README.md");
    let led = linked("README.md", &readme).into_iter().map(|p| p.to_str().unwrap().to_owned());
    let mut pages: Vec<String> = led.filter(|p| p.ends_with(".md")).collect();
    pages.sort();
    pages.dedup();
    let mut pages: Vec<_> = pages.into_iter().map(|page| (page.clone(), read(&page))).collect();
    pages.push(("README.md".to_owned(), readme));
    pages
}

#[test]
fn a_test_runs_each_command_of_the_pages_for_users() {
    let pages: Vec<_> = pages().into_iter().filter(|(page, _)| !OF_DEVELOPERS.contains(&&**page)).collect();
    assert!(pages.len() > 10, "README.md leads to {} pages for users", pages.len());
    let table = include_str!("../commands.tsv");
    let found = untried(&pages, &rows(table).unwrap(), &all());
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn links_of_pages_lead_somewhere() {
    let mut lost = Vec::new();
    for (page, text) in pages() {
        let targets = linked(&page, &text).into_iter().filter(|t| !workspace().join(t).exists());
        lost.extend(targets.map(|t| format!("{page} leads to {}, which isn't there", Path::display(&t))));
    }
    assert!(lost.is_empty(), "{}", lost.join("\n"));
}
