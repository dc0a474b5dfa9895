//! What a compositor knows, and how it treats programs.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use wayland_server::protocol::wl_shm::Format;
use wayland_server::protocol::wl_surface::WlSurface;

/// From one picture of the screen to the next.
pub const REFRESH: Duration = Duration::from_millis(8);

/// How a compositor treats programs.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manners {
    /// It never says that the next picture is due, as for windows that nobody sees.
    pub silent: bool,
    /// It gives no buffer back.
    pub keeps: bool,
    /// How many pictures of the screen later than it could it gives one back.
    pub late: u32,
    pub dmabuf: Dmabuf,
}

/// What a compositor does about memory of devices (linux-dmabuf).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dmabuf {
    /// It doesn't know of such.
    #[default]
    None,
    /// It takes it.
    Takes,
    /// It takes it, and is too old to say with which tiles.
    Old,
    /// It takes it with tiles alone.
    Tiled,
    /// It takes so many buffers and refuses all others, although it offers to take them.
    Refuses { after: usize },
    /// It says nothing to buffers.
    Mute,
    /// It ends when a buffer comes.
    Dies,
}

/// What a program has shown with one commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Width and height, in pixels.
    pub size: [i32; 2],
    pub format: Format,
    /// Rows of four bytes a pixel.
    pub bytes: Vec<u8>,
    /// What the program had said of its surface (wl_surface.set_buffer_scale); 0 for nothing.
    pub scale: i32,
    /// How many pictures the screen had shown before.
    pub refresh: u32,
    /// Whether it came in memory of a device.
    pub from_device: bool,
}

/// What programs did.
#[derive(Default)]
pub struct Record {
    pub pictures: Vec<Picture>,
    /// What they must not.
    pub complaints: Vec<String>,
    /// Objects of linux-dmabuf and wl_shm that were made and that nobody has ended, although there is a command for it.
    pub left: i32,
}

/// What the compositor's thread has.
pub struct State {
    pub manners: Manners,
    pub record: Arc<Mutex<Record>>,
    pub surfaces: Vec<WlSurface>,
    /// How many pictures the screen has shown.
    pub refresh: u32,
    pub start: Instant,
    /// Buffers of devices' memory that it has taken.
    pub imported: usize,
    /// It ends.
    pub dies: bool,
}

impl State {
    /// An object was made that a command ends.
    pub fn made(&self) {
        self.record.lock().unwrap().left += 1;
    }

    /// Such a command has come.
    pub fn ended(&self) {
        self.record.lock().unwrap().left -= 1;
    }

    /// Writes down what a program must not do.
    pub fn complain(&self, about: String) {
        self.record.lock().unwrap().complaints.push(about);
    }
}

/// Objects whose requests change nothing here; [`State`] is in scope where this is used.
macro_rules! ignored_objects {
    ($($object:ty),*) => {$(
        impl wayland_server::Dispatch<$object, ()> for State {
            fn request(
                _: &mut Self,
                _: &wayland_server::Client,
                _: &$object,
                _: <$object as wayland_server::Resource>::Request,
                (): &(),
                _: &wayland_server::DisplayHandle,
                _: &mut wayland_server::DataInit<'_, Self>,
            ) {
            }
        }
    )*};
}
pub(super) use ignored_objects;
