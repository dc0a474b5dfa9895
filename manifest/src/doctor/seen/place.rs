//! Where this runs: on a machine itself or in a container, as files tell.

use std::fs;
use std::path::Path;

use crate::environment::Environment;

/// A place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The container's engine; `unknown` where it is a container of something else's.
    pub engine: Option<String>,
    /// Whether root here is somebody else outside.
    pub rootless: bool,
    /// What the machine says of who made it, such as QEMU.
    pub vendor: Option<String>,
}

impl Place {
    /// This process's, in a tree with this root.
    pub fn look(root: &Path, environment: &Environment) -> Self {
        let read = |path: &str| fs::read_to_string(root.join(path)).ok();
        let podman = read("run/.containerenv").map(|text| podman(&text));
        let docker = || root.join(".dockerenv").exists().then(|| "docker".to_owned());
        let kubernetes = || environment.get("KUBERNETES_SERVICE_HOST").map(|_| "kubernetes".to_owned());
        let told = || environment.get("container").map(str::to_owned);
        let systemd = || read("run/systemd/container").map(|t| t.trim().to_owned());
        let mapped = read("proc/self/uid_map").is_some_and(|m| !is_whole(&m));
        let engine = podman.or_else(docker).or_else(kubernetes).or_else(told).or_else(systemd);
        let vendor = read("sys/class/dmi/id/sys_vendor").map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        Self { engine, rootless: mapped, vendor }
    }

    /// Whether it is a container.
    pub fn is_container(&self) -> bool {
        self.engine.is_some()
    }
}

/// podman's name and version, by the file that it leaves in containers (podman-run(1)).
fn podman(text: &str) -> String {
    let value = text.lines().find_map(|l| l.strip_prefix("engine="));
    value.map_or_else(|| "podman".to_owned(), |v| v.trim_matches('"').replacen('-', " ", 1))
}

/// Whether user ids are those of the machine (user_namespaces(7)).
fn is_whole(map: &str) -> bool {
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_told_apart() {
        let root = std::env::temp_dir().join(format!("hesper-place-{}", std::process::id()));
        let engine = |variables: &[(&str, &str)]| Place::look(&root, &Environment::of(variables)).engine;
        fs::create_dir_all(root.join("run")).unwrap();
        assert_eq!(engine(&[]), None);
        assert_eq!(engine(&[("container", "lxc")]).as_deref(), Some("lxc"));
        assert_eq!(engine(&[("KUBERNETES_SERVICE_HOST", "10.0.0.1")]).as_deref(), Some("kubernetes"));
        fs::write(root.join(".dockerenv"), "").unwrap();
        assert_eq!(engine(&[]).as_deref(), Some("docker"));
        fs::write(root.join("run/.containerenv"), "engine=\"podman-5.4.2\"\nname=\"x\"\n").unwrap();
        assert_eq!(engine(&[]).as_deref(), Some("podman 5.4.2"));
        fs::remove_dir_all(&root).unwrap();
        assert!(is_whole("         0          0 4294967295\n") && !is_whole("0 1000 1\n1 100000 65536\n"));
    }
}
