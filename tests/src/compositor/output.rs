//! wl_output: a screen, without which some programs don't start. Nothing depends on its size.

use wayland_server::protocol::wl_output::{Mode, Subpixel, Transform, WlOutput};
use wayland_server::{Client, DataInit, DisplayHandle, GlobalDispatch, New};

use super::state::{REFRESH, State, ignored_objects};

/// Width and height, in pixels.
const SIZE: [i32; 2] = [640, 480];

impl GlobalDispatch<WlOutput, ()> for State {
    fn bind(_: &mut Self, _: &DisplayHandle, _: &Client, new: New<WlOutput>, (): &(), init: &mut DataInit<'_, Self>) {
        let output = init.init(new, ());
        output.geometry(0, 0, 0, 0, Subpixel::Unknown, "hesper".into(), "none".into(), Transform::Normal);
        let millihertz = 1_000_000 / REFRESH.as_millis() as i32;
        output.mode(Mode::Current, SIZE[0], SIZE[1], millihertz);
        output.scale(1);
        output.done();
    }
}

ignored_objects!(WlOutput);
