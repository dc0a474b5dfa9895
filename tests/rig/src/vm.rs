//! A virtual machine: a stock kernel under QEMU with a virtio-gpu that speaks Venus, emulated in software.
//!
//! The guest sees the rig's root, and what [`Root::command`] shares, under the same paths; what it changes is lost, but for
//! /vm/job, through which jobs and their results go.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::{Driver, Root, driver_build};

/// A shell command to run in the guest.
#[derive(Clone, Debug)]
pub struct GuestJob {
    /// Names it in messages.
    pub name: String,
    /// The Vulkan driver that it gets; [`Driver::Native`] is lavapipe inside the guest.
    pub driver: Driver,
    /// For /bin/sh.
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
}

/// The machine.
#[derive(Clone, Copy, Debug)]
pub struct Vm;

impl Vm {
    /// Boots, runs the jobs one after the other, and powers off: 10 to 20 seconds and the jobs' own time.
    ///
    /// # Errors
    /// When the machine can't be started, hangs, or ends before all jobs have; with its console.
    pub fn run(root: &Root, jobs: &[GuestJob]) -> Result<Vec<GuestResult>> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("hesper-vm-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let results = run_in(root, jobs, &folder);
        if results.is_ok() {
            let _ = fs::remove_dir_all(&folder);
        }
        results.with_context(|| format!("in the virtual machine, whose files are in {}", folder.display()))
    }
}

fn run_in(root: &Root, jobs: &[GuestJob], folder: &Path) -> Result<Vec<GuestResult>> {
    fs::write(folder.join("run"), script(jobs)?)?;
    let console = folder.join("console");
    let log = File::create(&console)?;
    let mut qemu = qemu(root, folder)?;
    let mut child = qemu
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("starting QEMU in the rig's root")?;
    // Jobs are stopped in the guest; this is for a guest that hangs.
    let patience = Duration::from_secs(120) + jobs.iter().map(|j| j.timeout).sum::<Duration>();
    let start = Instant::now();
    let said = || String::from_utf8_lossy(&fs::read(&console).unwrap_or_default()).into_owned();
    loop {
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "QEMU ended with {status}:\n{}", said());
            break;
        }
        if start.elapsed() > patience {
            let _ = child.kill();
            let _ = child.wait();
            bail!("the machine didn't power off within {patience:?}; its console:\n{}", said());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let read = |name: String| fs::read(folder.join(name)).map(|b| String::from_utf8_lossy(&b).into_owned());
    let result = |(i, job): (usize, &GuestJob)| {
        let output = read(format!("{i}.output")).unwrap_or_default();
        let status = read(format!("{i}.status"))
            .with_context(|| format!("{} didn't end; its output:\n{output}\nconsole:\n{}", job.name, said()))?;
        Ok(GuestResult { name: job.name.clone(), status: status.trim().parse()?, output })
    };
    jobs.iter().enumerate().map(result).collect()
}

/// What the guest runs.
fn script(jobs: &[GuestJob]) -> Result<String> {
    let mut text =
        String::from("export PATH=/usr/sbin:/usr/bin HOME=/root LC_ALL=C.UTF-8 XDG_RUNTIME_DIR=/run\ncd /vm/job\n");
    for (i, job) in jobs.iter().enumerate() {
        let manifest = match job.driver {
            Driver::Native => PathBuf::from("/usr/share/vulkan/icd.d/lvp_icd.json"),
            Driver::Mesa => PathBuf::from("/usr/share/vulkan/icd.d/virtio_icd.json"),
            Driver::Hesper => driver_build::build_driver()?.manifest,
        };
        let quoted = job.command.replace('\'', r"'\''");
        let seconds = job.timeout.as_secs().max(1);
        // The status is written last: without it the job is taken for not ended.
        writeln!(
            text,
            "VK_DRIVER_FILES={} timeout -k 5 {seconds} sh -c '{quoted}' >{i}.output 2>&1 </dev/null",
            manifest.display()
        )?;
        writeln!(text, "echo $? >{i}.status")?;
    }
    Ok(text)
}

fn qemu(root: &Root, folder: &Path) -> Result<Command> {
    let mut command = root.command("/usr/bin/qemu-system-x86_64")?;
    let job = format!("local,id=job,path={},security_model=none", folder.display());
    command
        .env("LIBGL_ALWAYS_SOFTWARE", "1")
        .env("VK_DRIVER_FILES", "/usr/share/vulkan/icd.d/lvp_icd.json")
        .args([
            "-M",
            "q35",
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "max",
            "-m",
            "1G",
            "-smp",
            "1",
            "-nodefaults",
            "-no-user-config",
        ])
        // A GL display starts without a DRM node only like this.
        .args(["-display", "egl-headless,rendernode=/dev/null"])
        .args(["-device", "virtio-gpu-gl-pci,hostmem=512M,blob=on,venus=on"])
        // The tree with what is mounted into it: several file systems behind one share.
        .args(["-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap"])
        .args(["-device", "virtio-9p-pci,fsdev=host,mount_tag=host"])
        .args(["-fsdev", &job, "-device", "virtio-9p-pci,fsdev=job,mount_tag=job"])
        .args(["-serial", "stdio", "-monitor", "none", "-no-reboot"])
        .args(["-kernel", "/vm/vmlinuz", "-initrd", "/vm/initramfs.gz", "-append", "console=ttyS0 panic=-1 quiet"]);
    Ok(command)
}
