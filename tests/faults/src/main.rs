//! `hesper-faults`: programs on a driver whose host is damaged by script, at every point of their run.

mod condition;
mod fault;
mod grid;
mod lane;
mod points;
mod program;
mod proxy;
mod script;
mod table;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use hesper_rig::Driver;

use grid::{Extent, Grid};
use program::{Equipment, Program};
use verdict::Verdict;

/// Injects faults, and fails if one leads to anything but an error that Vulkan allows, in time.
#[derive(Parser)]
struct Args {
    /// Points of each phase of the test client's run, at most; llama-bench has half of them, and Mesa's driver a third.
    #[arg(long, default_value_t = 4)]
    points: usize,
    /// Phases for each fault, at most.
    #[arg(long, default_value_t = 99)]
    phases: usize,
    /// Programs at the same time.
    #[arg(long, default_value_t = 2)]
    lanes: usize,
    /// Only faults whose names have this in them.
    #[arg(long, default_value = "")]
    only: String,
    /// Prints every run.
    #[arg(long)]
    every: bool,
    /// Not llama-bench.
    #[arg(long)]
    no_llama: bool,
    /// Mesa's driver beside.
    #[arg(long)]
    mesa: bool,
    /// Where to write the tables.
    #[arg(long)]
    table: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            eprintln!("error: {e:?}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<bool> {
    let equipment = Equipment::new()?;
    let Args { points, phases, lanes, every, .. } = *args;
    let extent = Extent { points, phases, lanes, every, only: args.only.clone() };
    let drivers = if args.mesa { &[Driver::Hesper, Driver::Mesa][..] } else { &[Driver::Hesper] };
    let mut grids: Vec<Grid> = Vec::new();
    let mut conditions = Vec::new();
    for driver in drivers.iter().copied() {
        for program in [Program::Careful, Program::Llama] {
            if program == Program::Llama && args.no_llama {
                continue;
            }
            // llama.cpp takes long, and Mesa's driver hangs often, which takes longer.
            let fewer = if program == Program::Llama { 2 } else { 1 } * if driver == Driver::Mesa { 3 } else { 1 };
            let extent = Extent { points: points.div_ceil(fewer), ..extent.clone() };
            let grid = grid::run(&equipment, driver, program, &extent)?;
            println!("{}", of_grid(&grid));
            grids.push(grid);
        }
        conditions.push((driver, grid::conditions(&equipment, driver, &extent)?));
    }
    let text = table::conditions(&conditions);
    println!("{text}");
    if let Some(path) = &args.table {
        let grids: Vec<String> = grids.iter().map(of_grid).collect();
        std::fs::write(path, format!("{}\n\n{}\n{text}", table::legend(), grids.join("\n")))?;
    }
    let of_grids = grids.iter().filter(|g| g.driver == Driver::Hesper).flat_map(|g| &g.cells).map(|c| &c.verdict);
    let of_conditions = conditions.iter().filter(|(d, _)| *d == Driver::Hesper).flat_map(|(_, c)| c).map(|(_, v)| v);
    Ok(of_grids.chain(of_conditions).all(Verdict::is_good))
}

fn of_grid(grid: &Grid) -> String {
    let sum = table::sum(grid.cells.iter().map(|c| &c.verdict));
    format!("{} on {}, {sum}:\n\n{}", grid.program.name(), grid.driver, table::table(grid))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hesper_rig::vulkaninfo::{self, Facts};
    use hesper_rig::{Host, Root};

    use super::*;
    use crate::fault::Fault;
    use crate::proxy::Proxy;
    use crate::script::Script;

    /// What a newer host can do besides is nothing to those who don't know it: they see what they know, all of it.
    #[test]
    fn of_a_host_of_the_future_what_both_know_is_used() {
        let root = Root::ensure().unwrap();
        let host = Host::start(&root).unwrap();
        let script = Arc::new(Script::new(Some((Fault::CapsetFuture, 0)), |_| {}));
        let proxy = Proxy::start(host.socket(), script.clone()).unwrap();
        let look = |socket| {
            let facts = vulkaninfo::facts_at(&root, Driver::Hesper, Some(socket)).unwrap();
            // How much memory is free changes by itself, and a newer host may know a later patch of the same version.
            let stays =
                |name: &str| !name.starts_with("memoryHeaps") && name != "VkPhysicalDeviceProperties/apiVersion";
            facts.into_iter().filter(|(name, _)| stays(name)).collect::<Facts>()
        };
        let (today, future) = (look(host.socket()), look(proxy.socket()));
        assert!(script.injected().is_some() && today.len() > 500, "{} facts", today.len());
        assert_eq!(today, future);
    }
}
