//! Programs and hosts that must go on for long, or with very much of everything: what they hold is looked at meanwhile, and must not grow.
//! `cargo xtask endure` runs them in full, tests/endure.rs a little of each.

mod crowd;
mod disturbed;
mod growth;
mod long;
mod many;
mod paused;
mod row;
mod starts;
mod stops;

use std::path::Path;

use hesper_rig::{Driver, Root};

pub use crowd::crowd;
pub use disturbed::Disturbed;
pub use growth::{Growth, Slack};
pub use long::long;
pub use many::many;
pub use paused::Paused;
pub use row::Row;
pub use starts::starts;
pub use stops::stops;

/// What runs, and on what.
#[derive(Clone, Copy)]
pub struct Setup<'a> {
    /// The rig's tree.
    pub root: &'a Root,
    /// The test client.
    pub client: &'a Path,
    /// One that needs a host.
    pub driver: Driver,
}
