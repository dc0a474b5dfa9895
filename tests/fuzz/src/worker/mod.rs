//! A worker: runs planned programs on the driver that the loader finds, and reports what they showed.

mod captures;
mod commands;
mod copies;
mod device;
mod drawing;
mod draws;
mod formats;
mod handles;
mod host_copies;
mod image_objects;
mod images;
mod objects;
mod passes;
mod pipelines;
mod poison;
mod pushes;
mod render_passes;
mod run;
mod serve;
mod sets;
mod submissions;
mod thread;

pub use serve::serve;
