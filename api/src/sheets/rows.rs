//! Cells, as they come along a sheet, put together into rows.

use super::{Cell, MAX_COLUMNS, MAX_ROW, MAX_ROWS, Row, Sink};

/// The row being put together.
pub(super) struct Rows<'a> {
    sink: &'a mut Sink<'a>,
    /// Its number, from 1; 0 before the first.
    line: u64,
    cells: Vec<Cell>,
    bytes: usize,
}

impl<'a> Rows<'a> {
    pub(super) fn new(sink: &'a mut Sink<'a>) -> Self {
        Rows { sink, line: 0, cells: Vec::new(), bytes: 0 }
    }

    /// Takes a cell; `row` and `column` count from 0.
    pub(super) fn cell(&mut self, row: u32, column: u32, cell: Cell) -> Result<(), String> {
        let line = u64::from(row) + 1;
        if line != self.line {
            if line < self.line || row >= MAX_ROWS {
                return Err(super::damaged(format_args!("row {line} stands after row {}", self.line)));
            }
            self.flush()?;
            self.line = line;
        }
        let size = match &cell {
            Cell::Text(text) if text.is_empty() => return Ok(()),
            Cell::Text(text) | Cell::Wrong(text) => text.len(),
        };
        if column >= MAX_COLUMNS {
            return Err(format!("Row {line} uses column {}; a sheet may have {MAX_COLUMNS}.", column + 1));
        }
        self.bytes += size;
        if self.bytes > MAX_ROW {
            return Err(format!("Row {line} is longer than {MAX_ROW} bytes."));
        }
        let column = column as usize;
        if self.cells.len() <= column {
            self.cells.resize(column + 1, Cell::Text(String::new()));
        }
        self.cells[column] = cell;
        Ok(())
    }

    /// The last row.
    pub(super) fn end(mut self) -> Result<(), String> {
        self.flush()
    }

    fn flush(&mut self) -> Result<(), String> {
        self.bytes = 0;
        if self.cells.is_empty() {
            return Ok(());
        }
        (self.sink)(Row { line: self.line, cells: std::mem::take(&mut self.cells) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn gaps_are_filled_and_empty_rows_left_out() {
        let mut found = Vec::new();
        let mut sink = |row: Row| {
            found.push(row);
            Ok(())
        };
        let mut rows = Rows::new(&mut sink);
        for (row, column, word) in [(0, 0, "a"), (0, 2, "c"), (1, 0, ""), (4, 1, "b")] {
            rows.cell(row, column, text(word)).unwrap();
        }
        rows.end().unwrap();
        let expected = [
            Row { line: 1, cells: vec![text("a"), text(""), text("c")] },
            Row { line: 5, cells: vec![text(""), text("b")] },
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_too_wide_too_long_or_out_of_order_is_refused() {
        let mut sink = |_: Row| Ok(());
        let mut rows = Rows::new(&mut sink);
        rows.cell(7, 0, text("a")).unwrap();
        assert!(rows.cell(6, 0, text("a")).unwrap_err().contains("after row 8"));
        let mut sink = |_: Row| Ok(());
        assert!(Rows::new(&mut sink).cell(0, 200, text("a")).unwrap_err().contains("200"));
        let mut sink = |_: Row| Ok(());
        assert!(Rows::new(&mut sink).cell(0, 0, text(&"a".repeat(70_000))).unwrap_err().contains("longer"));
        let mut sink = |_: Row| Ok(());
        assert!(Rows::new(&mut sink).cell(MAX_ROWS, 0, text("a")).is_err());
    }
}
