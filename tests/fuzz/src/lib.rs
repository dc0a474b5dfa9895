//! The differential tester: random valid Vulkan programs on several drivers, compared byte by byte.

pub mod campaign;
pub mod command;
pub mod compare;
pub mod facts;
pub mod fleet;
pub mod generator;
pub mod id;
pub mod image;
pub mod mix;
pub mod plan;
pub mod program;
pub mod progress;
pub mod report;
pub mod shrink;
pub mod step;
pub mod texels;
pub mod wire;
pub mod worker;
