//! `charts`: the pictures of the documents, drawn from the numbers that the repository keeps.

use std::fs;

use anyhow::{Context, Result, ensure};
use hesper_tests::placement::Distance;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::bench::{BASELINE, Baseline};
use crate::chart::{self, Point, Tokens};
use crate::step::Step;

/// Draws the pictures of the documents: docs/bench.svg of tests/bench-baseline.json, docs/tokens.svg of tests/tokens.json, docs/spin-*.svg of tests/spin.json.
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
    [("tg128", "Text (tg128), tokens a second"), ("pp512", "Prompt (pp512), tokens a second on an H200")];

/// Tokens a second by processor time, of the section spin of `gpu-bench`.
const SPIN: &str = "tests/spin.json";

/// A point of it.
#[derive(Deserialize)]
struct Spin {
    model: String,
    driver: String,
    /// For this project's driver HESPER_SPIN_US.
    name: String,
    /// Milliseconds for 1000 tokens.
    cpu: f64,
    /// Tokens a second.
    speed: f64,
}

/// One row of a table of docs/performance.md.
#[derive(Deserialize)]
struct Row {
    model: String,
    test: String,
    memory: Memory,
    native: f64,
    /// Not measured in each sitting.
    mesa: Option<f64>,
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
    let mut pictures = vec![("docs/bench.svg".to_owned(), calls()?), ("docs/tokens.svg".to_owned(), tokens()?)];
    pictures.extend(spin()?);
    for (path, text) in pictures {
        let step = Step::start(&path, "");
        let file = hesper_rig::workspace().join(&path);
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
    let mut baseline: Baseline = read(BASELINE)?;
    let far = baseline.remove(Distance::Far.name()).context("the baseline has no far processors")?;
    chart::calls(&far.into_iter().collect::<Vec<_>>())
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

/// A picture for each model.
fn spin() -> Result<Vec<(String, String)>> {
    let points: Vec<Spin> = read(SPIN)?;
    let mut models: Vec<&str> = points.iter().map(|p| p.model.as_str()).collect();
    models.dedup();
    let of = |model: &str, is_hesper: bool| {
        let wanted = points.iter().filter(|p| p.model == model && (p.driver == "hesper") == is_hesper);
        wanted.map(|p| Point { name: p.name.clone(), x: p.cpu, y: p.speed }).collect::<Vec<_>>()
    };
    let draw = |model: &&str| {
        let title = format!("{model}, text: by HESPER_SPIN_US");
        let axes = ["milliseconds of processor time for 1000 tokens", "tokens a second"];
        Ok((format!("docs/spin-{model}.svg"), chart::curve(&title, axes, &of(model, true), &of(model, false))?))
    };
    models.iter().map(draw).collect()
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
            let number = |cell: &str| -> Option<f64> {
                let digits: String = cell.chars().filter(|c| c.is_ascii_digit() || *c == '.').collect();
                digits.parse().ok()
            };
            let cells: Vec<Option<f64>> = line.split('|').skip(2).take(3).map(number).collect();
            assert_eq!(cells, [Some(row.native), row.mesa, Some(row.hesper)], "{line}");
        }
    }
}
