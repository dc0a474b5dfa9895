//! Tables in documents, between two marks.

use anyhow::{Context, Result};

/// Puts a table between two marks of a document, which is named from the top of the checkout.
///
/// # Errors
/// When the document or the marks aren't there.
pub fn write_between(document: &str, [from, to]: [&str; 2], table: &str) -> Result<()> {
    let path = hesper_rig::workspace().join(document);
    let old = std::fs::read_to_string(&path).with_context(|| format!("reading {document}"))?;
    let new = replaced(&old, from, to, table).with_context(|| format!("{document} has no {from} … {to}"))?;
    std::fs::write(&path, new).with_context(|| format!("writing {document}"))
}

fn replaced(old: &str, from: &str, to: &str, table: &str) -> Option<String> {
    let (before, rest) = old.split_once(from)?;
    let (_, after) = rest.split_once(to)?;
    Some(format!("{before}{from}\n{}\n{to}{after}", table.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_goes_between_the_marks() {
        let document = "a\n<!-- x -->\nold\n<!-- /x -->\nb\n";
        assert_eq!(
            replaced(document, "<!-- x -->", "<!-- /x -->", "new\n\n").unwrap(),
            "a\n<!-- x -->\nnew\n<!-- /x -->\nb\n"
        );
        assert_eq!(replaced("a\n", "<!-- x -->", "<!-- /x -->", "new"), None);
    }
}
