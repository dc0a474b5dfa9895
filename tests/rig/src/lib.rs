//! The test rig: a real Venus host from Debian's packages, and the same program on three drivers.
//!
//! [`Root`] is a Debian 13 tree in the user's cache folder with virglrenderer, lavapipe and Mesa's venus driver; [`Host`] is
//! `virgl_test_server` running in it, or in a tree with an older [`HostVersion`]; [`Root::client`] runs a program there on a [`Driver`]; [`Vm`] boots a stock
//! kernel of a [`Machine`]'s with a virtio-gpu under QEMU. The rig needs root: it makes a Debian tree and mounts into it.

mod apple;
mod boot_files;
pub mod cache;
mod client;
mod client_packages;
mod clocks;
pub mod cross;
mod debian_11;
mod display;
mod driver;
mod driver_build;
mod gpu_tree;
mod guest;
pub mod guest_display;
pub mod guest_job;
mod host;
pub mod host_version;
pub mod http;
mod inside;
pub mod lent_llama;
pub mod llama;
mod machine;
pub mod models;
mod nodes;
pub mod package_tools;
pub mod pin;
pub mod podman;
pub mod processes;
mod qmp;
mod ramalama;
mod root;
pub mod shader_compiler;
mod small_tree;
pub mod std_source;
mod tree_copy;
mod tree_files;
mod usage;
pub mod vkmark;
pub mod vm;
mod vm_host;
mod vm_processes;
pub mod vulkaninfo;
mod weston;
mod xorg;
mod xvfb;
pub mod zig;

pub use apple::Apple;
pub use client_packages::ClientPackages;
pub use clocks::{Clocks, clock_by_looks};
pub use debian_11::debian_11;
pub use driver::Driver;
pub use driver_build::{DriverBuild, build_driver, manifest_for, target_folder, workspace};
pub use gpu_tree::gpu_tree;
pub use guest::Guest;
pub use guest_job::{GuestJob, GuestResult};
pub use host::Host;
pub use host_version::HostVersion;
pub use machine::{Architecture, Kernel, Machine, PageSize};
pub use nodes::Nodes;
pub use ramalama::RamaLama;
pub use root::Root;
pub use small_tree::{Libraries, SmallTree};
pub use tree_copy::TreeCopy;
pub use tree_files::tree_files;
pub use usage::Usage;
pub use vkmark::{Vkmark, WindowSystem};
pub use vm::{GuestRun, Vm};
pub use vm_processes::{Held, VmProcesses};
pub use weston::{Renderer, Weston};
pub use xvfb::Xvfb;
