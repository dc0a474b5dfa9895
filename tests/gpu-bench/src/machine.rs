//! The machine with the GPU: how programs of the bundle get to each driver.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use hesper_rig::Driver;

use crate::variant::Variant;
use crate::{host_calls, output};

/// The manifest of Mesa's driver.
const MESA: &str = "/usr/share/vulkan/icd.d/virtio_icd.json";
/// In the bundle: the manifest of this project's driver, and the folder of the test layer.
pub const HESPER: &str = "/opt/hesper/hesper_icd.json";
pub const LAYER: &str = "/opt/layer";
/// The layer's library in its folder.
pub const LAYER_LIBRARY: &str = "libhesper_test_layer.so";

/// Whether guests can map video memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// No: programs copy what they write there.
    Copied,
    /// Yes, as on a host with DRM; the layer's library is preloaded into host and guests for that (`tests/rig/layer/src/device_file.rs`).
    Mapped,
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Copied => "copied",
            Self::Mapped => "mapped",
        })
    }
}

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Copied, Self::Mapped]
            .into_iter()
            .find(|m| m.to_string() == text)
            .ok_or_else(|| format!("{text} is neither copied nor mapped"))
    }
}

/// Fails for a device, by the name that llama.cpp has for it, that isn't the driver's.
///
/// # Errors
/// When a guest's driver is on the host's own device, or the other way round.
pub fn check_device(driver: Driver, device: &str) -> Result<()> {
    let is_guests = device.starts_with("Virtio-GPU Venus (");
    ensure!(is_guests == driver.needs_host(), "the model is on {device}, which isn't {driver}");
    Ok(())
}

/// The driver's switches: the test server's, those of whoever runs this program, and the variant's.
fn switches(variant: Option<&Variant>) -> OsString {
    let of_variant = variant.into_iter().flat_map(|v| &v.switches).map(OsString::from);
    let mut all = OsString::from("vtest");
    for more in std::env::var_os("HESPER_DEBUG").into_iter().chain(of_variant) {
        all.push(",");
        all.push(more);
    }
    all
}

/// The bundle's root on a machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The manifest of the host's own driver.
    pub native: PathBuf,
    /// That of this project's driver.
    pub hesper: PathBuf,
    /// In which other way that driver runs now, if any.
    pub variant: Option<Variant>,
    /// The test layer's folder.
    pub layer: PathBuf,
    pub memory: Memory,
    /// The folder for what drivers keep on disk.
    pub caches: PathBuf,
    /// Whether the host's own driver keeps shaders there.
    pub keeps_shaders: bool,
    /// A folder where calls of the host's own driver are written down, if they are to be.
    pub host_calls: Option<PathBuf>,
    /// How nice the host's processes are (setpriority(2)).
    pub host_nice: i32,
}

impl Machine {
    /// Where a driver's processes, or those of its host, keep things; each variant's apart.
    pub fn cache(&self, driver: Driver) -> PathBuf {
        let variant = self.variant.as_ref().filter(|_| driver == Driver::Hesper);
        self.caches.join(variant.map_or_else(|| driver.name().to_owned(), |v| format!("{driver}-{v}")))
    }

    /// What the processes of `driver` keep on disk, and where; the host's own driver is NVIDIA's or one of Mesa's.
    pub fn cache_environment(&self, driver: Driver) -> Vec<(&'static str, OsString)> {
        let cache = self.cache(driver);
        let keeps = if self.keeps_shaders { "1" } else { "0" };
        let off = if self.keeps_shaders { "false" } else { "true" };
        vec![
            ("XDG_CACHE_HOME", cache.clone().into()),
            ("__GL_SHADER_DISK_CACHE", keeps.into()),
            ("__GL_SHADER_DISK_CACHE_PATH", cache.clone().into()),
            ("MESA_SHADER_CACHE_DIR", cache.into()),
            ("MESA_SHADER_CACHE_DISABLE", off.into()),
        ]
    }

    /// The machine's own device as llama.cpp lists it.
    ///
    /// # Errors
    /// When there is none; with what llama-bench says.
    pub fn device(&self) -> Result<String> {
        let mut command = self.command("/usr/bin/llama-bench", Driver::Native, None);
        let out = command.arg("--list-devices").output().context("starting llama-bench")?;
        let text = String::from_utf8_lossy(&out.stdout);
        let device = text.lines().map(str::trim).find(|l| l.starts_with("Vulkan0:"));
        let device = device.with_context(|| {
            format!("{} has no device: {}", self.native.display(), output::end(&String::from_utf8_lossy(&out.stderr)))
        });
        Ok(device?.to_owned())
    }

