//! `hesper env`: what leads a program, or a container, to this driver.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::doctor::{self, Manifests};
use crate::environment::Environment;
use crate::{cdi, icd};

/// The two names of the variable that names manifests: loaders before 1.3.207 know only the second; newer ones take the first.
const VARIABLES: [&str; 2] = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"];

/// The driver's files here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    pub manifest: PathBuf,
    /// Nothing where the dynamic linker searches it.
    pub library: Option<PathBuf>,
}

impl Files {
    /// Those that programs here find, or else those beside this program, as a build leaves them.
    ///
    /// # Errors
    /// When there are none.
    pub fn find() -> Result<Self> {
        let found = Manifests::look(&Environment::of_process(), None).ours().map(|m| m.path.clone());
        let beside = std::env::current_exe().ok().map(|p| p.with_file_name(icd::MANIFEST)).filter(|p| p.is_file());
        let manifest = found.or(beside).context("no manifest of this driver: run `hesper install`")?;
        let manifest = std::path::absolute(&manifest).unwrap_or(manifest);
        let named = icd::library_of(&manifest)?;
        let here = manifest.parent().unwrap_or(Path::new("/")).to_path_buf();
        Ok(Self { library: named.contains('/').then(|| here.join(named)), manifest })
    }

    /// Lines for a shell.
    pub fn shell(&self) -> String {
        VARIABLES.map(|name| format!("export {name}={}\n", quoted(&self.manifest.display().to_string()))).concat()
    }

    /// Arguments for `podman run` in one line, from which a shell makes words of them: quotes there would be part of the words. With a CDI spec at `cdi_spec` by that.
    ///
    /// # Errors
    /// When the manifest doesn't say where the library is, or a path would be taken apart.
    pub fn engine_here(&self, cdi_spec: &Path) -> Result<String> {
        self.engine(&Environment::of_process(), cdi_spec)
    }

    fn engine(&self, environment: &Environment, cdi_spec: &Path) -> Result<String> {
        let mut arguments = Vec::new();
        if cdi_spec.is_file() {
            arguments.push(format!("--device {}=all", cdi::KIND));
        } else {
            let library = self.library.as_ref();
            let library = library.context("the manifest names a library that is searched: its place must be known")?;
            let nodes = doctor::nodes();
            for node in &nodes {
                arguments.push(format!("--device {}", whole(node)?));
            }
            for file in [library, &self.manifest] {
                arguments.push(format!("--volume {0}:{0}:ro", whole(file)?));
            }
            let manifest = whole(&self.manifest)?;
            arguments.extend(VARIABLES.map(|name| format!("--env {name}={manifest}")));
        }
        // SAFETY: no preconditions.
        if unsafe { libc::geteuid() } != 0 {
            // Rootless: the node belongs to a group of the user's.
            arguments.push("--group-add keep-groups".to_owned());
        }
        arguments.extend(environment.names("HESPER_").map(|name| format!("--env {name}")));
        Ok(arguments.join(" "))
    }
}

/// A path that stays one in arguments that a shell splits: it takes words apart at blanks and fills in patterns, podman takes volumes apart at colons.
fn whole(path: &Path) -> Result<&str> {
    let apart = |c: char| c.is_whitespace() || "*?[\\:".contains(c);
    path.to_str().filter(|p| !p.contains(apart)).with_context(|| {
        format!("{path:?} would be taken apart in a command line: install the driver under another path, or give it to containers by a CDI spec (`hesper cdi`)")
    })
}

/// A word for a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(quoted("/usr/share/a_b.json"), "/usr/share/a_b.json");
        assert_eq!(quoted("/a b/it's"), r"'/a b/it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn an_engine_gets_node_files_and_variables() {
        let files = Files { manifest: "/m/hesper_icd.json".into(), library: Some("/l/libvulkan_hesper.so".into()) };
        let environment = Environment::of(&[("HESPER_LOG", "info"), ("OTHER", "x")]);
        let said = files.engine(&environment, Path::new("/nowhere")).unwrap();
        for word in [
            "--device /dev/dri/renderD",
            "--volume /l/libvulkan_hesper.so:/l/libvulkan_hesper.so:ro",
            "--volume /m/hesper_icd.json:/m/hesper_icd.json:ro",
            "--env VK_DRIVER_FILES=/m/hesper_icd.json",
            "--env HESPER_LOG",
        ] {
            assert!(said.contains(word), "{said}");
        }
        assert!(!said.contains("OTHER"));
        let by_spec = files.engine(&Environment::default(), Path::new("/proc/self/exe")).unwrap();
        assert!(by_spec.starts_with("--device hesper/gpu=all"), "{by_spec}");
        for path in ["/a b", "/a\n", "/a:b", "/a*", "/[a]", "/a\\"] {
            let files = Files { manifest: Path::new(path).join("hesper_icd.json"), ..files.clone() };
            let error = files.engine(&environment, Path::new("/nowhere")).unwrap_err().to_string();
            assert!(error.contains("would be taken apart") && error.contains("hesper cdi"), "{error}");
            assert!(files.engine(&environment, Path::new("/proc/self/exe")).is_ok());
        }
        let searched = Files { library: None, ..files };
        assert!(searched.engine(&environment, Path::new("/nowhere")).is_err());
    }
}
