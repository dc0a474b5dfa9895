//! The device extensions: the driver's own, and the one that virglrenderer makes up on macOS.

use std::ffi::{CStr, c_char};

use ash::vk;

use super::host::Host;

/// The names of the driver's device extensions, one a line.
fn names(host: Host) -> std::str::Lines<'static> {
    match host {
        Host::MoltenVk | Host::MoltenVkBare => include_str!("../../apple/moltenvk.txt").lines(),
        Host::KosmicKrisp => include_str!("../../apple/kosmickrisp.txt").lines(),
    }
}

/// Neither driver has it. virglrenderer shows it on macOS, where it hands out the memory as a file itself.
const MEMORY_FD: &CStr = c"VK_KHR_external_memory_fd";
/// Drivers that lack some of what Vulkan demands have it; lavapipe is none of them, and the protocol doesn't carry it.
const PORTABILITY: &CStr = c"VK_KHR_portability_subset";

fn has(host: Host, name: &CStr) -> bool {
    (name == MEMORY_FD && host != Host::MoltenVkBare) || name.to_str().is_ok_and(|name| names(host).any(|n| n == name))
}

/// Leaves what the host shows of the real device's extensions, and adds the one that it alone has.
pub fn show(host: Host, list: &mut Vec<vk::ExtensionProperties>) {
    list.retain(|e| e.extension_name_as_c_str().is_ok_and(|name| has(host, name)));
    // virglrenderer gives it no version.
    list.iter_mut().filter(|e| e.extension_name_as_c_str() == Ok(MEMORY_FD)).for_each(|e| e.spec_version = 0);
    if has(host, PORTABILITY) {
        let mut e = vk::ExtensionProperties { spec_version: 1, ..Default::default() };
        for (t, f) in e.extension_name.iter_mut().zip(PORTABILITY.to_bytes()) {
            *t = *f as c_char;
        }
        list.push(e);
    }
}

/// The first extension that a device is asked for and the host doesn't show.
///
/// # Safety
/// Valid arguments of vkCreateDevice.
pub unsafe fn missing<'a>(host: Host, info: &'a vk::DeviceCreateInfo) -> Option<&'a CStr> {
    let n = info.enabled_extension_count as usize;
    // SAFETY: an array of this length, by contract; where it is empty it may be null.
    let asked = if n == 0 { &[] } else { unsafe { std::slice::from_raw_parts(info.pp_enabled_extension_names, n) } };
    // SAFETY: an array of strings, by contract.
    asked.iter().map(|p| unsafe { CStr::from_ptr(*p) }).find(|name| !has(host, name))
}
