//! llama.cpp says the same whatever happens to its host and its clocks meanwhile; `cargo xtask endure` stops hosts for longer.

use std::time::Duration;

use hesper_tests::endure::Disturbed;
use hesper_tests::{quick, root};

const HOUR: i64 = 3600;

#[test]
fn llama_says_the_same_when_its_host_is_stopped() {
    if quick() {
        return;
    }
    let disturbed = Disturbed::start(&root(), "stops", &[]).unwrap();
    disturbed.with_a_host_that_stops(Duration::from_secs(5)).unwrap();
    for host_first in [false, true] {
        disturbed.with_a_pair_that_stops(host_first, Duration::from_secs(1)).unwrap();
    }
    disturbed.end().unwrap();
}

/// A guest may find hours gone, and its time of day set either way. The driver sees it: its trace does.
#[test]
fn llama_says_the_same_when_its_clocks_jump() {
    if quick() {
        return;
    }
    // Polling measures how long work takes, and dozes accordingly.
    for strategy in ["wait-block", "wait-poll"] {
        let path = std::env::temp_dir().join(format!("hesper-clocks-trace-{}.json", std::process::id()));
        let variables = [("HESPER_TRACE", path.to_str().unwrap()), ("HESPER_DEBUG", &format!("vtest,{strategy}"))];
        let disturbed = Disturbed::start(&root(), "clocks", &variables).unwrap();
        for (of_day, since_start) in [(HOUR, HOUR), (-HOUR, HOUR), (HOUR, 2 * HOUR)] {
            disturbed.with_clocks_that_jump(of_day, since_start).unwrap();
        }
        disturbed.end().unwrap();
        let trace = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let moments =
            trace.lines().filter_map(|l| l.split_once("\"ts\":")?.1.split([',', '}']).next()?.parse::<f64>().ok());
        let (first, last) = moments.fold((f64::MAX, 0f64), |(first, last), t| (first.min(t), last.max(t)));
        let hours = (last - first) / 3.6e9;
        assert!((2.0..2.1).contains(&hours), "the driver saw {hours} hours pass");
    }
}
