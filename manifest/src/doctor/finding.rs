//! What a check has found.

use serde_json::{Value, json};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// As it should be.
    Pass,
    /// Programs find a GPU, but not all is well.
    Warn,
    /// Programs find no GPU by this driver.
    Fail,
    /// It couldn't be looked at, because of something that has failed.
    Skip,
}

impl Status {
    /// Its name in text and JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skip => "skip",
        }
    }
}

/// Exit statuses of what isn't an obstacle on the way to the host (`obstacles`).
pub mod exit {
    /// The Vulkan loader can't be opened.
    pub const LOADER: u8 = 10;
    /// The loader isn't led to a driver that can be opened.
    pub const DRIVER: u8 = 11;
    /// The host doesn't answer.
    pub const SILENT: u8 = 12;
    /// Vulkan calls fail, or the device computes something else.
    pub const WORK: u8 = 13;
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub status: Status,
    /// What was found, or why it failed: one line.
    pub why: String,
    /// What to do about it.
    pub advice: Option<String>,
    /// By what the program ends if nothing before has failed; 0 unless it fails.
    pub exit: u8,
    /// The same for programs (docs/doctor.md).
    pub facts: Value,
}

impl Finding {
    pub fn pass(why: impl Into<String>) -> Self {
        Self { status: Status::Pass, why: line(why), advice: None, exit: 0, facts: json!({}) }
    }

    pub fn warn(why: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { status: Status::Warn, advice: Some(advice.into()), ..Self::pass(why) }
    }

    pub fn fail(exit: u8, why: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { status: Status::Fail, exit, ..Self::warn(why, advice) }
    }

    pub fn skip(why: impl Into<String>) -> Self {
        Self { status: Status::Skip, ..Self::pass(why) }
    }

    /// With facts for programs.
    pub fn with(self, facts: Value) -> Self {
        Self { facts, ..self }
    }
}

/// Words of others may have several lines.
fn line(text: impl Into<String>) -> String {
    text.into().split_whitespace().collect::<Vec<_>>().join(" ")
}
