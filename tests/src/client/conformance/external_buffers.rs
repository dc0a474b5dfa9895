//! What is told of buffers in memory that leaves the process (vkGetPhysicalDeviceExternalBufferProperties) makes sense for every usage, and is true:
//! what can be exported is, with memory of its own or without, and what can be imported holds what was written. Several processes are in `sharing`.

use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};

use anyhow::{Context, Result, ensure};
use ash::vk;
use vk::ExternalMemoryFeatureFlags as Features;
use vk::ExternalMemoryHandleTypeFlags as Type;

use super::outcome::Outcome;
use crate::gpu::Gpu;

const SIZE: u64 = 4096;
const VALUE: u32 = 0x0dd_ba11;
const TYPES: [Type; 2] = [Type::OPAQUE_FD, Type::DMA_BUF_EXT];
/// Usages of Vulkan 1.0, each by itself and together with those that the test itself needs.
const USAGES: u32 = 9;

pub fn run(_: u32) -> Result<Outcome> {
    let gpu = Gpu::new()?;
    if !gpu.has(ash::khr::external_memory_fd::NAME) {
        return Ok(Outcome::LeftOut("there is no VK_KHR_external_memory_fd"));
    }
    let mut exported = 0;
    for handle in TYPES {
        if handle == Type::DMA_BUF_EXT && !gpu.has(ash::ext::external_memory_dma_buf::NAME) {
            continue;
        }
        for bit in 0..USAGES {
            let usage = vk::BufferUsageFlags::from_raw(1 << bit);
            for flags in create_flags(&gpu) {
                let at = || format!("{handle:?}, {usage:?}, {flags:?}");
                consistent(&gpu, handle, usage, flags).with_context(at)?;
            }
            let usage = usage | vk::BufferUsageFlags::TRANSFER_SRC | vk::BufferUsageFlags::TRANSFER_DST;
            let told = consistent(&gpu, handle, usage, vk::BufferCreateFlags::empty())?;
            for dedicated in [true, false] {
                let possible = dedicated || !told.contains(Features::DEDICATED_ONLY);
                if told.contains(Features::EXPORTABLE) && possible {
                    let at = || format!("{handle:?}, {usage:?}, dedicated: {dedicated}");
                    made(&gpu, handle, usage, dedicated, told).with_context(at)?;
                    exported += 1;
                }
            }
        }
    }
    Ok(if exported == 0 { Outcome::LeftOut("no buffer can be exported") } else { Outcome::Passed })
}

/// What buffers may be made with on this device.
fn create_flags(gpu: &Gpu) -> Vec<vk::BufferCreateFlags> {
    use vk::BufferCreateFlags as C;
    // SAFETY: a valid physical device.
    let features = unsafe { gpu.instance.get_physical_device_features(gpu.physical) };
    let mut all = vec![C::empty()];
    if features.sparse_binding == vk::TRUE {
        all.push(C::SPARSE_BINDING);
        if features.sparse_residency_buffer == vk::TRUE {
            all.push(C::SPARSE_BINDING | C::SPARSE_RESIDENCY);
        }
    }
    all
}

/// Fails unless the answer is one that Vulkan allows; returns what is possible.
fn consistent(gpu: &Gpu, handle: Type, usage: vk::BufferUsageFlags, flags: vk::BufferCreateFlags) -> Result<Features> {
    let told = |handle| {
        let info = vk::PhysicalDeviceExternalBufferInfo::default().flags(flags).usage(usage).handle_type(handle);
        let mut told = vk::ExternalBufferProperties::default();
        // SAFETY: a valid physical device.
        unsafe { gpu.instance.get_physical_device_external_buffer_properties(gpu.physical, &info, &mut told) };
        told.external_memory_properties
    };
    let (own, all) = (told(handle), TYPES.iter().fold(Type::empty(), |all, t| all | *t));
    let (can, again, with) =
        (own.external_memory_features, own.export_from_imported_handle_types, own.compatible_handle_types);
    let known = Features::DEDICATED_ONLY | Features::EXPORTABLE | Features::IMPORTABLE;
    ensure!(known.contains(can), "features that there are none of: {can:?}");
    if can.intersects(Features::EXPORTABLE | Features::IMPORTABLE) {
        ensure!(with.contains(handle), "the type isn't compatible with itself: {own:?}");
    } else {
        ensure!(can.is_empty() && again.is_empty(), "neither exported nor imported, but: {own:?}");
    }
    // What it may be exported again as, or made with together, is possible by itself.
    for other in TYPES.into_iter().filter(|t| (again & all).contains(*t)) {
        let other_can = told(other).external_memory_features;
        ensure!(
            other_can.contains(Features::EXPORTABLE),
            "exported again as {other:?}, of which {other_can:?} is told"
        );
    }
    for other in TYPES.into_iter().filter(|t| (with & all).contains(*t)) {
        ensure!(told(other).compatible_handle_types.contains(handle), "{other:?} is compatible, but not the other way");
    }
    Ok(can)
}

