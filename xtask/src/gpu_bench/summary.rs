//! What a run's lines come to: a table for each section, kind of memory and unit.

use std::collections::{BTreeMap, BTreeSet};

use hesper_gpu_bench::record::{About, Failure, Line, Value};
use hesper_rig::Driver;
use hesper_tests::median;
use serde_json::json;

use crate::chart::Tokens;
use crate::results::Results;

/// The tables in the order in which they came first, and what failed.
#[derive(Default)]
pub struct Summary {
    pub machines: Vec<About>,
    pub tables: Vec<Table>,
    pub failures: Vec<Failure>,
}

fn variant_of(line: &Line) -> Option<&str> {
    if let Line::Value(value) = line { value.variant.as_deref() } else { None }
}

/// What the drivers measured, for the baseline and for charts, which know no variants.
pub fn without_variants(mut lines: Vec<Line>) -> Vec<Line> {
    lines.retain(|line| variant_of(line).is_none());
    lines
}

/// Rows of one unit.
pub struct Table {
    pub title: String,
    pub unit: String,
    pub results: Results,
}

impl Summary {
    /// # Errors
    /// For a driver that nobody knows.
    pub fn of(lines: &[Line]) -> Result<Self, String> {
        let mut summary = Self::default();
        let variants: BTreeSet<&str> = lines.iter().filter_map(variant_of).collect();
        for line in lines {
            match line {
                Line::About(about) => summary.machines.push(about.clone()),
                Line::Failure(failure) => summary.failures.push(failure.clone()),
                Line::Value(value) => summary.add(value, &variants)?,
            }
        }
        Ok(summary)
    }

    /// Adds a value to its row; a variant of Hesper has a row of its own, in which the other drivers' values are those of the row without one.
    fn add(&mut self, value: &Value, variants: &BTreeSet<&str>) -> Result<(), String> {
        let driver: Driver = value.driver.parse()?;
        let title = format!("{}, memory {}", value.section, value.memory);
        let at = self.tables.iter().position(|t| t.title == title && t.unit == value.unit).unwrap_or_else(|| {
            self.tables.push(Table { title, unit: value.unit.clone(), results: Results::default() });
            self.tables.len() - 1
        });
        if let Some(table) = self.tables.get_mut(at) {
            let row_of = |variant: &str| format!("{} [{variant}]", value.row);
            let mut add = |row: &str| table.results.add(driver, row, &value.unit, median(&value.samples));
            match &value.variant {
                Some(variant) => add(&row_of(variant)),
                None => {
                    add(&value.row);
                    if driver != Driver::Hesper {
                        variants.iter().for_each(|variant| add(&row_of(variant)));
                    }
                }
            }
        }
        Ok(())
    }

    /// Everything, for programs.
    pub fn json(&self) -> serde_json::Value {
        let table = |t: &Table| json!({ "title": t.title, "unit": t.unit, "rows": t.results.json()["results"] });
        json!({ "machines": self.machines, "tables": self.tables.iter().map(table).collect::<Vec<_>>(), "failures": self.failures })
    }

    /// Tables of speeds and times, not of processor time.
    fn timed(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().filter(|t| t.unit.ends_with("/s") || t.unit.starts_with("ms"))
    }

    /// How slow Hesper is beside the host's own driver, and beside Mesa's, by table and row; below 1 is better. What other work leaves to them is chance, so those rows
    /// aren't among them.
    pub fn ratios(&self) -> BTreeMap<String, BTreeMap<&'static str, f64>> {
        let mut all: BTreeMap<String, BTreeMap<&'static str, f64>> = BTreeMap::new();
        for table in self.timed().filter(|t| !t.title.starts_with("load,")) {
            for other in [Driver::Native, Driver::Mesa] {
                for (row, ratio) in table.results.ratios_to(other) {
                    let name = format!("{}: {row}, {}", table.title, table.unit);
                    all.entry(name).or_default().insert(other.name(), (ratio * 1000.0).round() / 1000.0);
                }
            }
        }
        all
    }

    /// Speeds as percentages of the host's own driver, a panel a table; the section spin has a curve of its own.
    pub fn panels(&self) -> Vec<(String, Vec<Tokens>)> {
        let panel = |table: &Table| {
            let rows = table.results.speeds().into_iter().map(|(name, [native, mesa, hesper])| {
                let percent = |speed: f64| if speed.is_finite() { 100.0 * speed / native } else { 0.0 };
                Tokens { name, native: 100.0, mesa: mesa.is_finite().then(|| percent(mesa)), hesper: percent(hesper) }
            });
            (format!("{}: speed ({}), % of the host's own driver", table.title, table.unit), rows.collect::<Vec<_>>())
        };
        self.timed().filter(|t| !t.title.starts_with("spin,")).map(panel).filter(|(_, rows)| !rows.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of a run: one row that Hesper is `hesper` times as fast in as native, and Mesa half as fast.
    fn lines(hesper: f64) -> Vec<Line> {
        let value = |driver: &str, unit: &str, samples: &[f64]| {
            Line::Value(Value {
                section: "matrix".into(),
                memory: "copied".into(),
                row: "tiny tg16".into(),
                unit: unit.into(),
                driver: driver.into(),
                variant: None,
                process: 1,
                samples: samples.to_vec(),
            })
        };
        vec![
            value("native", "tokens/s", &[90.0, 100.0, 110.0]),
            value("mesa", "tokens/s", &[50.0]),
            value("hesper", "tokens/s", &[100.0 * hesper]),
            value("native", "ms to first token", &[10.0]),
            value("hesper", "ms to first token", &[20.0]),
        ]
    }

    #[test]
    fn variants_have_rows_of_their_own() {
        let mut lines = lines(1.25);
        let slower = |line: &Line| match line {
            Line::Value(v) if v.driver == "hesper" => {
                let samples = v.samples.iter().map(|s| s / 2.0).collect();
                Some(Line::Value(Value { variant: Some("old".into()), samples, ..v.clone() }))
            }
            _ => None,
        };
        lines.extend(lines.iter().filter_map(slower).collect::<Vec<_>>());
        let summary = Summary::of(&lines).unwrap();
        let to_native = summary.tables[0].results.ratios_to(Driver::Native);
        assert_eq!(to_native, [("tiny tg16".to_owned(), 0.8), ("tiny tg16 [old]".to_owned(), 1.6)]);
        let plain = lines[..5].to_vec();
        assert_eq!(without_variants(lines), plain, "the baseline has none of them");
    }

    #[test]
    fn rows_are_compared_with_both() {
        let summary = Summary::of(&lines(1.25)).unwrap();
        let ratios = summary.ratios();
        assert_eq!(ratios["matrix, memory copied: tiny tg16, tokens/s"], [("mesa", 0.4), ("native", 0.8)].into());
        assert_eq!(ratios["matrix, memory copied: tiny tg16, ms to first token"], [("native", 2.0)].into());
        let panels = summary.panels();
        assert_eq!((panels[0].1[0].mesa, panels[0].1[0].hesper), (Some(50.0), 125.0));
        assert_eq!((panels[1].1[0].mesa, panels[1].1[0].hesper), (None, 50.0));
        assert_eq!(summary.json()["tables"][0]["rows"][0]["median"]["native"], 100.0);
    }
}
