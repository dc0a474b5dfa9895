//! What is written, a line of JSON each, as it is measured.

use serde::{Deserialize, Serialize};

use crate::pace::Pace;

/// A line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Line {
    About(About),
    Value(Value),
    Failure(Failure),
}

/// Where and how it was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The machine's own device, as llama.cpp lists it.
    pub device: String,
    /// What NVIDIA's kernel module says of itself, if it is there.
    pub module: String,
    /// Processors.
    pub processors: usize,
    /// Their pace when the run began ([`crate::pace::Pace`]).
    #[serde(default)]
    pub pace: String,
    /// The kernel's release.
    pub kernel: String,
    /// The command line.
    pub arguments: Vec<String>,
}

impl About {
    /// The machine that this runs on, with its device, and how this program was called.
    pub fn of_this_machine(device: String) -> Self {
        let line = |path: &str| {
            let text = std::fs::read_to_string(path).unwrap_or_default();
            text.lines().next().unwrap_or_default().to_owned()
        };
        Self {
            device,
            module: line("/proc/driver/nvidia/version"),
            processors: std::thread::available_parallelism().map_or(0, |n| n.get()),
            // Nothing but this text hangs on it.
            pace: Pace::of_this_machine().map_or_else(|e| format!("{e:#}"), |pace| pace.to_string()),
            kernel: line("/proc/sys/kernel/osrelease"),
            arguments: std::env::args().skip(1).collect(),
        }
    }
}

/// What one process measured in one row of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Value {
    /// The table: matrix, load, …
    pub section: String,
    /// `copied` or `mapped` ([`crate::machine::Memory`]).
    pub memory: String,
    /// The row's name.
    pub row: String,
    /// What is counted: `tokens/s`, `ms`, …
    pub unit: String,
    /// The driver's name.
    pub driver: String,
    /// The name of the driver's other build or switches ([`crate::variant::Variant`]), where it isn't the one that is measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// The process's number among those of its driver, from 1.
    pub process: u32,
    /// All samples; a median stands for them.
    pub samples: Vec<f64>,
}

/// What came to nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    pub section: String,
    pub row: String,
    pub driver: String,
    pub message: String,
}

/// Lines of a file; those that aren't of this kind, such as a last one that was cut off, are left out and counted.
pub fn read(text: &str) -> (Vec<Line>, usize) {
    let all: Vec<_> = text.lines().filter(|l| !l.trim().is_empty()).map(serde_json::from_str).collect();
    let bad = all.iter().filter(|l| l.is_err()).count();
    (all.into_iter().flatten().collect(), bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_back_but_for_what_was_cut_off() {
        let value = Line::Value(Value {
            section: "matrix".into(),
            memory: "copied".into(),
            row: "tiny:q4_k tg16".into(),
            unit: "tokens/s".into(),
            driver: "hesper".into(),
            variant: Some("+contention".into()),
            process: 1,
            samples: vec![1.0, 2.5],
        });
        let about = Line::About(About { processors: 2, ..About::default() });
        let text = format!(
            "{}\n{}\n{{\"value\":{{\"sec",
            serde_json::to_string(&about).unwrap(),
            serde_json::to_string(&value).unwrap()
        );
        assert_eq!(read(&text), (vec![about, value], 1));
    }
}
