//! vkmark, a benchmark that others have written: scenes in a window, or in images that nobody sees.

use std::fmt;
use std::path::PathBuf;
use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};

use crate::weston::LIBRARIES;
use crate::{Driver, Host, Renderer, Root, Weston, Xvfb, cache};

const RECIPE: &str = include_str!("../vkmark.sh");

/// The scenes that vkmark has of itself, the heaviest variants left out.
pub const SCENES: [&str; 13] = [
    "clear",
    "cube",
    "desktop",
    "effect2d:kernel=edge",
    "effect2d:kernel=blur",
    "shading:shading=gouraud",
    "shading:shading=blinn-phong-inf",
    "shading:shading=phong",
    "shading:shading=cel",
    "texture:anisotropy=0",
    "texture:anisotropy=16",
    "vertex:device-local=true",
    "vertex:device-local=false",
];
/// The window, in pixels, and a screen that is larger.
pub const SIZE: [u32; 2] = [320, 240];
const SCREEN: [u32; 2] = [640, 480];

/// Where it shows its scenes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowSystem {
    /// Nowhere.
    Headless,
    /// On an Xvfb.
    X11,
    /// On a Weston without a screen, drawn by the processor.
    Wayland,
}

impl WindowSystem {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 3] = [Self::Headless, Self::X11, Self::Wayland];

    /// What vkmark calls it.
    fn argument(self) -> &'static str {
        match self {
            Self::Headless => "headless",
            Self::X11 => "xcb",
            Self::Wayland => "wayland",
        }
    }
}

impl fmt::Display for WindowSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Headless => "headless",
            Self::X11 => "X11",
            Self::Wayland => "Wayland",
        })
    }
}

/// The program, in a tree of its own, which runs in a rig's root.
#[derive(Clone, Debug)]
pub struct Vkmark {
    root: Root,
    tree: PathBuf,
}

/// What it says of a scene.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// Its name and options.
    pub name: String,
    /// Frames a second.
    pub speed: f64,
}

impl Vkmark {
    /// The tree, made if it isn't in the cache yet.
    ///
    /// # Errors
    /// When it can't be made; with the recipe's output.
    pub fn ensure(root: &Root) -> Result<Self> {
        // Another root has other libraries.
        let from = root.path().file_name().unwrap_or_default().to_string_lossy();
        let tree = cache::made("vkmark", &[RECIPE, &from], "fetching vkmark (60 MB from Debian's archive)", |new| {
            cache::run(cache::recipe(RECIPE, new)?.arg(root.path()))
        })?;
        Ok(Self { root: root.clone(), tree })
    }

    /// The words of a command that shows scenes in a window of this size, each with its options, one after the other. It runs in the root, and in a guest that
    /// has the root's tree.
    pub fn command(
        &self,
        system: WindowSystem,
        [width, height]: [u32; 2],
        scenes: impl IntoIterator<Item = String>,
    ) -> Vec<String> {
        let library = self.tree.join(LIBRARIES);
        let mut words = vec![
            "/usr/bin/env".to_owned(),
            format!("LD_LIBRARY_PATH={}", library.display()),
            self.tree.join("usr/bin/vkmark").display().to_string(),
            format!("--winsys-dir={}", library.join("vkmark").display()),
            format!("--data-dir={}", self.tree.join("usr/share/vkmark").display()),
            format!("--winsys={}", system.argument()),
            format!("--size={width}x{height}"),
        ];
        words.extend(scenes.into_iter().map(|scene| format!("--benchmark={scene}")));
        words
    }

    /// Shows each scene for so many seconds on a driver, over a host of its own where one is needed; the frames a second of each, and vkmark's score behind them.
    ///
    /// # Errors
    /// When a server or host can't be started, and when vkmark fails; with its output.
    pub fn run(&self, driver: Driver, system: WindowSystem, seconds: f64) -> Result<Vec<Scene>> {
        let host = if driver.needs_host() { Some(Host::start(&self.root)?) } else { None };
        // It is killed where it hangs.
        let mut command = self.root.client(driver, host.as_ref(), "/usr/bin/timeout")?;
        let limit = 60.0 + 4.0 * seconds * SCENES.len() as f64;
        command.args(["-k", "5", &limit.to_string()]);
        let duration = format!(":duration={seconds}");
        command.args(self.command(system, SIZE, [duration].into_iter().chain(SCENES.map(str::to_owned))));
        if driver == Driver::Mesa && system != WindowSystem::Headless {
            // By itself it asks for DRI3 or linux-dmabuf, which these servers haven't.
            command.env("MESA_VK_WSI_DEBUG", "sw");
        }
        let output = on(system, &mut command)?;
        let said = String::from_utf8_lossy(&output.stdout);
        let scenes = scenes(&said);
        let complete = scenes.len() == SCENES.len() + 1;
        if !output.status.success() || !complete {
            let more = String::from_utf8_lossy(&output.stderr);
            bail!("vkmark ended with {} after {} scenes:\n{said}{more}", output.status, scenes.len());
        }
        let log = host.as_ref().map(Host::log).unwrap_or_default();
        ensure!(!log.contains("fatal"), "the host complains:\n{log}");
        Ok(scenes)
    }
}

/// Runs a program to its end in front of a server of this kind.
fn on(system: WindowSystem, command: &mut Command) -> Result<Output> {
    // Whichever there is lives until the program has ended.
    let (x, weston) = match system {
        WindowSystem::Headless => (None, None),
        WindowSystem::X11 => (Some(Xvfb::start(SCREEN, &[])?), None),
        WindowSystem::Wayland => (None, Some(Weston::start(Renderer::Pixman, SCREEN)?)),
    };
    if let Some(x) = &x {
        command.env("DISPLAY", x.display());
    }
    if let Some(weston) = &weston {
        command.env("WAYLAND_DISPLAY", weston.display());
    }
    command.output().context("starting vkmark")
}

/// Reads lines like `[cube] duration=0.5: FPS: 1234 FrameTime: 0.8 ms`, and `vkmark Score: 1234`.
fn scenes(said: &str) -> Vec<Scene> {
    let number = |text: &str| text.split_whitespace().next().and_then(|n| n.parse().ok());
    let scene = |line: &str| {
        let line = line.trim();
        if let Some(score) = line.strip_prefix("vkmark Score:") {
            return Some(Scene { name: "score".into(), speed: number(score)? });
        }
        let (name, speed) = line.strip_prefix('[')?.split_once("FPS:")?;
        let name = name.replacen("] ", " ", 1);
        let name = name.trim().trim_end_matches(':').trim();
        Some(Scene { name: name.to_owned(), speed: number(speed)? })
    };
    said.lines().filter_map(scene).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_vkmark_says_is_read() {
        let said = "\
=======================================================
    vkmark 2025.01
=======================================================
[effect2d] kernel=edge: FPS: 1234 FrameTime: 0.810 ms
[clear] <default>: FPS: 5 FrameTime: 200.000 ms
[cube] FPS: none
=======================================================
                                   vkmark Score: 619
";
        let scene = |name: &str, speed| Scene { name: name.into(), speed };
        assert_eq!(
            scenes(said),
            [scene("effect2d kernel=edge", 1234.0), scene("clear <default>", 5.0), scene("score", 619.0)]
        );
    }
}
