//! `hesper-faults`: programs on a driver whose host is damaged by script, at every point of their run.

mod codes;
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

/// Injects faults, and fails if one leads to anything but an error that Vulkan allows, in time.
#[derive(Parser)]
struct Args {
    /// Points of each phase of a run, at most.
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
    let mut grids: Vec<Grid> = Vec::new();
    for driver in [Driver::Hesper, Driver::Mesa] {
        for program in [Program::Careful, Program::Llama] {
            if (driver == Driver::Mesa && !args.mesa) || (program == Program::Llama && args.no_llama) {
                continue;
            }
            let grid = grid::run(&equipment, driver, program, &extent)?;
            println!("{driver}, {}: {}\n\n{}", program.name(), table::sum(&[&grid]), table::table(&grid));
            grids.push(grid);
        }
    }
    let own: Vec<&Grid> = grids.iter().filter(|g| g.driver == Driver::Hesper).collect();
    if let Some(path) = &args.table {
        let mut text = format!("{}\n", table::legend());
        for grid in &grids {
            text += &format!("\n{} on {}, {}:\n\n{}", grid.program.name(), grid.driver, table::sum(&[grid]), table::table(grid));
        }
        std::fs::write(path, text)?;
    }
    Ok(table::is_good(&own))
}
