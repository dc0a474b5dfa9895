//! Reading a trace: a line of JSON an event (`winsys-virtgpu/src/trace`).

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Result;
use serde::Deserialize;

/// The events of all threads.
#[derive(Debug, Default)]
pub struct Events {
    /// Names, by their numbers.
    pub names: Vec<String>,
    pub all: Vec<Event>,
}

/// Something that took time, or happened at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    pub thread: u32,
    /// The name's number.
    pub name: usize,
    /// Microseconds of CLOCK_MONOTONIC.
    pub start: f64,
    /// Microseconds.
    pub duration: f64,
}

#[derive(Deserialize)]
struct Line<'a> {
    tid: u32,
    #[serde(borrow)]
    name: std::borrow::Cow<'a, str>,
    ts: f64,
    dur: f64,
}

/// Reads a file. A line that isn't whole is left out: the program may have been killed while it wrote one.
///
/// # Errors
/// Those of the file system.
pub fn read(path: &Path) -> Result<Events> {
    read_from(BufReader::new(File::open(path)?))
}

fn read_from(mut from: impl BufRead) -> Result<Events> {
    let (mut events, mut numbers, mut bytes) = (Events::default(), HashMap::new(), Vec::new());
    loop {
        bytes.clear();
        if from.read_until(b'\n', &mut bytes)? == 0 {
            return Ok(events);
        }
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim().trim_end_matches(',');
        let Ok(line) = serde_json::from_str::<Line>(text) else { continue };
        let name = *numbers.entry(line.name.to_string()).or_insert_with_key(|name| {
            events.names.push(name.clone());
            events.names.len() - 1
        });
        events.all.push(Event { thread: line.tid, name, start: line.ts, duration: line.dur });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_and_torn_ones_left_out() {
        let text = "[\n{\"ph\":\"X\",\"pid\":1,\"tid\":2,\"name\":\"vkX\",\"ts\":10.5,\"dur\":2.0,\"args\":{\"value\":0}},\n     {\"ph\":\"X\",\"pid\":1,\"tid\":3,\"name\":\"vkX\",\"ts\":11.0,\"dur\":0.0,\"args\":{\"value\":0}},\n{\"ph\":\"X\",\"pi";
        let events = read_from(text.as_bytes()).unwrap();
        assert_eq!(events.names, ["vkX"]);
        let event = |thread, start, duration| Event { thread, name: 0, start, duration };
        assert_eq!(events.all, [event(2, 10.5, 2.0), event(3, 11.0, 0.0)]);
    }
}
