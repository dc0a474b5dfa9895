//! What runs, and on what.

use std::path::Path;

use hesper_rig::{Driver, Root};

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
