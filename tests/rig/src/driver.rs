//! The drivers that are compared.

use std::fmt;
use std::str::FromStr;

/// A way to the host's GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Driver {
    /// The host's own driver: lavapipe.
    Native,
    /// Mesa's venus driver over the host.
    Mesa,
    /// This project's driver over the host.
    Hesper,
}

impl Driver {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 3] = [Self::Native, Self::Mesa, Self::Hesper];

    /// Its name in commands and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Mesa => "mesa",
            Self::Hesper => "hesper",
        }
    }

    /// Whether it needs a host to talk to.
    pub fn needs_host(self) -> bool {
        self != Self::Native
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Driver {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|d| d.name() == text)
            .ok_or_else(|| format!("{text} is none of native, mesa, hesper"))
    }
}
