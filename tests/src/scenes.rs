//! vkmark's scenes by a clock that goes by looks, so that they draw the same in every run.

use std::process::Command;
use std::time::Duration;

use hesper_rig::vkmark::SCENES;
use hesper_rig::{Driver, Vkmark, WindowSystem, clock_by_looks};

use crate::compositor::{Compositor, Manners, Picture};
use crate::{good, root, stills};

/// From one look at the clock to the next.
const STEP: Duration = Duration::from_millis(250);
/// Scenes look twice a frame, once for what they draw and once for whether they are over, which is after five frames. Those that stand still look once.
const DURATION: &str = ":duration=2.2";
const FRAMES: usize = 5;
const STILL_FRAMES: usize = 9;
/// After so many looks, behind the one at its start, the clock stands still for the last of the frames.
const LOOKS: u32 = 7;
/// So many pictures have been shown for sure when that is seen.
pub const UNTIL_STILL: usize = 8;

/// Whether a scene stands still by itself.
pub fn is_still(scene: &str) -> bool {
    scene.starts_with("effect2d")
}

/// How many frames a scene has.
pub fn frames(scene: &str) -> usize {
    if is_still(scene) { STILL_FRAMES } else { FRAMES }
}

/// What vkmark is told, and what it finds in its environment.
pub struct Told {
    pub words: Vec<String>,
    pub environment: [(&'static str, String); 2],
}

impl Told {
    /// To show all frames of all scenes.
    ///
    /// # Panics
    /// When vkmark or the clock can't be made, here as everywhere below.
    pub fn all(system: WindowSystem, size: [u32; 2]) -> Self {
        Self::new(system, size, [DURATION].into_iter().chain(SCENES).map(str::to_owned), u32::MAX)
    }

    /// To show a scene whose last frame stays.
    pub fn still(system: WindowSystem, size: [u32; 2], scene: &str) -> Self {
        Self::new(system, size, [format!("{scene}:duration=1000")], LOOKS)
    }

    fn new(system: WindowSystem, size: [u32; 2], scenes: impl IntoIterator<Item = String>, looks: u32) -> Self {
        let mut words = Vkmark::ensure(&root()).unwrap().command(system, size, scenes);
        // Every frame is to be seen, in the same format on all drivers.
        words.extend(["--present-mode=fifo", "--pixel-format=B8G8R8A8_UNORM"].map(str::to_owned));
        Self { words, environment: clock_by_looks(STEP, looks).unwrap() }
    }

    /// A command for it, from what runs a program on a driver.
    pub fn command(&self, on: impl FnOnce(&str) -> Command) -> Command {
        let (program, arguments) = self.words.split_first().unwrap();
        let mut command = on(program);
        command.args(arguments);
        for (name, value) in &self.environment {
            // Libraries are preloaded behind those that are already.
            let before = command.get_envs().find(|(n, _)| n == name).and_then(|(_, value)| value?.to_str());
            let value = before.map(|b| format!("{b}:{value}")).unwrap_or_else(|| value.clone());
            command.env(name, value);
        }
        command
    }
}

/// A command on the host's own driver.
fn natively(told: &Told) -> Command {
    told.command(|program| root().client(Driver::Native, None, program).unwrap())
}

/// All frames of all scenes, as a compositor gets them from what runs a program on a driver.
pub fn all_frames(manners: Manners, size: [u32; 2], on: impl FnOnce(&str) -> Command) -> Vec<Picture> {
    let compositor = Compositor::start(manners);
    let mut command = Told::all(WindowSystem::Wayland, size).command(on);
    good("vkmark", command.env("WAYLAND_DISPLAY", compositor.display()));
    compositor.take()
}

/// Those by the host's own driver.
pub fn all_natively(size: [u32; 2]) -> Vec<Picture> {
    all_frames(Manners::default(), size, |program| root().client(Driver::Native, None, program).unwrap())
}

/// The frame of a scene that stays, by the host's own driver.
pub fn still_natively(size: [u32; 2], scene: &str) -> Vec<u8> {
    let told = Told::still(WindowSystem::Wayland, size, scene);
    let mut seen = stills::first(UNTIL_STILL, &Compositor::start(Manners::default()), &mut natively(&told));
    seen.swap_remove(UNTIL_STILL - 1).bytes
}
