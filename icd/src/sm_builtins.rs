//! VK_NV_shader_sm_builtins, found out by trying.
//!
//! The protocol has no form for the struct that tells how many multiprocessors a device has, and llama.cpp chooses by that
//! number how to split its matrix products. The host's compiler takes the extension's shaders all the same, so the driver
//! runs one that writes the numbers down, on a device of its own, when a program first asks for extensions. That takes the host
//! about a tenth of a second, so the answer is kept on disk. Where anything of this fails, the extension isn't offered.

use std::fs;
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;

use ash::vk;

use crate::device;
use crate::kept_file;
use crate::log::debug;
use crate::object;
use crate::physical_device::PhysicalDevice;
use crate::settings;

const SHADER: &[u8] = include_bytes!("../shaders/generated/multiprocessors.comp.spv");

/// What the extension's properties tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multiprocessors {
    pub count: u32,
    pub warps: u32,
}

/// What was found out about one physical device.
#[derive(Default)]
pub struct Probe(OnceLock<Option<Multiprocessors>>);

impl Multiprocessors {
    /// Numbers that a device can have.
    fn checked(count: u32, warps: u32) -> Option<Self> {
        ((1..=65_536).contains(&count) && (1..=1024).contains(&warps)).then_some(Self { count, warps })
    }
}

/// The device's multiprocessors, asked for the first time; `None` where it has no such extension.
///
/// # Safety
/// A valid physical device.
pub unsafe fn of(physical: vk::PhysicalDevice) -> Option<Multiprocessors> {
    // SAFETY: by contract.
    let d = unsafe { object::get(physical) };
    *d.multiprocessors.0.get_or_init(|| {
        // Other drivers weren't seen to take such a shader from a device that has the feature switched off.
        if d.host_driver != vk::DriverId::NVIDIA_PROPRIETARY || !settings::get().probe {
            return None;
        }
        let kept = settings::get().cache.as_ref().map(|folder| folder.join(file_name(d)));
        if let Some(known) = kept.as_deref().and_then(read) {
            return Some(known);
        }
        // SAFETY: a valid physical device.
        let found = unsafe { probe(physical) };
        debug!("multiprocessors of the host's device: {found:?}");
        if let (Some(path), Some(found)) = (&kept, found) {
            // Not being able to keep it costs the next start some time.
            let _ = write(path, found);
        }
        found
    })
}

fn file_name(d: &PhysicalDevice) -> String {
    let uuid: String = d.properties.pipeline_cache_uuid.iter().map(|b| format!("{b:02x}")).collect();
    format!("multiprocessors-{uuid}.txt")
}

fn read(path: &Path) -> Option<Multiprocessors> {
    let text = fs::read_to_string(path).ok()?;
    let (count, warps) = text.trim().split_once(' ')?;
    Multiprocessors::checked(count.parse().ok()?, warps.parse().ok()?)
}

fn write(path: &Path, m: Multiprocessors) -> std::io::Result<()> {
    kept_file::replace(path, &[format!("{} {}\n", m.count, m.warps).as_bytes()])
}

/// Runs the shader: the driver as its own program.
unsafe fn probe(physical: vk::PhysicalDevice) -> Option<Multiprocessors> {
    // SAFETY: all handles are made here and valid.
    unsafe {
        let d = object::get(physical);
        let compute = |f: &vk::QueueFamilyProperties| f.queue_flags.contains(vk::QueueFlags::COMPUTE);
        let family = d.families.iter().position(compute)? as u32;
        let priority = [1.0];
        let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(family).queue_priorities(&priority)];
        let info = vk::DeviceCreateInfo::default().queue_create_infos(&queues);
        let mut handle = vk::Device::null();
        if device::create_device(physical, &info, ptr::null(), &mut handle) != vk::Result::SUCCESS {
            return None;
        }
        // A compiler that refuses the shader is no error that anybody should read of.
        object::get(handle).recorders.wait_always();
        let entry = |name: &std::ffi::CStr| {
            device::get_device_proc_addr(handle, name.as_ptr()).map_or(ptr::null(), |f| f as *const std::ffi::c_void)
        };
        let program = ash::Device::load_with(entry, handle);
        let told = run(&program, d, family).ok();
        // Destroyed with everything that was made on it: the host keeps count.
        program.destroy_device(None);
        let [count, warps] = told?;
        Multiprocessors::checked(count, warps)
    }
}

