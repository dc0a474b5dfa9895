//! What was measured on the three drivers.

use hesper_rig::Driver;
use hesper_tests::chance::larger_by_chance;
use hesper_tests::measure::Sample;
use hesper_tests::median;
use serde_json::{Value, json};

use crate::table::table;

/// Chance brings a driver that is as fast to be slower in so many of all tries, by which it is called so once.
const CHANCE: f64 = 0.01;

/// Rows in the order in which they came first.
#[derive(Default)]
pub struct Results(Vec<Measured>);

struct Measured {
    name: String,
    unit: String,
    /// One list of values for each of [`Driver::ALL`].
    values: [Vec<f64>; 3],
}

impl Results {
    /// Adds a value to the row of this name.
    pub fn add(&mut self, driver: Driver, name: &str, unit: &str, value: f64) {
        let at = self.0.iter().position(|m| m.name == name).unwrap_or_else(|| {
            self.0.push(Measured { name: name.to_owned(), unit: unit.to_owned(), values: Default::default() });
            self.0.len() - 1
        });
        for (of, values) in Driver::ALL.into_iter().zip(&mut self.0[at].values) {
            if of == driver {
                values.push(value);
            }
        }
    }

    /// Takes what one run has measured.
    pub fn take(&mut self, driver: Driver, samples: &[Sample]) {
        for sample in samples {
            self.add(driver, &sample.name, &sample.unit, sample.value);
        }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Medians, in Markdown.
    pub fn table(&self) -> String {
        let rows = self.0.iter().map(|m| {
            let [native, mesa, hesper] = m.medians();
            let number = |v: f64| if v.is_nan() { "-".to_owned() } else { format!("{v:.2}") };
            vec![
                m.name.clone(),
                m.unit.clone(),
                number(native),
                number(mesa),
                number(hesper),
                number(hesper / native),
                number(hesper / mesa),
            ]
        });
        table(&["", "unit", "native", "mesa", "hesper", "hesper/native", "hesper/mesa"], &rows.collect::<Vec<_>>())
    }

    /// How Hesper compares with Mesa's driver, row by row; below 1 is better.
    pub fn ratios(&self) -> Vec<(String, f64)> {
        self.ratios_to(Driver::Mesa)
    }

    /// How Hesper compares with another driver, row by row; below 1 is better.
    pub fn ratios_to(&self, other: Driver) -> Vec<(String, f64)> {
        let of =
            |speeds: [f64; 3]| Driver::ALL.into_iter().zip(speeds).find(|(d, _)| *d == other).map_or(f64::NAN, |s| s.1);
        let ratio = |m: &Measured| {
            let speeds = m.speeds();
            let r = of(speeds) / speeds[2];
            r.is_finite().then(|| (m.name.clone(), r))
        };
        self.0.iter().filter_map(ratio).collect()
    }

    /// The rows in which Hesper is slower than Mesa's driver by more than chance, and how much: where both wait for the same work of the host's, medians
    /// fall on either side.
    pub fn slower(&self) -> Vec<(String, f64)> {
        self.0.iter().filter(|m| m.is_slower()).map(|m| (m.name.clone(), m.ratio())).collect()
    }

    /// Speeds of the three drivers, for rows that the first is in.
    pub fn speeds(&self) -> Vec<(String, [f64; 3])> {
        let rows = self.0.iter().map(|m| (m.name.clone(), m.speeds()));
        rows.filter(|(_, [native, ..])| native.is_finite()).collect()
    }

    /// The medians of a row, in the order of [`Driver::ALL`].
    pub fn medians_of(&self, name: &str) -> Option<[f64; 3]> {
        self.0.iter().find(|m| m.name == name).map(Measured::medians)
    }

    /// The rows: their names and units, and their medians in the order of [`Driver::ALL`].
    pub fn rows(&self) -> impl Iterator<Item = (&str, &str, [f64; 3])> {
        self.0.iter().map(|m| (m.name.as_str(), m.unit.as_str(), m.medians()))
    }

    /// The names of the rows.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|m| m.name.as_str())
    }

    /// Every number.
    pub fn json(&self) -> Value {
        let one = |m: &Measured| {
            let [native, mesa, hesper] = &m.values;
            let [n, me, h] = m.medians();
            json!({
                "name": m.name, "unit": m.unit,
                "median": { "native": n, "mesa": me, "hesper": h },
                "values": { "native": native, "mesa": mesa, "hesper": hesper }
            })
        };
        json!({ "version": env!("CARGO_PKG_VERSION"), "results": self.0.iter().map(one).collect::<Vec<_>>() })
    }
}

impl Measured {
    fn medians(&self) -> [f64; 3] {
        self.values.each_ref().map(|v| median(v))
    }

    /// Hesper to Mesa's driver; below 1 is better.
    fn ratio(&self) -> f64 {
        let [_, mesa, hesper] = self.speeds();
        mesa / hesper
    }

    fn is_slower(&self) -> bool {
        let [_, mesa, hesper] = &self.values;
        let (more, less) = if self.unit.ends_with("/s") { (mesa, hesper) } else { (hesper, mesa) };
        self.ratio() > 1.0 && larger_by_chance(more, less) < CHANCE
    }

    /// The medians, or their inverses where they are times: more is better.
    fn speeds(&self) -> [f64; 3] {
        let is_speed = self.unit.ends_with("/s");
        self.medians().map(|v| if is_speed { v } else { 1.0 / v })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slower_is_what_chance_does_not_bring() {
        let mut results = Results::default();
        for i in 0..5 {
            for (name, unit, mesa, hesper) in [
                ("slower", "us", 10.0, 10.6),
                ("by chance", "us", 10.0, 10.1 + 0.01 * f64::from(i % 2)),
                ("faster", "us", 11.0, 10.0),
                ("less a second", "GB/s", 11.0, 10.0),
            ] {
                results.add(Driver::Mesa, name, unit, mesa + 0.1 * f64::from(i));
                results.add(Driver::Hesper, name, unit, hesper + 0.1 * f64::from(i % 4));
            }
        }
        let names: Vec<_> = results.slower().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["slower", "less a second"]);
    }

    #[test]
    fn medians_and_ratios_are_by_row() {
        let mut results = Results::default();
        assert!(results.is_empty());
        for (driver, submit, copy) in
            [(Driver::Mesa, 10.0, 10.0), (Driver::Hesper, 15.0, 5.0), (Driver::Hesper, 15.0, 5.0)]
        {
            results.take(driver, &[Sample::new("submit", submit, "us"), Sample::new("copy", copy, "GB/s")]);
        }
        results.add(Driver::Hesper, "alone", "us", 1.0);
        let table = results.table();
        assert!(table.contains("submit") && table.contains("1.50") && table.contains('-'), "{table}");
        assert_eq!(results.ratios(), [("submit".to_owned(), 1.5), ("copy".to_owned(), 2.0)]);
        let json = results.json();
        assert_eq!(json["results"][0]["values"]["hesper"], json!([15.0, 15.0]));
        assert_eq!(json["results"][2]["median"]["hesper"], 1.0);
    }
}
