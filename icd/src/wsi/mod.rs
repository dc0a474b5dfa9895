//! Window systems: surfaces, swapchains, and how their images reach the screen.

pub mod acquire;
pub mod bind;
pub mod capabilities;
pub mod device;
pub mod group;
pub mod headless;
pub mod images;
pub mod present;
pub mod present_wait;
pub mod presentable_image;
pub mod presenter;
pub mod surface;
pub mod swapchain;
pub mod window;
pub mod x11;
pub mod x11_canvas;
pub mod x11_own_connection;
pub mod xcb;
pub mod xlib;
