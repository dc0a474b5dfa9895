//! The screen of an X server, looked at from the outside.

use std::time::{Duration, Instant};

use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    ChangeGCAux, ConnectionExt as _, CreateGCAux, CreateWindowAux, ImageFormat, Rectangle, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;

/// The color of the screen where no window was.
pub const BACKDROP: u32 = 0x12_3456;

/// Looks at a server's first screen.
pub struct XScreen {
    pub connection: RustConnection,
    /// Width and height, in pixels.
    pub size: [u16; 2],
    root: Window,
    /// Behind all programs' windows, and as large as the screen. It has no background, so that what was before it stays when a window goes.
    backdrop: Window,
    gc: u32,
}

impl XScreen {
    /// The screen of a server, by what DISPLAY calls it, or of the one that the environment names.
    ///
    /// # Panics
    /// When there is no such server, here as everywhere below.
    pub fn new(display: Option<&str>) -> Self {
        let (connection, screen) = RustConnection::connect(display).unwrap();
        let screen = &connection.setup().roots[screen];
        let (root, size) = (screen.root, [screen.width_in_pixels, screen.height_in_pixels]);
        let backdrop = connection.generate_id().unwrap();
        let class = WindowClass::INPUT_OUTPUT;
        let aux = CreateWindowAux::new().background_pixmap(x11rb::NONE);
        let depth = x11rb::COPY_DEPTH_FROM_PARENT;
        connection
            .create_window(depth, backdrop, root, 0, 0, size[0], size[1], 0, class, 0, &aux)
            .unwrap()
            .check()
            .unwrap();
        connection.map_window(backdrop).unwrap().check().unwrap();
        let gc = connection.generate_id().unwrap();
        connection.create_gc(gc, backdrop, &CreateGCAux::new()).unwrap().check().unwrap();
        Self { connection, size, root, backdrop, gc }
    }

    /// Paints the screen in [`BACKDROP`].
    pub fn clear(&self) {
        let all = Rectangle { x: 0, y: 0, width: self.size[0], height: self.size[1] };
        self.connection.change_gc(self.gc, &ChangeGCAux::new().foreground(BACKDROP)).unwrap();
        self.connection.poly_fill_rectangle(self.backdrop, self.gc, &[all]).unwrap().check().unwrap();
    }

    /// A part of the screen: rows of four bytes a pixel, blue, green, red, and a zero.
    pub fn picture(&self, at: [i16; 2], size: [u16; 2]) -> Vec<u8> {
        let (format, [x, y], [w, h]) = (ImageFormat::Z_PIXMAP, at, size);
        let mut data = self.connection.get_image(format, self.root, x, y, w, h, !0).unwrap().reply().unwrap().data;
        data.chunks_mut(4).for_each(|pixel| pixel[3] = 0);
        data
    }

    /// All of the screen.
    pub fn whole(&self) -> Vec<u8> {
        self.picture([0, 0], self.size)
    }

    /// The first window of a program, within some seconds.
    pub fn window(&self) -> Window {
        let start = Instant::now();
        loop {
            let all = self.connection.query_tree(self.root).unwrap().reply().unwrap().children;
            if let Some(w) = all.into_iter().find(|w| *w != self.backdrop) {
                return w;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "no program has a window");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
