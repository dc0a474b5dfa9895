//! `clients`: programs that nobody here wrote, and what the drivers make of them.

use anyhow::{Result, ensure};
use hesper_rig::{ClientPackages, Driver, Root};
use hesper_tests::clients::{ALL, Client, Outcome};

use crate::step::{self, Step};
use crate::table::table;
use crate::{document, setup};

/// Runs programs of others on the host's own driver, Mesa's and Hesper, and compares what they show. With all of them, the table is written into docs/clients.md: five
/// minutes on two cores.
///
/// Fails where one fails natively or on Hesper, or shows something else there.
#[derive(clap::Args)]
pub struct Args {
    /// Only this program, and no table in the document.
    #[arg(long)]
    only: Option<String>,
}

const DOCUMENT: &str = "docs/clients.md";
const MARKS: [&str; 2] = ["<!-- clients -->", "<!-- /clients -->"];
const HEAD: [&str; 5] = ["program", "does", "results", "mesa", "hesper"];
/// Differences that are printed, before the rest is only counted.
const SHOWN: usize = 40;

pub fn run(args: &Args) -> Result<()> {
    setup::ensure()?;
    let chosen = match &args.only {
        Some(name) => vec![Client::named(name)?],
        None => ALL.to_vec(),
    };
    let root = Root::ensure()?;
    let packages = ClientPackages::ensure(&root)?;
    hesper_rig::build_driver()?;
    let (mut rows, mut bad) = (Vec::new(), Vec::new());
    for client in chosen {
        let step = Step::start(client.name, "a minute at most");
        let [native, mesa, hesper] = outcomes(&client, &root, &packages)?;
        let judged = [&native, &hesper].into_iter().all(|o| o.failure.is_none());
        if judged && native.differences(&hesper).is_empty() {
            let times = [&native, &mesa, &hesper].map(|o| step::human(o.took));
            step.done(&format!("native {}, mesa {}, hesper {}", times[0], times[1], times[2]));
        } else {
            bad.push(client.name);
        }
        let results = native.results.len().to_string();
        rows.push(vec![client.name.into(), client.about.into(), results, cell(&native, &mesa), cell(&native, &hesper)]);
    }
    let text = table(&HEAD, &rows);
    println!("\n{text}");
    if args.only.is_none() {
        document::write_between(DOCUMENT, MARKS, &text)?;
    }
    ensure!(bad.is_empty(), "not as on the host's own driver: {}", bad.join(", "));
    Ok(())
}

/// What comes of a program on each driver; failures and differences are printed.
fn outcomes(client: &Client, root: &Root, packages: &ClientPackages) -> Result<[Outcome; 3]> {
    let [native, mesa, hesper] = Driver::ALL.map(|driver| client.run(root, packages, driver));
    let all = [native?, mesa?, hesper?];
    for (driver, outcome) in Driver::ALL.into_iter().zip(&all) {
        if let Some(failure) = &outcome.failure {
            println!("{failure}");
        } else {
            let differences = all[0].differences(outcome);
            for line in differences.iter().take(SHOWN) {
                println!("  {driver} {line}");
            }
            if let Some(more) = differences.len().checked_sub(SHOWN).filter(|n| *n > 0) {
                println!("  {driver} … and {more} more");
            }
        }
    }
    Ok(all)
}

fn cell(native: &Outcome, outcome: &Outcome) -> String {
    let differences = native.differences(outcome).iter().filter(|d| d.starts_with('-')).count();
    match (&outcome.failure, differences) {
        (Some(_), _) => "fails".into(),
        (None, 0) => "as native".into(),
        (None, n) => format!("{n} differ"),
    }
}
