//! VK_NV_shader_sm_builtins, found out by trying.
//!
//! The protocol has no form for the struct that tells how many multiprocessors a device has, and llama.cpp chooses by that
//! number how to split its matrix products. The host's compiler takes the extension's shaders all the same, so the driver
//! runs one that writes the numbers down, on a device of its own, when a program first asks for extensions. That takes the host
//! about a tenth of a second, so the answer is kept on disk. Where anything of this fails, the extension isn't offered.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use ash::vk;

use crate::base::kept_file;
use crate::base::log::debug;
use crate::base::settings;

/// What the extension's properties tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multiprocessors {
    pub count: u32,
    pub warps: u32,
}

/// What was found out about one physical device.
#[derive(Default)]
pub struct Probe(OnceLock<Option<Multiprocessors>>);

/// Runs a shader that tells the number of multiprocessors and of warps on each; `None` where it can't be run.
pub type Trial = unsafe fn(vk::PhysicalDevice) -> Option<[u32; 2]>;

/// The way to try out a device, which takes all of the driver.
static TRIAL: OnceLock<Trial> = OnceLock::new();

/// Tells how devices are tried out.
pub fn register(trial: Trial) {
    let _ = TRIAL.set(trial);
}

impl Multiprocessors {
    /// Numbers that a device can have.
    fn checked(count: u32, warps: u32) -> Option<Self> {
        ((1..=65_536).contains(&count) && (1..=1024).contains(&warps)).then_some(Self { count, warps })
    }
}

impl Probe {
    /// The multiprocessors of a device with this host driver and cache UUID, asked for the first time; `None` where it has no such
    /// extension.
    ///
    /// # Safety
    /// A valid physical device.
    pub unsafe fn of(
        &self,
        physical: vk::PhysicalDevice,
        host_driver: vk::DriverId,
        uuid: &[u8; 16],
    ) -> Option<Multiprocessors> {
        *self.0.get_or_init(|| {
            // Other drivers weren't seen to take such a shader from a device that has the feature switched off.
            if host_driver != vk::DriverId::NVIDIA_PROPRIETARY || !settings::get().probe {
                return None;
            }
            let kept = settings::get().cache.as_ref().map(|folder| folder.join(file_name(uuid)));
            if let Some(known) = kept.as_deref().and_then(read) {
                return Some(known);
            }
            // SAFETY: a valid physical device.
            let found = TRIAL.get().and_then(|trial| unsafe { trial(physical) });
            let found = found.and_then(|[count, warps]| Multiprocessors::checked(count, warps));
            debug!("multiprocessors of the host's device: {found:?}");
            if let (Some(path), Some(found)) = (&kept, found) {
                // Not being able to keep it costs the next start some time.
                let _ = write(path, found);
            }
            found
        })
    }
}

fn file_name(uuid: &[u8; 16]) -> String {
    let uuid: String = uuid.iter().map(|b| format!("{b:02x}")).collect();
    format!("multiprocessors-{uuid}.txt")
}

fn read(path: &Path) -> Option<Multiprocessors> {
    parse(&fs::read_to_string(path).ok()?)
}

/// What a file tells, if it is one of these.
pub fn parse(text: &str) -> Option<Multiprocessors> {
    let (count, warps) = text.trim().split_once(' ')?;
    Multiprocessors::checked(count.parse().ok()?, warps.parse().ok()?)
}

fn write(path: &Path, m: Multiprocessors) -> std::io::Result<()> {
    kept_file::replace(path, &[format!("{} {}\n", m.count, m.warps).as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_nonsense_is_not() {
        let folder = std::env::temp_dir().join(format!("hesper-sm-{}", std::process::id()));
        let path = folder.join("multiprocessors-x.txt");
        assert_eq!(read(&path), None);
        let m = Multiprocessors { count: 132, warps: 64 };
        write(&path, m).unwrap();
        assert_eq!(read(&path), Some(m));
        for nonsense in ["", "132", "0 64", "132 0", "132 4096", "-1 64", "1 2 3", "many few"] {
            fs::write(&path, nonsense).unwrap();
            assert_eq!(read(&path), None, "{nonsense}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
