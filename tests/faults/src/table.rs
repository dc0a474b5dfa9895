//! The grid as a table in Markdown.

use std::fmt::Write;

use hesper_rig::Driver;

use crate::condition::Condition;
use crate::fault::Fault;
use crate::grid::Grid;
use crate::verdict::Verdict;

/// Runs and their ends, counted.
pub fn counts<'a>(verdicts: impl Iterator<Item = &'a Verdict>) -> String {
    let (mut good, mut bad) = (0, Vec::<(&str, usize)>::new());
    for verdict in verdicts {
        match verdict {
            Verdict::NotReached => {}
            Verdict::Unharmed | Verdict::Error { .. } => good += 1,
            Verdict::Bad(b) => match bad.iter_mut().find(|(word, _)| *word == b.word()) {
                Some((_, n)) => *n += 1,
                None => bad.push((b.word(), 1)),
            },
        }
    }
    let bad: Vec<String> = bad.into_iter().map(|(word, n)| format!("{n} {word}")).collect();
    match (good, bad.is_empty()) {
        (0, true) => "-".into(),
        (good, true) => format!("{good}"),
        (0, false) => bad.join(", "),
        (good, false) => format!("{good}, {}", bad.join(", ")),
    }
}

/// A program's grid on one driver: a row a fault, a column a phase.
pub fn table(grid: &Grid) -> String {
    let mut text = format!("| fault | {} |\n| --- |", grid.phases.join(" | "));
    text += &" --- |".repeat(grid.phases.len());
    text.push('\n');
    for fault in Fault::ALL {
        let of = |phase| counts(grid.cells.iter().filter(|c| c.fault == fault && c.phase == phase).map(|c| &c.verdict));
        let columns: Vec<String> = (0..grid.phases.len()).map(of).collect();
        if columns.iter().any(|c| c != "-") {
            let _ = writeln!(text, "| {fault} | {} |", columns.join(" | "));
        }
    }
    text
}

/// Conditions under drivers: a row a kind, a column a driver.
pub fn conditions(columns: &[(Driver, Vec<(Condition, Verdict)>)]) -> String {
    let names: Vec<&str> = columns.iter().map(|(driver, _)| driver.name()).collect();
    let mut text = format!("| condition | {} |\n| --- |{}\n", names.join(" | "), " --- |".repeat(names.len()));
    let mut kinds: Vec<String> = Vec::new();
    for (condition, _) in columns.iter().flat_map(|(_, c)| c) {
        if !kinds.contains(&condition.kind()) {
            kinds.push(condition.kind());
        }
    }
    for kind in kinds {
        let of = |all: &[(Condition, Verdict)]| counts(all.iter().filter(|(c, _)| c.kind() == kind).map(|(_, v)| v));
        let row: Vec<String> = columns.iter().map(|(_, all)| of(all)).collect();
        let _ = writeln!(text, "| {kind} | {} |", row.join(" | "));
    }
    text
}

/// How many runs ended how.
pub fn sum<'a>(verdicts: impl Iterator<Item = &'a Verdict>) -> String {
    let all: Vec<&Verdict> = verdicts.collect();
    let count = |f: &dyn Fn(&Verdict) -> bool| all.iter().filter(|v| f(v)).count();
    let bad = |word: &str| count(&|v| matches!(v, Verdict::Bad(b) if b.word() == word));
    let words: Vec<String> = ["abort", "hang", "wrong", "code", "lost", "leak", "others"]
        .into_iter()
        .map(|w| format!("{} {w}", bad(w)))
        .collect();
    format!(
        "{} runs: {} ended with an error, {} went on unharmed; {}",
        count(&|v| !matches!(v, Verdict::NotReached)),
        count(&|v| matches!(v, Verdict::Error { .. })),
        count(&|v| matches!(v, Verdict::Unharmed)),
        words.join(", ")
    )
}

/// A word of each kind, for documents.
pub fn legend() -> &'static str {
    "A number counts runs that ended with an allowed error within two seconds, or unharmed. Beside it: abort (a signal or a panic), hang (no \
     error within two seconds), wrong (success reported for what wasn't), code (an error that the call may not return), lost (a host that \
     was only slow), leak (files or mappings left), others (another driver's device not found)."
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Bad;

    #[test]
    fn cells_are_counted() {
        let hang = || Verdict::Bad(Bad::Hung(String::new()));
        let cells = [Verdict::Unharmed, hang(), Verdict::NotReached, hang()];
        assert_eq!(counts(cells.iter()), "1, 2 hang");
        assert_eq!(counts(cells[2..3].iter()), "-");
    }
}
