//! The file of results, and how much time there is.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hesper_rig::Driver;

use crate::record::{About, Failure, Line, Value};

/// A command isn't begun with less than this left: it would be cut off.
const SHORTEST: Duration = Duration::from_secs(10);

/// Where results go, and until when.
pub struct Output {
    file: File,
    start: Instant,
    end: Instant,
    memory: String,
}

/// A row of a table.
#[derive(Clone, Debug)]
pub struct Row {
    pub section: &'static str,
    pub name: String,
    pub driver: Driver,
    /// Which of the driver's variants, if any.
    pub variant: Option<String>,
    /// From 1.
    pub process: u32,
}

impl Row {
    /// The driver, and which of its variants.
    fn contender(&self) -> String {
        self.variant.as_ref().map_or_else(|| self.driver.to_string(), |v| format!("{} ({v})", self.driver))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.section, self.name, self.contender(), self.process)
    }
}

impl Output {
    /// Begins a file; commands may run for `budget`. `memory` is said in each line.
    ///
    /// # Errors
    /// When the file can't be made, or has results of another run.
    pub fn create(path: &Path, budget: Duration, memory: &str) -> Result<Self> {
        let file = File::options().create(true).append(true).open(path);
        let file = file.with_context(|| format!("making {}", path.display()))?;
        ensure!(file.metadata()?.len() == 0, "{} has results already; name another file", path.display());
        let start = Instant::now();
        Ok(Self { file, start, end: start + budget, memory: memory.to_owned() })
    }

    /// How long commands may still run.
    pub fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// Whether there is no time to begin anything.
    pub fn is_over(&self) -> bool {
        self.left() < SHORTEST
    }

    /// # Errors
    /// When it can't be written.
    pub fn about(&mut self, about: About) -> Result<()> {
        self.line(&Line::About(about))
    }

    /// Writes what a process measured in a row.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn value(&mut self, row: &Row, unit: &str, samples: &[f64]) -> Result<()> {
        let shown: Vec<String> = samples.iter().map(|s| format!("{s:.4}")).collect();
        self.say(&format!("{row}: {} {unit}", shown.join(" ")));
        self.line(&Line::Value(Value {
            section: row.section.to_owned(),
            memory: self.memory.clone(),
            row: row.name.clone(),
            unit: unit.to_owned(),
            driver: row.driver.to_string(),
            variant: row.variant.clone(),
            process: row.process,
            samples: samples.to_vec(),
        }))
    }

    /// Writes that a row came to nothing.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn failure(&mut self, row: &Row, message: &str) -> Result<()> {
        self.say(&format!("{row}: FAILED: {message}"));
        self.line(&Line::Failure(Failure {
            section: row.section.to_owned(),
            row: row.name.clone(),
            driver: row.contender(),
            message: message.to_owned(),
        }))
    }

    /// Tells whoever watches.
    pub fn say(&self, text: &str) {
        println!("[{:5.0} s] {text}", self.start.elapsed().as_secs_f64());
    }

    /// Lines are there when they are written: whoever stops this program keeps them.
    fn line(&mut self, line: &Line) -> Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        self.file.write_all(text.as_bytes()).context("writing the results")
    }
}

/// The last lines of a log, in one.
pub fn end(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|l| !l.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(8)..].join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_another_run_are_kept() {
        let path = std::env::temp_dir().join(format!("hesper-results-{}.jsonl", std::process::id()));
        let begin = || Output::create(&path, Duration::from_secs(60), "copied");
        let row = Row { section: "cpu", name: "a row".into(), driver: Driver::Native, variant: None, process: 1 };
        // Nothing was measured by the first.
        drop(begin().unwrap());
        begin().unwrap().value(&row, "tokens/s", &[7.0]).unwrap();
        let written = std::fs::read_to_string(&path).unwrap();
        let refused = begin().err().unwrap().to_string();
        assert!(written.contains("a row") && refused.contains("has results already"), "{refused}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
        std::fs::remove_file(&path).unwrap();
    }
}
