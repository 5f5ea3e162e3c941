//! What is printed: medians, with how far the rounds lay apart.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};

/// The middle of some numbers, and the distance from the least to the most as a share of it.
pub fn median(numbers: &[f64]) -> (f64, f64) {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else { return (0.0, 0.0) };
    let middle = sorted[sorted.len() / 2];
    let spread = if middle == 0.0 { 0.0 } else { (last - first) / middle };
    (middle, spread)
}

/// A median with its spread, for people.
pub fn told(numbers: &[f64], decimals: usize) -> String {
    let (middle, spread) = median(numbers);
    format!("{middle:.decimals$} ±{:.0} %", spread * 50.0)
}

pub fn print(title: &str, header: &[&str], rows: Vec<Vec<String>>) {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{title}\n{table}\n");
}
