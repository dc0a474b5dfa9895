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
    /// Have the Khronos validation layer watch the host's own driver and, on both sides of the host, Hesper, instead: fails where it says something that it doesn't say
    /// natively.
    #[arg(long)]
    validation: bool,
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
    if args.validation {
        return validate(&chosen, &root, &packages);
    }
    let (mut rows, mut bad) = (Vec::new(), Vec::new());
    for client in chosen {
        let step = Step::start(client.name, "a minute at most");
        let [native, mesa, hesper] = outcomes(&client, &root, &packages)?;
        let well = [&native, &hesper].into_iter().all(|o| o.failure.is_none());
        if well && native.differences(&hesper).is_empty() {
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
            print_some(&all[0].differences(outcome), |line| format!("  {driver} {line}"));
        }
        if let Some(speed) = &outcome.speed {
            println!("  {driver} {speed}");
        }
    }
    Ok(all)
}

/// Compares what the validation layer says of programs. What it says at the host below Mesa's driver as well is the host's own affair, and told apart.
fn validate(chosen: &[Client], root: &Root, packages: &ClientPackages) -> Result<()> {
    let (mut bad, mut unseen) = (Vec::new(), Vec::new());
    for client in chosen {
        let step = Step::start(client.name, "under the validation layer, a minute at most");
        let run = |driver| client.run_validated(root, packages, driver);
        let (native, hesper) = match run(Driver::Native).and_then(|native| Ok((native, run(Driver::Hesper)?))) {
            Ok(both) => both,
            Err(e) => {
                drop(step);
                println!("  {}", e.root_cause().to_string().lines().next().unwrap_or_default());
                unseen.push(client.name);
                continue;
            }
        };
        let mut beyond = hesper.beyond(&native);
        if !beyond.is_empty() {
            let mesa = run(Driver::Mesa)?.beyond(&native);
            let (shared, own): (Vec<_>, Vec<_>) =
                beyond.into_iter().partition(|line| mesa.iter().any(|m| rule(m) == rule(line)));
            beyond = own;
            print_some(&shared, |line| format!("  below Mesa's driver, too: {line}"));
        }
        if beyond.is_empty() {
            let counts = [native.client.len(), hesper.client.len(), hesper.host.len()];
            step.done(&format!("messages: native {}, guest {}, host {}", counts[0], counts[1], counts[2]));
        } else {
            drop(step);
            print_some(&beyond, |line| format!("  {line}"));
            bad.push(client.name);
        }
    }
    if !unseen.is_empty() {
        println!("nothing is known of {}", unseen.join(", "));
    }
    ensure!(bad.is_empty(), "the validation layer says more than natively: {}", bad.join(", "));
    Ok(())
}

/// The rule behind a message such as `host: VUID-vkBindBufferMemory-memory-02726`: its side, and what follows the call or struct that it was broken by.
fn rule(line: &str) -> (Option<&str>, &str) {
    let (side, id) = line.split_once(": ").unzip();
    let id = id.unwrap_or(line);
    (side, id.strip_prefix("VUID-").and_then(|id| id.split_once('-')).map_or(id, |(_, rule)| rule))
}

fn print_some(lines: &[String], shape: impl Fn(&str) -> String) {
    for line in lines.iter().take(SHOWN) {
        println!("{}", shape(line));
    }
    if let Some(more) = lines.len().checked_sub(SHOWN).filter(|n| *n > 0) {
        println!("{}", shape(&format!("… and {more} more")));
    }
}

fn cell(native: &Outcome, outcome: &Outcome) -> String {
    // A result that is another one is lacking, and there instead.
    let differences = native.differences(outcome);
    let lacking = differences.iter().filter(|d| d.starts_with('-')).count();
    let differences = lacking.max(differences.len() - lacking);
    match (&outcome.failure, differences) {
        (Some(_), _) => "fails".into(),
        (None, 0) => "as native".into(),
        (None, n) => format!("{n} differ"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rule_has_several_names() {
        let rules =
            ["host: VUID-vkBindBufferMemory-memory-02726", "host: VUID-VkBindBufferMemoryInfo-memory-02726"].map(rule);
        assert_eq!(rules, [(Some("host"), "memory-02726"); 2]);
        assert_ne!(rule("guest: VUID-a-memory-02726"), rules[0]);
        assert_eq!(rule("host: WARNING-a-b"), (Some("host"), "WARNING-a-b"));
    }
}
