//! How long a program's calls keep the host's driver busy while it starts: what a guest's driver can't make shorter. The test layer writes them down, in the host's processes,
//! or in the program natively.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;

/// What the layer is told about the trace: its file, and that it has to do nothing else.
pub const TRACE: &str = "HESPER_TEST_LAYER_TRACE";
pub const ONLY: &str = "HESPER_TEST_LAYER_TRACE_ONLY";
/// The layer's name.
pub const LAYER: &str = "VK_LAYER_HESPER_TEST_dma_buf_export";
/// What stands before the names of calls.
const HOST: &str = "host ";

/// An event of a trace, in microseconds.
#[derive(Deserialize)]
struct Event {
    name: String,
    ts: f64,
    dur: f64,
}

/// For each call how long one of it at least was under way, in any thread of any process that has a trace in the folder.
///
/// # Errors
/// Those of reading the files.
pub fn busy(folder: &Path) -> Result<BTreeMap<String, Duration>> {
    let mut spans = BTreeMap::<String, Vec<(f64, f64)>>::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        for event in events(&String::from_utf8_lossy(&text)) {
            if let Some(call) = event.name.strip_prefix(HOST) {
                spans.entry(call.to_owned()).or_default().push((event.ts, event.ts + event.dur));
            }
        }
    }
    Ok(spans.into_iter().map(|(call, spans)| (call, covered(spans))).collect())
}

/// The events of a trace, one a line, without what a process that ended in the middle of one has left.
fn events(text: &str) -> impl Iterator<Item = Event> {
    text.lines().filter_map(|line| serde_json::from_str(line.trim_end_matches(',')).ok())
}

/// How much of the time these spans cover, of which some may be at the same time.
fn covered(mut spans: Vec<(f64, f64)>) -> Duration {
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut sum, mut end) = (0.0, f64::NEG_INFINITY);
    for (from, to) in spans {
        sum += (to - from.max(end)).max(0.0);
        end = end.max(to);
    }
    Duration::from_secs_f64(sum / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_at_the_same_time_count_once() {
        let ms = |ms: &[(f64, f64)]| covered(ms.iter().map(|(a, b)| (a * 1e3, b * 1e3)).collect()).as_secs_f64() * 1e3;
        assert_eq!(ms(&[]), 0.0);
        assert_eq!(ms(&[(5.0, 6.0), (0.0, 2.0)]), 3.0);
        assert_eq!(ms(&[(0.0, 10.0), (1.0, 2.0), (5.0, 12.0)]), 12.0);
    }

    #[test]
    fn traces_of_all_processes_count() {
        let folder = std::env::temp_dir().join(format!("host-calls-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let line = |name: &str, ts: u32, dur: u32| {
            format!(
                "{{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"name\":\"{name}\",\"ts\":{ts}.000,\"dur\":{dur}.500,\"args\":{{\"value\":0}}}},\n"
            )
        };
        let one = ["[\n", &line("host vkA", 0, 1000), &line("vkA", 0, 9000), &line("host vkB", 500, 1000)].concat();
        fs::write(folder.join("1.json"), one).unwrap();
        // Of a process that was killed.
        let other = ["[\n", &line("host vkA", 5000, 1000), "{\"ph\":\"X\",\"pid\":1,\"ti"].concat();
        fs::write(folder.join("2.json"), other).unwrap();
        let busy = busy(&folder).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        let us = |call: &str| busy.get(call).map(|d| d.as_nanos() as f64 / 1e3);
        assert_eq!((us("vkA"), us("vkB"), busy.len()), (Some(2001.0), Some(1000.5), 2));
    }
}
