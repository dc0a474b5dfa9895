//! The kernel's way: a virtio-gpu render node (WIRE.md 8).

use std::sync::Arc;
use crate::{Config, Error, Winsys};

/// Opens the device and makes a Venus context.
pub fn open(_config: &Config) -> Result<Arc<dyn Winsys>, Error> {
    Err(Error::NoDevice("soon".into()))
}
