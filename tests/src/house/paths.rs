//! The paths that a source names, with the braces of `use` opened.

/// A path, as its segments.
pub type Path = Vec<String>;

/// One name that a `use` brings in.
#[derive(Debug, PartialEq, Eq)]
pub struct Used {
    pub path: Path,
    /// What it is called here.
    pub name: String,
    /// Whether others may use it from here.
    pub public: bool,
}

/// What a source names.
#[derive(Debug, Default)]
pub struct Paths {
    pub used: Vec<Used>,
    /// Paths of two segments or more, elsewhere.
    pub named: Vec<Path>,
}

/// Words, `::`, and all other characters one by one.
fn tokens(code: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = code.trim_start();
    while let Some(c) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let end = match c {
            _ if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            ':' if rest.starts_with("::") => 2,
            _ => c.len_utf8(),
        };
        tokens.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    tokens
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Reads the tree of a `use` at `at`, whose path so far is `prefix`; returns where it ends.
fn tree(tokens: &[&str], mut at: usize, prefix: &[String], public: bool, used: &mut Vec<Used>) -> usize {
    let mut path = prefix.to_vec();
    let mut name = None;
    while let Some(token) = tokens.get(at) {
        match *token {
            "{" => {
                at += 1;
                while tokens.get(at).is_some_and(|t| *t != "}") {
                    at = tree(tokens, at, &path, public, used);
                    if tokens.get(at) == Some(&",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "as" => {
                name = tokens.get(at + 1).map(|t| (*t).to_owned());
                at += 2;
            }
            "self" if !path.is_empty() => at += 1,
            "::" | "*" => at += 1,
            word if is_word(word) => {
                path.push(word.to_owned());
                at += 1;
            }
            _ => break,
        }
    }
    if let Some(name) = name.or_else(|| path.last().cloned()) {
        used.push(Used { path, name, public });
    }
    // A token that no tree has is passed by, so that there is an end.
    if tokens.get(at).is_some_and(|t| matches!(*t, "," | "}" | ";")) { at } else { at + 1 }
}

/// All paths of a source's code.
pub fn paths(code: &str) -> Paths {
    let tokens = tokens(code);
    let mut paths = Paths::default();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if *token == "use" {
            let public = at > 0 && matches!(tokens.get(at - 1), Some(&"pub" | &")"));
            at = tree(&tokens, at + 1, &[], public, &mut paths.used);
        } else if is_word(token) {
            let mut path = vec![(*token).to_owned()];
            while tokens.get(at + 1) == Some(&"::") && tokens.get(at + 2).is_some_and(|t| is_word(t)) {
                path.extend(tokens.get(at + 2).map(|t| (*t).to_owned()));
                at += 2;
            }
            if path.len() > 1 {
                paths.named.push(path);
            }
            at += 1;
        } else {
            at += 1;
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_opened() {
        let found = paths("pub use crate::{a::{self, B as C}, d::*};\nfn f() { e::F::<u8>::g(h) }");
        let used: Vec<_> = found.used.iter().map(|u| (u.path.join("::"), u.name.as_str(), u.public)).collect();
        let wanted = [("crate::a", "a", true), ("crate::a::B", "C", true), ("crate::d", "d", true)];
        assert_eq!(used, wanted.map(|(path, name, public)| (path.to_owned(), name, public)));
        assert_eq!(found.named, [["e", "F"].map(str::to_owned)]);
    }
}
