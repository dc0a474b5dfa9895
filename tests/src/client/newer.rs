//! What hosts newer than virglrenderer 1.3.0 can do besides: prints what the driver says of extensions and commands that are named, and sends what the
//! extensions bring, offered or not. The host of `tests/tests/newer_hosts.rs` looks at what arrives, and expects the numbers that stand here.

use std::ffi::{CStr, CString};
use std::ptr;

use anyhow::{Context as _, Result};
use ash::{Device, Instance, vk};
use hesper_encoder::generated::types;

use crate::generated::calls::FEATURES;
use crate::loader;

/// VK_MEMORY_ALLOCATE_ZERO_INITIALIZE_BIT_EXT.
const ZERO_INITIALIZE: u32 = 8;
/// VK_QUERY_POOL_CREATE_RESET_BIT_KHR.
const RESET: u32 = 1;
/// VK_DEPENDENCY_QUEUE_FAMILY_OWNERSHIP_TRANSFER_USE_ALL_STAGES_BIT_KHR.
const ALL_STAGES: u32 = 0x20;

/// Asks for extensions and commands, and uses the extensions.
///
/// # Errors
/// When the driver has no device, or refuses what it offers.
pub fn run(extensions: &[String], commands: &[String]) -> Result<()> {
    let as_c = |names: &[String]| names.iter().map(|n| CString::new(n.as_str())).collect::<Result<Vec<_>, _>>();
    let (wanted, commands) = (as_c(extensions)?, as_c(commands)?);
    let entry = loader::entry()?;
    // SAFETY: handles that were made here, and structs of the sizes that their types have, which stay where they are.
    unsafe {
        let application = vk::ApplicationInfo::default().api_version(vk::make_api_version(0, 1, 4, 0));
        let info = vk::InstanceCreateInfo::default().application_info(&application);
        let i = entry.create_instance(&info, None).context("vkCreateInstance")?;
        let p = *i.enumerate_physical_devices()?.first().context("there is no device")?;
        let listed = i.enumerate_device_extension_properties(p)?;
        let is_listed = |name: &CStr| listed.iter().any(|e| e.extension_name_as_c_str() == Ok(name));
        let names: Vec<&CStr> = wanted.iter().map(CString::as_c_str).filter(|n| is_listed(n)).collect();
        names.iter().for_each(|n| println!("extension {}", n.to_string_lossy()));

        let mut features = vk::PhysicalDeviceFeatures2::default();
        let mut links = Vec::new();
        for f in FEATURES.iter().filter(|f| f.extensions.iter().any(|e| wanted.iter().any(|w| w.as_c_str() == *e))) {
            let words = vec![0u64; f.size.div_ceil(8)].leak();
            let link = words.as_mut_ptr().cast::<vk::BaseOutStructure>();
            (*link).s_type = vk::StructureType::from_raw(f.s_type);
            (*link).p_next = features.p_next.cast();
            features.p_next = link.cast();
            links.push((f, link));
        }
        i.get_physical_device_features2(p, &mut features);
        for (f, link) in &links {
            let members = std::slice::from_raw_parts(link.add(1).cast::<u32>(), f.size / 4 - 4);
            println!("feature {} {members:?}", f.s_type);
        }
        print_properties(&i, p);

        let queues = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
        let names: Vec<_> = names.iter().map(|n| n.as_ptr()).collect();
        let info = vk::DeviceCreateInfo::default().queue_create_infos(&queues).enabled_extension_names(&names);
        let d = i.create_device(p, &info.push_next(&mut features), None).context("vkCreateDevice")?;
        for name in commands.iter().filter(|n| i.get_device_proc_addr(d.handle(), n.as_ptr()).is_some()) {
            println!("command {}", name.to_string_lossy());
        }
        send_all(&d)?;
        d.destroy_device(None);
        i.destroy_instance(None);
    }
    Ok(())
}

