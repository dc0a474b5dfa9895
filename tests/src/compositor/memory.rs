//! wl_shm, its pools and buffers: the memory in which programs hand over what they show.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt as _;
use std::ptr::NonNull;
use std::sync::Arc;

use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use wayland_server::protocol::wl_buffer::{self, WlBuffer};
use wayland_server::protocol::wl_shm::{self, Format, WlShm};
use wayland_server::protocol::wl_shm_pool::{self, WlShmPool};
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource as _, WEnum};

use super::state::State;

/// What a wl_buffer stands for.
pub struct Memory {
    pub source: Source,
    pub offset: i32,
    /// Bytes from row to row.
    pub row: i32,
    pub size: [i32; 2],
    pub format: Format,
}

/// Where its bytes are.
pub enum Source {
    /// In a file of the program's.
    File(Arc<File>),
    /// In a device's memory, which can only be mapped.
    Device { base: NonNull<c_void>, len: usize },
}

// SAFETY: the mapping is this struct's own, and is only read.
unsafe impl Send for Source {}
// SAFETY: as above.
unsafe impl Sync for Source {}

impl Source {
    /// Maps all of a device's memory.
    ///
    /// # Errors
    /// When that can't be mapped.
    pub fn map(file: &File, len: usize) -> io::Result<Self> {
        let whole = NonZeroUsize::new(len).ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: a new mapping.
        let base = unsafe { mmap(None, whole, ProtFlags::PROT_READ, MapFlags::MAP_SHARED, file, 0) }?;
        Ok(Self::Device { base, len })
    }

    fn read(&self, to: &mut [u8], at: usize) -> io::Result<()> {
        match self {
            Self::File(file) => file.read_exact_at(to, at as u64),
            Self::Device { base, len } => {
                at.checked_add(to.len()).filter(|end| end <= len).ok_or(io::ErrorKind::UnexpectedEof)?;
                // SAFETY: inside of the mapping, as was just seen.
                unsafe { base.cast::<u8>().add(at).copy_to_nonoverlapping(NonNull::from(&mut *to).cast(), to.len()) };
                Ok(())
            }
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Self::Device { base, len } = self {
            // SAFETY: the mapping that was made with it.
            let _ = unsafe { munmap(*base, *len) };
        }
    }
}

impl Memory {
    /// Whether it is a device's.
    pub fn is_of_a_device(&self) -> bool {
        matches!(self.source, Source::Device { .. })
    }

    /// Its pixels, row behind row.
    ///
    /// # Errors
    /// When they don't lie in the memory.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        let [width, height] = self.size.map(|n| n as usize);
        let mut bytes = vec![0; width * height * 4];
        for (y, row) in bytes.chunks_mut(width * 4).enumerate() {
            self.source.read(row, self.offset as usize + y * self.row as usize)?;
        }
        Ok(bytes)
    }
}

impl GlobalDispatch<WlShm, ()> for State {
    fn bind(state: &mut Self, _: &DisplayHandle, _: &Client, new: New<WlShm>, (): &(), init: &mut DataInit<'_, Self>) {
        let shm = init.init(new, ());
        // Older ones have no command to end it.
        if shm.version() >= 2 {
            state.made();
        }
        shm.format(Format::Argb8888);
        shm.format(Format::Xrgb8888);
    }
}

impl Dispatch<WlShm, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        _: &WlShm,
        request: wl_shm::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        match request {
            wl_shm::Request::CreatePool { id, fd, .. } => {
                init.init(id, Arc::new(File::from(fd)));
                state.made();
            }
            wl_shm::Request::Release => state.ended(),
            _ => {}
        }
    }
}

impl Dispatch<WlShmPool, Arc<File>> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        _: &WlShmPool,
        request: wl_shm_pool::Request,
        file: &Arc<File>,
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let wl_shm_pool::Request::CreateBuffer { id, offset, width, height, stride, format } = request {
            let format = match format {
                WEnum::Value(format @ (Format::Argb8888 | Format::Xrgb8888)) => format,
                other => {
                    state.complain(format!("a buffer has a format that wasn't offered: {other:?}"));
                    Format::Xrgb8888
                }
            };
            let size = [width, height];
            init.init(id, Memory { source: Source::File(file.clone()), offset, row: stride, size, format });
        } else if let wl_shm_pool::Request::Destroy = request {
            state.ended();
        }
    }
}

impl Dispatch<WlBuffer, Memory> for State {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &WlBuffer,
        _: wl_buffer::Request,
        _: &Memory,
        _: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        // Its only request is its end.
    }
}
