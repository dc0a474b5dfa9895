//! What is handed out of a build for a guest: the driver and the `hesper` program with their papers, as an OCI image layout, a deb or an rpm.
//!
//! The same build gives the same bytes: times, owners and order in archives are fixed, and nothing of the machine that packs is in them.

pub mod archive;
pub mod contents;
pub mod crates;
pub mod deb;
pub mod digest;
pub mod notices;
pub mod oci;
pub mod release;
pub mod rpm;
pub mod sbom;
pub mod toolchain;

pub use archive::File;
pub use contents::{Contents, Places};
