//! wl_shm, its pools and buffers: the memory in which programs hand over what they show.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use wayland_server::protocol::wl_buffer::{self, WlBuffer};
use wayland_server::protocol::wl_shm::{self, Format, WlShm};
use wayland_server::protocol::wl_shm_pool::{self, WlShmPool};
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, WEnum};

use super::state::State;

/// What a wl_buffer stands for.
pub struct Memory {
    file: Arc<File>,
    offset: i32,
    /// Bytes from row to row.
    row: i32,
    pub size: [i32; 2],
    pub format: Format,
}

impl Memory {
    /// Its pixels, row behind row.
    ///
    /// # Errors
    /// When they don't lie in the file.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        let [width, height] = self.size.map(|n| n as usize);
        let mut bytes = vec![0; width * height * 4];
        for (y, row) in bytes.chunks_mut(width * 4).enumerate() {
            self.file.read_exact_at(row, self.offset as u64 + y as u64 * self.row as u64)?;
        }
        Ok(bytes)
    }
}

impl GlobalDispatch<WlShm, ()> for State {
    fn bind(_: &mut Self, _: &DisplayHandle, _: &Client, new: New<WlShm>, (): &(), init: &mut DataInit<'_, Self>) {
        let shm = init.init(new, ());
        shm.format(Format::Argb8888);
        shm.format(Format::Xrgb8888);
    }
}

impl Dispatch<WlShm, ()> for State {
    fn request(
        _: &mut Self,
        _: &Client,
        _: &WlShm,
        request: wl_shm::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        if let wl_shm::Request::CreatePool { id, fd, .. } = request {
            init.init(id, Arc::new(File::from(fd)));
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
            init.init(id, Memory { file: file.clone(), offset, row: stride, size, format });
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
