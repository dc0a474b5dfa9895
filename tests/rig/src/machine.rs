//! What kinds of virtual machines there are: processor, kernel, size of a page.

use std::fmt;
use std::str::FromStr;

/// A guest's processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// x86-64.
    Amd64,
    /// AArch64.
    Arm64,
}

/// Where a stock kernel comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// Debian 13's own: Linux 6.12.
    Trixie,
    /// The newest of trixie-backports, 7.2 or later: it knows VIRTGPU_PARAM_BLOB_ALIGNMENT.
    Backports,
}

/// The size of a page, which the kernel is built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageSize {
    /// 4 KiB.
    Small,
    /// 16 KiB, as Apple's processors prefer them.
    Large,
}

/// A kind of machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    architecture: Architecture,
    kernel: Kernel,
    page_size: PageSize,
}

impl Architecture {
    /// Debian's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }
}

impl Kernel {
    /// Debian's name of the suite.
    pub fn suite(self) -> &'static str {
        match self {
            Self::Trixie => "trixie",
            Self::Backports => "trixie-backports",
        }
    }
}

impl PageSize {
    /// In KiB.
    pub fn kib(self) -> u32 {
        match self {
            Self::Small => 4,
            Self::Large => 16,
        }
    }
}

impl Machine {
    /// All that Debian has kernels for.
    pub const ALL: [Self; 6] = [
        Self::amd64(Kernel::Trixie),
        Self::amd64(Kernel::Backports),
        Self::arm64(Kernel::Trixie, PageSize::Small),
        Self::arm64(Kernel::Trixie, PageSize::Large),
        Self::arm64(Kernel::Backports, PageSize::Small),
        Self::arm64(Kernel::Backports, PageSize::Large),
    ];
    /// Those with an AArch64 processor.
    pub const ARM64: &[Self] = Self::ALL.split_at(2).1;
    /// Both kernels, both processors and both sizes of pages, in as few boots as can be.
    pub const SHORT: [Self; 3] =
        [Self::amd64(Kernel::Trixie), Self::amd64(Kernel::Backports), Self::arm64(Kernel::Backports, PageSize::Large)];

    /// An x86-64 machine, whose pages have 4 KiB.
    pub const fn amd64(kernel: Kernel) -> Self {
        Self { architecture: Architecture::Amd64, kernel, page_size: PageSize::Small }
    }

    /// An AArch64 machine.
    pub const fn arm64(kernel: Kernel, page_size: PageSize) -> Self {
        Self { architecture: Architecture::Arm64, kernel, page_size }
    }

    /// Its processor.
    pub fn architecture(self) -> Architecture {
        self.architecture
    }

    /// Its kernel.
    pub fn kernel(self) -> Kernel {
        self.kernel
    }

    /// The size of its pages.
    pub fn page_size(self) -> PageSize {
        self.page_size
    }

    /// Debian's package that needs the kernel.
    pub fn kernel_package(self) -> String {
        let flavour = if self.page_size == PageSize::Large { "-16k" } else { "" };
        format!("linux-image-{}{flavour}", self.architecture.name())
    }
}

/// As in `arm64-trixie-16k`.
impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}k", self.architecture.name(), self.kernel.suite(), self.page_size.kib())
    }
}

impl FromStr for Machine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(|m| m.to_string()).join(", ");
        Self::ALL.into_iter().find(|m| m.to_string() == text).ok_or_else(|| format!("{text} is none of {}", names()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_again() {
        for machine in Machine::ALL {
            assert_eq!(machine.to_string().parse(), Ok(machine));
        }
        assert_eq!("arm64-trixie-16k".parse(), Ok(Machine::arm64(Kernel::Trixie, PageSize::Large)));
        assert!("amd64-trixie-16k".parse::<Machine>().unwrap_err().contains("amd64-trixie-4k"), "no such kernel");
    }

    #[test]
    fn machines_are_sorted_by_their_processors() {
        let arm64 = |m: &&Machine| m.architecture() == Architecture::Arm64;
        assert!(Machine::ALL.iter().filter(arm64).eq(Machine::ARM64));
    }

    #[test]
    fn packages_are_debian_s() {
        assert_eq!(Machine::ALL[0].kernel_package(), "linux-image-amd64");
        assert_eq!(Machine::ALL[3].kernel_package(), "linux-image-arm64-16k");
    }
}
