//! VkDevice: creation and end, and what hangs on it alone.

pub mod debug_utils;
pub mod logical_device;
pub mod private_data;
pub mod private_values;