/// The two words that the shader writes.
unsafe fn run(program: &ash::Device, d: &PhysicalDevice, family: u32) -> Result<[u32; 2], vk::Result> {
    use vk::{DescriptorType as D, ShaderStageFlags as S};
    let bind_point = vk::PipelineBindPoint::COMPUTE;
    // SAFETY: handles of one device, made and destroyed here, the queue idle before.
    unsafe {
        let info = vk::BufferCreateInfo::default().size(64).usage(vk::BufferUsageFlags::STORAGE_BUFFER);
        let buffer = program.create_buffer(&info, None)?;
        let needs = program.get_buffer_memory_requirements(buffer);
        let kind = (0..32).find(|i| needs.memory_type_bits & (1 << i) != 0 && d.host_visible(*i) == Some(true));
        let kind = kind.ok_or(vk::Result::ERROR_FEATURE_NOT_PRESENT)?;
        let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind);
        let memory = program.allocate_memory(&info, None)?;
        program.bind_buffer_memory(buffer, memory, 0)?;
        let words: *mut [u32; 2] = program.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())?.cast();
        words.write_volatile([0; 2]);

        let binding = [vk::DescriptorSetLayoutBinding::default()
            .descriptor_type(D::STORAGE_BUFFER)
            .descriptor_count(1)
            .stage_flags(S::COMPUTE)];
        let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&binding);
        let layouts = [program.create_descriptor_set_layout(&info, None)?];
        let info = vk::PipelineLayoutCreateInfo::default().set_layouts(&layouts);
        let layout = program.create_pipeline_layout(&info, None)?;
        let code: Vec<u32> =
            SHADER.chunks_exact(4).map(|w| w.iter().rev().fold(0, |a, b| a << 8 | u32::from(*b))).collect();
        let shader = program.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&code), None)?;
        let stage = vk::PipelineShaderStageCreateInfo::default().stage(S::COMPUTE).module(shader).name(c"main");
        let info = [vk::ComputePipelineCreateInfo::default().stage(stage).layout(layout)];
        let made = program.create_compute_pipelines(vk::PipelineCache::null(), &info, None).map_err(|(_, e)| e)?;
        let pipeline = made.first().copied().unwrap_or_default();

        let sizes = [vk::DescriptorPoolSize { ty: D::STORAGE_BUFFER, descriptor_count: 1 }];
        let info = vk::DescriptorPoolCreateInfo::default().max_sets(1).pool_sizes(&sizes);
        let pool = program.create_descriptor_pool(&info, None)?;
        let info = vk::DescriptorSetAllocateInfo::default().descriptor_pool(pool).set_layouts(&layouts);
        let sets = program.allocate_descriptor_sets(&info)?;
        let whole = [vk::DescriptorBufferInfo::default().buffer(buffer).range(vk::WHOLE_SIZE)];
        let write = vk::WriteDescriptorSet::default()
            .dst_set(sets.first().copied().unwrap_or_default())
            .descriptor_type(D::STORAGE_BUFFER)
            .buffer_info(&whole);
        program.update_descriptor_sets(&[write], &[]);

        let info = vk::CommandPoolCreateInfo::default().queue_family_index(family);
        let commands = program.create_command_pool(&info, None)?;
        let info = vk::CommandBufferAllocateInfo::default().command_pool(commands).command_buffer_count(1);
        let buffers = program.allocate_command_buffers(&info)?;
        let cmd = buffers.first().copied().unwrap_or_default();
        program.begin_command_buffer(cmd, &vk::CommandBufferBeginInfo::default())?;
        program.cmd_bind_pipeline(cmd, bind_point, pipeline);
        program.cmd_bind_descriptor_sets(cmd, bind_point, layout, 0, &sets, &[]);
        program.cmd_dispatch(cmd, 1, 1, 1);
        program.end_command_buffer(cmd)?;
        let queue = program.get_device_queue(family, 0);
        let submit = [vk::SubmitInfo::default().command_buffers(&buffers)];
        program.queue_submit(queue, &submit, vk::Fence::null())?;
        program.queue_wait_idle(queue)?;
        let told = words.read_volatile();

        program.destroy_command_pool(commands, None);
        program.destroy_descriptor_pool(pool, None);
        program.destroy_pipeline(pipeline, None);
        program.destroy_shader_module(shader, None);
        program.destroy_pipeline_layout(layout, None);
        for l in layouts {
            program.destroy_descriptor_set_layout(l, None);
        }
        program.destroy_buffer(buffer, None);
        program.free_memory(memory, None);
        Ok(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nonsense_is_not() {
        let folder = std::env::temp_dir().join(format!("hesper-sm-{}", std::process::id()));
        let path = folder.join("multiprocessors-x.txt");
        assert_eq!(read(&path), None);
        let m = Multiprocessors { count: 132, warps: 64 };
        write(&path, m).unwrap();
        assert_eq!(read(&path), Some(m));
        for nonsense in ["", "132", "0 64", "132 0", "132 4096", "-1 64", "1 2 3", "many few"] {
            fs::write(&path, nonsense).unwrap();
            assert_eq!(read(&path), None, "{nonsense}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
