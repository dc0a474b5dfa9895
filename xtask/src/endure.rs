//! `endure`: what goes on for long, or with very much of everything, in full.

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::ValueEnum as _;
use hesper_rig::Driver;
use hesper_tests::endure::{self, Row, Setup};

use crate::step::Step;
use crate::table::table;
use crate::{client, document};

/// Runs crowds of processes, thousands of starts, very many objects and very long command buffers, and looks at what programs and host hold
/// meanwhile: it must not grow. llama.cpp must say the same whether its host is stopped for minutes or not.
///
/// 25 minutes on 2 cores, with nothing else on them. The table goes to docs/reliability.md when all of it was run.
#[derive(clap::Args)]
pub struct Args {
    /// For how long the crowd works.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// How often everything is started and ended.
    #[arg(long, default_value_t = 10_000)]
    starts: u32,
    /// How many objects live at once.
    #[arg(long, default_value_t = 100_000)]
    objects: u32,
    /// How many commands a command buffer has.
    #[arg(long, default_value_t = 1_000_000)]
    commands: u32,
    /// Only these, and no table in the document.
    #[arg(long, num_args = 1..)]
    only: Vec<Kind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Crowd,
    Starts,
    Objects,
    Commands,
    Stops,
}

/// Processes of a crowd, and threads of each.
const CROWD: (u32, u32) = (32, 64);
/// Mesa's driver is shown with a tenth: it takes minutes for what it does with each object the longer the more there are.
const BESIDE: u32 = 10;
/// Seconds for which llama.cpp's host is stopped.
const STOPS: [u64; 3] = [5, 30, 120];
const DOCUMENT: &str = "docs/reliability.md";
const MARKS: [&str; 2] = ["<!-- endure -->", "<!-- /endure -->"];

/// All of it, without a table in the document.
///
/// # Errors
/// When something grew.
pub fn whole() -> Result<()> {
    let only = Kind::value_variants().to_vec();
    run(&Args { minutes: 10.0, starts: 10_000, objects: 100_000, commands: 1_000_000, only })
}

pub fn run(args: &Args) -> Result<()> {
    let (root, client) = client::ready()?;
    let wanted = |kind| args.only.is_empty() || args.only.contains(&kind);
    let on = |driver| Setup { root: &root, client: &client, driver };
    let mut rows = Vec::new();
    let mut row = |title: &str, run: &dyn Fn() -> Result<Row>| {
        let step = Step::start(title, "");
        let row = run()?;
        step.done(&row.note);
        rows.push(row);
        Ok::<_, anyhow::Error>(())
    };
    for (driver, part) in [(Driver::Hesper, 1), (Driver::Mesa, BESIDE)] {
        if wanted(Kind::Objects) {
            row(&format!("Objects on {driver}"), &|| endure::many(on(driver), args.objects / part))?;
        }
        if wanted(Kind::Starts) {
            row(&format!("Starts on {driver}"), &|| endure::starts(on(driver), args.starts / part))?;
        }
    }
    if wanted(Kind::Commands) {
        row("Commands", &|| endure::long(on(Driver::Hesper), args.commands))?;
    }
    if wanted(Kind::Stops) {
        row("Stops", &|| endure::stops(&root, &STOPS))?;
    }
    if wanted(Kind::Crowd) {
        let (time, (processes, threads)) = (Duration::from_secs_f64(args.minutes * 60.0), CROWD);
        row("A crowd", &|| endure::crowd(on(Driver::Hesper), processes, threads, time))?;
    }
    let text = table(&Row::HEAD, &rows.iter().map(Row::cells).collect::<Vec<_>>());
    println!("\n{text}");
    for row in &rows {
        row.complaints.iter().for_each(|c| println!("{} on {}: {c}", row.what, row.driver));
    }
    // Mesa's driver is looked at, not judged.
    let good = rows.iter().all(|row| row.driver != Driver::Hesper || row.complaints.is_empty());
    ensure!(good, "something grew, or took longer and longer");
    if args.only.is_empty() {
        document::write_between(DOCUMENT, MARKS, &text)?;
    }
    Ok(())
}
