//! The files that documents lead to.

use std::path::{Component, Path, PathBuf};

/// The files that a document links to, from the top of the checkout, in their order; `document` is its own path from there. Addresses on the network and places within the document are left out.
pub fn linked(document: &str, text: &str) -> Vec<PathBuf> {
    let folder = Path::new(document).parent().unwrap_or(Path::new(""));
    let ends = text.match_indices("](").filter_map(|(at, start)| text.get(at + start.len()..)?.split_once(')'));
    let targets = ends.map(|(target, _)| target.split('#').next().unwrap_or_default());
    targets.filter(|t| !t.is_empty() && !t.contains(':')).map(|t| plain(&folder.join(t))).collect()
}

/// A path without `..` in it.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(out.pop()),
            Component::CurDir => {}
            part => out.push(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_from_the_documents_folder() {
        let text = "[a](b.md#part), ![c](../d.svg) [e](https://x.example/y) [f](#g) (h)";
        assert_eq!(linked("docs/x.md", text), ["docs/b.md", "d.svg"].map(PathBuf::from));
        assert_eq!(linked("x.md", text)[0], Path::new("b.md"));
    }
}
