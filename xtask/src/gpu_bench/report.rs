//! `gpu-bench report`: tables, JSON and a chart of a run's results, and a comparison with those that are kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use hesper_gpu_bench::record;

use super::spin;
use super::summary::{Summary, without_variants};
use crate::chart;

/// Shows what a run has measured, and compares it with the baseline.
///
/// Fails where a row of the baseline has become slower, as a ratio to the host's own driver and to Mesa's alike.
#[derive(clap::Args)]
pub struct Args {
    /// Files of results; several are taken together.
    #[arg(required = true)]
    results: Vec<PathBuf>,
    /// Writes every number as JSON, too.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Draws charts (SVG) in this folder: gpu-bench.svg, and the curves of the section spin.
    #[arg(long)]
    charts: Option<PathBuf>,
    /// Keeps the ratios of these rows as the baseline that later runs are compared with.
    #[arg(long)]
    keep: bool,
    /// By how much a ratio may be worse than the baseline's; that of a few processes differs by some percent.
    #[arg(long, default_value_t = 0.1)]
    tolerance: f64,
}

/// Ratios of Hesper to the host's own driver and to Mesa's, by row.
const BASELINE: &str = "tests/gpu-bench/baseline.json";

type Ratios = BTreeMap<String, BTreeMap<String, f64>>;

pub fn run(args: &Args) -> Result<()> {
    let mut lines = Vec::new();
    for path in &args.results {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let (read, bad) = record::read(&text);
        if bad > 0 {
            println!("{}: {bad} lines that can't be read", path.display());
        }
        lines.extend(read);
    }
    let summary = Summary::of(&lines).map_err(anyhow::Error::msg)?;
    ensure!(!summary.tables.is_empty(), "no results");
    for about in &summary.machines {
        println!("{}; {} processors, Linux {}; {}", about.device, about.processors, about.kernel, about.module);
        if !about.pace.is_empty() {
            println!("  {}", about.pace);
        }
    }
    for table in &summary.tables {
        println!("\n{}, {}\n\n{}", table.title, table.unit, table.results.table());
    }
    for failure in &summary.failures {
        println!("{} {} {}: {}", failure.section, failure.row, failure.driver, failure.message);
    }
    if let Some(path) = &args.json {
        std::fs::write(path, format!("{:#}\n", summary.json()))
            .with_context(|| format!("writing {}", path.display()))?;
    }
    let drivers = Summary::of(&without_variants(lines)).map_err(anyhow::Error::msg)?;
    if let Some(folder) = &args.charts {
        draw(&drivers, folder)?;
    }
    let ratios: Ratios = drivers
        .ratios()
        .into_iter()
        .map(|(row, ratios)| (row, ratios.into_iter().map(|(to, r)| (to.to_owned(), r)).collect()))
        .collect();
    let file = hesper_rig::workspace().join(BASELINE);
    let kept: Ratios = match std::fs::read_to_string(&file) {
        Ok(text) => serde_json::from_str(&text).with_context(|| format!("reading {}", file.display()))?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ratios::new(),
        Err(e) => return Err(e).with_context(|| format!("reading {}", file.display())),
    };
    if args.keep {
        // Rows that weren't measured stay as they are.
        let all: Ratios = kept.into_iter().chain(ratios).collect();
        std::fs::write(&file, format!("{:#}\n", serde_json::to_value(all)?))?;
        return Ok(());
    }
    let worse = worse_than(&ratios, &kept, args.tolerance);
    ensure!(worse.is_empty(), "slower than the baseline ({BASELINE}), as ratios of times:\n{}", worse.join("\n"));
    let compared = ratios.keys().filter(|row| kept.contains_key(*row)).count();
    println!("  {compared} rows of the baseline, none of them slower by more than {}", args.tolerance);
    Ok(())
}

fn draw(summary: &Summary, folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let mut charts = spin::curves(summary)?;
    let panels = summary.panels();
    if !panels.is_empty() {
        charts.push(("gpu-bench.svg".to_owned(), chart::tokens(&panels)?));
    }
    for (name, svg) in charts {
        let path = folder.join(name);
        std::fs::write(&path, svg).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Rows that have become slower beside every driver that both have ratios to.
fn worse_than(now: &Ratios, kept: &Ratios, tolerance: f64) -> Vec<String> {
    let worse = |(row, ratios): (&String, &BTreeMap<String, f64>)| {
        let before = kept.get(row)?;
        let pairs: Vec<_> = ratios.iter().filter_map(|(to, now)| Some((to, *now, *before.get(to)?))).collect();
        let slower = !pairs.is_empty() && pairs.iter().all(|(_, now, before)| *now > before * (1.0 + tolerance));
        let text = |(to, now, before): &(&String, f64, f64)| format!("{now:.2} to {to}, was {before:.2}");
        slower.then(|| format!("  {row}: {}", pairs.iter().map(text).collect::<Vec<_>>().join("; ")))
    };
    now.iter().filter_map(worse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_became_slower_beside_both_are_named() {
        let ratios = |native: f64, mesa: f64| -> Ratios {
            [("row".to_owned(), [("native".to_owned(), native), ("mesa".to_owned(), mesa)].into())].into()
        };
        let kept = ratios(1.0, 0.5);
        assert!(worse_than(&ratios(1.05, 0.7), &kept, 0.1).is_empty());
        assert!(worse_than(&ratios(1.3, 0.5), &kept, 0.1).is_empty());
        assert_eq!(
            worse_than(&ratios(1.3, 0.6), &kept, 0.1),
            ["  row: 0.60 to mesa, was 0.50; 1.30 to native, was 1.00"]
        );
        assert!(worse_than(&ratios(9.0, 9.0), &Ratios::new(), 0.1).is_empty());
    }
}
