//! A campaign: program after program until the time is over or a difference is found.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hesper_rig::{Driver, HostVersion};

use crate::compare::{Difference, Kind, difference};
use crate::facts::Facts;
use crate::fleet::{Fleet, Outcome, Seat};
use crate::generator::Generator;
use crate::mix::{MIXES, Mix};
use crate::plan::plan;
use crate::program::{Machine, Program};
use crate::report::{self, Found};
use crate::shrink;
use crate::step::Step;
use crate::wire::Task;

/// Longer than any program takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// So many programs may turn out not to be valid, and one in a thousand.
const ALLOWED: u64 = 3;
/// Programs with one set of switches before the next.
const TURN: u64 = 48;
/// Switches that must not change anything.
const SWITCHES: &[&str] = &[
    "no-uploads",
    "staging",
    "feedback",
    "wait-poll",
    "wait-poll,hurried-waits",
    "wait-poll,relaxed-waits",
    "sync",
    "no-feedback",
    "wait-block",
    "no-outcomes",
    "no-posted-copies",
    "no-reply-runs",
    "no-joined-parts",
    "no-pool-counts",
    "one-compiler",
    "contention",
    "contention,wait-poll",
    "notify-always",
    "no-uploads,feedback",
    "wait-poll,feedback",
    "staging,wait-poll",
    "wait-block,feedback,no-uploads",
    "sync,no-uploads,wait-block",
];

/// Runs random valid programs on the host's own driver and on others, and compares everything that they show.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// For how long.
    #[arg(long, default_value_t = 2.0)]
    pub minutes: f64,
    /// What programs are drawn from; a fresh one without it.
    #[arg(long)]
    pub seed: Option<u64>,
    /// The number of the first program of the seed.
    #[arg(long, default_value_t = 0)]
    pub from: u64,
    /// Runs the program of a file, as often as --times says, instead of random ones.
    #[arg(long)]
    pub replay: Option<PathBuf>,
    #[arg(long, default_value_t = 20)]
    pub times: u32,
    /// What is compared with the host's own driver: hesper or mesa.
    #[arg(long, default_value = "hesper")]
    pub driver: Driver,
    /// Only programs of this mix.
    #[arg(long)]
    pub mix: Option<String>,
    /// Another build of Hesper's library.
    #[arg(long)]
    pub library: Option<PathBuf>,
    /// Kinds of wishes (see program.rs) that don't come, such as Draws.
    #[arg(long, value_delimiter = ',')]
    pub without: Vec<String>,
    /// Only these switches of HESPER_DEBUG, instead of all in turn.
    #[arg(long)]
    pub switches: Option<String>,
    /// Without garbage in what Vulkan ignores.
    #[arg(long)]
    pub no_poison: bool,
    /// Goes on after a difference.
    #[arg(long)]
    pub keep_going: bool,
    /// For how many seconds a program that shows a difference is shrunk; 0 leaves it as it is.
    #[arg(long, default_value_t = 90)]
    pub shrink: u64,
    /// Where programs that show a difference are put.
    #[arg(long, default_value = "target/fuzz")]
    pub found: PathBuf,
    /// Prints a program's steps instead of running it: its number with --seed.
    #[arg(long)]
    pub print: Option<u64>,
}

/// What has been done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    /// Programs that were drawn.
    pub programs: u64,
    /// Calls of these programs, and of all that they were shrunk to.
    pub calls: u64,
    pub differences: u64,
    /// Programs that the host's own driver can't run: they aren't valid, and tell nothing.
    pub unusable: u64,
}

/// A fleet and what was done with it.
pub struct Campaign {
    pub fleet: Fleet,
    pub sum: Sum,
    no_poison: bool,
    /// Whether the host's protocol carries all that its driver has.
    all_carried: bool,
}

/// Runs; false when a difference was found.
///
/// # Errors
/// When the rig or a worker can't be started.
pub fn run(args: &Args) -> Result<bool> {
    let fleet = Fleet::new(args.library.as_deref())?;
    let all_carried = HostVersion::chosen()?.carries_everything();
    let mut campaign = Campaign { fleet, sum: Sum::default(), no_poison: args.no_poison, all_carried };
    let start = Instant::now();
    let good = match (&args.replay, args.print) {
        (Some(file), _) => campaign.replay(args, &report::read(file)?)?,
        (None, Some(number)) => return campaign.print(args, number),
        _ => campaign.go(args)?,
    };
    let Sum { programs, calls, differences, unusable } = campaign.sum;
    let rate = calls as f64 / start.elapsed().as_secs_f64();
    println!("{programs} programs, {calls} calls ({rate:.0} a second), {differences} differences");
    if unusable > 0 {
        println!("{unusable} of them the host's own driver can't run");
        ensure!(unusable <= ALLOWED + programs / 1000, "too many of the programs aren't valid");
    }
    Ok(good)
}

impl Campaign {
    fn seats(args: &Args, machine: Machine, number: u64) -> Vec<Seat> {
        let seat = |driver, switches: &str| Seat { driver, switches: switches.to_owned(), machine };
        let mut seats = vec![seat(Driver::Native, ""), seat(args.driver, args.switches.as_deref().unwrap_or(""))];
        if args.switches.is_none() && args.driver == Driver::Hesper {
            seats.push(seat(args.driver, SWITCHES[(number / TURN) as usize % SWITCHES.len()]));
        }
        seats
    }

    fn facts(&mut self, seats: &[Seat]) -> Result<Facts> {
        let (first, others) = seats.split_first().context("no seat")?;
        let mut facts = self.fleet.facts(first)?;
        for seat in others {
            let both = facts.and(&self.fleet.facts(seat)?).with_context(|| seat.to_string())?;
            // What a driver doesn't show, programs don't use, so no difference would tell of it.
            if self.all_carried && seat.driver == Driver::Hesper {
                ensure!(both == facts, "{seat} lacks what the host's own driver has: {}", facts.beyond(&both));
            }
            facts = both;
        }
        Ok(facts)
    }

