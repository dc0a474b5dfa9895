//! A host with a proxy before it, on which one program after the other runs; and a bystander, who must notice nothing.

use std::io::Write;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use hesper_rig::{Driver, Host};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::fault::{Fault, WHILE};
use crate::program::{Ended, Equipment, Program, Running};
use crate::proxy::Proxy;
use crate::script::Script;
use crate::verdict::{self, Expected, LIMIT, Verdict};

/// By when the host's process of a context that has lost its connection has ended, on a machine that is busy otherwise: a thread of it gets few turns (`processes::kill_at_once`).
const CONTEXT_ENDS: Duration = Duration::from_secs(20);

/// What a script's fault does processes to.
#[derive(Default)]
struct Suffering {
    host: Option<Host>,
    program: Option<Pid>,
}

/// A host, and what runs on it.
pub struct Lane<'a> {
    equipment: &'a Equipment,
    driver: Driver,
    shared: Arc<Mutex<Suffering>>,
    bystander: Option<Child>,
}

fn lock(shared: &Mutex<Suffering>) -> MutexGuard<'_, Suffering> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Lane<'a> {
    pub fn new(equipment: &'a Equipment, driver: Driver) -> Self {
        Self { equipment, driver, shared: Arc::default(), bystander: None }
    }

    /// Runs a program once; a fault is injected at its number.
    ///
    /// # Errors
    /// When nothing can be run.
    pub fn run(&mut self, program: Program, fault: Option<(Fault, u64)>) -> Result<(Ended, Arc<Script>)> {
        let socket = self.host()?;
        let shared = self.shared.clone();
        let script = Arc::new(Script::new(fault, move |fault| suffer(&shared, fault)));
        let proxy = Proxy::start(&socket, script.clone())?;
        let mut command = self.equipment.command(program, self.driver, proxy.socket())?;
        let running = Running::start(program, &mut command)?;
        lock(&self.shared).program = Some(running.process());
        let lasts = fault.map_or(Duration::ZERO, |(f, _)| f.lasts());
        let passes = fault.is_some_and(|(f, _)| f.passes());
        // A program that must go on has all its time, as has llama.cpp, which goes on with the processor where it finds no device; another one has
        // more than it is allowed, to tell how late it is.
        let more = if program == Program::Llama { Duration::from_secs(30) } else { Duration::from_secs(3) };
        let limit = || script.injected().filter(|_| !passes).map(|at| at + LIMIT + lasts + more);
        let ended = running.wait(limit)?;
        lock(&self.shared).program = None;
        drop(proxy);
        Ok((ended, script))
    }

    /// Runs a program with a fault, and judges what came of it.
    ///
    /// # Errors
    /// When nothing can be run, or the bystander has come to harm.
    pub fn judge(&mut self, program: Program, fault: Fault, number: u64) -> Result<Verdict> {
        if fault.ends_host() || matches!(fault, Fault::HostStopped | Fault::BothStopped) {
            self.end()?;
        }
        let (ended, script) = self.run(program, Some((fault, number)))?;
        let expected = Expected { unharmed: fault.passes(), lasts: fault.lasts() };
        let verdict = verdict::of(program, &ended, script.injected(), expected);
        if fault.ends_host() || ended.status.is_none() {
            // With it, what the bystander needs.
            self.abandon();
        }
        Ok(verdict)
    }

    /// The host's socket; the host is started, and the bystander on it, if they aren't there.
    fn host(&mut self) -> Result<std::path::PathBuf> {
        if let Some(host) = &lock(&self.shared).host {
            return Ok(host.socket().to_path_buf());
        }
        let host = Host::start(&self.equipment.root)?;
        let socket = host.socket().to_path_buf();
        lock(&self.shared).host = Some(host);
        Ok(socket)
    }

    /// Lets a bystander work on the host until its end, if none does.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn watch_if_alone(&mut self) -> Result<()> {
        if self.bystander.is_some() {
            return Ok(());
        }
        let socket = self.host()?;
        let mut command = self.equipment.command(Program::Careful, self.driver, &socket)?;
        command.args(["1000000", "--pause-ms=50"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        self.bystander = Some(command.stderr(Stdio::piped()).spawn().context("starting a bystander")?);
        Ok(())
    }

    /// Ends the bystander, who must have noticed nothing, and the host.
    ///
    /// # Errors
    /// When the bystander has come to harm.
    pub fn end(&mut self) -> Result<()> {
        if let Some(mut bystander) = self.bystander.take() {
            if let Some(mut input) = bystander.stdin.take() {
                let _ = writeln!(input);
            }
            let out = bystander.wait_with_output()?;
            let text = String::from_utf8_lossy(&out.stdout);
            ensure!(
                out.status.success() && text.contains("\"error\":null"),
                "another program on the host came to harm: {}\n{text}\n{}",
                out.status,
                String::from_utf8_lossy(&out.stderr)
            );
        }
        let host = lock(&self.shared).host.take();
        let Some(host) = host else { return Ok(()) };
        let start = Instant::now();
        // Whatever was done to a connection, its context ends with it.
        while !host.workers()?.is_empty() {
            ensure!(start.elapsed() < CONTEXT_ENDS, "contexts are left at the host: {:?}", host.workers()?);
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn abandon(&mut self) {
        if let Some(mut bystander) = self.bystander.take() {
            let _ = bystander.kill();
            let _ = bystander.wait();
        }
        lock(&self.shared).host = None;
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// Does to processes what a fault says.
fn suffer(shared: &Arc<Mutex<Suffering>>, fault: Fault) {
    let mut both = lock(shared);
    let program = both.program;
    let Some(host) = &mut both.host else { return };
    match fault {
        Fault::HostKilled => host.kill(),
        Fault::WorkerKilled => drop(host.kill_workers()),
        Fault::HostStopped | Fault::BothStopped => {
            let program = program.filter(|_| fault == Fault::BothStopped);
            let signal = |signal| program.map(|p| kill(Pid::from_raw(-p.as_raw()), signal));
            let _ = signal(Signal::SIGSTOP);
            let _ = host.stop();
            let start = Instant::now();
            while start.elapsed() < WHILE {
                std::thread::sleep(WHILE.saturating_sub(start.elapsed()));
            }
            let _ = host.go_on();
            let _ = signal(Signal::SIGCONT);
        }
        _ => {}
    }
}
