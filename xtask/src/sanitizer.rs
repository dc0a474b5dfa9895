//! Builds with one of the compiler's sanitizers.
//!
//! They need what the installed compiler calls unstable (RUSTC_BOOTSTRAP), so nothing that is shipped is built so.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use hesper_rig::std_source;

use crate::cargo;

#[cfg(target_arch = "x86_64")]
pub const TARGET: &str = "x86_64-unknown-linux-gnu";
#[cfg(not(target_arch = "x86_64"))]
pub const TARGET: &str = "aarch64-unknown-linux-gnu";

/// A way to build.
pub struct Sanitizer {
    /// For people.
    pub name: &'static str,
    /// Builds lie in a folder of this name, in cargo's target folder.
    folder: &'static str,
    flags: &'static str,
    /// The variable with its options, and these.
    pub options: (&'static str, &'static str),
    /// The standard library's sources, where that has to be built the same way.
    std: Option<PathBuf>,
}

impl Sanitizer {
    /// Finds what reads or writes outside of its memory, or after its end.
    pub fn address() -> Self {
        Self {
            name: "AddressSanitizer",
            folder: "asan",
            // The program that loads the driver has the sanitizer's own functions, and shows them to the driver.
            flags: "-Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer -Clink-args=-rdynamic",
            // Tests leave memory behind on purpose, and the loader and host drivers by habit.
            options: ("ASAN_OPTIONS", "detect_leaks=0:detect_stack_use_after_return=1"),
            std: None,
        }
    }

    /// Finds threads that touch the same memory with nothing that orders them.
    ///
    /// # Errors
    /// When the standard library's sources can't be had: one that isn't built the same way hides what orders threads.
    pub fn thread() -> Result<Self> {
        Ok(Self {
            name: "ThreadSanitizer",
            folder: "tsan",
            flags: "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer -Clink-args=-rdynamic",
            // The Vulkan loader isn't built for it: of its locks some calls are seen, and others not.
            options: (
                "TSAN_OPTIONS",
                concat!("report_mutex_bugs=0:halt_on_error=1:suppressions=", env!("CARGO_MANIFEST_DIR"), "/tsan.txt"),
            ),
            std: Some(std_source::ensure()?),
        })
    }

    /// Finds decisions by memory that nobody has written. For programs without libraries that aren't built for it.
    ///
    /// # Errors
    /// As [`Self::thread`].
    pub fn memory() -> Result<Self> {
        Ok(Self {
            name: "MemorySanitizer",
            folder: "msan",
            flags: "-Zsanitizer=memory -Zsanitizer-memory-track-origins -Cunsafe-allow-abi-mismatch=sanitizer",
            options: ("MSAN_OPTIONS", ""),
            std: Some(std_source::ensure()?),
        })
    }

    /// Counts which edges are taken, and shows what is compared, to a fuzzer; with AddressSanitizer.
    pub fn coverage() -> Self {
        Self {
            name: "coverage",
            folder: "targets",
            flags: "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
                -Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer",
            ..Self::address()
        }
    }

    /// cargo that builds so; the first of `args` is its command.
    ///
    /// # Errors
    /// When cargo can't say where it builds.
    pub fn cargo(&self, args: &[&str]) -> Result<Command> {
        let mut command = cargo::cargo(args);
        command.args(["--target", TARGET]).env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", self.flags);
        command.env("CARGO_TARGET_DIR", self.folder()?).env(self.options.0, self.options.1);
        if let Some(sources) = &self.std {
            command.arg("-Zbuild-std=std,panic_unwind,test").env("__CARGO_TESTS_ONLY_SRC_ROOT", sources);
        }
        Ok(command)
    }

    /// Where it builds.
    ///
    /// # Errors
    /// As [`Self::cargo`].
    pub fn folder(&self) -> Result<PathBuf> {
        Ok(hesper_rig::target_folder()?.join(self.folder))
    }

    /// Where programs and libraries of a profile's folder are.
    ///
    /// # Errors
    /// As [`Self::cargo`].
    pub fn built(&self, profile: &str) -> Result<PathBuf> {
        Ok(self.folder()?.join(TARGET).join(profile))
    }
}
