//! `cargo xtask`: the one door to everything.

mod against;
mod ahead;
mod bench;
mod bfloat16;
mod build;
mod cargo;
mod changelog;
mod chart;
mod charts;
mod client;
mod clients;
mod codegen;
mod decode_vector;
mod demo;
mod document;
mod endure;
mod faults;
mod fuzz;
mod fuzz_targets;
mod gpu_bench;
mod guests;
mod handed_out;
mod hosts;
mod image;
mod licences;
mod lines;
mod load;
mod miri;
mod models;
mod nightly;
mod package;
mod parity;
mod release;
mod results;
mod revision;
mod rig;
mod sanitize;
mod sanitizer;
mod setup;
mod shaders;
mod spirv;
mod step;
mod symbols;
mod table;
mod test;
mod vkmark;
mod vm;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Builds, shows, tests and measures Hesper. Start with `cargo xtask demo`.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Subcommand)]
enum Sub {
    Demo(demo::Args),
    Test(test::Args),
    Fuzz(fuzz::Args),
    Endure(endure::Args),
    Faults(faults::Args),
    FuzzTargets(fuzz_targets::Args),
    Hosts(hosts::Args),
    Clients(clients::Args),
    Sanitize(sanitize::Args),
    Miri(miri::Args),
    Nightly(nightly::Args),
    Codegen(codegen::Args),
    Shaders(shaders::Args),
    Rig(rig::Args),
    Bench(bench::Args),
    GpuBench(gpu_bench::Args),
    Load(load::Args),
    Watch(watch::Args),
    Charts(charts::Args),
    Parity(parity::Args),
    Vm(vm::Args),
    Vkmark(vkmark::Args),
    Build(build::Args),
    Image(image::Args),
    Package(package::Args),
    Release(release::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Sub::Demo(args) => demo::run(&args),
        Sub::Test(args) => test::run(&args),
        Sub::Fuzz(args) => fuzz::run(&args),
        Sub::Faults(args) => faults::run(&args),
        Sub::Endure(args) => endure::run(&args),
        Sub::FuzzTargets(args) => fuzz_targets::run(&args),
        Sub::Hosts(args) => hosts::run(&args),
        Sub::Clients(args) => clients::run(&args),
        Sub::Sanitize(args) => sanitize::run(&args),
        Sub::Miri(args) => miri::run(&args),
        Sub::Nightly(args) => nightly::run(&args),
        Sub::Codegen(args) => codegen::run(&args),
        Sub::Shaders(args) => shaders::run(&args),
        Sub::Rig(args) => rig::run(&args),
        Sub::Bench(args) => bench::run(&args),
        Sub::GpuBench(args) => gpu_bench::run(&args),
        Sub::Load(args) => load::run(&args),
        Sub::Watch(args) => watch::run(&args),
        Sub::Charts(args) => charts::run(&args),
        Sub::Parity(args) => parity::run(&args),
        Sub::Vm(args) => vm::run(&args),
        Sub::Vkmark(args) => vkmark::run(&args),
        Sub::Build(args) => build::run(&args),
        Sub::Image(args) => image::run(&args),
        Sub::Package(args) => package::run(&args),
        Sub::Release(args) => release::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("\nerror: {e:?}");
            ExitCode::FAILURE
        }
    }
}
