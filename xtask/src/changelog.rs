//! CHANGELOG.md: what it says of a version.

use anyhow::{Context, Result, ensure};

/// The section of changes that belong to no version yet.
const UNRELEASED: &str = "Unreleased";

/// Checks that a version can be released: it has a section with a date, and no change is left out of it.
///
/// # Errors
/// What is missing.
pub fn check(changelog: &str, version: &str) -> Result<()> {
    let section = |name: &str| {
        let mut lines = changelog.lines().skip_while(|l| heading(l) != Some(name));
        let first = lines.next()?;
        Some((first, lines.take_while(|l| heading(l).is_none()).filter(|l| l.starts_with("* ")).count()))
    };
    let (first, lines) =
        section(version).with_context(|| format!("CHANGELOG.md has no section `## {version} (YEAR-MONTH-DAY)`"))?;
    ensure!(is_dated(first), "CHANGELOG.md: `{first}` has no date, as in `## {version} (2026-01-31)`");
    ensure!(lines > 0, "CHANGELOG.md says nothing of {version}");
    let left = section(UNRELEASED).map_or(0, |(_, lines)| lines);
    ensure!(left == 0, "CHANGELOG.md has changes under `## {UNRELEASED}`, which belong to {version} or to no release");
    Ok(())
}

/// The name in a heading of a version.
fn heading(line: &str) -> Option<&str> {
    line.strip_prefix("## ")?.split_whitespace().next()
}

/// Whether a heading ends in a date in parentheses.
fn is_dated(heading: &str) -> bool {
    let date = heading.rsplit_once(" (").and_then(|(_, date)| date.strip_suffix(')')).unwrap_or_default();
    let parts: Vec<&str> = date.split('-').collect();
    let widths: Vec<usize> = parts.iter().map(|p| p.len()).collect();
    widths == [4, 2, 2] && parts.iter().all(|p| p.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said() {
        let good = "# Changelog\n\n## 0.2.0 (2026-11-29)\n\n### Vulkan\n\n* a\n\n## 0.1.0 (2026-01-01)\n\n* b\n";
        check(good, "0.2.0").unwrap();
        check(&format!("{}\n", good.replace("# Changelog\n", "# Changelog\n\n## Unreleased\n")), "0.2.0").unwrap();
        let says = |changelog: &str, version: &str| check(changelog, version).unwrap_err().to_string();
        assert!(says(good, "0.3.0").contains("no section `## 0.3.0 "));
        assert!(says(good, "0.2").contains("no section"));
        assert!(says(&good.replace(" (2026-11-29)", ""), "0.2.0").contains("no date"));
        assert!(says(&good.replace("(2026-11-29)", "(soon)"), "0.2.0").contains("no date"));
        assert!(says(&good.replace("### Vulkan\n\n* a\n", ""), "0.2.0").contains("says nothing"));
        let left = good.replace("## 0.2.0", "## Unreleased\n\n* c\n\n## 0.2.0");
        assert!(says(&left, "0.2.0").contains("belong to"));
    }

    #[test]
    fn this_version_can_be_released() {
        let version = env!("CARGO_PKG_VERSION");
        let said = check(include_str!("../../CHANGELOG.md"), version);
        // Changes may come before the next number does.
        assert!(said.as_ref().is_ok() || said.as_ref().is_err_and(|e| e.to_string().contains(UNRELEASED)), "{said:?}");
    }
}
