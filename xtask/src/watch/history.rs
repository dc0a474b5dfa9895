//! What was measured, run by run: JSON lines, and a picture of them.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use hesper_rig::Driver;
use hesper_tests::load::{BETWEEN, FIRST, TOKENS};
use serde::{Deserialize, Serialize};

use crate::lines::{self, Panel};
use crate::results::Results;
use crate::revision;

/// A run of `cargo xtask watch`: one line of the history.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Entry {
    /// Seconds since 1970.
    pub time: u64,
    pub version: String,
    /// The commit, where no file differed from it.
    pub commit: Option<String>,
    /// What it was compared with.
    pub against: String,
    pub processors: usize,
    pub clients: u32,
    /// Minutes that each driver was under load.
    pub minutes: f64,
    pub rows: Vec<Row>,
    /// The rows that had become slower than what it was compared with, for people.
    pub slower: Vec<String>,
}

/// The medians of one row; less is better, but for units a second. What wasn't measured is null.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Row {
    pub name: String,
    pub unit: String,
    pub native: Option<f64>,
    pub mesa: Option<f64>,
    pub hesper: Option<f64>,
}

impl Entry {
    /// An entry of now.
    pub fn new(results: &Results, against: &str, clients: u32, minutes: f64, slower: &[String]) -> Self {
        let number = |v: f64| v.is_finite().then_some(v);
        let rows = results.rows().map(|(name, unit, [native, mesa, hesper])| Row {
            name: name.to_owned(),
            unit: unit.to_owned(),
            native: number(native),
            mesa: number(mesa),
            hesper: number(hesper),
        });
        Self {
            time: SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |t| t.as_secs()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: revision::clean(),
            against: against.to_owned(),
            processors: std::thread::available_parallelism().map_or(1, Into::into),
            clients,
            minutes,
            rows: rows.collect(),
            slower: slower.to_vec(),
        }
    }

    fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|r| r.name == name)
    }

    /// How many times as fast as Mesa's driver calls are: the geometric mean of all rows that a load doesn't have.
    fn calls(&self) -> Option<f64> {
        let calls = self.rows.iter().filter(|r| r.is_of_calls());
        let logarithms: Vec<f64> = calls.filter_map(Row::times_as_fast).map(f64::ln).collect();
        let mean = logarithms.iter().sum::<f64>() / logarithms.len() as f64;
        mean.is_finite().then(|| mean.exp())
    }
}

impl Row {
    fn is_of_calls(&self) -> bool {
        !self.name.starts_with(FIRST)
            && !self.name.starts_with(BETWEEN)
            && !["tokens/s", "answers/s"].contains(&&*self.unit)
    }

    /// As Mesa's driver. A row that takes next to nothing on one of them says nothing.
    fn times_as_fast(&self) -> Option<f64> {
        let ratio = self.mesa? / self.hesper?;
        let ratio = if self.unit.ends_with("/s") { 1.0 / ratio } else { ratio };
        (ratio > 0.0 && ratio.is_finite()).then_some(ratio)
    }

    fn of(&self, driver: Driver) -> Option<f64> {
        match driver {
            Driver::Native => self.native,
            Driver::Mesa => self.mesa,
            Driver::Hesper => self.hesper,
        }
    }
}

/// Adds a line to a history, which is made if it isn't there.
///
/// # Errors
/// Those of the file system.
pub fn append(path: &Path, entry: &Entry) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    let mut line = serde_json::to_string(entry)?;
    line.push('\n');
    let file = OpenOptions::new().create(true).append(true).open(path);
    let written = file.and_then(|mut file| file.write_all(line.as_bytes()));
    written.with_context(|| format!("writing {}", path.display()))
}

/// All lines of a history.
///
/// # Errors
/// When it can't be read; with the number of a line that is none of its.
pub fn read(path: &Path) -> Result<Vec<Entry>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let entry = |(i, line)| serde_json::from_str(line).with_context(|| format!("line {} of {}", i + 1, path.display()));
    text.lines().enumerate().map(entry).collect()
}

/// The history as a picture: what the load measured on the three drivers, and calls.
///
/// # Errors
/// When there is nothing to draw.
pub fn draw(entries: &[Entry]) -> Result<String> {
    let of_load = |(name, title): (&str, &str)| Panel {
        title: title.to_owned(),
        lines: Driver::ALL.map(|d| (d, entries.iter().map(|e| e.row(name)?.of(d)).collect())).to_vec(),
    };
    let mut panels =
        [(TOKENS, "tokens/s of all clients"), (FIRST, "ms to the first token"), (BETWEEN, "ms from token to token")]
            .map(of_load)
            .to_vec();
    panels.push(Panel {
        title: "calls: times as fast as Mesa's driver (geometric mean)".to_owned(),
        lines: vec![(Driver::Hesper, entries.iter().map(Entry::calls).collect())],
    });
    lines::draw(&panels)
}

#[cfg(test)]
mod tests {
    use hesper_tests::measure::Sample;

    use super::*;

    fn entry(tokens: f64) -> Entry {
        let mut results = Results::default();
        results.take(
            Driver::Hesper,
            &[
                Sample::new(TOKENS, tokens, "tokens/s"),
                Sample::new("submit", 2.0, "us"),
                Sample::new("copy", 20.0, "GB/s"),
            ],
        );
        results.take(
            Driver::Mesa,
            &[
                Sample::new(TOKENS, 90.0, "tokens/s"),
                Sample::new("submit", 8.0, "us"),
                Sample::new("copy", 20.0, "GB/s"),
            ],
        );
        Entry::new(&results, "v0.1.0", 8, 2.0, &["submit: 1.200".to_owned()])
    }

    #[test]
    fn a_history_is_read_as_it_was_written() {
        let folder = std::env::temp_dir().join(format!("hesper-history-{}", std::process::id()));
        let path = folder.join("history.jsonl");
        let entries = [entry(100.0), entry(101.5)];
        entries.iter().for_each(|e| append(&path, e).unwrap());
        assert_eq!(read(&path).unwrap(), entries);
        assert_eq!(entries[0].rows[0].native, None);
        let svg = draw(&entries).unwrap();
        assert!(svg.contains("tokens/s of all clients") && svg.contains("polyline"), "{svg}");
        fs::write(&path, "{\"time\": 1}\n").unwrap();
        assert!(format!("{:#}", read(&path).unwrap_err()).contains("line 1"));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn calls_are_a_mean_without_the_load() {
        let times = entry(1000.0).calls().unwrap();
        assert!((times - 2.0).abs() < 1e-9, "{times}");
    }
}
