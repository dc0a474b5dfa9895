//! `load`: clients of any server with OpenAI's completions.

use std::time::Duration;

use anyhow::{Result, ensure};
use hesper_tests::load::{Load, Measured};

use crate::step::Step;
use crate::table::table;
use crate::watch::minutes;

/// Has clients ask a server with OpenAI's completions, llama-server's or RamaLama's for one: each asks, reads the answer as it comes, and asks again at once.
///
/// Fails where a question isn't answered to the end.
#[derive(clap::Args)]
pub struct Args {
    /// The server's URL, without /v1.
    #[arg(default_value = "http://127.0.0.1:8080")]
    server: String,
    /// How many clients ask at a time.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    clients: u32,
    /// For how long new questions are asked.
    #[arg(long, default_value_t = 2.0, value_parser = minutes)]
    minutes: f64,
    /// How long answers may be, in tokens.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    tokens: u32,
    /// The model's name, for servers that have several.
    #[arg(long, default_value = "")]
    model: String,
}

pub fn run(args: &Args) -> Result<()> {
    let time = Duration::from_secs_f64(args.minutes * 60.0);
    let load = Load { clients: args.clients, time, tokens: args.tokens, model: args.model.clone() };
    let step = Step::start(&format!("{} clients of {}", args.clients, args.server), "");
    let measured = load.run(&args.server);
    step.done(&format!("{} answers", measured.answers));
    println!("{}", show(&measured));
    let (failed, all) = (measured.failed, measured.failed + measured.answers);
    ensure!(failed == 0, "{failed} of {all} questions failed:\n  {}", measured.errors.join("\n  "));
    Ok(())
}

fn show(measured: &Measured) -> String {
    let rows = measured.samples().into_iter().chain(measured.tails());
    let cells = rows.map(|s| vec![s.name, s.unit, format!("{:.2}", s.value)]);
    table(&["", "unit", "value"], &cells.collect::<Vec<_>>())
}
