//! What the host answers: a device with every feature, one kind of memory that can be mapped, one queue.

use hesper_decoder::{Answer, Decoded};

use super::capabilities::Capabilities;

/// Every bit of VkMemoryPropertyFlags that memory of an ordinary device has, but that it is protected or made late.
const MEMORY: u64 = 0xf;
/// VkQueueFlags: graphics, compute, transfers.
const QUEUE: u64 = 7;

/// The reply to a command.
pub fn reply(host: &Capabilities, command: &Decoded) -> Vec<u8> {
    let returned = if command.name == "vkGetBufferDeviceAddress" { 1 << 40 } else { 0 };
    command.reply(returned, &|path| {
        let (parameter, place) = path.split_once('.').unwrap_or((path, ""));
        match command.name {
            "vkEnumerateDeviceExtensionProperties" => extension(host, parameter, place),
            "vkGetPhysicalDeviceFeatures" | "vkGetPhysicalDeviceFeatures2" => Some(Answer::Number(1)),
            _ => number(host, command.name, parameter, place).map(Answer::Number).or_else(|| name(place)),
        }
    })
}

/// Of the list of extensions.
fn extension(host: &Capabilities, parameter: &str, member: &str) -> Option<Answer> {
    if parameter == "pPropertyCount" {
        return Some(Answer::Number(host.extensions.len() as u64));
    }
    let index = parameter.strip_prefix("pProperties[")?.strip_suffix(']')?.parse::<usize>().ok()?;
    let (name, version) = host.extensions.get(index)?;
    match member {
        "extensionName" => Some(Answer::Text(name.clone())),
        "specVersion" => Some(Answer::Number((*version).into())),
        _ => None,
    }
}

fn name(place: &str) -> Option<Answer> {
    place.ends_with("deviceName").then(|| Answer::Text("a device of the future".into()))
}

fn number(host: &Capabilities, command: &str, parameter: &str, place: &str) -> Option<u64> {
    let member = place.rsplit('.').next().unwrap_or(place);
    let needs = command.contains("MemoryRequirements");
    Some(match (command, parameter, member) {
        ("vkEnumerateInstanceVersion", ..) => host.vk_xml_version.into(),
        ("vkEnumeratePhysicalDevices", "pPhysicalDeviceCount", _) => 1,
        (_, "pQueueFamilyPropertyCount", _) => 1,
        (_, _, "apiVersion") => host.vk_xml_version.into(),
        (_, _, "queueFlags") => QUEUE,
        (_, _, "queueCount") => 1,
        (_, _, "memoryTypeCount" | "memoryHeapCount") => 1,
        (_, _, "propertyFlags") if place.contains("memoryTypes[0]") => MEMORY,
        (_, _, "size") if place.contains("memoryHeaps[0]") => 1 << 30,
        (_, _, "size") if needs => 1 << 16,
        (_, _, "alignment") if needs => 256,
        (_, _, "memoryTypeBits") if needs => 1,
        // What newer properties tell is as good as any number: as many as their names are long.
        ("vkGetPhysicalDeviceProperties2" | "vkGetPhysicalDeviceQueueFamilyProperties2", _, _) if is_newer(place) => {
            member.len() as u64
        }
        _ => return None,
    })
}

/// Whether a place is in a struct of properties that no released host knows.
fn is_newer(place: &str) -> bool {
    const NEWER: [&str; 5] = [
        "VkPhysicalDeviceMaintenance9",
        "VkPhysicalDeviceShaderSplitBarrier",
        "VkPhysicalDeviceShaderTileImage",
        "VkQueueFamilyOptimalImageTransferGranularity",
        "VkQueueFamilyOwnershipTransfer",
    ];
    NEWER.iter().any(|name| place.starts_with(name))
}
