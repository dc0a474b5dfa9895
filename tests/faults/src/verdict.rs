//! What is made of a program's end.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use ash::vk;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::program::{Ended, Program};

/// How soon a program must have an error, or be past the fault.
pub const LIMIT: Duration = Duration::from_secs(2);

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It went on to its end, and everything was right.
    Unharmed,
    /// A call returned an error that it may return, in time.
    Error { call: String, code: vk::Result },
    /// The fault's point was never reached.
    NotReached,
    /// It ended well where another end is due.
    Bad(Bad),
}

/// What must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bad {
    /// A signal, or a panic.
    Aborted(String),
    /// No end in time.
    Hung(String),
    /// Success was reported, and it was none.
    Wrong(String),
    /// An error that the call may not return.
    Code(String),
    /// A host that was only slow was lost.
    Lost(String),
    /// Files or mappings that are left.
    Leak(String),
    /// The other drivers' devices weren't found.
    Others(String),
}

impl Verdict {
    pub fn is_good(&self) -> bool {
        !matches!(self, Self::Bad(_))
    }
}

impl Bad {
    /// A word for a table.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Aborted(_) => "abort",
            Self::Hung(_) => "hang",
            Self::Wrong(_) => "wrong",
            Self::Code(_) => "code",
            Self::Lost(_) => "lost",
            Self::Leak(_) => "leak",
            Self::Others(_) => "others",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unharmed => f.write_str("unharmed"),
            Self::Error { call, code } => write!(f, "{call}: {code:?}"),
            Self::NotReached => f.write_str("not reached"),
            Self::Bad(bad) => write!(f, "{bad:?}"),
        }
    }
}

/// What a fault may do to a program.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// It must go on to its end.
    pub unharmed: bool,
    /// How long the fault itself holds it up.
    pub lasts: Duration,
}

/// Judges a run of the test client.
fn careful(ended: &Ended, injected: Instant, expected: Expected) -> Verdict {
    let json: Vec<Value> = ended.lines.iter().filter_map(|l| serde_json::from_str(l).ok()).collect();
    let Some(report) = json.iter().find(|j| j["calls"].is_u64()) else {
        return Verdict::Bad(Bad::Aborted(format!("no report; {}", tail(&ended.stderr))));
    };
    if let Some(wrong) = report["wrong"].as_str() {
        return Verdict::Bad(Bad::Wrong(wrong.into()));
    }
    let slowest = report["slowest"]["us"].as_u64().unwrap_or(0);
    if Duration::from_micros(slowest) > LIMIT + expected.lasts {
        return Verdict::Bad(Bad::Hung(format!("{} took {slowest} us", report["slowest"]["call"])));
    }
    if ended.at.saturating_duration_since(injected) > LIMIT + expected.lasts && report["error"].is_object() {
        return Verdict::Bad(Bad::Hung("the end came late".into()));
    }
    let (files, shared) = (report["files"].as_u64().unwrap_or(0), report["shared"].as_u64().unwrap_or(0));
    if files > 0 || shared > 0 {
        return Verdict::Bad(Bad::Leak(format!("{files} files and {shared} mappings are left")));
    }
    let error = &report["error"];
    let (Some(call), Some(code)) = (error["call"].as_str(), error["code"].as_i64()) else { return Verdict::Unharmed };
    let code = vk::Result::from_raw(code as i32);
    if expected.unharmed {
        return Verdict::Bad(Bad::Lost(format!("{call}: {code:?}; {}", tail(&ended.stderr))));
    }
    if json.iter().any(|j| j["others"] == 0) {
        return Verdict::Bad(Bad::Others("the loader finds no other driver's device".into()));
    }
    if ["vkCreateInstance", "vkEnumeratePhysicalDevices"].contains(&call)
        && !json.iter().any(|j| j["others"].as_u64() > Some(0))
    {
        return Verdict::Bad(Bad::Others(format!("{call}: {code:?}, though there is another driver")));
    }
    if call.starts_with("vk") && !hesper_tests::result_codes::allowed(call, code) {
        return Verdict::Bad(Bad::Code(format!("{call}: {code:?}")));
    }
    Verdict::Error { call: call.into(), code }
}

/// Judges a run of llama-bench, which ends by itself with an exception for errors.
fn llama(ended: &Ended, injected: Instant, expected: Expected) -> Verdict {
    let Some(status) = ended.status else { return Verdict::Bad(Bad::Hung(tail(&ended.stderr))) };
    if status.success() {
        return Verdict::Unharmed;
    }
    // vulkan.hpp throws, and llama.cpp doesn't catch: std::terminate aborts with the exception's name.
    let said = ended.stderr.split_once("Error").map(|(_, rest)| rest);
    let name: Option<String> = said.map(|rest| rest.chars().take_while(|c| c.is_ascii_alphabetic()).collect());
    let own = ended.stderr.contains("vk::") || ended.stderr.contains("llama_") || ended.stderr.contains("ggml_");
    let panicked = ended.stderr.contains("panicked at");
    let died = status.signal().filter(|s| *s != Signal::SIGABRT as i32 || !own || panicked);
    if let Some(signal) = died {
        return Verdict::Bad(Bad::Aborted(format!("signal {signal}: {}", tail(&ended.stderr))));
    }
    if expected.unharmed {
        return Verdict::Bad(Bad::Lost(tail(&ended.stderr)));
    }
    if ended.at.saturating_duration_since(injected) > LIMIT + expected.lasts {
        return Verdict::Bad(Bad::Hung("the end came late".into()));
    }
    Verdict::Error { call: name.unwrap_or_else(|| "llama.cpp's own error".into()), code: vk::Result::ERROR_UNKNOWN }
}

/// Judges a run in which a fault was injected at some time, if it was.
pub fn of(program: Program, ended: &Ended, injected: Option<Instant>, expected: Expected) -> Verdict {
    let Some(injected) = injected else {
        return match ended.status {
            Some(status) if status.success() => Verdict::NotReached,
            status => Verdict::Bad(Bad::Aborted(format!("without a fault: {status:?}; {}", tail(&ended.stderr)))),
        };
    };
    let Some(status) = ended.status else {
        return Verdict::Bad(Bad::Hung(format!("after {:?}; {}", ended.lines.last(), tail(&ended.stderr))));
    };
    match program {
        Program::Llama => llama(ended, injected, expected),
        Program::Careful => match status.signal() {
            Some(signal) => Verdict::Bad(Bad::Aborted(format!("signal {signal}: {}", tail(&ended.stderr)))),
            None => careful(ended, injected, expected),
        },
    }
}

/// The end of a text.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(4)..].join(" / ")
}
