//! The sections of a run, by name.

use std::fmt;
use std::str::FromStr;

/// A part of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Shapes, weights, tests, flash attention.
    Matrix,
    /// Several sequences at once, in llama-batched-bench.
    Batched,
    /// llama-server with clients that ask again as soon as they have their answer.
    Server,
    /// With other work on the machine.
    Load,
    /// Long runs, for the processor time that they take.
    Cpu,
    /// From the process's start to the first token, with and without what was kept on disk.
    FirstToken,
    /// Speed and processor time by how long this project's driver spins.
    Spin,
}

impl Section {
    pub const ALL: [Self; 7] =
        [Self::Matrix, Self::Load, Self::Cpu, Self::FirstToken, Self::Batched, Self::Server, Self::Spin];

    /// Its name in commands and results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Matrix => "matrix",
            Self::Batched => "batched",
            Self::Server => "server",
            Self::Load => "load",
            Self::Cpu => "cpu",
            Self::FirstToken => "first-token",
            Self::Spin => "spin",
        }
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Section {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|s| s.name() == name).ok_or_else(|| format!("{name} is none of {}", names()))
    }
}
