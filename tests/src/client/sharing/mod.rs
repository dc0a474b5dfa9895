//! Memory, images and semaphores that two processes share: this one makes them, its partner uses them.

mod cycles;
mod farewell;
mod fences;
mod foreign;
mod hostile;
mod objects;
mod partner;
mod post;
mod refused;
mod semaphores;

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use ash::vk;

use crate::gpu::Gpu;
pub use cycles::run as cycles;
pub use hostile::run as hostile;
use objects::{Origin, Shared, SharedImage};
pub use partner::run as partner;
use post::{ANSWERED, Letter, MADE, WORDS, receive, send};
pub use refused::run as refused;

/// Makes a buffer and an image, has the partner look at them and write the buffer, and looks at that.
pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    ensure!(gpu.has(ash::khr::external_memory_fd::NAME), "memory can't be shared");
    fences::run(&gpu)?;
    semaphores::run(&gpu)?;
    farewell::run()?;
    let (socket, theirs) = UnixStream::pair()?;
    let program = std::env::current_exe()?;
    let mut partner = Command::new(program);
    let mut child = partner.arg("sharing-partner").stdin(Stdio::from(OwnedFd::from(theirs))).spawn()?;
    // Its end of the socket is the child's alone.
    drop(partner);
    let made = make(&gpu, &socket);
    drop(socket);
    let status = child.wait()?;
    made?;
    ensure!(status.success(), "the partner ended with {status}");
    Ok(())
}

fn make(gpu: &Gpu, socket: &UnixStream) -> Result<()> {
    let buffer = Shared::new(gpu, WORDS * 4, Origin::New)?;
    let image = SharedImage::new(gpu, Origin::New)?;
    let d = &gpu.device;
    let cmd = gpu.record(|cmd| {
        // SAFETY: recording; handles of this device.
        unsafe { d.cmd_fill_buffer(cmd, buffer.buffer, 0, vk::WHOLE_SIZE, MADE) };
        image.fill(gpu, cmd, MADE);
        gpu.barrier(cmd);
    })?;
    let semaphore = gpu.submit_and_tell(cmd)?;
    let mut files = vec![buffer.export(gpu)?, image.export(gpu)?];
    let has_semaphore = semaphore.is_some();
    files.extend(semaphore);
    send(socket, &Letter { sizes: [buffer.size, image.size, image.pitch, u64::from(has_semaphore)], files })?;
    let answer = receive(socket).context("no answer of the partner")?;
    let down = gpu.buffer(WORDS as usize)?;
    down.fill(|_| 0);
    let cmd = gpu.record(|cmd| {
        gpu.barrier(cmd);
        let all = [vk::BufferCopy { size: WORDS * 4, ..Default::default() }];
        // SAFETY: recording; handles of this device.
        unsafe { d.cmd_copy_buffer(cmd, buffer.buffer, down.buffer, &all) };
        gpu.barrier(cmd);
    })?;
    gpu.submit_after(cmd, answer.files.into_iter().next())?;
    down.expect("what the partner has written", |_| ANSWERED)?;
    gpu.free(down);
    buffer.free(gpu);
    image.free(gpu);
    println!("ok sharing, {} semaphores, {} import", if has_semaphore { "with" } else { "without" }, gpu.imports());
    Ok(())
}
