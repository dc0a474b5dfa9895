//! Hosts and processes that lack something from the start: no proxy is needed for them.

use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

use anyhow::Result;
use ash::vk;
use hesper_rig::{Driver, Host};
use hesper_tests::result_codes::error_codes;
use nix::sys::resource::{Resource, setrlimit};

use crate::program::{Equipment, Program, Running};
use crate::verdict::{self, Bad, Expected, Verdict};

/// What is lacking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// A command of the host's driver returns a code from its `from`th call on.
    Exhausted { command: &'static str, code: vk::Result, from: u32 },
    /// The program may have few files open.
    Files(u64),
    /// The server can't start the process that its clients' contexts run in.
    NoRenderServer,
}

/// Commands that are made to fail, with whether the program itself must see the code that the host returned: it waits for the host's answer.
const COMMANDS: [(&str, bool, u32); 13] = [
    ("vkCreateInstance", false, 1),
    ("vkCreateDevice", true, 1),
    ("vkAllocateMemory", true, 1),
    ("vkAllocateMemory", true, 3),
    ("vkCreateComputePipelines", true, 1),
    ("vkCreateComputePipelines", true, 2),
    ("vkCreateBuffer", false, 1),
    ("vkCreateFence", false, 1),
    ("vkCreatePipelineCache", false, 1),
    ("vkCreateQueryPool", false, 1),
    ("vkAllocateDescriptorSets", false, 1),
    ("vkAllocateCommandBuffers", false, 1),
    ("vkQueueSubmit", false, 3),
];
/// Codes that every command may return, and that no host means.
const ANYWHERE: [i32; 2] = [vk::Result::ERROR_UNKNOWN.as_raw(), vk::Result::ERROR_VALIDATION_FAILED_EXT.as_raw()];
/// Numbers of files: from too few for the program to begin with to enough.
const FILES: [u64; 12] = [5, 6, 7, 8, 10, 12, 16, 20, 24, 32, 64, 128];

impl Condition {
    /// All of them; a short form has every third.
    pub fn all(short: bool) -> Vec<Self> {
        let mut all = vec![Self::NoRenderServer];
        for (command, _, from) in COMMANDS {
            let codes = error_codes(command).iter().filter(|c| !ANYWHERE.contains(c));
            all.extend(codes.map(|c| Self::Exhausted { command, code: vk::Result::from_raw(*c), from }));
        }
        all.extend(FILES.map(Self::Files));
        all.into_iter().step_by(if short { 3 } else { 1 }).collect()
    }

    /// What kind it is, for a table.
    pub fn kind(&self) -> String {
        match self {
            Self::Exhausted { command, from: 1, .. } => {
                format!("{command} fails at the host, with each code it may return")
            }
            Self::Exhausted { command, from, .. } => format!("{command} fails from call {from} on"),
            Self::Files(_) => format!("room for {} to {} open files", FILES[0], FILES[FILES.len() - 1]),
            Self::NoRenderServer => "the render server can't be started".into(),
        }
    }

    /// What exactly.
    pub fn detail(&self) -> String {
        match self {
            Self::Exhausted { command, code, from } => format!("{command} fails with {code:?} from call {from} on"),
            Self::Files(n) => format!("room for {n} open files"),
            Self::NoRenderServer => self.kind(),
        }
    }

    fn is_answered(&self) -> bool {
        let Self::Exhausted { command, from, .. } = self else { return false };
        COMMANDS.iter().any(|(c, answered, f)| c == command && f == from && *answered)
    }

    /// Runs the test client so, and judges what came of it.
    ///
    /// # Errors
    /// When nothing can be run.
    pub fn judge(&self, equipment: &Equipment, driver: Driver) -> Result<Verdict> {
        let fail;
        let environment: &[(&str, &str)] = match self {
            Self::Exhausted { command, code, from } => {
                fail = format!("{command}:{}:{from}", code.as_raw());
                &[("HESPER_TEST_LAYER_FAIL", &fail)]
            }
            Self::NoRenderServer => &[("RENDER_SERVER_EXEC_PATH", "/nowhere")],
            Self::Files(_) => &[],
        };
        let host = Host::start_with(&equipment.root, environment)?;
        let mut command = equipment.command(Program::Careful, driver, host.socket())?;
        if let Self::Files(n) = *self {
            // SAFETY: between fork and exec only a system call is made.
            unsafe { command.pre_exec(move || Ok(setrlimit(Resource::RLIMIT_NOFILE, n, n)?)) };
        }
        let start = Instant::now();
        let running = Running::start(Program::Careful, &mut command)?;
        let ended = running.wait(|| None)?;
        // A program's whole run, on a busy machine.
        let expected = Expected { unharmed: false, lasts: Duration::from_secs(3) };
        let verdict = verdict::of(Program::Careful, &ended, Some(start), expected);
        Ok(match (self, verdict) {
            // Without room for a library's file, the loader and the program itself can't begin.
            (Self::Files(n), Verdict::Bad(Bad::Aborted(text))) if *n < 16 && text.contains("no report") => {
                Verdict::NotReached
            }
            (Self::Exhausted { .. } | Self::NoRenderServer, Verdict::Unharmed) => {
                Verdict::Bad(Bad::Wrong("the program was told of no error".into()))
            }
            (Self::Exhausted { command, code, .. }, Verdict::Error { call, code: told })
                if self.is_answered() && (call != *command || told != *code) =>
            {
                Verdict::Bad(Bad::Wrong(format!("the program was told {call}: {told:?}")))
            }
            (_, verdict) => verdict,
        })
    }
}
