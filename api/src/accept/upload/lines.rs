//! NDJSON cut into lines as its bytes arrive.

use super::MAX_ROW;

/// Takes one line: its number and its text.
pub(super) type Sink<'a> = dyn FnMut(u64, &[u8]) -> Result<(), String> + 'a;

/// A line being read.
#[derive(Default)]
pub(super) struct Lines {
    text: Vec<u8>,
    before: u64,
}

impl Lines {
    /// Takes bytes; gives the sink every line that ends in them.
    pub(super) fn push(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), String> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            if self.text.len() + text.len() > MAX_ROW {
                return Err(format!("Line {} is longer than {MAX_ROW} bytes.", self.before + 1));
            }
            self.text.extend_from_slice(text);
            if ends {
                self.line(sink)?;
            }
        }
        Ok(())
    }

    /// The end of the file ends the last line.
    pub(super) fn end(&mut self, sink: &mut Sink<'_>) -> Result<(), String> {
        self.line(sink)
    }

    /// A blank line is no row.
    fn line(&mut self, sink: &mut Sink<'_>) -> Result<(), String> {
        self.before += 1;
        let mark: &[u8] = if self.before == 1 { "\u{feff}".as_bytes() } else { b"" };
        let text = self.text.strip_prefix(mark).unwrap_or(&self.text).trim_ascii();
        let taken = if text.is_empty() { Ok(()) } else { sink(self.before, text) };
        self.text.clear();
        taken
    }
}
