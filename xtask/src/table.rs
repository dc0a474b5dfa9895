//! Tables for the terminal.

/// Rows under a head, in columns as wide as they need; the first column is left-aligned, the others right-aligned.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let cell = |row: &[String], i: usize| row.get(i).cloned().unwrap_or_default();
    let head: Vec<String> = head.iter().map(|h| (*h).to_owned()).collect();
    let width = |i: usize| rows.iter().chain([&head]).map(|r| cell(r, i).chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |row: &[String]| {
        let cells = widths.iter().enumerate().map(|(i, w)| {
            let text = cell(row, i);
            if i == 0 { format!("{text:<w$}") } else { format!("{text:>w$}") }
        });
        format!("  {}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    let rule: Vec<String> = widths.iter().map(|w| "-".repeat(*w)).collect();
    [line(&head), line(&rule)].into_iter().chain(rows.iter().map(|r| line(r))).collect()
}

/// The middle of some numbers; NaN if there are none.
pub fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.get(sorted.len().wrapping_sub(1) / 2), sorted.get(sorted.len() / 2)) {
        (Some(a), Some(b)) => (a + b) / 2.0,
        _ => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let text = table(&["driver", "t/s"], &[vec!["native".into(), "10.5".into()], vec!["x".into(), "1".into()]]);
        assert_eq!(text, "  driver   t/s\n  ------  ----\n  native  10.5\n  x          1\n");
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
