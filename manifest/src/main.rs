//! `hesper`: installs the driver, passes it into containers, and says why no GPU is found.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use hesper_manifest::bench::Bench;
use hesper_manifest::children::Task;
use hesper_manifest::cli::{Cli, Examine, Sub};
use hesper_manifest::env::Files;
use hesper_manifest::{cdi, doctor, files, generate, icd, install, trace};

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(status) => status,
        Err(e) => {
            eprintln!("hesper: {e:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Sub) -> Result<ExitCode> {
    match command {
        Sub::Manifest { library } => print(&icd::text(&library))?,
        Sub::Install { library, layout } => {
            let library = library.map_or_else(install::library_beside_program, Ok)?;
            say(&install::install(&layout.layout(), &library)?)?;
        }
        Sub::Uninstall { layout } => say(&install::uninstall(&layout.layout())?)?,
        Sub::Cdi { output, node, kind, layout } => write_cdi(&output, node, kind, layout.layout())?,
        Sub::Doctor { json } => {
            let report = doctor::examine();
            print(&if json { icd::pretty(&report.json()) } else { report.text() })?;
            return Ok(ExitCode::from(report.status()));
        }
        Sub::Bench { json } => {
            let bench = Bench::run().map_err(anyhow::Error::msg)?;
            print(&if json { icd::pretty(&bench.json()) } else { bench.text() })?;
            return Ok(if bench.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Sub::Env { podman } => {
            let files = Files::find()?;
            print(&if podman { files.engine_here(Path::new(cdi::DEFAULT_OUTPUT))? + "\n" } else { files.shell() })?;
        }
        Sub::Trace { keep, program, arguments } => {
            let run = trace::run(&program, &arguments, keep)?;
            // Standard output is the program's. Where nobody reads the other, the program's status is told nonetheless.
            let _ = std::io::stderr().write_all(run.text.as_bytes());
            return Ok(ExitCode::from(run.status));
        }
        Sub::Generate { prefix } => say(&generate::write(&prefix)?)?,
        Sub::Examine { task: Examine::Way } => return Ok(Task::Way.run()),
        Sub::Examine { task: Examine::Vulkan { driver, part } } => return Ok(Task::Vulkan { driver, part }.run()),
    }
    Ok(ExitCode::SUCCESS)
}

fn write_cdi(output: &Path, nodes: Vec<PathBuf>, kind: String, layout: install::Layout) -> Result<()> {
    let manifest = layout.manifest();
    // What is installed decides; a manifest of another prefix or an edited one is followed.
    let library = if manifest.exists() { icd::library_of(&manifest)?.into() } else { layout.library() };
    // Nodes that are named may come later.
    let (nodes, found) = if nodes.is_empty() { (doctor::nodes(), true) } else { (nodes, false) };
    let said = format!("wrote {}: podman run --device {kind}=all …", output.display());
    let spec = cdi::Spec { kind, nodes, library, manifest };
    let text = icd::pretty(&spec.json()?);
    if output.as_os_str() == "-" {
        return print(&text);
    }
    for path in [&spec.library, &spec.manifest] {
        ensure!(path.exists(), "{} is not there: run `hesper install` first", path.display());
    }
    for node in spec.nodes.iter().filter(|_| found) {
        ensure!(node.exists(), "{} is not there: name the render nodes with --node", node.display());
    }
    files::write(output, text.as_bytes())?;
    say(&[said])
}

fn say(lines: &[String]) -> Result<()> {
    print(&lines.iter().map(|l| format!("{l}\n")).collect::<String>())
}

/// Like `print!`, but a closed pipe is an error message, not a panic.
fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("writing to standard output")
}
