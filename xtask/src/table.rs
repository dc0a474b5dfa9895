//! Tables for the terminal and for documents.

use comfy_table::{CellAlignment, Table, presets};

/// Rows under a head, in Markdown; the first column is left-aligned, the others right-aligned.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(head).add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("{table}\n")
}

/// A number of bytes, such as `2.10 MiB`.
pub fn mib(bytes: u64) -> String {
    format!("{:.2} MiB", bytes as f64 / f64::from(1 << 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let text = table(&["driver", "t/s"], &[vec!["native".into(), "10.5".into()], vec!["x".into(), "1".into()]]);
        assert_eq!(text, "| driver |  t/s |\n|--------|------|\n| native | 10.5 |\n| x      |    1 |\n");
    }
}
