//! Fences, semaphores, and how the driver waits for them.

pub mod device;
pub mod feedback;
pub mod fence;
pub mod semaphore;
pub mod wait;
