//! A worker: runs planned programs on the driver that the loader finds, and reports what they showed.

mod commands;
mod device;
mod drawing;
mod draws;
mod handles;
mod objects;
mod pipelines;
mod poison;
mod run;
mod serve;
mod submissions;
mod thread;

pub use serve::serve;
