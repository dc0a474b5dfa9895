//! The tests that a document names: in the last column of its tables, where that column's heading is `test`.

use super::Source;

/// The cells of a table's row.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(str::trim).collect())
}

/// The names, in their order.
pub fn named_tests(document: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut of_tests = false;
    let mut inside = false;
    for line in document.lines() {
        let Some(cells) = cells(line) else {
            inside = false;
            continue;
        };
        let last = cells.last().copied().unwrap_or_default();
        if !std::mem::replace(&mut inside, true) {
            of_tests = last == "test";
        } else if of_tests {
            names.extend(last.split('`').skip(1).step_by(2));
        }
    }
    names
}

/// Those that no source has.
pub fn missing_tests<'a>(document: &'a str, sources: &[Source]) -> Vec<&'a str> {
    let is_there = |name: &&str| {
        let function = format!("fn {name}()");
        sources.iter().any(|s| s.text.lines().any(|l| l.trim_start().starts_with(&function)))
    };
    named_tests(document).into_iter().filter(|name| !is_there(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "\
| a | test |
| - | --- |
| `no` | `one`, `two` |

text `no`

| test | b |
| --- | --- |
| x | `no` |
";

    #[test]
    fn a_name_without_a_test_is_found() {
        assert_eq!(named_tests(DOCUMENT), ["one", "two"]);
        let source = |text: &str| [Source { path: "tests/x.rs".into(), text: text.into() }];
        assert_eq!(missing_tests(DOCUMENT, &source("#[test]\n    fn one() {\n}\nfn two_more() {}")), ["two"]);
        assert!(missing_tests(DOCUMENT, &source("fn one() {}\nfn two() {}")).is_empty());
    }
}
