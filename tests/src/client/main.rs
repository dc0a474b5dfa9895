//! A Vulkan program that tests a driver from the outside, on whichever driver the loader finds. Every part checks its own
//! results, so a driver that computes wrongly fails here, not only one that returns errors.

mod bench;
mod buffer;
mod careful;
mod clocks;
mod commands;
mod compute;
mod conformance;
mod cooperative_matrix2;
mod cycles;
mod descriptors;
mod draws;
mod endure;
mod entry_points;
mod facts;
mod followed;
mod forks;
mod gpu;
mod host_copies;
mod hostile;
mod ignored;
mod images;
mod leave;
mod loader;
mod mappings;
mod memory;
mod newer;
mod odd_sizes;
mod open_files;
mod pause;
mod picture;
mod pipelines;
mod placed;
mod private_data;
mod put_off;
mod queues;
mod recordings;
mod refused;
mod reload;
mod reports;
mod results;
mod scarce;
mod screen;
mod shaders;
mod sharing;
mod slow_compiler;
mod sparse;
mod spin;
mod sync;
mod synchronized_queues;
mod threads;
mod uploads;
mod wake_ups;

/// Written by `encoder/codegen`; never edited.
#[rustfmt::skip]
mod generated {
    pub mod calls;
}

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Tests the Vulkan driver that the loader finds.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Subcommand)]
enum Sub {
    /// Everything below but what takes long, needs a special host, or is a measurement.
    All,
    /// Dispatches, push and specialisation constants, barriers, copies, fills, updates, indirect dispatches, pipeline caches.
    Compute,
    /// Sets, copies of sets, templates, push descriptors, dynamic offsets, pools that run out.
    Descriptors,
    /// Long command buffers, secondary ones, reuse, resets, objects that go while they are recorded, queries and their results, events.
    Commands,
    /// Pipelines that needn't be there: flags in both forms, arrays, derivatives.
    Pipelines,
    /// What VK_NV_cooperative_matrix2 offers, and products of matrices in all of its shapes; says so where it isn't offered.
    CooperativeMatrix2,
    /// Images, views and samplers: copies there and back, blits of layouts.
    Images,
    /// Copies between images and memory by the host's processor, of every class of formats.
    HostCopies,
    /// Several draws in one command.
    Draws,
    /// Fences, binary and timeline semaphores, many submissions in flight.
    Sync,
    /// Recording and submitting from several threads.
    Threads,
    /// Copies out of mapped memory that are waited for one by one, in all ways that matter to a driver that puts them off.
    Uploads,
    /// What a driver that puts uploads off must still get right.
    PutOff,
    /// Swapchains of a surface without a window.
    Screen,
    /// Swapchains that are retired, stale, or can't be.
    StrictScreen,
    /// Presents until the host has died, before a line of input comes.
    LostScreen,
    /// Makes COUNT swapchains after each other, in quarters as `cycles`.
    Screens {
        /// How many.
        count: u32,
    },
    /// A window on an X server: draws, looks, resizes, destroys.
    Window,
    /// A window on an X server that dies before a line of input comes.
    DeadWindow,
    /// A window on a Wayland compositor.
    Wayland {
        /// What it goes through.
        part: screen::wayland::Part,
    },
    /// Displays without a window system.
    Display {
        /// What is tried.
        part: screen::display::Part,
    },
    /// A window's bad day: results, a line each, and lines that ask for what is to happen to the server.
    BadDay(screen::bad_days::Args),
    /// Runs a program in front of an empty X screen, and writes what it leaves there: rows of four bytes a pixel.
    ScreenAfter(screen::screenshot::Args),
    /// Mapped memory of every host-visible type.
    Memory,
    /// Memory that is mapped where the program wants it, and addresses that stay reserved.
    Placed,
    /// What callbacks hear of device memory.
    Reports,
    /// A thousand allocations of odd sizes, mapped and used.
    OddSizes,
    /// Four queues of two families that wait for each other; fails on a device that has fewer.
    Queues,
    /// Sparse buffers and images; fails on a device that has none.
    Sparse,
    /// Creates and destroys everything COUNT times, in four quarters that wait for a line of input at their end.
    Cycles {
        /// How often.
        count: u32,
    },
    /// Areas in which drivers that hand calls on are known to go wrong, each by itself.
    Conformance {
        /// Only this one.
        area: Option<String>,
        /// How many times as much is done.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        times: u32,
    },
    /// Shares a buffer, an image and semaphores with another process.
    Sharing,
    /// The other process.
    SharingPartner,
    /// Exports, imports, uses and closes memory COUNT times, in quarters as `cycles`.
    SharingCycles {
        /// How often.
        count: u32,
    },
    /// Imports descriptors of other things, which must be refused.
    SharingHostile,
    /// Asks for memory that can leave a host that lets none leave, which must be refused.
    SharingRefused,
    /// Maps COUNT allocations at the same time, with room for 1024 open files.
    Mappings {
        /// How many.
        count: u32,
    },
    /// Asks for memory that can't be given and for mappings that can't be made, which must be refused.
    Hostile,
    /// Fills the room for ROOM allocations, again and again.
    Scarce {
        /// How many the device has room for.
        room: u32,
    },
    /// Works in THREADS threads until a line of input comes.
    Crowd {
        /// How many.
        threads: u32,
    },
    /// Starts and ends everything COUNT times, and waits for a line of input after each EVERY of them.
    Starts {
        /// How often.
        count: u32,
        /// How many between two pauses.
        every: u32,
    },
    /// Makes COUNT objects that live at the same time, uses and destroys them, ROUNDS times, with two pauses in each.
    Many {
        /// How many.
        count: u32,
        /// How often.
        rounds: u32,
    },
    /// Records, runs and resets a command buffer of COMMANDS commands, ROUNDS times, with two pauses in each.
    Long {
        /// How many.
        commands: u32,
        /// How often.
        rounds: u32,
    },
    /// Makes CALLS calls from each of THREADS threads, each after a rest in which the host may fall asleep.
    WakeUps {
        /// How many threads.
        threads: u32,
        /// How many calls of each.
        calls: u32,
        /// How long a call may take.
        #[arg(long, default_value_t = 100)]
        longest_ms: u64,
    },
    /// Makes memory, maps it, has the device fill it and waits, COUNT times.
    Fills {
        /// How often.
        count: u32,
    },
    /// Garbage wherever Vulkan says that nobody looks.
    Ignored,
    /// Waits for work that other work stands behind.
    Followed {
        /// How often.
        rounds: u32,
    },
    /// Forks, and calls Vulkan in the child.
    Forks,
    /// Looks at the files that are open once everything is destroyed, and after exec in the middle of everything.
    Exec,
    /// Fails unless FILES are all that is open; what `exec` becomes.
    OpenFiles {
        /// Numbers and targets.
        files: Vec<String>,
    },
    /// Ends in the middle of its work after a line of input, and destroys nothing.
    Leave {
        /// How.
        how: leave::How,
    },
    /// Loads and unloads loader and driver COUNT times around threads that use them and live on, in quarters as `cycles`.
    Reload {
        /// How often.
        count: u32,
    },
    /// Makes pipelines that the host refuses.
    Refused,
    /// Makes, uses and destroys pipelines on a host that takes MILLISECONDS for each.
    SlowCompiler {
        /// How long.
        milliseconds: u64,
    },
    /// Calls every entry point once, after a line of input before which the host may be killed; prints names, results and microseconds.
    EveryEntryPoint(entry_points::Args),
    /// Prints what the driver has of extensions and commands with these names, and sends what hosts newer than virglrenderer 1.3.0 know besides.
    Newer {
        /// An extension.
        #[arg(long = "extension")]
        extensions: Vec<String>,
        /// A command.
        #[arg(long = "command")]
        commands: Vec<String>,
    },
    /// Measures what calls cost; a line of JSON each.
    Bench {
        /// Only these rows.
        only: Vec<bench::Group>,
    },
    /// Asks a driver what its device can do, past what vulkaninfo shows; a line of JSON for each fact.
    Facts {
        /// Of every eighth format alone.
        #[arg(long)]
        few_formats: bool,
    },
    /// Submits and waits until the device is lost, which is the expected end.
    Spin,
    /// Works with the device of one driver, looks at every result, ends at the first error, and reports what it saw: lines of JSON.
    Careful {
        /// What the driver's name has in it.
        #[arg(default_value = "")]
        driver: String,
        /// How often it dispatches.
        #[arg(default_value_t = 12)]
        rounds: u32,
        /// Rests between two dispatches, and ends early when there is a line of input.
        #[arg(long, default_value_t = 0)]
        pause_ms: u64,
    },
}

