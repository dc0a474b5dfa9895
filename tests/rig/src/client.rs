//! Programs on a driver, over a host.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::driver_build::build_driver;
use crate::host::LAVAPIPE;
use crate::{Driver, Host, HostVersion, Root};

impl Root {
    /// A command that runs `program` inside the tree on a driver, over `host` if the driver needs one.
    ///
    /// # Errors
    /// Without the right to mount, without the host that is needed, or when the driver can't be built.
    pub fn client(&self, driver: Driver, host: Option<&Host>, program: impl AsRef<std::ffi::OsStr>) -> Result<Command> {
        self.client_at(driver, host.map(Host::socket), program)
    }

    /// The same over whatever listens at `socket`.
    ///
    /// # Errors
    /// As [`Self::client`].
    pub fn client_at(
        &self,
        driver: Driver,
        socket: Option<&Path>,
        program: impl AsRef<std::ffi::OsStr>,
    ) -> Result<Command> {
        self.client_of_version(HostVersion::chosen()?, driver, socket, program)
    }

    /// The same with a version of the host, whatever is chosen for others: the host's own driver is the one of that version's tree.
    ///
    /// # Errors
    /// As [`Self::client`].
    pub fn client_of_version(
        &self,
        version: HostVersion,
        driver: Driver,
        socket: Option<&Path>,
        program: impl AsRef<std::ffi::OsStr>,
    ) -> Result<Command> {
        // The host's own driver is where the host is.
        let tree = if driver.needs_host() { self.clone() } else { version.tree(self)? };
        let mut command = tree.command(program)?;
        let need = || socket.with_context(|| format!("{driver} needs a host"));
        match driver {
            Driver::Native => {
                command.env("VK_DRIVER_FILES", LAVAPIPE);
            }
            Driver::Mesa => {
                command.env("VK_DRIVER_FILES", "/usr/share/vulkan/icd.d/virtio_icd.json").env("VN_DEBUG", "vtest");
                command.env("VTEST_SOCKET_NAME", need()?).env("VTEST_RENDERER_SOCKET_NAME", need()?);
            }
            Driver::Hesper => {
                command.env("VK_DRIVER_FILES", build_driver()?.manifest);
                // More switches for a whole test run: `cargo xtask test --switches wait-poll`.
                let more = std::env::var("HESPER_TEST_SWITCHES").unwrap_or_default();
                command.env("HESPER_DEBUG", format!("vtest,{more}")).env("HESPER_VTEST_SOCKET", need()?);
            }
        }
        Ok(command)
    }

    /// A command that runs `program` inside the tree on the host's own driver with the test layer before it, as the driver is inside of
    /// a host with these settings of the layer.
    ///
    /// # Errors
    /// Without the right to mount, or when the layer can't be built.
    pub fn native_with_layer(
        &self,
        settings: &[(&str, &str)],
        program: impl AsRef<std::ffi::OsStr>,
    ) -> Result<Command> {
        let mut command = self.client(Driver::Native, None, program)?;
        command.envs(build_driver()?.layer_environment()).envs(settings.iter().copied());
        Ok(command)
    }
}
