//! A build of the driver on systems of its guest's kind: C libraries, layouts and emulated processors. `cargo xtask build --open` shows all of them,
//! tests/systems.rs asks for those that need no further build.

pub mod image;
mod installed;
mod opening;
pub mod packaged;
mod programs;
mod system;

pub use opening::Times;
pub use programs::{Loader, Programs, Seen};
pub use system::System;
