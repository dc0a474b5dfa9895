//! What `hesper doctor --json` says (docs/doctor.md).

use std::process::Command;

use serde_json::Value;

use crate::{both, output};

/// A report, and the status that the program ended with.
#[derive(Debug)]
pub struct Report {
    json: Value,
    status: i32,
}

impl Report {
    /// Runs a command of the program's, which gets its arguments here.
    ///
    /// # Panics
    /// When it can't be started, or says anything but a report that agrees with its status.
    pub fn of(command: &mut Command) -> Self {
        let out = output("hesper doctor", command.args(["doctor", "--json"]));
        let json: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {}", both(&out)));
        let status = out.status.code().unwrap_or_else(|| panic!("{}: {}", out.status, both(&out)));
        assert_eq!((&json["schema"], &json["status"]), (&1.into(), &status.into()), "{json:#}");
        assert_eq!(json["usable"], status == 0, "{json:#}");
        Self { json, status }
    }

    /// A check by its name.
    ///
    /// # Panics
    /// When there is none.
    pub fn check(&self, id: &str) -> &Value {
        let all = self.json["checks"].as_array().unwrap();
        all.iter().find(|c| c["id"] == id).unwrap_or_else(|| panic!("no check {id}: {:#}", self.json))
    }

    /// A fact of a check.
    ///
    /// # Panics
    /// When there is no such check.
    pub fn fact(&self, id: &str, name: &str) -> &Value {
        &self.check(id)["facts"][name]
    }

    /// Seconds that it took.
    ///
    /// # Panics
    /// When it doesn't say.
    pub fn seconds(&self) -> f64 {
        self.json["seconds"].as_f64().unwrap()
    }

    /// Asserts that programs find a GPU, and that these checks pass.
    ///
    /// # Panics
    /// When that isn't so.
    pub fn is_good(&self, passed: &[&str]) {
        assert_eq!(self.status, 0, "{:#}", self.json);
        for id in passed {
            assert_eq!(self.check(id)["status"], "pass", "{id}: {:#}", self.json);
        }
    }

    /// Asserts that a check is the reason why programs find none: it fails, as the first of all, its words and its advice hold these, and
    /// the program ended with `status`.
    ///
    /// # Panics
    /// When that isn't so.
    pub fn blames(&self, id: &str, status: i32, why: &str, advice: &str) {
        let first = self.json["checks"].as_array().unwrap().iter().find(|c| c["status"] == "fail");
        let first = first.unwrap_or_else(|| panic!("nothing fails: {:#}", self.json));
        assert_eq!((first["id"].as_str(), self.status), (Some(id), status), "{:#}", self.json);
        self.says(id, why);
        assert!(first["advice"].as_str().is_some_and(|a| a.contains(advice)), "{advice}: {:#}", self.json);
        assert!(self.json["verdict"].as_str().is_some_and(|v| v.contains(why)), "{why}: {:#}", self.json);
    }

    /// Asserts that a check warns, and that programs find a GPU nonetheless.
    ///
    /// # Panics
    /// When that isn't so.
    pub fn warns(&self, id: &str, why: &str) {
        self.is_good(&[]);
        assert_eq!(self.check(id)["status"], "warn", "{:#}", self.json);
        self.says(id, why);
    }

    fn says(&self, id: &str, why: &str) {
        assert!(self.check(id)["why"].as_str().is_some_and(|w| w.contains(why)), "{why}: {:#}", self.json);
    }
}