/// A buffer that is written, exported, and imported where that is possible.
fn made(gpu: &Gpu, handle: Type, usage: vk::BufferUsageFlags, dedicated: bool, told: Features) -> Result<()> {
    let extension = ash::khr::external_memory_fd::Device::new(&gpu.instance, &gpu.device);
    let (buffer, memory) = External::of(gpu, handle, usage).memory(dedicated, told, None)?;
    // SAFETY: handles of this device; what is destroyed has been waited for.
    unsafe {
        gpu.run(|cmd| {
            gpu.device.cmd_fill_buffer(cmd, buffer, 0, vk::WHOLE_SIZE, VALUE);
            gpu.barrier(cmd);
        })?;
        let info = vk::MemoryGetFdInfoKHR::default().memory(memory).handle_type(handle);
        // Each call gives a file of its own.
        let files = [extension.get_memory_fd(&info)?, extension.get_memory_fd(&info)?];
        ensure!(files[0] >= 0 && files[0] != files[1], "exported as {files:?}");
        let [first, second] = files.map(|fd| OwnedFd::from_raw_fd(fd));
        drop(second);
        let mut all = vec![(buffer, memory)];
        if told.contains(Features::IMPORTABLE) {
            all.push(External::of(gpu, handle, usage).memory(dedicated, told, Some(first))?);
        }
        for (buffer, _) in &all {
            holds(gpu, *buffer)?;
        }
        for (buffer, memory) in all {
            gpu.device.destroy_buffer(buffer, None);
            gpu.device.free_memory(memory, None);
        }
    }
    Ok(())
}

/// Fails unless the value is what the device finds in a buffer.
fn holds(gpu: &Gpu, buffer: vk::Buffer) -> Result<()> {
    let down = gpu.buffer(SIZE as usize / 4)?;
    down.fill(|_| 0);
    gpu.run(|cmd| {
        gpu.barrier(cmd);
        // SAFETY: recording; inside of both buffers.
        unsafe {
            let all = vk::BufferCopy { size: SIZE, ..Default::default() };
            gpu.device.cmd_copy_buffer(cmd, buffer, down.buffer, &[all]);
        }
        gpu.barrier(cmd);
    })?;
    down.expect("memory that was exported", |_| VALUE)?;
    gpu.free(down);
    Ok(())
}

/// A buffer for external memory.
struct External<'a> {
    gpu: &'a Gpu,
    handle: Type,
    usage: vk::BufferUsageFlags,
}

impl<'a> External<'a> {
    fn of(gpu: &'a Gpu, handle: Type, usage: vk::BufferUsageFlags) -> Self {
        Self { gpu, handle, usage }
    }

    /// The buffer with new memory that can leave, or with that of a file.
    fn memory(&self, dedicated: bool, told: Features, file: Option<OwnedFd>) -> Result<(vk::Buffer, vk::DeviceMemory)> {
        let d = &self.gpu.device;
        let mut external = vk::ExternalMemoryBufferCreateInfo::default().handle_types(self.handle);
        let info = vk::BufferCreateInfo::default().size(SIZE).usage(self.usage).push_next(&mut external);
        let mut of_its_own = vk::MemoryDedicatedRequirements::default();
        let mut needs = vk::MemoryRequirements2::default().push_next(&mut of_its_own);
        let mut export = vk::ExportMemoryAllocateInfo::default().handle_types(self.handle);
        let mut import = vk::ImportMemoryFdInfoKHR::default().handle_type(self.handle);
        // SAFETY: handles of this device; the file is handed over where the memory is made.
        unsafe {
            let buffer = d.create_buffer(&info, None)?;
            d.get_buffer_memory_requirements2(&vk::BufferMemoryRequirementsInfo2::default().buffer(buffer), &mut needs);
            let needs = needs.memory_requirements;
            let must = of_its_own.requires_dedicated_allocation == vk::TRUE;
            ensure!(
                must || !told.contains(Features::DEDICATED_ONLY),
                "needs no memory of its own, but can't do without"
            );
            let mut own = vk::MemoryDedicatedAllocateInfo::default().buffer(buffer);
            let mut bits = needs.memory_type_bits;
            let mut info = vk::MemoryAllocateInfo::default().allocation_size(needs.size);
            if dedicated || must {
                info = info.push_next(&mut own);
            }
            match &file {
                None => info = info.push_next(&mut export),
                Some(file) => {
                    if self.handle != Type::OPAQUE_FD {
                        let extension = ash::khr::external_memory_fd::Device::new(&self.gpu.instance, d);
                        let mut properties = vk::MemoryFdPropertiesKHR::default();
                        extension.get_memory_fd_properties(self.handle, file.as_raw_fd(), &mut properties)?;
                        bits &= properties.memory_type_bits;
                    }
                    import = import.fd(file.as_raw_fd());
                    info = info.push_next(&mut import);
                }
            }
            // The same type both times: the first that is allowed.
            let kind = self.gpu.memory_type(bits, vk::MemoryPropertyFlags::empty())?;
            let memory = d.allocate_memory(&info.memory_type_index(kind), None).context("vkAllocateMemory")?;
            let _ = file.map(IntoRawFd::into_raw_fd);
            d.bind_buffer_memory(buffer, memory, 0)?;
            Ok((buffer, memory))
        }
    }
}
