//! One target under libFuzzer: `HESPER_TARGET` names it, and seeds are written to `HESPER_SEEDS` first.

#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;

use hesper_targets::{Target, target};
use libfuzzer_sys::fuzz_target;

fn chosen() -> &'static Target {
    static CHOSEN: OnceLock<&Target> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        let name = std::env::var("HESPER_TARGET").unwrap_or_default();
        target(&name).unwrap_or_else(|| panic!("HESPER_TARGET={name} names no target"))
    })
}

fn write_seeds() {
    let Some(folder) = std::env::var_os("HESPER_SEEDS").map(PathBuf::from) else { return };
    for (i, seed) in (chosen().seeds)().iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{i}")), seed).expect("writing a seed");
    }
}

fuzz_target!(init: write_seeds(), |input: &[u8]| (chosen().run)(input));
