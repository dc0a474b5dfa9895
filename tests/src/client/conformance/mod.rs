//! Areas of Vulkan in which drivers that hand calls on are known to go wrong (docs/conformance.md), each by itself.

mod allocation_failures;
mod array_layers;
mod calibrated;
mod coverage;
mod descriptor_pools;
mod device_host;
mod external_buffers;
mod maintenance5;
mod many_pipelines;
mod mutable_descriptors;
mod outcome;
mod primitives;
mod suballocations;
mod timestamps;

use anyhow::{Result, ensure};
use outcome::Outcome;

/// Takes how many times as much shall be done as in a short run.
type Area = fn(u32) -> Result<Outcome>;

const AREAS: [(&str, Area); 12] = [
    ("external-buffers", external_buffers::run),
    ("timestamps", timestamps::run),
    ("calibrated", calibrated::run),
    ("coverage", coverage::run),
    ("maintenance5", maintenance5::run),
    ("suballocations", suballocations::run),
    ("primitives", primitives::run),
    ("device-host", device_host::run),
    ("many-pipelines", many_pipelines::run),
    ("allocation-failures", allocation_failures::run),
    ("mutable-descriptors", mutable_descriptors::run),
    ("descriptor-pools", descriptor_pools::run),
];

/// One area, or all of them.
pub fn run(name: Option<&str>, times: u32) -> Result<()> {
    let mut chosen = AREAS.iter().filter(|(area, _)| name.is_none_or(|n| n == *area)).peekable();
    ensure!(chosen.peek().is_some(), "the areas are {:?}", AREAS.map(|(area, _)| area));
    for (area, check) in chosen {
        match check(times).map_err(|e| e.context(format!("area {area}")))? {
            Outcome::Passed => println!("ok {area}"),
            Outcome::LeftOut(why) => println!("left out {area}: {why}"),
        }
    }
    Ok(())
}
