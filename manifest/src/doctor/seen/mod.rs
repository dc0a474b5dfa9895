//! What is seen of a machine, before anything is judged.

pub mod elf;
mod machine;
pub mod manifests;
mod nodes;
mod place;
mod rights;

pub use machine::{Libc, Machine};
pub use nodes::nodes;
