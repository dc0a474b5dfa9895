//! A virtual machine: a stock kernel under QEMU with a virtio-gpu that speaks Venus, emulated in software.
//!
//! The guest sees a tree of its processor (the rig's own root where that is x86-64) with what [`Root::command`] shares, under the same paths; what it
//! changes is lost, but for /vm/job, through which jobs and their results go.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::boot_files::BootFiles;
use crate::guest_job::{self, GuestJob, GuestResult};
use crate::qmp::Qmp;
use crate::{Architecture, HostVersion, Machine, Root, vm_host};

/// A machine as it is to be started.
#[derive(Clone, Debug)]
pub struct Vm {
    /// Its kind.
    pub machine: Machine,
    /// The virglrenderer in QEMU.
    pub host: HostVersion,
    /// Its GPUs, as values of QEMU's option `-device`. At most one may have a renderer (`virtio-gpu-gl-pci`).
    pub gpus: Vec<String>,
    /// What is added to the kernel's command line.
    pub kernel_arguments: String,
    /// Environment variables of QEMU, and so of the host's Vulkan driver in it.
    pub environment: Vec<(String, String)>,
    /// How long it may run, whatever its jobs may take.
    pub limit: Duration,
}

/// What a machine did.
#[derive(Clone, Debug)]
pub struct GuestRun {
    /// The kernel's version.
    pub kernel: String,
    /// From the start of QEMU to that of the first job.
    pub boot: Duration,
    /// What became of the jobs, in their order.
    pub results: Vec<GuestResult>,
    /// What kernel and QEMU said.
    pub console: String,
}

/// What a machine shares with the rig.
struct Folders {
    /// The folder that the guest has as /vm/job.
    shared: PathBuf,
    /// The socket of QEMU's monitor.
    monitor: PathBuf,
}

/// A virtio-gpu as monitors for this driver have it.
pub const GPU: &str = "virtio-gpu-gl-pci,hostmem=512M,blob=on,venus=on";

/// By when a guest has come to its jobs, on a machine that is busy otherwise.
const BOOT: Duration = Duration::from_secs(180);
/// How much longer than its jobs may a guest takes at most: for ending them, and for its end.
const GRACE: Duration = Duration::from_secs(60);

impl Vm {
    /// A machine with one GPU, and an hour of time.
    pub fn new(machine: Machine) -> Self {
        Self {
            machine,
            host: HostVersion::default(),
            gpus: vec![GPU.to_owned()],
            kernel_arguments: String::new(),
            environment: Vec::new(),
            limit: Duration::from_secs(3600),
        }
    }

    /// Boots, runs the jobs one after the other, and powers off: 10 to 20 seconds and the jobs' own time. A job that writes a number of seconds into a file
    /// [`PAUSE`](guest_job::PAUSE) of its folder finds the whole machine stopped for as long; the file is gone afterwards.
    ///
    /// # Errors
    /// When the machine can't be started, hangs, takes longer than it may, or ends before all jobs have; with its console.
    pub fn run(&self, root: &Root, jobs: &[GuestJob]) -> Result<GuestRun> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let files = BootFiles::ensure(root, self.machine)?;
        let script = guest_job::script(self.machine.architecture(), jobs)?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("hesper-vm-{}-{number}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let folders = Folders { shared: folder.join("job"), monitor: folder.join("monitor") };
        let shared = &folders.shared;
        fs::create_dir_all(shared).with_context(|| format!("making {}", shared.display()))?;
        fs::write(shared.join("run"), script)?;
        let console = folder.join("console");
        let log = File::create(&console)?;
        let mut qemu = self.qemu(root, &files, &folders)?;
        qemu.envs(vm_host::environment(self.host, root, &folder)?);
        qemu.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let ran = qemu.spawn().context("starting QEMU in the rig's root").and_then(|child| {
            let boot = self.watch(child, &folders, jobs)?;
            let results =
                jobs.iter().enumerate().map(|(i, job)| guest_job::result(shared, i, job)).collect::<Result<_>>()?;
            Ok((boot, results))
        });
        let said = String::from_utf8_lossy(&fs::read(&console).unwrap_or_default()).into_owned();
        let _ = fs::remove_dir_all(&folder);
        let (boot, results) =
            ran.with_context(|| format!("in the virtual machine {}; its console:\n{said}", self.machine))?;
        Ok(GuestRun { kernel: files.version, boot, results, console: said })
    }