    /// What is preloaded into host and guests.
    pub fn preload(&self) -> Option<(&'static str, PathBuf)> {
        (self.memory == Memory::Mapped).then(|| ("LD_PRELOAD", self.layer.join(LAYER_LIBRARY)))
    }

    /// What has the test layer write down calls.
    pub fn traces(&self) -> Option<(&'static str, PathBuf)> {
        self.host_calls.as_ref().map(|folder| (host_calls::TRACE, folder.join("%p.json")))
    }

    /// A command that runs a program on a driver, over the host that listens at `socket` if it needs one.
    pub fn command(&self, program: &str, driver: Driver, socket: Option<&Path>) -> Command {
        let mut command = Command::new(program);
        command.envs(self.cache_environment(driver));
        let socket = socket.unwrap_or(Path::new(""));
        match driver {
            Driver::Native => {
                if let Some((name, path)) = self.traces() {
                    command
                        .env(name, path)
                        .env(host_calls::ONLY, "1")
                        .env("VK_ADD_LAYER_PATH", &self.layer)
                        .env("VK_INSTANCE_LAYERS", host_calls::LAYER);
                }
                command.env("VK_DRIVER_FILES", &self.native)
            }
            Driver::Mesa => command
                .env("VK_DRIVER_FILES", MESA)
                .env("VN_DEBUG", "vtest")
                .env("VTEST_SOCKET_NAME", socket)
                .env("VTEST_RENDERER_SOCKET_NAME", socket),
            Driver::Hesper => command
                .env("VK_DRIVER_FILES", self.variant.as_ref().and_then(|v| v.manifest.as_ref()).unwrap_or(&self.hesper))
                .env("HESPER_DEBUG", switches(self.variant.as_ref()))
                .envs(self.variant.iter().flat_map(|v| v.settings.iter().map(|(name, value)| (name, value))))
                .env("HESPER_VTEST_SOCKET", socket),
        };
        if driver.needs_host() {
            command.envs(self.preload());
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn a_variant_is_another_build_with_switches_and_settings() {
        let mut machine = Machine {
            native: "/native.json".into(),
            hesper: "/head.json".into(),
            variant: None,
            layer: "/layer".into(),
            memory: Memory::Copied,
            caches: "/caches".into(),
            keeps_shaders: true,
            host_calls: None,
            host_nice: 0,
        };
        let told = |machine: &Machine, driver, name: &str| {
            let command = machine.command("true", driver, None);
            let value = command.get_envs().find(|(k, _)| *k == name).and_then(|(_, v)| v.map(OsStr::to_owned));
            (value.unwrap_or_default().to_string_lossy().into_owned(), machine.cache(driver))
        };
        let head = told(&machine, Driver::Hesper, "VK_DRIVER_FILES");
        let native = told(&machine, Driver::Native, "VK_DRIVER_FILES");
        assert_eq!((&*head.0, &*native.0), ("/head.json", "/native.json"));
        machine.variant = Some("/opt/old.json+contention+no-uploads".parse().unwrap());
        assert_eq!(told(&machine, Driver::Native, "VK_DRIVER_FILES"), native, "not of others");
        let old = told(&machine, Driver::Hesper, "VK_DRIVER_FILES");
        assert!(old.0 == "/opt/old.json" && old.1 != head.1, "{old:?}");
        let switches = told(&machine, Driver::Hesper, "HESPER_DEBUG").0;
        assert!(switches.starts_with("vtest,") && switches.ends_with("contention,no-uploads"), "{switches}");
        machine.variant = Some("+contention+HESPER_IDLE_US=200".parse().unwrap());
        assert_eq!(told(&machine, Driver::Hesper, "VK_DRIVER_FILES").0, "/head.json");
        assert_eq!(told(&machine, Driver::Hesper, "HESPER_IDLE_US").0, "200");
        assert_eq!(told(&machine, Driver::Native, "HESPER_IDLE_US").0, "", "not of others");
    }
}