    fn go(&mut self, args: &Args) -> Result<bool> {
        let seed = args.seed.unwrap_or_else(fresh_seed);
        println!("seed {seed}");
        let end = Instant::now() + Duration::from_secs_f64(args.minutes * 60.0);
        let start = Instant::now();
        let generators = generators(args)?;
        let mut number = args.from;
        while Instant::now() < end {
            let generator = &generators[number as usize % generators.len()];
            let tree = generator.draw(seed, number);
            let program = tree.current();
            let seats = Self::seats(args, program.machine, number);
            if number.is_multiple_of(TURN) {
                self.retire_others(&seats);
            }
            self.sum.programs += 1;
            if let Some((seat, first)) = self.try_program(&program, &seats, PATIENCE)? {
                let took = start.elapsed().as_secs();
                println!("program {number} ({}) after {took} s, on {seat}:\n{}", generator.mix.name, first.text);
                if first.kind == Kind::Native {
                    self.sum.unusable += 1;
                    number += 1;
                    continue;
                }
                let limit = Duration::from_secs(args.shrink);
                let shrunk = shrink::shrink(
                    &mut |program, seats, patience| self.try_program(program, seats, patience),
                    PATIENCE,
                    tree,
                    &seat,
                    first,
                    limit,
                )?;
                let steps = self.plan_for(&shrunk.program, &[seats[0].clone(), seat.clone()])?;
                let found = Found {
                    seed,
                    number,
                    mix: generator.mix.name.into(),
                    switches: seat.switches.clone(),
                    program: shrunk.program,
                };
                report::print(&found, &seat, &shrunk.difference, &steps);
                println!("kept in {}", report::write(&args.found, &found)?.display());
                self.sum.differences += 1;
                if !args.keep_going {
                    return Ok(false);
                }
            }
            number += 1;
        }
        Ok(self.sum.differences == 0)
    }

    /// Workers of switches whose turn is over.
    fn retire_others(&mut self, seats: &[Seat]) {
        for switches in SWITCHES.iter().filter(|s| !seats.iter().any(|seat| seat.switches == **s)) {
            self.fleet.retire_switches(switches);
        }
    }

    /// The steps of a program on seats.
    ///
    /// # Errors
    /// When a worker can't be started.
    pub fn plan_for(&mut self, program: &Program, seats: &[Seat]) -> Result<Vec<Step>> {
        Ok(plan(program, &self.facts(seats)?))
    }

    /// Runs a program on seats, of which the first is the host's own driver; the first one that shows something else.
    ///
    /// # Errors
    /// When a worker can't be started.
    pub fn try_program(
        &mut self,
        program: &Program,
        seats: &[Seat],
        patience: Duration,
    ) -> Result<Option<(Seat, Difference)>> {
        let facts = self.facts(seats)?;
        let steps = plan(program, &facts);
        let task = Task { poison: program.poison && !self.no_poison, fresh_instance: program.fresh_instance, steps };
        let all = self.fleet.run(seats, &task, patience)?;
        for (outcome, _) in &all {
            if let Outcome::Showed(report) = outcome {
                self.sum.calls += report.calls;
            }
        }
        let Some(((native, said), others)) = all.split_first() else { bail!("no seat") };
        if !said.is_empty() {
            let text = format!("The host's own driver said:\n{said}");
            return Ok(Some((seats[0].clone(), Difference { kind: Kind::Complained, text })));
        }
        let found = others
            .iter()
            .zip(&seats[1..])
            .find_map(|((outcome, said), seat)| Some((seat.clone(), difference(native, outcome, said, &task.steps)?)));
        Ok(found)
    }

    fn replay(&mut self, args: &Args, found: &Found) -> Result<bool> {
        let machine = found.program.machine;
        let mut seats = Self::seats(args, machine, found.number);
        if args.driver == Driver::Hesper && args.switches.is_none() {
            seats.truncate(2);
            if !found.switches.is_empty() {
                seats.push(Seat { driver: Driver::Hesper, switches: found.switches.clone(), machine });
            }
        }
        for _ in 0..args.times {
            self.sum.programs += 1;
            if let Some((seat, difference)) = self.try_program(&found.program, &seats, PATIENCE)? {
                let steps = self.plan_for(&found.program, &seats)?;
                report::print(found, &seat, &difference, &steps);
                self.sum.differences += 1;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn print(&mut self, args: &Args, number: u64) -> Result<bool> {
        let generators = generators(args)?;
        let generator = &generators[number as usize % generators.len()];
        let program = generator.draw(args.seed.context("--print needs --seed")?, number).current();
        let steps = self.plan_for(&program, &Self::seats(args, program.machine, number))?;
        println!("{program:#?}");
        print!("{}", report::steps(&steps));
        Ok(true)
    }
}

/// For all mixes, or for one.
fn generators(args: &Args) -> Result<Vec<Generator>> {
    let mut without = args.without.clone();
    without.extend(HostVersion::chosen()?.left_out_wishes().iter().map(ToString::to_string));
    let without = without.leak();
    let Some(name) = &args.mix else { return Ok(Generator::all(without)) };
    let mix = Mix::named(name).with_context(|| {
        let all: Vec<&str> = MIXES.iter().map(|m| m.name).collect();
        format!("{name} is none of {}", all.join(", "))
    })?;
    Ok(vec![Generator::new(mix, without)])
}

fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // The standard library's hash keys are random.
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}
