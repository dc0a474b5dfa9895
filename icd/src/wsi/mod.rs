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
pub mod presentation;
pub mod presenter;
pub mod shared_memory;
pub mod surface;
pub mod swapchain;
pub mod wayland;
pub mod wayland_canvas;
pub mod wayland_link;
pub mod window;
pub mod x11;
pub mod x11_canvas;
pub mod x11_own_connection;
pub mod xcb;
pub mod xlib;
