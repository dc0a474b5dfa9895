//! Fences, semaphores, and how the driver waits for them.

pub mod binary_semaphores;
pub mod device;
pub mod feedback;
pub mod fence;
pub mod fence_files;
pub mod fence_wait;
pub mod forecast;
pub mod left;
pub mod looking;
pub mod outside;
pub mod payload;
pub mod semaphore;
pub mod spinning;
pub mod staying;
pub mod wait;
