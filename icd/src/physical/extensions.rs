//! Extensions: which there are, and which are offered.

use std::ffi::{CStr, c_char};

use ash::vk;

use crate::base::chain::enumerate;
pub use crate::generated::extensions::{DEVICE_EXTENSIONS, HEADER_VERSION};

/// The highest version that this driver's code knows.
pub const API_VERSION: u32 = vk::make_api_version(0, 1, 4, HEADER_VERSION);

/// A device extension that the protocol can carry or the driver implements.
pub struct DeviceExtension {
    pub name: &'static CStr,
    pub number: u32,
    pub spec_version: u32,
    pub origin: Origin,
}

/// Who makes an extension work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The host; the protocol carries it.
    Host,
    /// The driver, whatever the host has.
    Driver,
    /// The host, past the protocol: offered where trying it out worked.
    Probe,
}

/// Finds a device extension by name.
pub fn device_extension(name: &CStr) -> Option<&'static DeviceExtension> {
    DEVICE_EXTENSIONS.binary_search_by(|e| e.name.cmp(name)).ok().and_then(|i| DEVICE_EXTENSIONS.get(i))
}

/// Instance extensions; all of them are the driver's own, none is sent (WIRE.md 12.2).
pub const INSTANCE_EXTENSIONS: [(&CStr, u32); 22] = [
    (c"VK_EXT_acquire_drm_display", 1),
    (c"VK_EXT_acquire_xlib_display", 1),
    (c"VK_EXT_debug_utils", 2),
    (c"VK_EXT_direct_mode_display", 1),
    (c"VK_EXT_display_surface_counter", 1),
    (c"VK_EXT_headless_surface", 1),
    (c"VK_EXT_surface_maintenance1", 1),
    (c"VK_EXT_swapchain_colorspace", 5),
    (c"VK_KHR_device_group_creation", 1),
    (c"VK_KHR_display", 23),
    (c"VK_KHR_external_fence_capabilities", 1),
    (c"VK_KHR_external_memory_capabilities", 1),
    (c"VK_KHR_external_semaphore_capabilities", 1),
    (c"VK_KHR_get_display_properties2", 1),
    (c"VK_KHR_get_physical_device_properties2", 2),
    (c"VK_KHR_get_surface_capabilities2", 1),
    (c"VK_KHR_surface", 25),
    (c"VK_KHR_surface_maintenance1", 1),
    (c"VK_KHR_surface_protected_capabilities", 1),
    (c"VK_KHR_wayland_surface", 6),
    (c"VK_KHR_xcb_surface", 6),
    (c"VK_KHR_xlib_surface", 6),
];

/// A set of extensions by number.
#[derive(Clone, Debug, Default)]
pub struct ExtensionSet([u64; 16]);

impl ExtensionSet {
    pub fn insert(&mut self, number: u32) {
        if let Some(w) = self.0.get_mut(number as usize / 64) {
            *w |= 1 << (number % 64);
        }
    }

    pub fn contains(&self, number: u32) -> bool {
        self.0.get(number as usize / 64).is_some_and(|w| w & (1 << (number % 64)) != 0)
    }
}

/// Writes names and versions into Vulkan's list.
pub unsafe fn list<'a>(
    items: impl ExactSizeIterator<Item = (&'a CStr, u32)>,
    count: *mut u32,
    to: *mut vk::ExtensionProperties,
) -> vk::Result {
    let mut items = items;
    // SAFETY: by the enumeration's contract.
    unsafe {
        enumerate(items.len(), count, to, |_, p| {
            if let Some((name, version)) = items.next() {
                let mut e = vk::ExtensionProperties { spec_version: version, ..Default::default() };
                copy_name(&mut e.extension_name, name);
                p.write(e);
            }
        })
    }
}

/// Copies a string into a fixed array, cut if need be, always with a NUL at its end.
pub fn copy_name(to: &mut [c_char], name: &CStr) {
    let (last, room) = match to.split_last_mut() {
        Some(x) => x,
        None => return,
    };
    *last = 0;
    for (t, f) in room.iter_mut().zip(name.to_bytes_with_nul()) {
        *t = *f as c_char;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of what becomes of each extension of vk.xml names the same ones.
    #[test]
    fn instance_extensions_are_those_of_the_table() {
        let table = include_str!("../../../encoder/protocol/other_extensions.tsv");
        let local = table.lines().map(|l| l.split('\t').collect::<Vec<_>>()).filter(|r| r.get(1) == Some(&"local"));
        let named: Vec<_> = local.map(|r| r[0].to_owned()).collect();
        let offered: Vec<_> = INSTANCE_EXTENSIONS.iter().map(|(n, _)| n.to_string_lossy().into_owned()).collect();
        assert_eq!(named, offered);
    }
}
