//! What a machine needs to find Hesper: the ICD manifest, its place, the CDI spec for containers, and the reasons when no GPU is found.

pub mod cdi;
pub mod doctor;
pub mod files;
pub mod icd;
pub mod install;
