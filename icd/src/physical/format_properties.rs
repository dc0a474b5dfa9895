//! What a physical device does with each format, kept once it was asked for.

use std::collections::HashMap;
use std::sync::OnceLock;

use ash::vk;
use parking_lot::Mutex;

/// What a device does with a format.
pub type Format = (vk::FormatProperties, vk::FormatProperties3<'static>);

/// Formats of Vulkan 1.0, whose numbers are small.
const CORE: usize = 185;

/// The formats that were asked for.
pub struct Formats {
    core: Box<[OnceLock<Format>]>,
    others: Mutex<HashMap<vk::Format, Format>>,
}

impl Default for Formats {
    fn default() -> Self {
        Self { core: (0..CORE).map(|_| OnceLock::new()).collect(), others: Mutex::default() }
    }
}

impl Formats {
    /// A format's properties; `ask` asks the host.
    pub fn get(&self, format: vk::Format, ask: impl FnOnce() -> Format) -> Format {
        if let Some(core) = self.core.get(format.as_raw() as usize) {
            return *core.get_or_init(ask);
        }
        if let Some(known) = self.others.lock().get(&format) {
            return *known;
        }
        let answer = ask();
        self.others.lock().insert(format, answer);
        answer
    }
}
