//! Workers and the hosts that they run on.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use hesper_rig::{Driver, Host, Root, build_driver};

use crate::facts::Facts;
use crate::program::Machine;
use crate::progress;
use crate::wire::{self, Hello, Place, Report, Task};

/// A driver with switches, on one of two kinds of device.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat {
    pub driver: Driver,
    /// Of HESPER_DEBUG.
    pub switches: String,
    pub machine: Machine,
}

impl std::fmt::Display for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.driver)?;
        let said = [
            (!self.switches.is_empty(), &*self.switches),
            (self.machine.discrete, "memory of its own"),
            (self.machine.queues, "several queues"),
        ];
        let said: Vec<&str> = said.iter().filter(|(on, _)| *on).map(|(_, what)| *what).collect();
        if said.is_empty() { Ok(()) } else { write!(f, " with {}", said.join(" and ")) }
    }
}

/// How a run of a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Showed(Report),
    /// While its threads were at these places.
    Hung(Vec<Place>),
    Died(String, Vec<Place>),
}

struct Worker {
    child: Child,
    to: ChildStdin,
    reports: Receiver<io::Result<Option<Report>>>,
    facts: Facts,
    /// Standard error, and how much of it has been looked at.
    errors: PathBuf,
    looked: usize,
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(progress_file(&self.errors));
        let _ = fs::remove_file(&self.errors);
    }
}

impl Worker {
    /// What has been said on standard error since the last look.
    fn complaints(&mut self) -> String {
        let text = fs::read(&self.errors).unwrap_or_default();
        let new = String::from_utf8_lossy(text.get(self.looked..).unwrap_or_default()).into_owned();
        self.looked = text.len();
        new
    }
}

/// A host and how much of its log has been looked at.
struct Watched {
    host: Host,
    looked: usize,
}

/// What makes the test layer show a machine.
fn environment(machine: Machine) -> Vec<(&'static str, &'static str)> {
    let all = [(machine.discrete, "HESPER_TEST_LAYER_DISCRETE"), (machine.queues, "HESPER_TEST_LAYER_QUEUES")];
    all.into_iter().filter(|(on, _)| *on).map(|(_, name)| (name, "1")).collect()
}

/// A manifest for a copy of a library, where the rig's root sees both.
fn manifest(library: &Path) -> Result<PathBuf> {
    let file = std::env::temp_dir().join(format!("hesper-fuzz-{}.json", std::process::id()));
    let copy = file.with_extension("so");
    fs::copy(library, &copy).with_context(|| format!("copying {}", library.display()))?;
    let json = serde_json::json!({ "file_format_version": "1.0.1", "ICD": { "library_path": copy, "api_version": "1.4.357" } });
    fs::write(&file, json.to_string())?;
    Ok(file)
}

fn progress_file(errors: &Path) -> PathBuf {
    errors.with_extension("at")
}

/// All workers, started when they are needed.
pub struct Fleet {
    root: Root,
    layer: PathBuf,
    /// Of another build of the driver.
    manifest: Option<PathBuf>,
    hosts: BTreeMap<Machine, Watched>,
    workers: Vec<(Seat, Worker)>,
    started: u32,
}

impl Fleet {
    /// # Errors
    /// Without the rig or a driver.
    pub fn new(library: Option<&Path>) -> Result<Self> {
        let manifest = library.map(manifest).transpose()?;
        let layer = build_driver()?.layer;
        Ok(Self { root: Root::ensure()?, layer, manifest, hosts: BTreeMap::new(), workers: Vec::new(), started: 0 })
    }