/// Prints the properties of the device and of its queue family; structs that the driver doesn't know stay as they are.
///
/// # Safety
/// A device of the instance.
unsafe fn print_properties(i: &Instance, p: vk::PhysicalDevice) {
    let mut tiles = vk::PhysicalDeviceShaderTileImagePropertiesEXT::default();
    let mut barriers =
        types::PhysicalDeviceShaderSplitBarrierPropertiesEXT { p_next: (&raw mut tiles).cast(), ..Default::default() };
    let mut maintenance9 =
        types::PhysicalDeviceMaintenance9PropertiesKHR { p_next: (&raw mut barriers).cast(), ..Default::default() };
    let mut properties = vk::PhysicalDeviceProperties2 { p_next: (&raw mut maintenance9).cast(), ..Default::default() };
    let mut transfers = types::QueueFamilyOwnershipTransferPropertiesKHR::default();
    let mut granularity = types::QueueFamilyOptimalImageTransferGranularityPropertiesKHR {
        p_next: (&raw mut transfers).cast(),
        ..Default::default()
    };
    let mut family = [vk::QueueFamilyProperties2 { p_next: (&raw mut granularity).cast(), ..Default::default() }];
    // SAFETY: a valid device by contract, and chains of structs that live until they have been printed.
    unsafe {
        i.get_physical_device_properties2(p, &mut properties);
        i.get_physical_device_queue_family_properties2(p, &mut family);
    }
    println!(
        "properties {} {} {} {}",
        maintenance9.image2_d_view_of3_d_sparse,
        maintenance9.default_vertex_attribute_value.0,
        barriers.split_barrier_reserved_shared_memory,
        tiles.shader_tile_image_coherent_read_accelerated,
    );
    let size = granularity.optimal_image_transfer_granularity;
    let to = transfers.optimal_image_transfer_to_queue_families;
    println!("family {to} {} {} {}", size.width, size.height, size.depth);
}

/// Makes a pool of queries that are reset from the start and memory of zeros, and records a barrier with a third mask of accesses.
///
/// # Safety
/// A living device.
unsafe fn send_all(d: &Device) -> Result<()> {
    // SAFETY: valid infos where the extensions are offered, and objects of this device; the host runs nothing.
    unsafe {
        let info = vk::QueryPoolCreateInfo::default().query_type(vk::QueryType::OCCLUSION).query_count(3);
        let queries = d.create_query_pool(&info.flags(vk::QueryPoolCreateFlags::from_raw(RESET)), None)?;
        let mut zeros =
            vk::MemoryAllocateFlagsInfo::default().flags(vk::MemoryAllocateFlags::from_raw(ZERO_INITIALIZE));
        let memory =
            d.allocate_memory(&vk::MemoryAllocateInfo::default().allocation_size(4096).push_next(&mut zeros), None)?;
        let size = vk::Extent3D { width: 16, height: 16, depth: 1 };
        let image = vk::ImageCreateInfo::default().image_type(vk::ImageType::TYPE_2D).extent(size).mip_levels(1);
        let image = image.array_layers(1).format(vk::Format::R8G8B8A8_UNORM).samples(vk::SampleCountFlags::TYPE_1);
        let image = d.create_image(&image.usage(vk::ImageUsageFlags::TRANSFER_DST), None)?;

        let pool = d.create_command_pool(&vk::CommandPoolCreateInfo::default(), None)?;
        let info = vk::CommandBufferAllocateInfo::default().command_pool(pool).command_buffer_count(1);
        let buffer = d.allocate_command_buffers(&info)?[0];
        d.begin_command_buffer(buffer, &vk::CommandBufferBeginInfo::default())?;
        let accesses = types::MemoryBarrierAccessFlags3KHR {
            src_access_mask3: types::AccessFlags3KHR(0x11),
            dst_access_mask3: types::AccessFlags3KHR(0x2_0000_0000),
            ..Default::default()
        };
        let barrier = vk::ImageMemoryBarrier2 {
            p_next: ptr::from_ref(&accesses).cast(),
            new_layout: vk::ImageLayout::GENERAL,
            image,
            subresource_range: vk::ImageSubresourceRange {
                aspect_mask: vk::ImageAspectFlags::COLOR,
                base_mip_level: 0,
                level_count: 1,
                base_array_layer: 0,
                layer_count: 1,
            },
            ..Default::default()
        };
        let info = vk::DependencyInfo::default().dependency_flags(vk::DependencyFlags::from_raw(ALL_STAGES));
        d.cmd_pipeline_barrier2(buffer, &info.image_memory_barriers(&[barrier]));
        d.end_command_buffer(buffer).context("vkEndCommandBuffer")?;

        d.destroy_command_pool(pool, None);
        d.destroy_image(image, None);
        d.free_memory(memory, None);
        d.destroy_query_pool(queries, None);
    }
    Ok(())
}
