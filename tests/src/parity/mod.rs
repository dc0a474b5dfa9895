//! What the host's own driver, Mesa's venus driver and Hesper say of the same host's device, and which differences are meant.
//! `cargo xtask parity` compares on every version of the host, tests/parity.rs on one.

pub mod difference;
pub mod facts;
pub mod meant;

pub use difference::{Difference, Kind, differences};
pub use facts::{ALL, Answers, FEW_FORMATS, ask};
pub use meant::Meant;
