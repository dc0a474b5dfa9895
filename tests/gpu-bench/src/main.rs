//! `gpu-bench`, in the bundle that `cargo xtask gpu-bench pack` makes.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use hesper_gpu_bench::busy::Load;
use hesper_gpu_bench::machine::{HESPER, LAYER, Machine, Memory};
use hesper_gpu_bench::model::Model;
use hesper_gpu_bench::output::Output;
use hesper_gpu_bench::record::About;
use hesper_gpu_bench::run::Run;
use hesper_gpu_bench::scheduler::Scheduler;
use hesper_gpu_bench::section::Section;
use hesper_gpu_bench::sections::{self, Plan, Test};
use hesper_gpu_bench::variant::Variant;
use hesper_rig::Driver;

/// Measures llama.cpp on the machine's own Vulkan driver, Mesa's venus and Hesper, in turns.
#[derive(Parser)]
#[command(name = "gpu-bench")]
struct Cli {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Subcommand)]
enum Sub {
    /// Measures, and writes each result as it comes.
    Run(Box<RunArgs>),
    /// Makes models with random weights in a folder.
    Model {
        folder: PathBuf,
        /// As in llama3.1-8b:q4_k.
        #[arg(required = true)]
        models: Vec<Model>,
    },
}

#[derive(clap::Args)]
struct RunArgs {
    /// The file of results, lines of JSON.
    #[arg(long)]
    out: PathBuf,
    /// What to measure, in this order: matrix, load, cpu, first-token, batched, server, spin.
    #[arg(long, value_delimiter = ',', required = true)]
    sections: Vec<Section>,
    /// Seconds after which nothing is begun any more.
    #[arg(long, default_value_t = 540.0)]
    budget: f64,
    /// The models, as in llama3.1-8b:f16; without this, those of real shapes with all weights in the matrix, and llama3.2-1b:q4_k and llama3.1-8b:q4_k elsewhere.
    #[arg(long, value_delimiter = ',')]
    models: Vec<Model>,
    /// Tests of the matrix.
    #[arg(long, value_delimiter = ',', default_value = "pp512,pp2048,tg128,tg128@8192")]
    tests: Vec<Test>,
    /// Flash attention in the matrix.
    #[arg(long, value_delimiter = ',', default_value = "on,off")]
    flash: Vec<String>,
    /// Other work in the section load: idle, memory, or busy with a percentage of the processors.
    #[arg(long, value_delimiter = ',', default_value = "idle,busy50,busy100,busy200,memory")]
    loads: Vec<Load>,
    /// Numbers of sequences in the section batched.
    #[arg(long, value_delimiter = ',', default_value = "1,4,16")]
    parallel: Vec<u32>,
    /// Numbers of clients in the section server, and for how many seconds each number asks.
    #[arg(long, value_delimiter = ',', default_value = "1,8")]
    clients: Vec<u32>,
    #[arg(long, default_value_t = 6.0)]
    seconds: f64,
    /// Values of HESPER_SPIN_US in the section spin.
    #[arg(long, value_delimiter = ',', default_value = "0,50,200,500,2000,10000")]
    spin: Vec<u32>,
    #[arg(long, value_delimiter = ',', default_value = "native,mesa,hesper")]
    drivers: Vec<Driver>,
    /// Other ways of Hesper, which take turns with the rest in rows of their own: the manifest of another build (`pack --beside` puts some into /opt/beside), switches and settings,
    /// or both, as in /opt/beside/old.json,+contention,+HESPER_IDLE_US=200.
    #[arg(long, value_delimiter = ',')]
    variants: Vec<Variant>,
    /// Processes of each driver in each row.
    #[arg(long, default_value_t = 3)]
    processes: u32,
    /// Samples that each process takes of each row.
    #[arg(long, default_value_t = 3)]
    repetitions: u32,
    /// Tokens of a prompt in front of each process's tests, which nothing is told of: a GPU that has rested takes some tenths of a second of work to reach its clock.
    #[arg(long, default_value_t = 8192)]
    warm_up: u32,
    /// Seconds that one process may take.
    #[arg(long, default_value_t = 120.0)]
    limit: f64,
    /// Whether guests can map video memory: copied or mapped.
    #[arg(long, default_value = "copied")]
    memory: Memory,
    /// How nice the host's processes are, from -20 to 19: with -15, how fast a guest is whose host never waits for a processor.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    host_nice: i32,
    /// A folder for tables of who waited for a processor, and why, one for each process and row of llama-bench's: the kernel traces each switch, which takes root's rights and
    /// some time. Begin and end of a sample are noticed as llama-bench tells of them: tables of short prompts are rough.
    #[arg(long)]
    scheduler: Option<PathBuf>,
    /// Also, in the section first-token, how long calls keep the machine's own driver busy; natively through the test layer, which does nothing else there.
    #[arg(long)]
    host_calls: bool,
    /// The manifest of the machine's own driver.
    #[arg(long, default_value = "/usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json")]
    native: PathBuf,
    /// That of Hesper.
    #[arg(long, default_value = HESPER)]
    hesper: PathBuf,
    /// The folder of the test layer.
    #[arg(long, default_value = LAYER)]
    layer: PathBuf,
    /// The folder for what drivers keep on disk.
    #[arg(long, default_value = "/tmp/gpu-bench-caches")]
    caches: PathBuf,
    /// The folder for models: gigabytes.
    #[arg(long = "models-in", default_value = "/models")]
    folder: PathBuf,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Sub::Run(args) => run(*args),
        Sub::Model { folder, models } => models.iter().try_for_each(|m| {
            println!("{}", m.ensure(&folder)?.display());
            Ok(())
        }),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e:?}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: RunArgs) -> Result<()> {
    ensure!(args.tests.iter().all(|t| t.prompt == 0 || t.prompt != args.warm_up), "the warm-up is a test, too");
    let seconds = |s: f64, what: &str| Duration::try_from_secs_f64(s).with_context(|| format!("{what} of {s} seconds"));
    let output = Output::create(&args.out, seconds(args.budget, "a budget")?, &args.memory.to_string())?;
    let machine = Machine {
        native: args.native,
        hesper: args.hesper,
        variant: None,
        layer: args.layer,
        memory: args.memory,
        host_calls: args.host_calls.then(|| args.caches.join("host-calls")),
        caches: args.caches,
        host_nice: args.host_nice,
        keeps_shaders: true,
    };
    let scheduler = args.scheduler.map(Scheduler::new).transpose()?;
    let mut run = Run {
        machine,
        output,
        models: args.folder,
        drivers: args.drivers,
        variants: args.variants,
        processes: args.processes,
        repetitions: args.repetitions,
        warm_up: args.warm_up,
        limit: seconds(args.limit, "a limit")?,
        scheduler,
    };
    let about = About::of_this_machine(run.machine.device()?);
    run.output.say(&about.device);
    run.output.about(about)?;
    let plan = Plan {
        models: (!args.models.is_empty()).then_some(args.models),
        tests: args.tests,
        flash: args.flash,
        loads: args.loads,
        parallel: args.parallel,
        clients: args.clients,
        spin: args.spin,
        seconds: args.seconds,
    };
    args.sections.iter().try_for_each(|section| sections::run(&mut run, *section, &plan))
}
