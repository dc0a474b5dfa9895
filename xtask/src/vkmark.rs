//! `vkmark`: frames a second of scenes that others have written, in windows and without.

use anyhow::{Result, ensure};
use hesper_rig::{Driver, Root, Vkmark, WindowSystem};

use crate::results::Results;
use crate::setup;
use crate::step::Step;

/// Runs vkmark without a window, on an X server (Xvfb) and on a Wayland compositor (Weston), on native lavapipe, Mesa's venus and Hesper in turns, and prints the medians:
/// seven minutes on a quiet machine. In windows Mesa's driver is told to do without DRI3 and linux-dmabuf (MESA_VK_WSI_DEBUG=sw).
///
/// Fails where Hesper doesn't come to the end, and where it shows fewer frames than Mesa's driver, by more than noise.
#[derive(clap::Args)]
pub struct Args {
    /// Times each driver runs on each window system; the median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// For how many seconds each scene is shown.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Prints every scene, not vkmark's score alone.
    #[arg(long)]
    scenes: bool,
}

/// By how much less a score may be on a quiet machine, as a ratio to Mesa's.
const NOISE: f64 = 1.05;

pub fn run(args: &Args) -> Result<()> {
    setup::ensure()?;
    let root = Root::ensure()?;
    let vkmark = Vkmark::ensure(&root)?;
    hesper_rig::build_driver()?;
    let (mut results, mut failures) = (Results::default(), Vec::new());
    for system in WindowSystem::ALL {
        // In turns, so that a machine that gets slower or faster meanwhile does so for all.
        for turn in 1..=args.runs {
            for driver in Driver::ALL {
                let step = Step::start(&format!("{system}, run {turn} of {} on {driver}", args.runs), "");
                match vkmark.run(driver, system, args.seconds) {
                    Ok(scenes) => {
                        for scene in scenes.iter().filter(|s| args.scenes || s.name == "score") {
                            results.add(driver, &format!("{system}: {}", scene.name), "frames/s", scene.speed);
                        }
                        step.done("");
                    }
                    Err(e) => {
                        drop(step);
                        println!("{system} on {driver}: {e:#}");
                        failures.push((driver, system));
                    }
                }
            }
        }
    }
    println!("\nMedians of {}:\n\n{}", args.runs, results.table());
    let fails: Vec<String> = failures.iter().map(|(driver, system)| format!("{driver} on {system}")).collect();
    let unexpected = failures.iter().any(|(driver, _)| *driver != Driver::Mesa);
    ensure!(!unexpected, "vkmark fails: {}", fails.join(", "));
    let slower: Vec<String> = results
        .ratios()
        .into_iter()
        .filter(|(name, ratio)| name.ends_with("score") && *ratio > NOISE)
        .map(|(name, ratio)| format!("  {name}: Mesa's driver shows {ratio:.2} times as many frames"))
        .collect();
    ensure!(slower.is_empty(), "Hesper shows fewer frames than Mesa's driver:\n{}", slower.join("\n"));
    Ok(())
}
