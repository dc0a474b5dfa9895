//! What hosts newer than virglrenderer 1.3.0 can do besides: prints what the driver says of extensions that are named, and calls the commands of those
//! that it offers, each with values of its own. The host of `tests/tests/newer_hosts.rs` looks at what arrives.

mod calls;
mod scene;

use std::ffi::{CStr, CString};

use anyhow::{Context as _, Result};
use ash::vk;

use crate::generated::calls::FEATURES;
use crate::loader;
use scene::Scene;

/// The commands.
const COMMANDS: [&CStr; 16] = [
    c"vkCmdEndRendering2KHR",
    c"vkCmdSetPrimitiveRestartIndexEXT",
    c"vkCmdCopyMemoryIndirectKHR",
    c"vkCmdCopyMemoryToImageIndirectKHR",
    c"vkCmdSetCoverageModulationModeNV",
    c"vkCmdSetCoverageModulationTableEnableNV",
    c"vkCmdSetCoverageModulationTableNV",
    c"vkGetGeneratedCommandsMemoryRequirementsEXT",
    c"vkCmdPreprocessGeneratedCommandsEXT",
    c"vkCmdExecuteGeneratedCommandsEXT",
    c"vkCreateIndirectCommandsLayoutEXT",
    c"vkDestroyIndirectCommandsLayoutEXT",
    c"vkCreateIndirectExecutionSetEXT",
    c"vkDestroyIndirectExecutionSetEXT",
    c"vkUpdateIndirectExecutionSetPipelineEXT",
    c"vkUpdateIndirectExecutionSetShaderEXT",
];

/// Asks for the extensions `wanted`, and uses them.
///
/// # Errors
/// When the driver has no device, or refuses what it offers.
pub fn run(wanted: &[String]) -> Result<()> {
    let wanted: Vec<CString> = wanted.iter().map(|n| CString::new(n.as_str())).collect::<Result<_, _>>()?;
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

        let queues = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
        let names: Vec<_> = names.iter().map(|n| n.as_ptr()).collect();
        let info = vk::DeviceCreateInfo::default().queue_create_infos(&queues).enabled_extension_names(&names);
        let d = i.create_device(p, &info.push_next(&mut features), None).context("vkCreateDevice")?;
        let found = COMMANDS.map(|n| i.get_device_proc_addr(d.handle(), n.as_ptr()));
        for (name, _) in COMMANDS.iter().zip(&found).filter(|(_, f)| f.is_some()) {
            println!("command {}", name.to_string_lossy());
        }
        if found.iter().all(Option::is_some) {
            calls::call_all(&i, &Scene::new(&d)?)?;
        }
        d.destroy_device(None);
        i.destroy_instance(None);
    }
    Ok(())
}
