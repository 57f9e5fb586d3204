//! Workbooks (XLSX, and XLS of Excel 97 to 2003) read row by row, in bounded memory whatever the file says about itself.
//!
//! Of XLSX everything that could grow is measured before anything is read ([`guard`]); XLS is read by our own few records,
//! because a general reader holds all cells at once and takes the file's word for how many there are.

mod biff;
mod guard;
mod rows;
#[cfg(test)]
mod tests;
mod value;
mod xls;
mod xlsx;

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

/// Bytes of a workbook.
pub(crate) const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Columns a row may use.
const MAX_COLUMNS: u32 = 200;
/// Rows a worksheet can have.
const MAX_ROWS: u32 = 1_048_576;
/// Bytes of text in one row.
const MAX_ROW: usize = 64 * 1024;

/// What stands in a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Its text as a reader of the sheet sees it; empty where there is nothing.
    Text(String),
    /// It has a value that cannot be taken, and why.
    Wrong(String),
}

impl Cell {
    /// Its text in UTF-8; nothing where it cannot be taken.
    pub(crate) fn text(&self) -> &[u8] {
        match self {
            Cell::Text(text) => text.as_bytes(),
            Cell::Wrong(_) => b"",
        }
    }
}

/// A row that has something in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its number in the sheet, from 1.
    pub(crate) line: u64,
    /// Its cells from the first column to the last one used.
    pub(crate) cells: Vec<Cell>,
}

/// Takes rows in order; an error ends the reading.
pub(crate) type Sink<'a> = dyn FnMut(Row) -> Result<(), String> + 'a;

/// Gives the rows of a workbook's first visible sheet to `sink`. What kind of workbook it is is seen from its first bytes.
///
/// # Errors
/// What is wrong with the file, or what the sink said.
pub(crate) fn read(mut file: File, sink: &mut Sink<'_>) -> Result<(), String> {
    let mut magic = [0; 8];
    let length = file.read(&mut magic).map_err(|error| lost(&error))?;
    file.seek(SeekFrom::Start(0)).map_err(|error| lost(&error))?;
    match &magic[..length] {
        [b'P', b'K', 3, 4, ..] => xlsx::read(file, sink),
        [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1] => xls::read(file, sink),
        _ => Err("The file is not a workbook (XLSX or XLS); CSV has the Content-Type text/csv.".to_owned()),
    }
}

/// The file this process wrote itself cannot be read.
fn lost(error: &std::io::Error) -> String {
    format!("The file could not be read: {error}.")
}

fn damaged(what: impl std::fmt::Display) -> String {
    format!("The workbook is damaged: {what}.")
}

fn protected() -> String {
    "The workbook is protected by a password: save it without one.".to_owned()
}
