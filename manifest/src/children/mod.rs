//! What `hesper doctor` has done in processes of their own, because it may hang or crash: talking to the host, and running a driver.

mod capabilities;
mod gpu;
mod open;
mod pace;
mod task;
pub mod told;
mod vulkan;
mod way;
mod work;

pub use capabilities::{Capabilities, Shown};
pub use open::Opened;
pub use pace::Pace;
pub use task::Task;
pub use vulkan::Part;
pub use way::{Offer, Tried};
