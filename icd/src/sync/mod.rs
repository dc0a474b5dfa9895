//! Fences, semaphores, and how the driver waits for them.

pub mod device;
pub mod feedback;
pub mod fence;
pub mod forecast;
pub mod looking;
pub mod semaphore;
pub mod spinning;
pub mod wait;
