//! The other process: imports what it is sent where the device can, and else looks at the files' memory itself.

use std::fs::File;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr::NonNull;

use anyhow::{Context, Result, ensure};
use ash::vk;
use nix::sys::mman::{MapFlags, ProtFlags, mmap};

use super::objects::{Origin, SIDE, Shared, SharedImage};
use super::post::{ANSWERED, Letter, MADE, WORDS, receive, send};
use crate::gpu::Gpu;

pub fn run() -> Result<()> {
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let gpu = Gpu::new()?;
    let letter = receive(&socket)?;
    let [_, _, pitch, _] = letter.sizes;
    let mut files = letter.files.into_iter();
    let (buffer, image) = (files.next().context("no buffer")?, files.next().context("no image")?);
    let told = if gpu.imports() {
        by_import(&gpu, buffer, image, files.next())?
    } else {
        by_hand(&buffer, &image, letter.sizes, pitch)?;
        None
    };
    send(&socket, &Letter { sizes: [0; 4], files: told.into_iter().collect() })
}

fn by_import(gpu: &Gpu, buffer: OwnedFd, image: OwnedFd, after: Option<OwnedFd>) -> Result<Option<OwnedFd>> {
    let d = &gpu.device;
    let buffer = Shared::new(gpu, WORDS * 4, Origin::File(buffer)).context("the buffer")?;
    let image = SharedImage::new(gpu, Origin::File(image)).context("the image")?;
    let (words, pixels) = (gpu.buffer(WORDS as usize)?, gpu.buffer((SIDE * SIDE) as usize)?);
    words.fill(|_| 0);
    pixels.fill(|_| 0);
    let cmd = gpu.record(|cmd| {
        gpu.barrier(cmd);
        let all = [vk::BufferCopy { size: WORDS * 4, ..Default::default() }];
        // SAFETY: recording; handles of this device.
        unsafe { d.cmd_copy_buffer(cmd, buffer.buffer, words.buffer, &all) };
        image.read(gpu, cmd, pixels.buffer);
        gpu.barrier(cmd);
    })?;
    gpu.submit_after(cmd, after)?;
    words.expect("the buffer", |_| MADE)?;
    pixels.expect("the image", |_| MADE)?;
    let cmd = gpu.record(|cmd| {
        // SAFETY: recording.
        unsafe { d.cmd_fill_buffer(cmd, buffer.buffer, 0, vk::WHOLE_SIZE, ANSWERED) };
        gpu.barrier(cmd);
    })?;
    let told = gpu.submit_and_tell(cmd)?;
    gpu.free(words);
    gpu.free(pixels);
    buffer.free(gpu);
    image.free(gpu);
    Ok(told)
}

/// A file's memory, for the rest of the process.
fn mapped(file: &OwnedFd, size: u64) -> Result<NonNull<u32>> {
    let have = File::from(file.try_clone()?).metadata()?.len();
    ensure!(have >= size, "{have} bytes, not {size}");
    let (length, both) = (usize::try_from(size)?, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE);
    // SAFETY: a new mapping of a file that doesn't shrink.
    let at = unsafe { mmap(None, NonZeroUsize::try_from(length)?, both, MapFlags::MAP_SHARED, file, 0) }?;
    Ok(at.cast())
}

fn by_hand(buffer: &OwnedFd, image: &OwnedFd, sizes: [u64; 4], pitch: u64) -> Result<()> {
    let (words, pixels) = (mapped(buffer, sizes[0])?, mapped(image, sizes[1])?);
    for i in 0..WORDS as usize {
        // SAFETY: inside of the mapping, which nobody else uses at this time.
        let found = unsafe { words.add(i).replace(ANSWERED) };
        ensure!(found == MADE, "word {i} is {found:#x}");
    }
    for (x, y) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (x, y))) {
        let at = y as usize * pitch as usize / 4 + x as usize;
        // SAFETY: as above.
        let found = unsafe { pixels.add(at).read() };
        ensure!(found == MADE, "pixel {x}, {y} is {found:#x}");
    }
    Ok(())
}
