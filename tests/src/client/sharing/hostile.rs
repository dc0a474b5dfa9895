//! Descriptors that are no memory and no sync_files: each is refused, stays the program's, and costs nothing.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use anyhow::{Result, ensure};
use ash::vk;
use vk::ExternalMemoryHandleTypeFlags as Type;

use super::foreign;
use super::objects::{Origin, Shared};
use crate::gpu::Gpu;

fn files() -> Result<usize> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count())
}

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    let d = &gpu.device;
    let (pipe, _end) = nix::unistd::pipe()?;
    let null = OwnedFd::from(File::open("/dev/null")?);
    let small = Shared::new(&gpu, 4096, Origin::New)?;
    let small_file = small.export(&gpu)?;
    let foreign = foreign::dma_buf(1 << 16)?;
    let kind = gpu.memory_type(!0, vk::MemoryPropertyFlags::HOST_VISIBLE)?;
    // Its number is free again, and stays so.
    let closed = null.try_clone()?.as_raw_fd();
    let before = files()?;
    for handle_type in [Type::DMA_BUF_EXT, Type::OPAQUE_FD] {
        let bad: [(RawFd, u64); 6] = [
            (-1, 4096),
            (i32::MAX, 4096),
            (closed, 4096),
            (pipe.as_raw_fd(), 4096),
            (null.as_raw_fd(), 4096),
            (small_file.as_raw_fd(), 1 << 24),
        ];
        for (fd, size) in bad.into_iter().chain(foreign.as_ref().map(|f| (f.as_raw_fd(), 4096))) {
            let mut import = vk::ImportMemoryFdInfoKHR::default().handle_type(handle_type).fd(fd);
            let info = vk::MemoryAllocateInfo::default().allocation_size(size).memory_type_index(kind);
            // SAFETY: what a program must not do, but a driver must survive.
            let refused = unsafe { d.allocate_memory(&info.push_next(&mut import), None) };
            ensure!(refused == Err(vk::Result::ERROR_INVALID_EXTERNAL_HANDLE), "{fd}, {size} bytes: {refused:?}");
        }
    }
    if gpu.has(ash::khr::external_semaphore_fd::NAME) {
        let semaphores = ash::khr::external_semaphore_fd::Device::new(&gpu.instance, d);
        // SAFETY: as above.
        unsafe {
            let semaphore = d.create_semaphore(&vk::SemaphoreCreateInfo::default(), None)?;
            for fd in [i32::MAX, closed, pipe.as_raw_fd(), null.as_raw_fd(), small_file.as_raw_fd()] {
                let kind = vk::ExternalSemaphoreHandleTypeFlags::SYNC_FD;
                let info = vk::ImportSemaphoreFdInfoKHR::default().semaphore(semaphore).handle_type(kind).fd(fd);
                let info = info.flags(vk::SemaphoreImportFlags::TEMPORARY);
                let refused = semaphores.import_semaphore_fd(&info);
                ensure!(refused == Err(vk::Result::ERROR_INVALID_EXTERNAL_HANDLE), "semaphore {fd}: {refused:?}");
            }
            d.destroy_semaphore(semaphore, None);
        }
    }
    ensure!(files()? == before, "files were lost or left: {before} before, {} now", files()?);
    small.free(&gpu);
    // And everything goes on.
    gpu.run(|_| ())?;
    println!("ok hostile sharing, {} a dma-buf of another device", if foreign.is_some() { "with" } else { "without" });
    Ok(())
}
