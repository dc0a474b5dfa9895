//! What a machine needs to find Hesper: the ICD manifest, its place, the CDI spec for containers, and the reasons when no GPU is found.

pub mod bench;
pub mod cdi;
pub mod children;
pub mod cli;
pub mod doctor;
pub mod env;
mod environment;
pub mod files;
pub mod generate;
pub mod icd;
pub mod install;
mod obstacles;
pub mod trace;
