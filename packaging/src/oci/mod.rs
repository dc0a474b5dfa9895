//! An OCI image layout (OCI Image Format Specification 1.1), written without a container engine.

mod blob;
mod image;
mod layout;

pub use layout::{Tag, write};
