//! The differences that are meant: tests/parity.tsv.

use anyhow::{Context, Result, ensure};

use super::difference::{Difference, Kind};
use super::facts::Answers;

/// The table.
const TABLE: &str = include_str!("../../parity.tsv");
const HEAD: &str = "difference\tfact\treason";

/// A line of the table: facts of which a difference is meant.
#[derive(Clone, Debug)]
pub struct Line {
    /// How Hesper differs; `None` where the fact changes all the time, so that it differs or doesn't.
    pub kind: Option<Kind>,
    /// The fact's name, where `*` stands for anything.
    pub pattern: String,
    /// Why.
    pub reason: String,
}

impl Line {
    fn covers(&self, difference: &Difference) -> bool {
        self.kind.is_none_or(|kind| kind == difference.kind) && matches(&self.pattern, &difference.fact)
    }
}

/// The table's lines.
#[derive(Clone, Debug)]
pub struct Meant(Vec<Line>);

impl Meant {
    /// Reads the table.
    ///
    /// # Errors
    /// When a line isn't as the table's head says.
    pub fn read() -> Result<Self> {
        Self::parse(TABLE)
    }

    fn parse(text: &str) -> Result<Self> {
        let mut lines = text.lines().filter(|l| !l.starts_with('#'));
        ensure!(lines.next() == Some(HEAD), "tests/parity.tsv doesn't begin with {HEAD:?}");
        let line = |text: &str| {
            let cells: Vec<&str> = text.split('\t').collect();
            let [kind, pattern, reason] = cells[..] else { anyhow::bail!("{} columns", cells.len()) };
            ensure!(!reason.is_empty(), "a reason is missing");
            let kind = if kind == "varies" { None } else { Some(kind.parse::<Kind>().map_err(anyhow::Error::msg)?) };
            ensure!(kind != Some(Kind::OnTop), "what Hesper has on top needs no line");
            Ok(Line { kind, pattern: pattern.to_owned(), reason: reason.to_owned() })
        };
        let lines: Result<Vec<Line>> =
            lines.map(|l| line(l).with_context(|| format!("tests/parity.tsv: {l}"))).collect();
        Ok(Self(lines?))
    }

    /// The line that covers a difference.
    pub fn line(&self, difference: &Difference) -> Option<&Line> {
        self.0.iter().find(|l| l.covers(difference))
    }

    /// All lines.
    pub fn lines(&self) -> &[Line] {
        &self.0
    }

    /// The lines that cover no difference on any of some hosts; of those that vary, the ones without a fact.
    pub fn stale(&self, hosts: &[(&Answers, &[Difference])]) -> Vec<&Line> {
        let used = |line: &Line| {
            hosts.iter().any(|(answers, differences)| match line.kind {
                Some(_) => differences.iter().any(|d| line.covers(d)),
                None => answers.hesper.keys().any(|fact| matches(&line.pattern, fact)),
            })
        };
        self.0.iter().filter(|line| !used(line)).collect()
    }
}

/// Whether a name is of a pattern, in which `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == name };
    let Some(rest) = name.strip_prefix(before) else { return false };
    rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| matches(after, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(fact: &str, kind: Kind) -> Difference {
        Difference { fact: fact.to_owned(), kind }
    }

    #[test]
    fn patterns() {
        for (pattern, name, same) in [
            ("a/b", "a/b", true),
            ("a/b", "a/bc", false),
            ("a/*", "a/b/c", true),
            ("a/*/c", "a/b/c", true),
            ("a/*/c", "a/b/d", false),
            ("*/UUID", "VkX/UUID", true),
            ("a*", "a", true),
            ("*[0]*", "memoryHeaps[0]/budget", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, name), same, "{pattern} {name}");
        }
    }

    #[test]
    fn differences_find_their_lines_and_unused_lines_are_stale() {
        let text = format!(
            "# Why.\n{HEAD}\nlacks\tImages/*\tone\ndiffers\tVkA/*\ttwo\nvaries\theaps/*\tthree\nvaries\tgone\tfour\n"
        );
        let meant = Meant::parse(&text).unwrap();
        let found = [difference("Images/a", Kind::Lacks), difference("Images/b", Kind::Differs)];
        assert_eq!(meant.line(&found[0]).map(|l| l.reason.as_str()), Some("one"));
        assert!(meant.line(&found[1]).is_none(), "another kind of difference");
        let mut answers = Answers::default();
        answers.hesper.insert("heaps/0".to_owned(), "1".to_owned());
        let stale = meant.stale(&[(&answers, &found)]);
        assert_eq!(stale.iter().map(|l| l.reason.as_str()).collect::<Vec<_>>(), ["two", "four"]);
    }

    #[test]
    fn bad_tables_are_refused() {
        for line in ["lacks\ta", "lacks\ta\t", "misses\ta\twhy", "on top\ta\twhy", "lacks\ta\twhy\tmore"] {
            assert!(Meant::parse(&format!("{HEAD}\n{line}\n")).is_err(), "{line}");
        }
        assert!(Meant::parse("lacks\ta\twhy\n").is_err(), "no head");
        Meant::read().unwrap();
    }
}
