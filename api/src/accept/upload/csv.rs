//! CSV (RFC 4180) cut into records as its bytes arrive: quotes, doubled quotes, line breaks in quotes, CRLF and LF, a byte order mark.

use super::MAX_ROW;

/// Columns a record may have.
const MAX_CELLS: usize = 200;

/// Takes one record: the line it begins on, and its cells.
pub(super) type Sink<'a> = dyn FnMut(u64, &[&[u8]]) -> Result<(), String> + 'a;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before a cell's first byte.
    Start,
    /// In a cell without quotes.
    Plain,
    /// Within quotes.
    Quoted,
    /// After a quote within quotes: the end, or the first of two.
    Quote,
}

/// A record being read.
pub(super) struct Csv {
    at: At,
    /// The cells' bytes, one after another.
    text: Vec<u8>,
    /// Where each cell ends in `text`.
    ends: Vec<usize>,
    /// The line being read, and the one the record began on.
    line: u64,
    began: u64,
    /// Bytes of the file so far, as far as the byte order mark matters.
    first: usize,
}

impl Default for Csv {
    fn default() -> Self {
        Csv { at: At::Start, text: Vec::new(), ends: Vec::new(), line: 1, began: 1, first: 0 }
    }
}

impl Csv {
    /// Takes bytes; gives the sink every record that ends in them.
    pub(super) fn push(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), String> {
        for &byte in bytes {
            if self.first < 3 && byte == [0xEF, 0xBB, 0xBF][self.first] {
                self.first += 1;
                continue;
            }
            self.first = 3;
            self.byte(byte, sink)?;
        }
        Ok(())
    }

    /// The end of the file ends the last record.
    pub(super) fn end(&mut self, sink: &mut Sink<'_>) -> Result<(), String> {
        if self.at == At::Quoted {
            return Err(format!(
                "The row that begins on line {} has a quote that is never closed.",
                self.began
            ));
        }
        self.record(sink)
    }

    fn byte(&mut self, byte: u8, sink: &mut Sink<'_>) -> Result<(), String> {
        match (self.at, byte) {
            (At::Start, b'"') => self.at = At::Quoted,
            (At::Quoted, b'"') => self.at = At::Quote,
            (At::Quote, b'"') => {
                self.at = At::Quoted;
                self.text.push(byte);
            }
            (At::Quoted, _) => {
                self.line += u64::from(byte == b'\n');
                self.text.push(byte);
            }
            (_, b',') => self.cell()?,
            (_, b'\n') => {
                self.record(sink)?;
                self.line += 1;
                self.began = self.line;
            }
            (At::Quote, b'\r') => {}
            (At::Quote, _) => {
                return Err(format!(
                    "Line {} has text after a closing quote; quotes in a cell are written twice.",
                    self.line
                ));
            }
            _ => {
                self.at = At::Plain;
                self.text.push(byte);
            }
        }
        if self.text.len() > MAX_ROW {
            return Err(format!(
                "The row that begins on line {} is longer than {MAX_ROW} bytes.",
                self.began
            ));
        }
        Ok(())
    }

    fn cell(&mut self) -> Result<(), String> {
        if self.ends.len() == MAX_CELLS {
            return Err(format!("The row that begins on line {} has over {MAX_CELLS} cells.", self.began));
        }
        self.ends.push(self.text.len());
        self.at = At::Start;
        Ok(())
    }

    /// A blank line is no record.
    fn record(&mut self, sink: &mut Sink<'_>) -> Result<(), String> {
        if self.at == At::Plain && self.text.last() == Some(&b'\r') {
            self.text.pop();
        }
        if self.ends.is_empty() && self.text.is_empty() && self.at != At::Quote {
            self.at = At::Start;
            return Ok(());
        }
        self.cell()?;
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let cells: Vec<&[u8]> = starts.zip(&self.ends).map(|(start, &end)| &self.text[start..end]).collect();
        let taken = sink(self.began, &cells);
        self.text.clear();
        self.ends.clear();
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every record with its line, whatever the pieces the text arrives in.
    fn records(text: &[u8], piece: usize) -> Result<Vec<(u64, Vec<String>)>, String> {
        let (mut csv, mut found) = (Csv::default(), Vec::new());
        let mut sink = |line: u64, cells: &[&[u8]]| {
            found.push((line, cells.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect()));
            Ok(())
        };
        for piece in text.chunks(piece) {
            csv.push(piece, &mut sink)?;
        }
        csv.end(&mut sink)?;
        Ok(found)
    }

    #[test]
    fn records_are_the_same_whatever_pieces_they_come_in() {
        let text = "\u{feff}key,名字,text\r\n1,\"a, \"\"b\"\"\",x\r\n\n2,\"two\nlines\",\n3,,\"\"";
        let expected: Vec<(u64, Vec<String>)> = [
            (1, ["key", "名字", "text"]),
            (2, ["1", "a, \"b\"", "x"]),
            (4, ["2", "two\nlines", ""]),
            (6, ["3", "", ""]),
        ]
        .map(|(line, cells)| (line, cells.map(str::to_owned).to_vec()))
        .to_vec();
        for piece in 1..text.len() {
            assert_eq!(records(text.as_bytes(), piece).as_ref(), Ok(&expected), "pieces of {piece}");
        }
    }

    #[test]
    fn files_that_cannot_be_cut_are_refused_with_their_line() {
        for (text, words) in [
            ("a\n\"open", "line 2 has a quote"),
            ("a\n\"b\"c\n", "Line 2 has text after"),
            (&format!("a\n{}", "x".repeat(MAX_ROW + 1)), "line 2 is longer"),
            (&",".repeat(300), "line 1 has over 200"),
        ] {
            let refused = records(text.as_bytes(), 7).unwrap_err();
            assert!(refused.contains(words), "{refused}");
        }
    }
}
