//! How the host's device is shown to the program: the driver's name and version, its own UUIDs, memory that can be mapped coherently.

use std::ffi::CString;
use std::hash::{DefaultHasher, Hash, Hasher};

use ash::vk;

use hesper_winsys::Capset;

use crate::base::connection::Connection;
use crate::physical::answers::Answers;
use crate::physical::extensions::{API_VERSION, HEADER_VERSION, copy_name};
use crate::physical::features;
use crate::physical::layered::HostDevice;
use crate::physical::physical_device::PhysicalDevice;

/// Turns the host's properties into this driver's (WIRE.md 12.5).
pub fn present(d: &mut PhysicalDevice, answers: &mut Answers, connection: &Connection) {
    let capset = connection.capset();
    let host = d.properties;
    d.host_device = HostDevice::keep(&host, answers);
    let p = &mut d.properties;
    p.api_version = shown_version(host.api_version, capset);
    p.driver_version = vk::make_api_version(
        0,
        number(env!("CARGO_PKG_VERSION_MAJOR")),
        number(env!("CARGO_PKG_VERSION_MINOR")),
        number(env!("CARGO_PKG_VERSION_PATCH")),
    );
    let host_name = host.device_name_as_c_str().unwrap_or(c"unknown").to_string_lossy().into_owned();
    copy_name(&mut p.device_name, &c_string(&device_name(&host_name)));

    // Opaque data of host and guest are mixed, so both are in the hash.
    let salt = concat!("hesper ", env!("CARGO_PKG_VERSION"));
    p.pipeline_cache_uuid = uuid(&[salt.as_bytes(), b"cache", &host.pipeline_cache_uuid]);
    let own = |old: [u8; 16], what: &str| uuid(&[salt.as_bytes(), what.as_bytes(), &old]);
    if let Some(id) = answers.get_mut::<vk::PhysicalDeviceIDProperties>() {
        (id.device_uuid, id.driver_uuid) = (own(id.device_uuid, "device"), own(id.driver_uuid, "driver"));
        id.device_luid_valid = vk::FALSE;
    }
    if let Some(v) = answers.get_mut::<vk::PhysicalDeviceVulkan11Properties>() {
        (v.device_uuid, v.driver_uuid) = (own(v.device_uuid, "device"), own(v.driver_uuid, "driver"));
        v.device_luid_valid = vk::FALSE;
    }
    if let Some(v) = answers.get_mut::<vk::PhysicalDeviceMaintenance4Properties>() {
        d.max_buffer_size = v.max_buffer_size;
    }
    if let Some(v) = answers.get_mut::<vk::PhysicalDeviceVulkan13Properties>() {
        d.max_buffer_size = d.max_buffer_size.max(v.max_buffer_size);
    }
    let info = c_string(env!("CARGO_PKG_VERSION"));
    if let Some(v) = answers.get_mut::<vk::PhysicalDeviceDriverProperties>() {
        d.host_driver = v.driver_id;
        v.conformance_version = shown_conformance(v.conformance_version, v.driver_id);
        v.driver_id = vk::DriverId::MESA_VENUS;
        copy_name(&mut v.driver_name, c"hesper");
        copy_name(&mut v.driver_info, &info);
    }
    if let Some(v) = answers.get_mut::<vk::PhysicalDeviceVulkan12Properties>() {
        v.conformance_version = shown_conformance(v.conformance_version, v.driver_id);
        v.driver_id = vk::DriverId::MESA_VENUS;
        copy_name(&mut v.driver_name, c"hesper");
        copy_name(&mut v.driver_info, &info);
    }

    // SAFETY: sysconf takes a number, and touches no memory of this process.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    present_limits(&mut d.properties.limits, page);
    features::switch_off(&mut d.more_features);
    d.host_cached = present_memory(&mut d.memory);
}

/// The host's version of Vulkan, if driver and codec know it.
fn shown_version(host: u32, capset: &Capset) -> u32 {
    let version = host.min(API_VERSION).min(capset.vk_xml_version);
    // A codec may know less than the vk.xml that it was made from.
    let (major, minor) = (capset.codec.version >> 16, capset.codec.version & 0xffff);
    version.min(vk::make_api_version(0, major, minor, HEADER_VERSION))
}

/// The host's claim of conformance, handed on: this driver has none of its own (docs/conformance.md).
///
/// MoltenVK claims none, and programs that refuse such drivers take it nonetheless, by its driverID, which guests aren't shown. They get the least that isn't nothing.
fn shown_conformance(host: vk::ConformanceVersion, driver: vk::DriverId) -> vk::ConformanceVersion {
    if driver == vk::DriverId::MOLTENVK && host.major == 0 {
        return vk::ConformanceVersion { major: 1, ..Default::default() };
    }
    host
}

/// Mappings lie at multiples of the guest's page, which may be smaller than what the host's lie at. `page` is a power of two.
fn present_limits(limits: &mut vk::PhysicalDeviceLimits, page: usize) {
    limits.min_memory_map_alignment = limits.min_memory_map_alignment.min(page);
}

/// The guest can't flush, so only coherent memory is host-visible (WIRE.md 12.5). Returns a bit for each type that the guest can map and
/// the host caches: memory of others is slow to read, whatever the program is told.
fn present_memory(memory: &mut vk::PhysicalDeviceMemoryProperties) -> u32 {
    use vk::MemoryPropertyFlags as F;
    let n = memory.memory_type_count as usize;
    let mut cached = 0;
    for (i, t) in memory.memory_types.iter_mut().take(n).enumerate() {
        if !t.property_flags.contains(F::HOST_COHERENT) {
            t.property_flags &= !(F::HOST_VISIBLE | F::HOST_CACHED);
        }
        let fast = t.property_flags.contains(F::HOST_COHERENT | F::HOST_CACHED);
        cached |= u32::from(fast) << i;
    }
    // Some programs insist on a cached type.
    if cached == 0
        && let Some(t) = memory.memory_types.iter_mut().take(n).find(|t| t.property_flags.contains(F::HOST_COHERENT))
    {
        t.property_flags |= F::HOST_CACHED;
    }
    cached
}