type Part = fn() -> Result<()>;

const PARTS: [(&str, Part); 17] = [
    ("compute", compute::run),
    ("descriptors", descriptors::run),
    ("commands", commands::run),
    ("pipelines", pipelines::run),
    ("images", images::run),
    ("host-copies", host_copies::run),
    ("draws", draws::run),
    ("sync", sync::run),
    ("threads", threads::run),
    ("uploads", uploads::run),
    ("put-off", put_off::run),
    ("memory", memory::run),
    ("placed", placed::run),
    ("reports", reports::run),
    ("odd-sizes", odd_sizes::run),
    ("private-data", private_data::run),
    ("screen", screen::run),
];

fn main() -> ExitCode {
    let parts = |wanted: &str| {
        PARTS.iter().filter(|(name, _)| wanted == "all" || wanted == *name).try_for_each(|(name, part)| {
            part().map_err(|e| e.context(format!("part {name}")))?;
            println!("ok {name}");
            Ok(())
        })
    };
    let done = match Cli::parse().command {
        Sub::All => parts("all"),
        Sub::Compute => parts("compute"),
        Sub::Descriptors => parts("descriptors"),
        Sub::Commands => parts("commands"),
        Sub::Pipelines => parts("pipelines"),
        Sub::CooperativeMatrix2 => cooperative_matrix2::run(),
        Sub::Images => parts("images"),
        Sub::HostCopies => parts("host-copies"),
        Sub::Draws => parts("draws"),
        Sub::Ignored => ignored::run(),
        Sub::Sync => parts("sync"),
        Sub::Threads => parts("threads"),
        Sub::Uploads => parts("uploads"),
        Sub::PutOff => parts("put-off"),
        Sub::Memory => parts("memory"),
        Sub::Placed => parts("placed"),
        Sub::Reports => parts("reports"),
        Sub::OddSizes => parts("odd-sizes"),
        Sub::Screen => parts("screen"),
        Sub::StrictScreen => screen::strict::run(),
        Sub::LostScreen => screen::strict::lost(),
        Sub::Screens { count } => screen::strict::cycles(count),
        Sub::Window => screen::window::run(),
        Sub::DeadWindow => screen::window::dead(),
        Sub::Wayland { part } => screen::wayland::run(part),
        Sub::Display { part } => screen::display::run(part),
        Sub::BadDay(args) => screen::bad_days::run(&args),
        Sub::ScreenAfter(args) => screen::screenshot::run(&args),
        Sub::Queues => queues::run(),
        Sub::Sparse => sparse::run(),
        Sub::Cycles { count } => cycles::run(count),
        Sub::Conformance { area, times } => conformance::run(area.as_deref(), times),
        Sub::Sharing => sharing::run(),
        Sub::SharingPartner => sharing::partner(),
        Sub::SharingCycles { count } => sharing::cycles(count),
        Sub::SharingHostile => sharing::hostile(),
        Sub::SharingRefused => sharing::refused(),
        Sub::Mappings { count } => mappings::run(count),
        Sub::Hostile => hostile::run(),
        Sub::Scarce { room } => scarce::run(room),
        Sub::Crowd { threads } => endure::crowd::run(threads),
        Sub::Starts { count, every } => endure::starts::run(count, every),
        Sub::Many { count, rounds } => endure::many::run(count, rounds),
        Sub::Long { commands, rounds } => endure::long::run(commands, rounds),
        Sub::WakeUps { threads, calls, longest_ms } => {
            wake_ups::calls(threads, calls, Duration::from_millis(longest_ms))
        }
        Sub::Fills { count } => wake_ups::fills(count),
        Sub::Followed { rounds } => followed::run(rounds),
        Sub::Forks => forks::run(),
        Sub::Exec => open_files::run(),
        Sub::OpenFiles { files } => open_files::expect(files),
        Sub::Leave { how } => leave::run(how),
        Sub::Reload { count } => reload::run(count),
        Sub::Refused => refused::run(),
        Sub::SlowCompiler { milliseconds } => slow_compiler::run(milliseconds),
        Sub::EveryEntryPoint(args) => entry_points::run(&args),
        Sub::Newer { extensions, commands } => newer::run(&extensions, &commands),
        Sub::Bench { only } => bench::run(&only),
        Sub::Facts { few_formats } => facts::run(few_formats),
        Sub::Spin => spin::run(),
        Sub::Careful { driver, rounds, pause_ms } => careful::run(&driver, rounds, Duration::from_millis(pause_ms)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("FAILED {e:?}");
            ExitCode::FAILURE
        }
    }
}
