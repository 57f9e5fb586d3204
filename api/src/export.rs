//! Tables as files, written piece by piece: CSV and XLSX. What is in a piece is forgotten when it is taken.

mod csv;
mod words;
mod xlsx;
mod zip;

use jiff::Timestamp;

pub use words::Words;

/// What a table is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 4180 in UTF-8 with a byte order mark, which Excel needs to see that it is UTF-8.
    Csv,
    /// Office Open XML.
    Xlsx,
}

impl Format {
    /// Ending of a file's name.
    #[must_use]
    pub const fn ending(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Xlsx => "xlsx",
        }
    }

    /// Media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv; charset=utf-8; header=present",
            Format::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

impl std::str::FromStr for Format {
    type Err = ();
    fn from_str(word: &str) -> Result<Self, ()> {
        [Format::Csv, Format::Xlsx].into_iter().find(|format| format.ending() == word).ok_or(())
    }
}

/// What a cell holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Text; others may have written it.
    Text(String),
    /// A whole number.
    Number(i64),
    /// A point in time, shown in UTC.
    Time(Timestamp),
    /// Nothing.
    Empty,
}

impl From<Option<String>> for Cell {
    fn from(text: Option<String>) -> Self {
        text.map_or(Cell::Empty, Cell::Text)
    }
}

impl From<Option<Timestamp>> for Cell {
    fn from(time: Option<Timestamp>) -> Self {
        time.map_or(Cell::Empty, Cell::Time)
    }
}

/// Whether a spreadsheet could take a text for a formula: it begins with one of `= + - @`, tab, CR or LF (OWASP's list), or with the
/// full-width form of a sign, after any spaces.
fn is_dangerous(text: &str) -> bool {
    let first = text.trim_start_matches(' ').chars().next();
    first.is_some_and(|first| "=+-@\t\r\n＝＋－＠".contains(first))
}

/// Writes one table.
pub struct Writer(Kind);

enum Kind {
    Csv(Vec<u8>),
    Xlsx(Box<xlsx::Xlsx>),
}

impl Writer {
    /// A table with these column titles; `name` is the worksheet's.
    #[must_use]
    pub fn new(format: Format, name: &str, titles: &[String]) -> Self {
        Writer(match format {
            Format::Csv => {
                let mut out = csv::BYTE_ORDER_MARK.to_vec();
                let titles: Vec<Cell> = titles.iter().cloned().map(Cell::Text).collect();
                csv::row(&mut out, &titles);
                Kind::Csv(out)
            }
            Format::Xlsx => Kind::Xlsx(Box::new(xlsx::Xlsx::new(name, titles))),
        })
    }

    /// Adds a row.
    pub fn row(&mut self, cells: &[Cell]) {
        match &mut self.0 {
            Kind::Csv(out) => csv::row(out, cells),
            Kind::Xlsx(xlsx) => xlsx.row(cells),
        }
    }

    /// What has been written since the last time.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        match &mut self.0 {
            Kind::Csv(out) => std::mem::take(out),
            Kind::Xlsx(xlsx) => xlsx.take(),
        }
    }

    /// The rest.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        match self.0 {
            Kind::Csv(out) => out,
            Kind::Xlsx(xlsx) => xlsx.finish(),
        }
    }
}
