//! wl_compositor and wl_surface: what programs show, and when they hear of it.

use std::sync::Mutex;

use wayland_server::protocol::wl_buffer::WlBuffer;
use wayland_server::protocol::wl_callback::WlCallback;
use wayland_server::protocol::wl_compositor::{self, WlCompositor};
use wayland_server::protocol::wl_region::WlRegion;
use wayland_server::protocol::wl_surface::{Request, WlSurface};
use wayland_server::{Client, DataInit, Dispatch, DisplayHandle, GlobalDispatch, New, Resource as _};

use super::memory::Memory;
use super::state::{Manners, Picture, State, ignored_objects};

/// What the compositor knows of a surface.
#[derive(Default)]
struct Surface {
    /// What was attached since the last commit, which may be no buffer.
    attached: Option<Option<WlBuffer>>,
    /// Whether something was said to have changed since the last commit.
    damaged: bool,
    scale: i32,
    /// Those that were asked for since the last commit.
    asked: Vec<WlCallback>,
    /// Those that are to hear of the next refresh.
    waiting: Vec<WlCallback>,
    seen: Option<Held>,
    /// What was seen before, and goes back at the next refresh.
    leaving: Vec<Held>,
}

/// A buffer that the compositor has.
struct Held {
    buffer: WlBuffer,
    /// What was in it when it was shown.
    bytes: Vec<u8>,
    /// How many pictures of the screen it stays after it was replaced.
    stays: u32,
}

impl Held {
    /// Whether the program has written it meanwhile, which it must not. It may write memory that it has taken back; a device's memory it can't take back.
    fn has_changed(&self) -> bool {
        let memory = self.buffer.data::<Memory>().unwrap();
        let is_read = self.buffer.is_alive() || memory.is_of_a_device();
        is_read && memory.bytes().is_ok_and(|now| now != self.bytes)
    }
}

/// Tells a surface of a refresh; what its program did that it must not.
pub fn refresh(surface: &WlSurface, manners: Manners, time: u32) -> Vec<String> {
    let mut surface = surface.data::<Mutex<Surface>>().unwrap().lock().unwrap();
    let complaints = surface.leaving.iter().chain(&surface.seen).filter(|h| h.has_changed());
    let complaints = complaints.map(|h| format!("{:?} was written while it was shown", h.buffer.id())).collect();
    if !manners.silent {
        surface.waiting.drain(..).for_each(|callback| callback.done(time));
    }
    if !manners.keeps {
        for held in surface.leaving.extract_if(.., |held| held.stays == 0) {
            held.buffer.release();
        }
        surface.leaving.iter_mut().for_each(|held| held.stays -= 1);
    }
    complaints
}

/// Shows what a program has attached.
fn commit(state: &State, surface: &mut Surface) {
    let asked = std::mem::take(&mut surface.asked);
    surface.waiting.extend(asked);
    let damaged = std::mem::take(&mut surface.damaged);
    let Some(attached) = surface.attached.take() else { return };
    surface.leaving.extend(surface.seen.take());
    let Some(buffer) = attached else { return };
    if surface.leaving.iter().any(|held| held.buffer == buffer) {
        state.complain(format!("{:?} is shown before it was given back", buffer.id()));
    }
    if !damaged {
        state.complain(format!("{:?} is shown, and nothing is said to have changed", buffer.id()));
    }
    let memory = buffer.data::<Memory>().unwrap();
    match memory.bytes() {
        Ok(bytes) => {
            let picture = Picture {
                size: memory.size,
                format: memory.format,
                bytes: bytes.clone(),
                scale: surface.scale,
                refresh: state.refresh,
                from_device: memory.is_of_a_device(),
            };
            state.record.lock().unwrap().pictures.push(picture);
            surface.seen = Some(Held { buffer, bytes, stays: state.manners.late });
        }
        Err(e) => state.complain(format!("{:?} can't be read: {e}", buffer.id())),
    }
}

impl Dispatch<WlSurface, Mutex<Surface>> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        _: &WlSurface,
        request: Request,
        surface: &Mutex<Surface>,
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        let mut surface = surface.lock().unwrap();
        match request {
            Request::Attach { buffer, x, y } => {
                if (x, y) != (0, 0) {
                    state.complain(format!("a buffer is attached at {x}, {y}"));
                }
                surface.attached = Some(buffer);
            }
            Request::Damage { width, height, .. } | Request::DamageBuffer { width, height, .. } => {
                surface.damaged |= width > 0 && height > 0;
            }
            Request::Frame { callback } => surface.asked.push(init.init(callback, ())),
            Request::SetBufferScale { scale } => surface.scale = scale,
            Request::Commit => commit(state, &mut surface),
            _ => {}
        }
    }
}

impl GlobalDispatch<WlCompositor, ()> for State {
    fn bind(
        _: &mut Self,
        _: &DisplayHandle,
        _: &Client,
        new: New<WlCompositor>,
        (): &(),
        init: &mut DataInit<'_, Self>,
    ) {
        init.init(new, ());
    }
}

impl Dispatch<WlCompositor, ()> for State {
    fn request(
        state: &mut Self,
        _: &Client,
        _: &WlCompositor,
        request: wl_compositor::Request,
        (): &(),
        _: &DisplayHandle,
        init: &mut DataInit<'_, Self>,
    ) {
        match request {
            wl_compositor::Request::CreateSurface { id } => {
                let surface = init.init(id, Mutex::<Surface>::default());
                state.surfaces.push(surface);
            }
            wl_compositor::Request::CreateRegion { id } => drop(init.init(id, ())),
            _ => {}
        }
    }
}

ignored_objects!(WlCallback, WlRegion);
