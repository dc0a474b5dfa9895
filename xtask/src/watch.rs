//! `watch`: how fast the driver is, run by run, and whether it has become slower since the last release.

mod builds;
mod history;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hesper_rig::{Driver, Root};
use hesper_tests::load::{Load, Served};
use hesper_tests::measure::{Sample, measure};
use hesper_tests::paired::{Build, Paired, SLOWER, order, slower_for_good};

use crate::results::Results;
use crate::step::Step;
use crate::{against, client};
use builds::Other;
use history::Entry;

/// Measures native lavapipe, Mesa's venus, Hesper and Hesper's last release in turns, with the test client's benchmarks and with clients of a llama-server, and keeps what comes of it.
///
/// Fails where a row is slower than the last release's, three times over, or a client gets an error. docs/watch.md says more. Half an hour on two cores.
#[derive(clap::Args)]
pub struct Args {
    /// Minutes that each driver is under load, in all runs together.
    #[arg(long, default_value_t = 2.0, value_parser = minutes)]
    minutes: f64,
    /// How many clients ask at a time.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    clients: u32,
    /// Times each driver is measured; the median counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..))]
    runs: u32,
    /// Compares with the build of the driver whose shared object this is, instead of the last release's.
    #[arg(long, conflicts_with = "revision")]
    against: Option<PathBuf>,
    /// Compares with a build of this commit, branch or tag, instead of the last release's.
    #[arg(long)]
    revision: Option<String>,
    /// The file that the numbers are added to, as a line of JSON; the picture is beside it. Under target/ if it isn't named.
    #[arg(long)]
    history: Option<PathBuf>,
    /// Of the benchmarks measures only these groups, such as objects and queries; `hesper-client bench --help` lists them.
    #[arg(long, num_args = 1..)]
    only: Vec<String>,
}

/// How long answers are.
const TOKENS: u32 = 64;

pub fn run(args: &Args) -> Result<()> {
    let folder = hesper_rig::target_folder()?.join("watch");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let other = match (&args.against, &args.revision) {
        (Some(library), _) => Other::in_file(library),
        (None, Some(revision)) => Other::of_revision(revision, &folder)?,
        (None, None) => Other::of_last_release(&folder)?,
    };
    let manifest = hesper_rig::manifest_for(&other.library)?;
    let (results, paired, slower) = Work::ready(args, &manifest)?.watch()?;
    let _ = std::fs::remove_file(&manifest);

    println!("\nMedians of {}:\n\n{}", args.runs, results.table());
    println!("Against {}:\n\n{}", other.name, against::show(&paired));
    let file = args.history.clone().unwrap_or_else(|| folder.join("history.jsonl"));
    history::append(&file, &Entry::new(&results, &other.name, args.clients, args.minutes, &slower))?;
    let picture = file.with_extension("svg");
    std::fs::write(&picture, history::draw(&history::read(&file)?)?)
        .with_context(|| format!("writing {}", picture.display()))?;
    println!("  kept in {}, drawn in {}", file.display(), picture.display());
    ensure!(slower.is_empty(), "slower than {}, each time:\n  {}", other.name, slower.join("\n  "));
    println!("  no row is more than {SLOWER} times the other build's each time");
    Ok(())
}

/// What is measured, with what.
struct Work<'a> {
    args: &'a Args,
    root: Root,
    client: PathBuf,
    served: Served,
    load: Load,
    /// The other build's manifest.
    manifest: &'a str,
}

/// What one run on one driver has measured.
struct Measured {
    samples: Vec<Sample>,
    /// What is too rare to compare builds by.
    tails: Vec<Sample>,
}

impl<'a> Work<'a> {
    fn ready(args: &'a Args, manifest: &'a Path) -> Result<Self> {
        let (root, client) = client::ready()?;
        let served = Served::ready(&root)?;
        let load = Load {
            clients: args.clients,
            time: Duration::from_secs_f64(args.minutes * 60.0 / f64::from(args.runs)),
            tokens: TOKENS,
            model: String::new(),
        };
        let manifest = manifest.to_str().context("the path of a manifest isn't text")?;
        Ok(Self { args, root, client, served, load, manifest })
    }

    /// What was measured on the three drivers and of both builds, and which rows are slower, for people.
    fn watch(&self) -> Result<(Results, Paired, Vec<String>)> {
        let (mut results, mut paired) = (Results::default(), Paired::default());
        let mut take = |driver, measured: &Measured| {
            results.take(driver, &measured.samples);
            results.take(driver, &measured.tails);
        };
        for run in 1..=self.args.runs {
            for driver in [Driver::Native, Driver::Mesa] {
                take(driver, &self.measure(run, driver, driver.name(), &[])?);
            }
            for build in order(run) {
                let measured = self.build(run, build)?;
                paired.add(build, &measured.samples);
                if build == Build::This {
                    take(Driver::Hesper, &measured);
                }
            }
        }
        let slower = slower_for_good(&paired, || {
            eprintln!("   some rows look slower: both builds once more");
            Paired::measured(self.args.runs, |run, build| Ok(self.build(run, build)?.samples))
        })?;
        Ok((results, paired, slower))
    }

    fn build(&self, run: u32, build: Build) -> Result<Measured> {
        match build {
            Build::This => self.measure(run, Driver::Hesper, "this build", &[]),
            Build::Other => self.measure(run, Driver::Hesper, "the other build", &[("VK_DRIVER_FILES", self.manifest)]),
        }
    }

    fn measure(&self, run: u32, driver: Driver, what: &str, environment: &[(&str, &str)]) -> Result<Measured> {
        let step = Step::start(&format!("Run {run} of {} on {what}", self.args.runs), "");
        let mut samples = measure(&self.root, driver, &self.client, &self.args.only, environment)?;
        let load = self.served.measure(driver, environment, &self.load)?;
        samples.extend(load.samples());
        step.done("");
        Ok(Measured { samples, tails: load.tails() })
    }
}

/// A number of minutes on a command line.
pub fn minutes(text: &str) -> Result<f64, String> {
    let minutes = text.parse::<f64>().ok().filter(|m| (0.0..=1e4).contains(m));
    minutes.ok_or_else(|| format!("{text} is no number of minutes from 0 to 10000"))
}
