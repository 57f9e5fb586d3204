//! What a command prints: an aligned table for people, JSON for programs.

use std::fmt::{self, Display};
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

/// Prints `result`, and writes it as JSON to `file` when given.
pub(crate) fn emit<T: Serialize + Display>(result: &T, file: Option<&Path>) -> anyhow::Result<()> {
    print!("{result}");
    if let Some(path) = file {
        let json = serde_json::to_vec_pretty(result)?;
        std::fs::write(path, json).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Rows of cells; the first column is left-aligned, the others right.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    pub(crate) fn row(&mut self, name: impl Into<String>, cells: impl IntoIterator<Item = String>) {
        self.rows.push(std::iter::once(name.into()).chain(cells).collect());
    }
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        for row in &self.rows {
            for (column, cell) in row.iter().enumerate() {
                match column {
                    0 => write!(f, "{cell:<width$}", width = widths[0])?,
                    _ => write!(f, "  {cell:>width$}", width = widths[column])?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// One decimal; enough for milliseconds and percentages here.
pub(crate) fn tenth(value: f64) -> String {
    format!("{value:.1}")
}

/// A ratio like `1.23x`.
pub(crate) fn times(value: f64) -> String {
    format!("{value:.2}x")
}

/// A whole number with thousands separated by commas.
pub(crate) fn whole(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["", "p50"]);
        table.row("floor", [tenth(3.94)]);
        table.row("x", [whole(1_234_567.4)]);
        assert_eq!(table.to_string(), "             p50\nfloor        3.9\nx      1,234,567\n");
    }
}
