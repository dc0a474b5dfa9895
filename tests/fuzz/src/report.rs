//! Programs that show a difference: printed, and kept in files.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::compare::Difference;
use crate::fleet::Seat;
use crate::program::Program;
use crate::step::Step;

/// A kept program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    pub seed: u64,
    pub number: u64,
    pub mix: String,
    /// Of HESPER_DEBUG, with which it showed.
    pub switches: String,
    pub program: Program,
}

/// Reads a kept program.
///
/// # Errors
/// When it can't be read or is none.
pub fn read(file: &Path) -> Result<Found> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no kept program", file.display()))
}

/// Keeps a program in a folder.
///
/// # Errors
/// When it can't be written.
pub fn write(folder: &Path, found: &Found) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let file = folder.join(format!("{}-{}.json", found.seed, found.number));
    std::fs::write(&file, serde_json::to_string_pretty(found)?)
        .with_context(|| format!("writing {}", file.display()))?;
    Ok(file)
}

/// Steps as text, one a line, with their numbers.
pub fn steps(steps: &[Step]) -> String {
    let mut text = String::new();
    for (i, step) in steps.iter().enumerate() {
        match step {
            Step::Parallel { left, right } => {
                let _ = writeln!(text, "{i:4} Parallel");
                for (name, side) in [("1", left), ("2", right)] {
                    for (j, step) in side.iter().enumerate() {
                        let _ = writeln!(text, "       thread {name} {j:3} {step:?}");
                    }
                }
            }
            Step::Record { commands, .. } => {
                let line = format!("{step:?}");
                let head = line.split(", commands:").next().unwrap_or_default();
                let _ = writeln!(text, "{i:4} {head} }}");
                for command in commands {
                    let _ = writeln!(text, "            {command:?}");
                }
            }
            _ => {
                let _ = writeln!(text, "{i:4} {step:?}");
            }
        }
    }
    text
}

/// Prints a difference and the program that shows it.
pub fn print(found: &Found, seat: &Seat, difference: &Difference, all: &[Step]) {
    println!("\n--- seed {}, program {} ({}), on {seat}:", found.seed, found.number, found.mix);
    print!("{}", steps(all));
    println!("{}\n---", difference.text);
}
