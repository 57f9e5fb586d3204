//! XLS of Excel 97 to 2003 (BIFF8): the records that hold cells, one after another. The stream, at most 16 MB, and the shared
//! texts are held in memory; nothing else is, and no number in the file makes room for anything.

use std::fs::File;
use std::io::{BufReader, Read as _};

use super::biff::{Formats, Records, string, strings};
use super::rows::Rows;
use super::{Cell, Sink, damaged, lost, protected, value};

/// Bytes of the workbook's stream: 65,536 rows fit easily.
const MAX_STREAM: u64 = 16 * 1024 * 1024;

pub(super) fn read(file: File, sink: &mut Sink<'_>) -> Result<(), String> {
    let stream = stream(file)?;
    let book = Book::read(&stream)?;
    let start = book.sheet.ok_or("The workbook has no visible sheet.")?;
    let cells = stream.get(start..).ok_or_else(|| damaged("its sheet is missing"))?;
    let mut rows = Rows::new(sink);
    book.cells(cells, &mut rows)?;
    rows.end()
}

/// The stream in the compound file. Strict: chains of sectors that run in circles are refused.
fn stream(file: File) -> Result<Vec<u8>, String> {
    let size = file.metadata().map_err(|error| lost(&error))?.len();
    if size > MAX_STREAM + MAX_STREAM / 4 {
        return Err("An XLS file may have 20 MB: save it as XLSX.".to_owned());
    }
    let mut compound = cfb::CompoundFile::open_strict(BufReader::new(file)).map_err(damaged)?;
    if compound.exists("/EncryptedPackage") {
        return Err(protected());
    }
    if !compound.exists("/Workbook") {
        return Err("The file is no workbook of Excel 97 or later: save it as XLSX.".to_owned());
    }
    let mut bytes = Vec::new();
    let workbook = compound.open_stream("/Workbook").map_err(damaged)?;
    workbook.take(MAX_STREAM + 1).read_to_end(&mut bytes).map_err(damaged)?;
    if bytes.len() as u64 > MAX_STREAM {
        return Err("The workbook is too large: save it as XLSX.".to_owned());
    }
    Ok(bytes)
}

/// What cells refer to.
#[derive(Default)]
struct Book {
    /// Where the first visible worksheet begins.
    sheet: Option<usize>,
    strings: Vec<String>,
    formats: Formats,
    is_1904: bool,
}

impl Book {
    fn read(stream: &[u8]) -> Result<Self, String> {
        let mut book = Book::default();
        let mut began = false;
        for record in Records::new(stream) {
            let record = record?;
            match record.kind {
                0x0809 if !began => {
                    began = true;
                    if record.u16(0)? != 0x0600 {
                        return Err("The workbook is older than Excel 97: save it as XLSX.".to_owned());
                    }
                }
                _ if !began => return Err(damaged("it does not begin as a workbook does")),
                0x002F => return Err(protected()),
                0x0022 => book.is_1904 = record.u16(0)? == 1,
                // A worksheet (type 0) that is visible (state 0).
                0x0085 if book.sheet.is_none() && record.u16(4)? & 0xFF03 == 0 => {
                    book.sheet = Some(record.u32(0)? as usize);
                }
                0x041E => book.formats.custom(record.u16(0)?, &string(&record, 2)?),
                0x00E0 => book.formats.cell(record.u16(2)?),
                0x00FC => book.strings = strings(&record)?,
                0x000A => break,
                _ => {}
            }
        }
        Ok(book)
    }

    fn cells(&self, sheet: &[u8], rows: &mut Rows<'_>) -> Result<(), String> {
        // Charts in the sheet are streams of their own within it.
        let mut depth = 0_u32;
        // Where the text of a formula belongs, which comes in a record of its own.
        let mut formula = None;
        for record in Records::new(sheet) {
            let record = record?;
            match record.kind {
                0x0809 => depth += 1,
                0x000A => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Ok(());
                    }
                }
                _ if depth != 1 => {}
                0x00BD => {
                    let last = record.u16(record.data.len().saturating_sub(2))?;
                    for (at, column) in (4_usize..).step_by(6).zip(record.u16(2)?..=last) {
                        let cell = self.number(rk(record.u32(at + 2)?), record.u16(at)?);
                        rows.cell(record.u16(0)?.into(), column.into(), cell)?;
                    }
                }
                0x0207 => {
                    if let Some((row, column)) = formula.take() {
                        rows.cell(row, column, value::text(&string(&record, 0)?))?;
                    }
                }
                0x0203 | 0x0204 | 0x00D6 | 0x0205 | 0x027E | 0x00FD | 0x0006 => {
                    let place = (record.u16(0)?.into(), record.u16(2)?.into());
                    let format = record.u16(4)?;
                    let cell = match record.kind {
                        0x0203 => self.number(record.f64(6)?, format),
                        0x027E => self.number(rk(record.u32(6)?), format),
                        0x00FD => {
                            let text = self.strings.get(record.u32(6)? as usize);
                            value::text(text.ok_or_else(|| damaged("a text is missing"))?)
                        }
                        0x0205 if record.u8(7)? == 0 => value::boolean(record.u8(6)? != 0),
                        0x0205 => error(record.u8(6)?),
                        0x0006 if record.u16(12)? == 0xFFFF => match record.u8(6)? {
                            0 => {
                                formula = Some(place);
                                continue;
                            }
                            1 => value::boolean(record.u8(8)? != 0),
                            2 => error(record.u8(8)?),
                            _ => Cell::Text(String::new()),
                        },
                        0x0006 => self.number(record.f64(6)?, format),
                        _ => value::text(&string(&record, 6)?),
                    };
                    rows.cell(place.0, place.1, cell)?;
                }
                _ => {}
            }
        }
        Err(damaged("its sheet has no end"))
    }

    fn number(&self, number: f64, format: u16) -> Cell {
        if self.formats.is_date(format) { value::date(number, self.is_1904) } else { value::number(number) }
    }
}

/// A number in four bytes: the upper half of a double or thirty bits, perhaps of hundredths.
fn rk(bits: u32) -> f64 {
    let value = if bits & 2 == 0 {
        f64::from_bits(u64::from(bits & !3) << 32)
    } else {
        f64::from(bits.cast_signed() >> 2)
    };
    if bits & 1 == 0 { value } else { value / 100.0 }
}

fn error(code: u8) -> Cell {
    value::error(match code {
        0x00 => "#NULL!",
        0x07 => "#DIV/0!",
        0x0F => "#VALUE!",
        0x17 => "#REF!",
        0x1D => "#NAME?",
        0x24 => "#NUM!",
        0x2A => "#N/A",
        _ => "of a formula",
    })
}
