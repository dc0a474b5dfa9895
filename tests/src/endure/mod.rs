//! Programs and hosts that must go on for long, or with very much of everything: what they hold is looked at meanwhile, and must not grow.
//! `cargo xtask endure` runs them in full, tests/endure.rs a little of each.

mod crowd;
mod disturbed;
mod growth;
mod long;
mod many;
mod paused;
mod row;
mod setup;
mod starts;
mod stops;

pub use crowd::crowd;
pub use disturbed::Disturbed;
pub use growth::{Growth, Slack};
pub use long::long;
pub use many::many;
pub use paused::Paused;
pub use row::Row;
pub use setup::Setup;
pub use starts::starts;
pub use stops::stops;
