//! What came out.

use std::time::Duration;

use hesper_rig::Driver;

use super::growth::Growth;

/// A line of the table.
#[derive(Debug)]
pub struct Row {
    /// What was done.
    pub what: String,
    /// On which driver.
    pub driver: Driver,
    /// How long it took.
    pub took: Duration,
    /// What else is worth a word.
    pub note: String,
    /// What the programs held.
    pub program: Option<Growth>,
    /// What the host's processes held.
    pub host: Option<Growth>,
    /// What must not be.
    pub complaints: Vec<String>,
}

impl Row {
    /// What the columns are.
    pub const HEAD: [&str; 6] = [
        "what",
        "driver",
        "took",
        "",
        "programs: memory, files, mappings, threads",
        "host: memory, files, mappings, threads",
    ];

    /// The columns.
    pub fn cells(&self) -> Vec<String> {
        let growth = |g: &Option<Growth>| g.map_or("-".into(), |g| g.to_string());
        let took = format!("{:.1} s", self.took.as_secs_f64());
        vec![
            self.what.clone(),
            self.driver.to_string(),
            took,
            self.note.clone(),
            growth(&self.program),
            growth(&self.host),
        ]
    }
}

/// `1 000 000`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1 000", "1 234 567"]);
    }
}
