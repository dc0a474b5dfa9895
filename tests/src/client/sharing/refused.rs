//! A host that lets no memory leave, although its driver takes dma-bufs in: sharing isn't offered, and what is asked for all the same never reaches the host.

use anyhow::{Result, ensure};
use ash::vk;
use vk::ExternalMemoryHandleTypeFlags as Type;

use crate::gpu::Gpu;

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    let d = &gpu.device;
    for name in [ash::khr::external_memory_fd::NAME, ash::ext::external_memory_dma_buf::NAME] {
        ensure!(!gpu.has(name), "{name:?} is offered");
    }
    ensure!(gpu.external_features(Type::DMA_BUF_EXT).is_empty(), "dma-bufs can be shared");
    let kind = gpu.memory_type(!0, vk::MemoryPropertyFlags::HOST_VISIBLE)?;
    for handle_type in [Type::DMA_BUF_EXT, Type::OPAQUE_FD] {
        let mut export = vk::ExportMemoryAllocateInfo::default().handle_types(handle_type);
        let info = vk::MemoryAllocateInfo::default().allocation_size(4096).memory_type_index(kind);
        // SAFETY: what a program must not do, but a driver and its host must survive.
        let refused = unsafe { d.allocate_memory(&info.push_next(&mut export), None) };
        ensure!(refused == Err(vk::Result::ERROR_INVALID_EXTERNAL_HANDLE), "{handle_type:?}: {refused:?}");
    }
    // And everything goes on.
    gpu.run(|_| ())?;
    println!("ok sharing refused");
    Ok(())
}
