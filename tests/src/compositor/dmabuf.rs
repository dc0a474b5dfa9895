//! linux-dmabuf: the memory of devices in which programs hand over what they show.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::sync::Mutex;

use nix::unistd::{Whence, lseek};
use wayland_protocols::wp::linux_dmabuf::zv1::server::zwp_linux_buffer_params_v1::{self, ZwpLinuxBufferParamsV1};
use wayland_protocols::wp::linux_dmabuf::zv1::server::zwp_linux_dmabuf_feedback_v1::ZwpLinuxDmabufFeedbackV1;
use wayland_protocols::wp::linux_dmabuf::zv1::server::zwp_linux_dmabuf_v1::{self, ZwpLinuxDmabufV1};
use wayland_server::protocol::wl_buffer::WlBuffer;
use wayland_server::protocol::wl_shm::Format;
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource as _};

use super::memory::{Memory, Source};
use super::state::{Dmabuf, State, ignored_objects};

/// DRM_FORMAT_ARGB8888 and DRM_FORMAT_XRGB8888.
const FORMATS: [(&[u8; 4], Format); 2] = [(b"AR24", Format::Argb8888), (b"XR24", Format::Xrgb8888)];
/// DRM_FORMAT_MOD_LINEAR, and the tiles of one vendor's devices.
const LINEAR: u64 = 0;
const TILES: u64 = 1 << 56 | 1;
/// What every device takes for the distance of two rows is a multiple of this, in bytes.
const ROW: u32 = 256;

impl Dmabuf {
    /// The version that is offered, if any is.
    pub fn version(self) -> Option<u32> {
        match self {
            Self::None => None,
            Self::Old => Some(2),
            _ => Some(4),
        }
    }
}

/// Whether a program is told of formats as soon as it has this.
fn is_told_at_once(dmabuf: &ZwpLinuxDmabufV1) -> bool {
    dmabuf.version() <= 3
}

impl GlobalDispatch<ZwpLinuxDmabufV1, ()> for State {
    fn bind(
        state: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        new: New<ZwpLinuxDmabufV1>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        let dmabuf = init.init(new, ());
        // Later versions tell of formats otherwise; a layer of Mesa's uses them.
        if !is_told_at_once(&dmabuf) {
            return;
        }
        state.made();
        let modifiers = if state.manners.dmabuf == Dmabuf::Tiled { vec![TILES] } else { vec![TILES, LINEAR] };
        for (code, _) in FORMATS {
            let code = u32::from_le_bytes(*code);
            dmabuf.format(code);
            for modifier in modifiers.iter().filter(|_| state.manners.dmabuf != Dmabuf::Old) {
                dmabuf.modifier(code, (modifier >> 32) as u32, *modifier as u32);
            }
        }
    }
}

impl Dispatch<ZwpLinuxDmabufV1, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        dmabuf: &ZwpLinuxDmabufV1,
        request: zwp_linux_dmabuf_v1::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        use zwp_linux_dmabuf_v1::Request;
        match request {
            Request::CreateParams { params_id } => {
                init.init(params_id, Mutex::default());
                state.made();
            }
            Request::Destroy if is_told_at_once(dmabuf) => state.ended(),
            // Who asks is told nothing.
            Request::GetDefaultFeedback { id } | Request::GetSurfaceFeedback { id, .. } => drop(init.init(id, ())),
            _ => {}
        }
    }
}

/// What a program has said of a buffer.
#[derive(Default)]
pub struct Params {
    planes: Vec<Plane>,
    asked: bool,
}

struct Plane {
    file: File,
    offset: u32,
    row: u32,
    modifier: u64,
}

impl Params {
    /// The buffer's memory.
    ///
    /// # Errors
    /// What the program must not do, or what can't be mapped.
    fn memory(&mut self, size: [i32; 2], code: u32) -> Result<Memory, String> {
        let format = FORMATS.iter().find(|(known, _)| u32::from_le_bytes(**known) == code);
        let (_, format) = format.ok_or_else(|| format!("a format that wasn't offered: {code:#x}"))?;
        let plane = self.planes.pop().filter(|_| self.planes.is_empty()).ok_or("not one plane")?;
        let Plane { file, offset, row, modifier } = plane;
        if modifier != LINEAR || row % ROW != 0 || i64::from(row) < i64::from(size[0]) * 4 || size[1] <= 0 {
            return Err(format!("modifier {modifier:#x}, {row} bytes a row, {size:?}"));
        }
        let end = i64::from(offset) + i64::from(row) * i64::from(size[1]);
        let there = lseek(file.as_fd(), 0, Whence::SeekEnd).map_err(|e| format!("a file of no size: {e}"))?;
        if there < end {
            return Err(format!("{there} bytes of memory for a picture that ends at {end}"));
        }
        let source = Source::map(&file, there as usize).map_err(|e| format!("memory can't be mapped: {e}"))?;
        Ok(Memory { source, offset: offset as i32, row: row as i32, size, format: *format })
    }
}

impl Dispatch<ZwpLinuxBufferParamsV1, Mutex<Params>> for State {
    fn request(
        state: &mut Self,
        client: &Client,
        object: &ZwpLinuxBufferParamsV1,
        request: zwp_linux_buffer_params_v1::Request,
        params: &Mutex<Params>,
        handle: &DisplayHandle,
        _: &mut DataInit<'_, Self>,
    ) {
        let mut params = params.lock().unwrap();
        match request {
            zwp_linux_buffer_params_v1::Request::Add { fd, plane_idx, offset, stride, modifier_hi, modifier_lo } => {
                if plane_idx as usize != params.planes.len() {
                    state.complain(format!("plane {plane_idx} comes as number {}", params.planes.len()));
                }
                let modifier = u64::from(modifier_hi) << 32 | u64::from(modifier_lo);
                params.planes.push(Plane { file: fd.into(), offset, row: stride, modifier });
            }
            zwp_linux_buffer_params_v1::Request::Create { width, height, format, flags } => {
                if std::mem::replace(&mut params.asked, true) || u32::from(flags) != 0 {
                    state.complain(format!("a buffer is asked for twice, or with flags: {flags:?}"));
                }
                let memory = match state.manners.dmabuf {
                    Dmabuf::Mute => return,
                    Dmabuf::Dies => {
                        state.dies = true;
                        return;
                    }
                    Dmabuf::Refuses { after } if state.imported >= after => return object.failed(),
                    _ => params.memory([width, height], format),
                };
                match memory {
                    Ok(memory) => {
                        state.imported += 1;
                        let buffer: WlBuffer = client.create_resource::<_, _, Self>(handle, 1, memory).unwrap();
                        object.created(&buffer);
                    }
                    Err(why) => {
                        state.complain(why);
                        object.failed();
                    }
                }
            }
            zwp_linux_buffer_params_v1::Request::CreateImmed { .. } => {
                state.complain("a buffer is made that might be refused".to_owned());
            }
            zwp_linux_buffer_params_v1::Request::Destroy => state.ended(),
            _ => {}
        }
    }
}

ignored_objects!(ZwpLinuxDmabufFeedbackV1);
