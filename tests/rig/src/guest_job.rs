//! What is run in a virtual machine, and what comes back.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{Architecture, Driver, Guest, cross, driver_build};

/// A shell command to run in the guest.
#[derive(Clone, Debug)]
pub struct GuestJob {
    /// Names it in messages.
    pub name: String,
    /// The Vulkan driver that it gets; [`Driver::Native`] is lavapipe inside the guest.
    pub driver: Driver,
    /// For /bin/sh, in an empty folder of the job's own.
    pub command: String,
    /// How long it may take.
    pub timeout: Duration,
}

/// What became of a job.
#[derive(Clone, Debug)]
pub struct GuestResult {
    /// The job's name.
    pub name: String,
    /// Its exit status; 124 or 137 when it took too long.
    pub status: i32,
    /// Standard output and error.
    pub output: String,
    /// What it left in its folder, by name: files, not folders.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl GuestResult {
    /// What a job printed that has ended well.
    ///
    /// # Errors
    /// When it hasn't; with its output.
    pub fn good(&self) -> Result<&str> {
        match self.status {
            0 => Ok(&self.output),
            124 | 137 => bail!("{} took too long; its output:\n{}", self.name, self.output),
            status => bail!("{} ended with {status}; its output:\n{}", self.name, self.output),
        }
    }
}

/// Written by the guest when it has come to its jobs.
pub(crate) const BOOTED: &str = "booted";

/// A job that writes a number of seconds into a file of this name in its folder wants the machine stopped for as long.
pub const PAUSE: &str = "pause";

/// What the guest runs, from the folder that it shares with the rig: an output, a folder and a status for each job, by its number.
pub(crate) fn script(architecture: Architecture, jobs: &[GuestJob]) -> Result<String> {
    let mut text = format!(
        "export PATH=/usr/sbin:/usr/bin HOME=/root LC_ALL=C.UTF-8 XDG_RUNTIME_DIR=/run\ncd /vm/job\n: >{BOOTED}\n"
    );
    for (i, job) in jobs.iter().enumerate() {
        let manifest = match (job.driver, architecture) {
            (Driver::Native, _) => "/usr/share/vulkan/icd.d/lvp_icd.json".into(),
            (Driver::Mesa, _) => "/usr/share/vulkan/icd.d/virtio_icd.json".into(),
            (Driver::Hesper, Architecture::Amd64) => driver_build::build_driver()?.manifest,
            (Driver::Hesper, Architecture::Arm64) => cross::build_driver(Guest::Arm64)?.manifest,
        };
        let quoted = job.command.replace('\'', r"'\''");
        let seconds = job.timeout.as_secs().max(1);
        writeln!(text, "mkdir {i}; cd {i}")?;
        writeln!(
            text,
            "VK_DRIVER_FILES={} timeout -k 5 {seconds} sh -c '{quoted}' >../{i}.output 2>&1 </dev/null",
            manifest.display()
        )?;
        // Renamed last: without a status the job is taken for not ended.
        writeln!(text, "echo $? >../{i}.new; cd ..; mv {i}.new {i}.status")?;
    }
    Ok(text)
}

/// How many jobs have ended.
pub(crate) fn ended(folder: &Path, jobs: &[GuestJob]) -> usize {
    (0..jobs.len()).take_while(|i| folder.join(format!("{i}.status")).exists()).count()
}

/// The file by which the job that runs wants the machine stopped, and for how long.
pub(crate) fn wanted_pause(folder: &Path, jobs: &[GuestJob]) -> Option<(PathBuf, Duration)> {
    let file = folder.join(ended(folder, jobs).to_string()).join(PAUSE);
    // A file that isn't written yet has no number.
    let seconds = fs::read_to_string(&file).ok()?.strip_suffix('\n')?.parse().ok()?;
    Some((file, Duration::from_secs(seconds)))
}

/// What the job with the number `i` has printed so far.
pub(crate) fn output(folder: &Path, i: usize) -> String {
    String::from_utf8_lossy(&fs::read(folder.join(format!("{i}.output"))).unwrap_or_default()).into_owned()
}

/// What the job with the number `i` left in `folder`.
///
/// # Errors
/// When it hasn't ended; with its output.
pub(crate) fn result(folder: &Path, i: usize, job: &GuestJob) -> Result<GuestResult> {
    let output = output(folder, i);
    let status = fs::read_to_string(folder.join(format!("{i}.status")))
        .with_context(|| format!("{} didn't end; its output:\n{output}", job.name))?;
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder.join(i.to_string()))? {
        let entry = entry?;
        // Links could lead anywhere.
        if entry.file_type()?.is_file() {
            let name = entry.file_name().to_string_lossy().into_owned();
            files.insert(name, fs::read(entry.path()).with_context(|| format!("reading {}", entry.path().display()))?);
        }
    }
    Ok(GuestResult { name: job.name.clone(), status: status.trim().parse()?, output, files })
}
