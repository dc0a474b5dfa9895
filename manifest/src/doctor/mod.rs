//! `hesper doctor`: goes down the whole stack, from the place where a program runs to what the host's GPU computes, and says of each layer whether it
//! is as it should be, and if not, what to do.
//!
//! A machine is looked at first (`seen`); what may hang or crash is done by processes of their own (`children`). Then `checks` judge what was seen.

mod checks;
mod finding;
mod report;
mod seen;

use std::time::Instant;

use crate::children::Part;
pub use checks::speed;
pub use report::Report;
pub use seen::manifests::Manifests;
pub use seen::{Machine, nodes};

/// Looks at this machine, and judges it.
pub fn examine() -> Report {
    let start = Instant::now();
    let machine = Machine::look(Part::Work);
    let findings = checks::ALL.iter().map(|c| (c.id, (c.judge)(&machine))).collect();
    Report::new(findings, machine.taken().map(|(way, _)| way), start.elapsed())
}
