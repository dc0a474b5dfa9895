//! The grid as a table in Markdown.

use std::fmt::Write;

use crate::fault::Fault;
use crate::grid::{Cell, Grid};
use crate::verdict::Verdict;

/// Runs and their ends, counted.
pub fn counts<'a>(cells: impl Iterator<Item = &'a Cell>) -> String {
    let (mut good, mut bad) = (0, Vec::<(&str, usize)>::new());
    for cell in cells {
        match &cell.verdict {
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
        let of = |phase| counts(grid.cells.iter().filter(|c| c.fault == fault && c.phase == phase));
        let columns: Vec<String> = (0..grid.phases.len()).map(of).collect();
        if columns.iter().any(|c| c != "-") {
            let _ = writeln!(text, "| {fault} | {} |", columns.join(" | "));
        }
    }
    text
}

/// How many runs ended how.
pub fn sum(grids: &[&Grid]) -> String {
    let cells = || grids.iter().flat_map(|g| &g.cells);
    let count = |f: &dyn Fn(&Verdict) -> bool| cells().filter(|c| f(&c.verdict)).count();
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

/// Whether nothing was bad.
pub fn is_good(grids: &[&Grid]) -> bool {
    grids.iter().flat_map(|g| &g.cells).all(|c| c.verdict.is_good())
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
        let cell = |verdict| Cell { fault: Fault::Fatal, phase: 0, verdict };
        let hang = || Verdict::Bad(Bad::Hung(String::new()));
        let cells = [cell(Verdict::Unharmed), cell(hang()), cell(Verdict::NotReached), cell(hang())];
        assert_eq!(counts(cells.iter()), "1, 2 hang");
        assert_eq!(counts(cells[2..3].iter()), "-");
    }
}
