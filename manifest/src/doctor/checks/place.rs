//! The place where this runs.

use serde_json::json;

use crate::doctor::finding::Finding;
use crate::doctor::seen::Machine;

/// Says where this runs; nothing of it is wrong.
pub fn check(machine: &Machine) -> Finding {
    let place = &machine.place;
    let container = place.engine.as_ref().map(|engine| {
        let rootless = if place.rootless { ", rootless" } else { "" };
        format!("in a container ({engine}{rootless})")
    });
    let mut why = container.unwrap_or_else(|| "no container, as far as files tell".to_owned());
    if let Some(vendor) = &place.vendor {
        why.push_str(&format!(" on a machine of {vendor}"));
    }
    Finding::pass(why).with(json!({
        "container": place.is_container(),
        "engine": place.engine,
        "rootless": place.rootless,
        "vendor": place.vendor,
        "architecture": std::env::consts::ARCH,
    }))
}