    /// Waits for the end; how long the boot took. A machine that hangs is killed.
    fn watch(&self, mut child: Child, folders: &Folders, jobs: &[GuestJob]) -> Result<Duration> {
        let ended = self.until_it_ends(&mut child, folders, jobs);
        if ended.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        ended
    }

    fn until_it_ends(&self, child: &mut Child, folders: &Folders, jobs: &[GuestJob]) -> Result<Duration> {
        let shared = &folders.shared;
        let start = Instant::now();
        let (mut boot, mut stopped) = (None, Duration::ZERO);
        let all = GRACE + jobs.iter().map(|j| j.timeout).sum::<Duration>();
        loop {
            if boot.is_none() && shared.join(guest_job::BOOTED).exists() {
                boot = Some(start.elapsed());
            }
            if let Some(status) = child.try_wait()? {
                ensure!(status.success(), "QEMU ended with {status}");
                return boot.context("the machine ended before it came to its jobs");
            }
            if let Some((file, length)) = guest_job::wanted_pause(shared, jobs) {
                pause(&folders.monitor, &file, length)?;
                stopped += length;
            }
            let took = start.elapsed() - stopped;
            let over = match boot {
                _ if took > self.limit => Some(format!("the machine's time of {:?} is over", self.limit)),
                None if took > BOOT => Some(format!("the machine hasn't booted within {BOOT:?}")),
                // The guest itself ends jobs that take too long.
                Some(boot) if took > boot + all => Some(format!("the machine goes on {all:?} after its boot")),
                _ => None,
            };
            if let Some(why) = over {
                let ended = guest_job::ended(shared, jobs);
                let Some(job) = jobs.get(ended).filter(|_| boot.is_some()) else { bail!("{why}") };
                bail!("{why}, in its job {}; its output:\n{}", job.name, guest_job::output(shared, ended));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn qemu(&self, root: &Root, files: &BootFiles, folders: &Folders) -> Result<Command> {
        // A tree that isn't QEMU's own needs what is mounted into that, too.
        let foreign = files.tree != root.path();
        let further: &[&Path] = if foreign { &[&files.tree] } else { &[] };
        let mut command = root.command_beside(further, &files.qemu)?;
        let (model, processor, serial) = match self.machine.architecture() {
            Architecture::Amd64 => ("q35", "max", "ttyS0"),
            // One that has pages of 16 KiB, and no signed pointers, which are slow to emulate.
            Architecture::Arm64 => ("virt", "cortex-a76", "ttyAMA0"),
        };
        let tree = if foreign { files.tree.as_path() } else { Path::new("/") };
        // The tree with what is mounted into it: several file systems behind one share.
        let tree = format!("local,id=guest,path={},security_model=none,readonly=on,multidevs=remap", tree.display());
        let job = format!("local,id=job,path={},security_model=none", folders.shared.display());
        let kernel_arguments = format!("console={serial} panic=-1 quiet {}", self.kernel_arguments);
        command
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .env("VK_DRIVER_FILES", "/usr/share/vulkan/icd.d/lvp_icd.json")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .args(["-M", model, "-accel", "tcg,thread=multi", "-cpu", processor, "-m", "1G", "-smp", "1"])
            .args(["-nodefaults", "-no-user-config"])
            // A GL display starts without a DRM node only like this.
            .args(["-display", "egl-headless,rendernode=/dev/null"])
            .args(self.gpus.iter().flat_map(|gpu| ["-device", gpu]))
            .args(["-fsdev", &tree, "-device", "virtio-9p-pci,fsdev=guest,mount_tag=guest"])
            .args(["-fsdev", &job, "-device", "virtio-9p-pci,fsdev=job,mount_tag=job"])
            .args(["-serial", "stdio", "-monitor", "none", "-no-reboot"])
            .args(["-qmp", &format!("unix:{},server=on,wait=off", folders.monitor.display())])
            .arg("-kernel")
            .arg(&files.kernel)
            .arg("-initrd")
            .arg(&files.initramfs)
            .args(["-append", &kernel_arguments]);
        Ok(command)
    }
}

/// Stops a machine, whose guest has asked for it with `file`.
fn pause(monitor: &Path, file: &Path, length: Duration) -> Result<()> {
    let mut qmp = Qmp::connect(monitor)?;
    qmp.execute("stop")?;
    std::thread::sleep(length);
    // Before the guest can look for the file again.
    fs::remove_file(file).with_context(|| format!("removing {}", file.display()))?;
    qmp.execute("cont")
}
