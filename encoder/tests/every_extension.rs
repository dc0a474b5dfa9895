//! What becomes of each extension of vk.xml: offered as the host's, as the driver's own, found out by trying, or not, with a reason (`extensions.tsv` and `other_extensions.tsv`).

use std::collections::BTreeMap;

/// The classes, in the order of the page.
const CLASSES: [&str; 5] = ["carried", "local", "probe", "later", "impossible"];

/// The rows of a table, without comments and head.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter(|l| !l.starts_with('#')).skip(1).map(|l| l.split('\t').collect())
}

/// Extensions of vk.xml, and what has them: a device or an instance.
fn registry() -> BTreeMap<&'static str, &'static str> {
    rows(include_str!("generated/registry.tsv")).map(|r| (r[0], r[1])).collect()
}

/// Each row's extension and class.
fn classes() -> Vec<(&'static str, &'static str)> {
    let offered = rows(include_str!("../protocol/extensions.tsv")).filter_map(|r| match r[3] {
        "pass" => Some((r[0], "carried")),
        "local" => Some((r[0], "local")),
        "probe" => Some((r[0], "probe")),
        // Its structs travel, and what becomes of it is in the other table.
        "codec" => None,
        other => panic!("{}: {other}", r[0]),
    });
    let others = rows(include_str!("../protocol/other_extensions.tsv")).map(|r| {
        let [name, class, why] = r[..] else { panic!("{r:?} has {} columns", r.len()) };
        assert!(["local", "later", "impossible"].contains(&class) && !why.is_empty(), "{r:?}");
        (name, class)
    });
    offered.chain(others).collect()
}

#[test]
fn none_is_forgotten_and_none_is_there_twice() {
    let (registry, classes) = (registry(), classes());
    let mut problems = Vec::new();
    for name in registry.keys() {
        match classes.iter().filter(|(n, _)| n == name).count() {
            1 => {}
            n => problems.push(format!("{name} is in {n} rows")),
        }
    }
    problems
        .extend(classes.iter().filter(|(n, _)| !registry.contains_key(n)).map(|(n, _)| format!("{n} isn't in vk.xml")));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(registry.len() > 400, "the list has {} extensions", registry.len());
}

#[test]
fn the_other_table_is_sorted() {
    let names: Vec<_> = rows(include_str!("../protocol/other_extensions.tsv")).map(|r| r[0]).collect();
    assert!(names.is_sorted());
}

/// docs/STATUS.md shows how many there are of each class.
#[test]
fn the_page_counts_right() {
    let (registry, classes) = (registry(), classes());
    let of =
        |class: &str, kind: &str| classes.iter().filter(|(n, c)| *c == class && registry.get(n) == Some(&kind)).count();
    let status = include_str!("../../docs/STATUS.md");
    let wanted = CLASSES.map(|class| format!("| {class} | {} | {} |", of(class, "device"), of(class, "instance")));
    let missing: Vec<_> = wanted.iter().filter(|line| !status.lines().any(|l| l.starts_with(*line))).collect();
    assert!(missing.is_empty(), "docs/STATUS.md lacks lines that start with\n{missing:#?}");
}

/// Whatever the page says of single extensions, the tables say, too: a name that it gives under a class is in that class.
#[test]
fn the_page_names_those_of_a_class() {
    let classes: BTreeMap<_, _> = classes().into_iter().collect();
    let status = include_str!("../../docs/STATUS.md");
    let mut looked_at = 0;
    for class in CLASSES {
        let lines = status.lines().filter(|l| l.starts_with(&format!("| {class} |")));
        for name in lines.flat_map(|l| l.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))) {
            if name.starts_with("VK_") {
                looked_at += 1;
                assert_eq!(classes.get(name), Some(&class), "{name}");
            }
        }
    }
    assert!(looked_at > 10, "the page names {looked_at} extensions");
}
