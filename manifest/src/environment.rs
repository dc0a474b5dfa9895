//! The environment variables that this program goes by, apart from the process, so that tests can have others.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hesper_winsys::Config;

/// Names and values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// This process's; variables that aren't UTF-8 are left out.
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// One of these variables.
    pub fn of(variables: &[(&str, &str)]) -> Self {
        Self(variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect())
    }

    /// A variable's value. An empty one counts as none, as it does to the Vulkan loader.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|v| !v.is_empty())
    }

    /// Names of variables that begin like this.
    pub fn names<'a>(&'a self, start: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.keys().map(String::as_str).filter(move |n| n.starts_with(start))
    }

    /// A variable's value as a list of paths.
    pub fn paths(&self, name: &str) -> Option<Vec<PathBuf>> {
        let list: Vec<PathBuf> = self.get(name)?.split(':').filter(|p| !p.is_empty()).map(PathBuf::from).collect();
        Some(list).filter(|l| !l.is_empty())
    }

    /// The way to the host that the driver takes in this environment (docs/SETTINGS.md).
    pub fn config(&self) -> Config {
        let socket = self.get("HESPER_VTEST_SOCKET").map(PathBuf::from);
        let switched = self.get("HESPER_DEBUG").is_some_and(|d| d.split(',').any(|s| s.trim() == "vtest"));
        Config {
            vtest: switched || socket.is_some(),
            vtest_socket: socket,
            render_node: self.get("HESPER_RENDER_NODE").map(PathBuf::from),
            blob_alignment: self.get("HESPER_BLOB_ALIGNMENT").and_then(|s| s.trim().parse().ok()),
        }
    }
}