    fn host(&mut self, machine: Machine) -> Result<&mut Watched> {
        Ok(match self.hosts.entry(machine) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(place) => {
                let host = Host::start_with(&self.root, &environment(machine))?;
                place.insert(Watched { host, looked: 0 })
            }
        })
    }

    fn start(&mut self, seat: &Seat) -> Result<Worker> {
        let this = std::env::current_exe().context("finding this program")?;
        let root = self.root.clone();
        let (layer, manifest) = (self.layer.clone(), self.manifest.clone());
        let host = if seat.driver.needs_host() { Some(&self.host(seat.machine)?.host) } else { None };
        let mut command = root.client(seat.driver, host, this)?;
        if host.is_none() {
            // What the host shows, without the host.
            command.env("VK_ADD_LAYER_PATH", layer).env("VK_INSTANCE_LAYERS", "VK_LAYER_HESPER_TEST_dma_buf_export");
            command.envs(environment(seat.machine));
        }
        if seat.driver == Driver::Hesper {
            if let Some(manifest) = &manifest {
                command.env("VK_DRIVER_FILES", manifest);
            }
            command.env("HESPER_DEBUG", format!("vtest,{}", seat.switches));
        }
        // For builds with a sanitizer.
        command.envs(std::env::vars_os().filter(|(name, _)| name.to_string_lossy().ends_with("SAN_OPTIONS")));
        self.started += 1;
        let errors = std::env::temp_dir().join(format!("hesper-fuzz-{}-{}", std::process::id(), self.started));
        let mut child = command
            .arg("worker")
            .arg(progress_file(&errors))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&errors)?)
            .spawn()
            .context("starting a worker")?;
        let (to, mut from) = child.stdin.take().zip(child.stdout.take()).context("a worker without pipes")?;
        let (hello_to, hello_from) = channel();
        let (reports_to, reports) = channel();
        std::thread::spawn(move || {
            let hello = wire::receive::<Hello>(&mut from);
            let good = matches!(hello, Ok(Some(_)));
            let _ = hello_to.send(hello);
            if !good {
                return;
            }
            loop {
                let report = wire::receive::<Report>(&mut from);
                let last = !matches!(report, Ok(Some(_)));
                if reports_to.send(report).is_err() || last {
                    break;
                }
            }
        });
        let worker = Worker { child, to, reports, facts: Facts::default(), errors, looked: 0 };
        match hello_from.recv_timeout(Duration::from_secs(60)) {
            Ok(Ok(Some(hello))) => {
                let mut worker = worker;
                worker.facts = hello.facts;
                Ok(worker)
            }
            other => {
                let mut worker = worker;
                bail!("the worker on {seat} doesn't start ({other:?}):\n{}", worker.complaints())
            }
        }
    }

    fn worker(&mut self, seat: &Seat) -> Result<&mut Worker> {
        let found = self.workers.iter().position(|(s, _)| s == seat);
        let at = match found {
            Some(at) => at,
            None => {
                let worker = self.start(seat)?;
                self.workers.push((seat.clone(), worker));
                self.workers.len() - 1
            }
        };
        Ok(&mut self.workers[at].1)
    }

    /// What the planner must know of a driver.
    ///
    /// # Errors
    /// When a worker can't be started.
    pub fn facts(&mut self, seat: &Seat) -> Result<Facts> {
        Ok(self.worker(seat)?.facts.clone())
    }

    /// Ends a worker.
    pub fn retire(&mut self, seat: &Seat) {
        self.workers.retain(|(s, _)| s != seat);
    }

    /// Ends all workers with some switches.
    pub fn retire_switches(&mut self, switches: &str) {
        self.workers.retain(|(s, _)| s.switches != switches);
    }

    /// Runs a program on several seats at the same time; what each showed, and what was complained of meanwhile.
    ///
    /// # Errors
    /// When a worker can't be started.
    pub fn run(&mut self, seats: &[Seat], task: &Task, patience: Duration) -> Result<Vec<(Outcome, String)>> {
        for seat in seats {
            let worker = self.worker(seat)?;
            // A worker that is gone is noticed below.
            let _ = wire::send(&mut worker.to, task);
        }
        let start = Instant::now();
        let mut all = Vec::new();
        for seat in seats {
            let worker = self.worker(seat)?;
            let left = patience.saturating_sub(start.elapsed()).max(Duration::from_millis(100));
            let outcome = match worker.reports.recv_timeout(left) {
                Ok(Ok(Some(report))) => Outcome::Showed(report),
                Err(RecvTimeoutError::Timeout) => Outcome::Hung(progress::read(&progress_file(&worker.errors))),
                _ => {
                    let how = worker.child.wait().map_or_else(|e| e.to_string(), |s| s.to_string());
                    Outcome::Died(how, progress::read(&progress_file(&worker.errors)))
                }
            };
            let mut complaints = worker.complaints();
            if seat.driver.needs_host() {
                complaints += &self.host_complaints(seat.machine)?;
            }
            let ended = match &outcome {
                Outcome::Showed(report) => report.ended().is_some(),
                _ => true,
            };
            if ended {
                self.retire(seat);
            }
            all.push((outcome, complaints));
        }
        Ok(all)
    }

    fn host_complaints(&mut self, machine: Machine) -> Result<String> {
        let watched = self.host(machine)?;
        let log = watched.host.log();
        let new = log.get(watched.looked..).unwrap_or_default();
        let fatal: Vec<String> = new.lines().filter(|l| l.contains("fatal")).map(|l| format!("host: {l}\n")).collect();
        watched.looked = log.len();
        Ok(fatal.concat())
    }
}
