//! VkInstance and VkPhysicalDevice: extensions, features, formats, and probes of what the protocol can't tell.

pub mod answers;
pub mod device;
pub mod device_extensions;
pub mod enumeration;
pub mod extensions;
pub mod features;
pub mod flexible_dimensions;
pub mod format_properties;
pub mod formats;
pub mod handle_types;
pub mod instance;
pub mod layered;
pub mod physical_device;
pub mod presentation;
pub mod probe;
pub mod time_domains;
