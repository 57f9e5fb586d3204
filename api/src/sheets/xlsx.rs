//! XLSX, cell by cell.

use std::fs::File;
use std::io::BufReader;

use calamine::{DataRef, Reader as _, SheetType, SheetVisible, Xlsx, XlsxError};

use super::rows::Rows;
use super::{Cell, Sink, damaged, guard, protected, value};

pub(super) fn read(mut file: File, sink: &mut Sink<'_>) -> Result<(), String> {
    guard::check(&mut file)?;
    let mut book: Xlsx<_> = Xlsx::new(BufReader::new(file)).map_err(|error| wrong(&error))?;
    let sheets = &book.sheets_metadata().to_vec();
    let sheet = sheets
        .iter()
        .find(|sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible);
    let sheet = sheet.ok_or("The workbook has no visible sheet.")?;
    let is_1904 = book.has_1904_epoch();
    let mut cells = book.worksheet_cells_reader(&sheet.name).map_err(|error| wrong(&error))?;
    let mut rows = Rows::new(sink);
    while let Some(cell) = cells.next_cell_with_formula_metadata().map_err(|error| wrong(&error))? {
        let shown = match (&cell.value, &cell.formula) {
            // A program wrote it and never calculated it: what a person would see here is not known.
            (DataRef::Empty, Some(_)) => Cell::Wrong(
                "has a formula without a value: open the file in a spreadsheet and save it, or paste values"
                    .to_owned(),
            ),
            (value, _) => shown(value, is_1904),
        };
        rows.cell(cell.pos.0, cell.pos.1, shown)?;
    }
    rows.end()
}

/// A cell's text; of a formula, what it came to when the file was saved.
fn shown(data: &DataRef<'_>, is_1904: bool) -> Cell {
    match data {
        DataRef::Empty => Cell::Text(String::new()),
        DataRef::String(text) => value::text(text),
        DataRef::SharedString(text) => value::text(text),
        #[expect(clippy::cast_precision_loss, reason = "what would lose digits is refused")]
        DataRef::Int(number) => value::number(*number as f64),
        DataRef::Float(number) => value::number(*number),
        DataRef::Bool(flag) => value::boolean(*flag),
        DataRef::DateTime(time) if time.is_duration() => value::duration(time.as_f64()),
        DataRef::DateTime(time) => value::date(time.as_f64(), is_1904),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => value::text(text),
        DataRef::Error(error) => value::error(error),
    }
}

fn wrong(error: &XlsxError) -> String {
    match error {
        XlsxError::Password => protected(),
        error => damaged(error),
    }
}
