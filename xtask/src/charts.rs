//! `charts`: the pictures of the documents, drawn from the numbers that the repository keeps.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::bench::BASELINE;
use crate::chart::{self, Tokens};
use crate::step::Step;

/// Draws the pictures of the documents: docs/bench.svg of tests/bench-baseline.json, docs/tokens.svg of tests/tokens.json.
#[derive(clap::Args)]
pub struct Args {
    /// Write nothing; fail if a picture is not current.
    #[arg(long)]
    check: bool,
}

/// Tokens a second, as docs/performance.md has them.
const TOKENS: &str = "tests/tokens.json";
/// Its tests, each with a title for its panel.
const PANELS: [(&str, &str); 2] =
    [("tg128", "Text (tg128), tokens a second"), ("pp512", "Prompt (pp512), tokens a second on an H100")];

/// One row of a table of docs/performance.md.
#[derive(Deserialize)]
struct Row {
    model: String,
    test: String,
    memory: Memory,
    native: f64,
    mesa: f64,
    hesper: f64,
}

/// Whether guests can map video memory.
#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Memory {
    /// No: what a token needs is copied there.
    Copied,
    Mapped,
}

pub fn run(args: &Args) -> Result<()> {
    for (path, text) in [("docs/bench.svg", calls()?), ("docs/tokens.svg", tokens()?)] {
        let step = Step::start(path, "");
        let file = hesper_rig::workspace().join(path);
        if args.check {
            let is_current = fs::read_to_string(&file).is_ok_and(|kept| kept == text);
            ensure!(is_current, "{path} isn't what its numbers say: run `cargo xtask charts`");
        } else {
            fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        }
        step.done("");
    }
    Ok(())
}

fn read<T: DeserializeOwned>(path: &str) -> Result<T> {
    let text = fs::read_to_string(hesper_rig::workspace().join(path)).with_context(|| format!("reading {path}"))?;
    serde_json::from_str(&text).with_context(|| format!("reading {path}"))
}

fn calls() -> Result<String> {
    let ratios: std::collections::BTreeMap<String, f64> = read(BASELINE)?;
    chart::calls(&ratios.into_iter().collect::<Vec<_>>())
}

fn tokens() -> Result<String> {
    let rows: Vec<Row> = read(TOKENS)?;
    let panel = |(test, title): (&str, &'static str)| {
        let of_test = rows.iter().filter(|r| r.test == test).map(|r| Tokens {
            name: match r.memory {
                Memory::Copied => format!("{}, memory not mapped", r.model),
                Memory::Mapped => format!("{}, memory mapped", r.model),
            },
            native: r.native,
            mesa: r.mesa,
            hesper: r.hesper,
        });
        (title, of_test.collect::<Vec<_>>())
    };
    chart::tokens(&PANELS.map(panel))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_current() {
        run(&Args { check: true }).unwrap();
    }

    /// The first row of each name is of the table without mapped memory.
    #[test]
    fn tokens_are_those_of_the_document() {
        let document = fs::read_to_string(hesper_rig::workspace().join("docs/performance.md")).unwrap();
        for row in read::<Vec<Row>>(TOKENS).unwrap() {
            let name = format!("| {} {} |", row.model, row.test);
            let mut lines = document.lines().filter(|l| l.starts_with(&name) && l.matches('|').count() == 7);
            let line = lines.nth(row.memory as usize).unwrap_or_else(|| panic!("no row {name}"));
            let number = |cell: &str| -> f64 {
                let median = cell.split('(').next().unwrap_or_default();
                let digits: String = median.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
                digits.parse().unwrap_or_else(|_| panic!("{cell:?} is no number"))
            };
            let cells: Vec<f64> = line.split('|').skip(2).take(3).map(number).collect();
            assert_eq!(cells, [row.native, row.mesa, row.hesper], "{line}");
        }
    }
}
