//! What all checks have found, for people and for programs (docs/doctor.md).

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::finding::{Finding, Status};

/// The version of the JSON: another one where a name goes or means something else.
const SCHEMA: u32 = 1;

/// What was found.
#[derive(Clone, Debug)]
pub struct Report {
    findings: Vec<(&'static str, Finding)>,
    way: Option<String>,
    took: Duration,
}

impl Report {
    /// Of these findings, in order; `way` is the driver's to the host.
    pub fn new(findings: Vec<(&'static str, Finding)>, way: Option<String>, took: Duration) -> Self {
        Self { findings, way, took }
    }

    /// The first finding that keeps programs from a GPU.
    fn reason(&self) -> Option<&Finding> {
        self.findings.iter().map(|(_, f)| f).find(|f| f.status == Status::Fail)
    }

    /// The exit status: 0 where programs find a GPU.
    pub fn status(&self) -> u8 {
        self.reason().map_or(0, |f| f.exit)
    }

    fn verdict(&self) -> String {
        match (self.reason(), &self.way) {
            (Some(f), _) => format!("Hesper can't work here: {}.", f.why),
            (None, Some(way)) => format!("Hesper can work here, on {way}."),
            (None, None) => "Hesper can work here.".to_owned(),
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (id, f) in &self.findings {
            let _ = writeln!(text, "{}  {id:9} {}", f.status.name(), f.why);
            if let Some(advice) = f.advice.as_ref().filter(|_| f.status == Status::Warn) {
                let _ = writeln!(text, "{:16}to do: {advice}", "");
            }
        }
        let _ = writeln!(text, "{}", self.verdict());
        if let Some(advice) = self.reason().and_then(|f| f.advice.as_ref()) {
            let _ = writeln!(text, "What to do: {advice}.");
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let check = |(id, f): &(&str, Finding)| json!({ "id": id, "status": f.status.name(), "why": f.why, "advice": f.advice, "facts": f.facts });
        json!({
            "schema": SCHEMA,
            "version": env!("CARGO_PKG_VERSION"),
            "usable": self.reason().is_none(),
            "status": self.status(),
            "verdict": self.verdict(),
            "advice": self.reason().and_then(|f| f.advice.as_ref()),
            "way": self.way,
            "seconds": self.took.as_secs_f64(),
            "checks": self.findings.iter().map(check).collect::<Vec<_>>(),
        })
    }
}
