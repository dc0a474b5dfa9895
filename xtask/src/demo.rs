//! `demo`: llama.cpp answers a question on this driver, from nothing.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use hesper_rig::llama::{self, Server, Timings};
use hesper_rig::{Driver, Host, Root, cache, models, vulkaninfo};
use hesper_tests::median;

use crate::setup;
use crate::step::{self, Step};
use crate::table::table;

/// Shows llama.cpp generating text through Hesper, on a machine without a GPU.
///
/// Sets up a real Venus host (virglrenderer and lavapipe in a Debian 13 tree), fetches llama.cpp and a small model, builds
/// the driver, asks llama-server a question, and compares tokens/s with the host's own driver and with Mesa's.
/// The first run takes 3 to 10 minutes and 2 GB in the cache folder; later ones about a minute.
#[derive(clap::Args)]
pub struct Args {
    /// What to ask.
    #[arg(long, default_value = "Why is the sky blue?")]
    prompt: String,
    /// How long the answer may be, in tokens.
    #[arg(long, default_value_t = 48)]
    tokens: u32,
    /// Leave out the comparison of the three drivers.
    #[arg(long)]
    no_compare: bool,
    /// The driver to show: hesper, mesa (Mesa's venus on the same host) or native (lavapipe itself).
    #[arg(long, default_value = "hesper")]
    driver: Driver,
    /// Times each driver answers in the comparison; the median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

/// What the demo has gathered.
struct Pieces {
    root: Root,
    server: PathBuf,
    model: PathBuf,
    logs: PathBuf,
}

pub fn run(args: &Args) -> Result<()> {
    let start = Instant::now();
    let pieces = gather(args.driver)?;
    show_device(&pieces.root, args.driver)?;
    let (device, timings) = answer(&pieces, args)?;
    if !args.no_compare {
        compare(&pieces, args)?;
    }
    let Timings { prompt, answer } = timings;
    println!("\nDevice: {device}");
    println!("Read {} tokens at {:.1}/s, wrote {} at {:.1}/s.", prompt.0, prompt.1, answer.0, answer.1);
    println!("The demo took {}.", step::human(start.elapsed()));
    Ok(())
}

fn gather(driver: Driver) -> Result<Pieces> {
    println!(
        "Hesper: llama.cpp on {driver}. The first run sets everything up: 3 to 10 minutes, 2 GB in {}.\n",
        cache::folder().display()
    );
    setup::ensure()?;
    let logs = hesper_rig::target_folder()?.join("demo");
    std::fs::create_dir_all(&logs).with_context(|| format!("making {}", logs.display()))?;
    let root =
        piece("The rig's root", "a Debian 13 tree with a Venus host; 3 to 6 minutes the first time", Root::ensure)?;
    let server = piece("llama.cpp", "llama-server with its Vulkan backend; fetched once", llama::server)?;
    let model = piece("The model", "Gemma 3 270M in Q4_K_M; 250 MB, fetched once", models::gemma)?;
    if driver == Driver::Hesper {
        piece("The driver", "a release build, about 3 minutes the first time", hesper_rig::build_driver)?;
    }
    Ok(Pieces { root, server, model, logs })
}

/// A piece that shows its own progress.
fn piece<T>(title: &str, about: &str, make: impl FnOnce() -> Result<T>) -> Result<T> {
    let step = Step::plain(title, about);
    let made = make().with_context(|| title.to_owned())?;
    step.done("");
    Ok(made)
}

fn show_device(root: &Root, driver: Driver) -> Result<()> {
    let host = if driver.needs_host() { Some(Host::start(root)?) } else { None };
    let out =
        root.client(driver, host.as_ref(), "vulkaninfo")?.arg("--summary").output().context("running vulkaninfo")?;
    let text = String::from_utf8_lossy(&out.stdout);
    ensure!(
        out.status.success(),
        "vulkaninfo ended with {}:\n{text}{}",
        out.status,
        String::from_utf8_lossy(&out.stderr)
    );
    ensure!(is_named(&text, driver), "vulkaninfo found another driver than {driver}:\n{text}");
    println!("\n$ vulkaninfo --summary");
    let devices = text.find("Devices:").map_or(&*text, |at| &text[at..]);
    devices.lines().for_each(|line| println!("  {line}"));
    Ok(())
}

/// Asks the question and prints the answer as it comes; returns where the model ran.
fn answer(pieces: &Pieces, args: &Args) -> Result<(String, Timings)> {
    let (server, device) = start(pieces, args.driver)?;
    println!("\n> {}\n", args.prompt);
    let mut out = std::io::stdout();
    let timings = server.ask(&args.prompt, args.tokens, |text| {
        print!("{text}");
        // A terminal that is gone shows nothing; the demo goes on.
        let _ = out.flush();
    })?;
    println!();
    ensure!(timings.answer.0 > 0, "the answer is empty");
    Ok((device, timings))
}

/// A server on a driver, and the device that it uses, checked.
fn start(pieces: &Pieces, driver: Driver) -> Result<(Server, String)> {
    let log: PathBuf = pieces.logs.join(format!("llama-server-{driver}.log"));
    let step =
        Step::start(&format!("llama-server on {driver}"), "loads the model and compiles its shaders, up to a minute");
    let server = Server::start(&pieces.root, driver, &pieces.server, &pieces.model, &log)?;
    let device = server.device()?;
    ensure!(is_from(&device, driver), "the model is on {device}, not on {driver}; see {}", shown(&log));
    step.done(&device);
    Ok((server, device))
}

/// Venus drivers name the host's device in their own.
fn is_from(device: &str, driver: Driver) -> bool {
    if driver == Driver::Native {
        device.starts_with("llvmpipe")
    } else {
        device.starts_with("Virtio-GPU Venus (llvmpipe")
    }
}

/// Whether the first device of a summary is of that driver.
fn is_named(summary: &str, driver: Driver) -> bool {
    let name = match driver {
        Driver::Native => "llvmpipe",
        Driver::Mesa => "venus",
        Driver::Hesper => "hesper",
    };
    vulkaninfo::drivers(summary).first() == Some(&name)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// The same question on all three drivers, one after the other.
fn compare(pieces: &Pieces, args: &Args) -> Result<()> {
    println!("\nThe same on the host's own driver, on Mesa's venus and on Hesper, median of {}:\n", args.runs);
    let mut rates = Vec::new();
    for driver in Driver::ALL {
        let (server, _) = start(pieces, driver)?;
        let step = Step::start(&format!("{} answers on {driver}", args.runs), "");
        // The first answer compiles pipelines and fills caches.
        server.ask(&args.prompt, 8, |_| ())?;
        let mut runs = Vec::new();
        for _ in 0..args.runs {
            runs.push(server.ask(&args.prompt, args.tokens, |_| ())?);
        }
        step.done("");
        let middle = |rate: fn(&Timings) -> f64| median(&runs.iter().map(rate).collect::<Vec<_>>());
        rates.push((driver, middle(|t| t.prompt.1), middle(|t| t.answer.1)));
    }
    let native = rates.first().map_or((f64::NAN, f64::NAN), |(_, pp, tg)| (*pp, *tg));
    let rows: Vec<Vec<String>> = rates
        .iter()
        .map(|(driver, pp, tg)| {
            let name = match driver {
                Driver::Native => "lavapipe, native",
                Driver::Mesa => "Mesa's venus",
                Driver::Hesper => "Hesper",
            };
            let of = |rate: f64, native: f64| format!("{:.2}", rate / native);
            vec![name.into(), format!("{pp:.1}"), of(*pp, native.0), format!("{tg:.1}"), of(*tg, native.1)]
        })
        .collect();
    println!("\n{}", table(&["tokens/s", "prompt (pp)", "of native", "answer (tg)", "of native"], &rows));
    println!("  A software GPU: the host's processor does the model's work in all three.");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_told_apart() {
        assert!(is_from("llvmpipe (LLVM 19.1.7, 256 bits)", Driver::Native));
        assert!(is_from("Virtio-GPU Venus (llvmpipe (LLVM 19))", Driver::Hesper));
        assert!(!is_from("Virtio-GPU Venus (llvmpipe (LLVM 19))", Driver::Native));
        let summary = "GPU0:\n\tdriverID           = DRIVER_ID_MESA_VENUS\n\tdriverName         = hesper\n\tdriverInfo         = 0.1.0\n";
        assert!(is_named(summary, Driver::Hesper) && !is_named(summary, Driver::Mesa) && !is_named("", Driver::Native));
    }
}
