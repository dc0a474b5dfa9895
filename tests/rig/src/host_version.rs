//! Releases of virglrenderer that a host can be of, each with the lavapipe of its time.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::{Root, cache};

const RECIPE: &str = include_str!("../hosts.sh");

/// The variable that picks the version for a whole test run.
pub const VARIABLE: &str = "HESPER_TEST_HOST";

/// A release of virglrenderer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostVersion {
    /// Debian 12's, whose Venus was an experiment.
    V0_10_4,
    /// Debian 13's.
    V1_1_0,
    /// The one in the rig's root.
    #[default]
    V1_3_0,
}

impl HostVersion {
    /// All of them, newest first.
    pub const ALL: [Self; 3] = [Self::V1_3_0, Self::V1_1_0, Self::V0_10_4];

    /// Its number.
    pub fn name(self) -> &'static str {
        match self {
            Self::V0_10_4 => "0.10.4",
            Self::V1_1_0 => "1.1.0",
            Self::V1_3_0 => "1.3.0",
        }
    }

    /// The one that [`VARIABLE`] names, or the one in the rig's root.
    ///
    /// # Errors
    /// When it names none.
    pub fn chosen() -> Result<Self> {
        match std::env::var(VARIABLE) {
            Ok(name) => name.parse().map_err(anyhow::Error::msg).with_context(|| format!("reading {VARIABLE}")),
            Err(_) => Ok(Self::default()),
        }
    }

    /// Arguments of `virgl_test_server` with which it serves Venus without a GPU.
    pub fn arguments(self) -> &'static [&'static str] {
        match self {
            // It knows no --no-virgl, and shared memory takes a render server, which it has only when asked.
            Self::V0_10_4 => &["--use-egl-surfaceless", "--render-server", "--venus", "--multi-clients"],
            Self::V1_1_0 | Self::V1_3_0 => &["--no-virgl", "--venus", "--multi-clients"],
        }
    }

    /// Whether its Venus has the wire format of today; where it hasn't, no driver of today finds a device, and no test that needs one runs.
    pub fn has_todays_venus(self) -> bool {
        self >= Self::V1_1_0
    }

    /// Whether its codec carries all that `encoder/protocol/extensions.tsv` has and any release knows; drivers offer less of the device where it doesn't.
    pub fn carries_everything(self) -> bool {
        self == Self::V1_3_0
    }

    /// Whether its test server sends the file of a blob whenever it is asked (version 4 of its protocol); otherwise the file comes once, with the blob.
    pub fn sends_files_again(self) -> bool {
        self >= Self::V1_3_0
    }

    /// Kinds of wishes (`tests/fuzz/src/program.rs`) that random programs go without there, because lavapipe of its time ends with them, whoever calls it.
    pub fn left_out_wishes(self) -> &'static [&'static str] {
        match self {
            // lavapipe 25.0 looks at the layout of vkCmdPushDescriptorSet only when a submission runs, by when Vulkan lets a program have destroyed it.
            Self::V1_1_0 => &["PassingLayout"],
            Self::V0_10_4 | Self::V1_3_0 => &[],
        }
    }

    /// The Debian release that has it, where it isn't in the rig's root.
    fn release(self) -> Option<&'static str> {
        match self {
            Self::V0_10_4 => Some("bookworm"),
            Self::V1_1_0 => Some("trixie"),
            Self::V1_3_0 => None,
        }
    }

    /// The tree with it; made if it is another than `root` and isn't in the cache yet.
    ///
    /// # Errors
    /// When it can't be made; with the recipe's output.
    pub fn tree(self, root: &Root) -> Result<Root> {
        let Some(release) = self.release() else { return Ok(root.clone()) };
        let key: String = Sha256::digest(RECIPE).iter().take(8).map(|b| format!("{b:02x}")).collect();
        let above = cache::folder().join("hosts");
        let _lock = cache::lock("hosts")?;
        let trees = above.join(key);
        let tree = trees.join(release);
        // Renamed into place when whole.
        if !tree.is_dir() {
            if !trees.is_dir() {
                // Those of older recipes.
                let _ = fs::remove_dir_all(&above);
            }
            make(release, &tree)?;
        }
        Ok(Root::at(tree))
    }
}

fn make(release: &str, tree: &PathBuf) -> Result<()> {
    let new = tree.with_extension("new");
    let _ = fs::remove_dir_all(&new);
    let above = tree.parent().context("the cache has no folder")?;
    fs::create_dir_all(above).with_context(|| format!("making {}", above.display()))?;
    let bar = cache::progress(format!("making a host of Debian's release {release} (250 MB from Debian's archive)"));
    cache::run(cache::recipe(RECIPE, &new)?.arg(release))?;
    fs::rename(&new, tree).with_context(|| format!("making {}", tree.display()))?;
    bar.finish_and_clear();
    Ok(())
}

impl fmt::Display for HostVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for HostVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::name);
        Self::ALL
            .into_iter()
            .find(|v| v.name() == text)
            .ok_or_else(|| format!("{text} is none of {}", names.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_they_are_written() {
        for version in HostVersion::ALL {
            assert_eq!(version.to_string().parse(), Ok(version));
        }
        assert_eq!("1.2".parse::<HostVersion>(), Err("1.2 is none of 1.3.0, 1.1.0, 0.10.4".to_owned()));
    }
}
