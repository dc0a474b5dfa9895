//! The curve of the section spin: tokens a second against processor time, by how long the driver spins.

use anyhow::Result;
use hesper_rig::Driver;

use super::summary::{Summary, Table};
use crate::chart::{self, Point};

const SPEED: &str = "tokens/s";
const TIME: &str = "CPU ms per 1000 tokens";

/// A chart for each model and kind of memory, with a name for its file.
///
/// # Errors
/// When it can't be drawn.
pub fn curves(summary: &Summary) -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for speeds in summary.tables.iter().filter(|t| t.title.starts_with("spin,") && t.unit == SPEED) {
        let Some(times) = summary.tables.iter().find(|t| t.title == speeds.title && t.unit == TIME) else { continue };
        // Rows of the other drivers have the test's name alone, those of Hesper a time behind it.
        let tests = speeds.results.names().filter(|name| !name.ends_with(" us"));
        let mut tests: Vec<&str> = tests.collect();
        if tests.is_empty() {
            tests.extend(speeds.results.names().filter_map(without_time));
            tests.dedup();
        }
        for test in tests {
            let (joined, others) = points(speeds, times, test);
            let title = format!("{test}, {}: by HESPER_SPIN_US", speeds.title);
            let svg = chart::curve(&title, [TIME, SPEED], &joined, &others)?;
            let file = format!("{title}.svg").replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "-");
            all.push((file, svg));
        }
    }
    Ok(all)
}

/// `llama3.2-1b:q4_k tg128 fa 500 us` without its time.
fn without_time(name: &str) -> Option<&str> {
    Some(name.strip_suffix(" us")?.rsplit_once(' ')?.0)
}

/// Hesper's points, and those of the others.
fn points(speeds: &Table, times: &Table, test: &str) -> (Vec<Point>, Vec<Point>) {
    let point = |row: &str, driver: Driver, name: String| {
        let of = |medians: [f64; 3]| Driver::ALL.into_iter().zip(medians).find(|(d, _)| *d == driver).map(|m| m.1);
        let [x, y] = [times, speeds].map(|table| table.results.medians_of(row).and_then(of));
        let point = Point { name, x: x?, y: y? };
        (point.x.is_finite() && point.y.is_finite()).then_some(point)
    };
    let of_test = |name: &&str| without_time(name) == Some(test);
    let name = |row: &str| row.strip_prefix(test).unwrap_or(row).trim().to_owned();
    let joined = speeds.results.names().filter(of_test).filter_map(|row| point(row, Driver::Hesper, name(row)));
    let others = [Driver::Native, Driver::Mesa].into_iter().filter_map(|d| point(test, d, d.to_string()));
    (joined.collect(), others.collect())
}

#[cfg(test)]
mod tests {
    use hesper_gpu_bench::record::{Line, Value};

    use super::*;

    #[test]
    fn a_curve_has_a_point_for_each_time_and_each_driver() {
        let value = |driver: &str, row: &str, unit: &str, value: f64| {
            Line::Value(Value {
                section: "spin".into(),
                memory: "copied".into(),
                row: row.into(),
                unit: unit.into(),
                driver: driver.into(),
                variant: None,
                process: 1,
                samples: vec![value],
            })
        };
        let rows =
            [("native", "tiny tg8", 100.0), ("hesper", "tiny tg8 0 us", 80.0), ("hesper", "tiny tg8 500 us", 120.0)];
        let lines: Vec<Line> = rows
            .iter()
            .flat_map(|(driver, row, speed)| [value(driver, row, SPEED, *speed), value(driver, row, TIME, 1000.0)])
            .collect();
        let all = curves(&Summary::of(&lines).unwrap()).unwrap();
        let [(file, svg)] = &all[..] else { panic!("{} curves", all.len()) };
        assert_eq!(file, "tiny-tg8--spin--memory-copied--by-HESPER-SPIN-US.svg");
        for name in ["0 us", "500 us", "native"] {
            assert!(svg.contains(name), "{svg}");
        }
        assert!(!svg.contains("mesa"));
    }
}