fn number(text: &str) -> u32 {
    text.parse().unwrap_or(0)
}

fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', " ")).unwrap_or_default()
}

/// `Virtio-GPU Venus (<host device>)`, cut to fit VK_MAX_PHYSICAL_DEVICE_NAME_SIZE.
fn device_name(host: &str) -> String {
    let room = vk::MAX_PHYSICAL_DEVICE_NAME_SIZE - "Virtio-GPU Venus (...)".len() - 1;
    if host.len() <= room + 3 {
        return format!("Virtio-GPU Venus ({host})");
    }
    let cut = (0..=room).rev().find(|i| host.is_char_boundary(*i)).unwrap_or(0);
    format!("Virtio-GPU Venus ({}...)", host.get(..cut).unwrap_or_default())
}

fn uuid(parts: &[&[u8]]) -> [u8; 16] {
    let half = |seed: u64| {
        let mut h = DefaultHasher::new();
        seed.hash(&mut h);
        parts.hash(&mut h);
        h.finish()
    };
    (u128::from(half(1)) << 64 | u128::from(half(2))).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use hesper_encoder::Codec;

    use super::*;

    #[test]
    fn the_version_is_the_hosts_where_its_codec_knows_it() {
        let v = |minor, patch| vk::make_api_version(0, 1, minor, patch);
        let shown = |host, xml, minor: u32| {
            let codec = Codec { version: 1 << 16 | minor, ..Codec::ALL };
            shown_version(host, &Capset { vk_xml_version: xml, venus_version: 4, codec })
        };
        assert_eq!(shown(v(4, 305), v(4, 343), 4), v(4, 305));
        assert_eq!(shown(v(3, 1), v(4, 343), 4), v(3, 1));
        assert_eq!(shown(v(4, 305), v(3, 269), 3), v(3, 269), "an older codec");
        assert_eq!(shown(v(4, 305), v(4, 310), 3), v(3, HEADER_VERSION), "a codec without host image copies");
        assert_eq!(shown(v(5, 7), v(5, 1), 5), API_VERSION, "a host of the future");
    }

    #[test]
    fn no_more_conformance_is_claimed_than_the_host_claims() {
        let shown = |host: [u8; 4], driver| {
            let [major, minor, subminor, patch] = host;
            let v = shown_conformance(vk::ConformanceVersion { major, minor, subminor, patch }, driver);
            [v.major, v.minor, v.subminor, v.patch]
        };
        for claimed in [[1, 3, 1, 1], [1, 4, 0, 0], [0; 4]] {
            assert_eq!(shown(claimed, vk::DriverId::MESA_RADV), claimed);
        }
        assert_eq!(shown([0; 4], vk::DriverId::MOLTENVK), [1, 0, 0, 0]);
        assert_eq!(shown([1, 4, 0, 0], vk::DriverId::MOLTENVK), [1, 4, 0, 0]);
    }

    #[test]
    fn names_fit() {
        assert_eq!(device_name("llvmpipe"), "Virtio-GPU Venus (llvmpipe)");
        let long = device_name(&"é".repeat(300));
        assert!(long.len() < vk::MAX_PHYSICAL_DEVICE_NAME_SIZE && long.ends_with("...)"));
    }

    #[test]
    fn no_alignment_is_promised_that_the_guests_pages_do_not_have() {
        for (host, page, shown) in [(64, 4096, 64), (16384, 4096, 4096), (16384, 16384, 16384), (4096, 65536, 4096)] {
            let mut limits = vk::PhysicalDeviceLimits { min_memory_map_alignment: host, ..Default::default() };
            present_limits(&mut limits, page);
            assert_eq!(limits.min_memory_map_alignment, shown);
        }
    }

    #[test]
    fn only_coherent_memory_is_mapped() {
        use vk::MemoryPropertyFlags as F;
        let mut m = vk::PhysicalDeviceMemoryProperties { memory_type_count: 2, ..Default::default() };
        m.memory_types[0].property_flags = F::HOST_VISIBLE | F::HOST_CACHED;
        m.memory_types[1].property_flags = F::HOST_VISIBLE | F::HOST_COHERENT;
        assert_eq!(present_memory(&mut m), 0);
        assert!(m.memory_types[0].property_flags == (F::empty()));
        assert!(m.memory_types[1].property_flags == (F::HOST_VISIBLE | F::HOST_COHERENT | F::HOST_CACHED));
    }

    /// The flag that makes a type cached for the program doesn't make it fast to read.
    #[test]
    fn an_invented_cache_is_not_believed_in() {
        use vk::MemoryPropertyFlags as F;
        let mut m = vk::PhysicalDeviceMemoryProperties { memory_type_count: 2, ..Default::default() };
        m.memory_types[1].property_flags = F::HOST_VISIBLE | F::HOST_COHERENT;
        assert_eq!(present_memory(&mut m), 0);
        assert!(m.memory_types[1].property_flags.contains(F::HOST_CACHED), "some programs insist on one");

        let mut m = vk::PhysicalDeviceMemoryProperties { memory_type_count: 3, ..Default::default() };
        m.memory_types[2].property_flags = F::HOST_VISIBLE | F::HOST_COHERENT | F::HOST_CACHED;
        // Beyond the count there is nothing.
        m.memory_types[3] = m.memory_types[2];
        assert_eq!(present_memory(&mut m), 0b100);
    }
}
