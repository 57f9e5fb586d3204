//! Records of XLS files and what is coded in them ([MS-XLS] 2.5.293, 2.5.294).

use std::collections::BTreeSet;

use super::damaged;

/// Texts a workbook may share; each takes room, however short.
const MAX_STRINGS: usize = 1_000_000;

/// A record: its kind and bytes, and those of the records that continue it.
pub(super) struct Record<'a> {
    pub(super) kind: u16,
    pub(super) data: &'a [u8],
    more: Vec<&'a [u8]>,
}

impl Record<'_> {
    fn part<const N: usize>(&self, at: usize) -> Result<[u8; N], String> {
        let bytes = self.data.get(at..).and_then(|rest| rest.first_chunk::<N>());
        bytes.copied().ok_or_else(|| damaged(format_args!("record {:#06x} is too short", self.kind)))
    }

    pub(super) fn u8(&self, at: usize) -> Result<u8, String> {
        self.part::<1>(at).map(|[byte]| byte)
    }

    pub(super) fn u16(&self, at: usize) -> Result<u16, String> {
        self.part(at).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&self, at: usize) -> Result<u32, String> {
        self.part(at).map(u32::from_le_bytes)
    }

    pub(super) fn f64(&self, at: usize) -> Result<f64, String> {
        self.part(at).map(f64::from_le_bytes)
    }
}

/// The records of a stream.
pub(super) struct Records<'a>(&'a [u8]);

impl<'a> Records<'a> {
    pub(super) fn new(stream: &'a [u8]) -> Self {
        Records(stream)
    }

    fn one(&mut self) -> Option<Result<(u16, &'a [u8]), String>> {
        let (head, rest) = match self.0.split_first_chunk::<4>() {
            Some(split) => split,
            None if self.0.is_empty() => return None,
            None => {
                self.0 = &[];
                return Some(Err(damaged("it breaks off")));
            }
        };
        let length = usize::from(u16::from_le_bytes([head[2], head[3]]));
        let Some((data, rest)) = rest.split_at_checked(length) else {
            self.0 = &[];
            return Some(Err(damaged("it breaks off within a record")));
        };
        self.0 = rest;
        Some(Ok((u16::from_le_bytes([head[0], head[1]]), data)))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, data) = match self.one()? {
            Ok(record) => record,
            Err(detail) => return Some(Err(detail)),
        };
        let mut more = Vec::new();
        while self.0.starts_with(&[0x3C, 0]) {
            match self.one()? {
                Ok((_, data)) => more.push(data),
                Err(detail) => return Some(Err(detail)),
            }
        }
        Some(Ok(Record { kind, data, more }))
    }
}

/// A text with its length in two bytes.
pub(super) fn string(record: &Record<'_>, at: usize) -> Result<String, String> {
    let mut pieces = Pieces { now: record.data.get(at..).unwrap_or_default(), then: &record.more };
    // An empty text may have no flags.
    if pieces.now == [0, 0] {
        return Ok(String::new());
    }
    let length = usize::from(u16::from_le_bytes(pieces.bytes()?));
    let [flags] = pieces.bytes()?;
    pieces.text(length, flags)
}

/// The table of shared texts. Its own count is not looked at: there are as many as there are.
pub(super) fn strings(record: &Record<'_>) -> Result<Vec<String>, String> {
    let mut pieces = Pieces { now: record.data.get(8..).unwrap_or_default(), then: &record.more };
    let mut strings = Vec::new();
    while pieces.left() {
        if strings.len() == MAX_STRINGS {
            return Err(format!("The workbook has more than {MAX_STRINGS} texts: save it as XLSX."));
        }
        let length = usize::from(u16::from_le_bytes(pieces.bytes()?));
        let [flags] = pieces.bytes()?;
        let runs = if flags & 8 == 0 { 0 } else { usize::from(u16::from_le_bytes(pieces.bytes()?)) };
        let phonetic = if flags & 4 == 0 { 0 } else { u32::from_le_bytes(pieces.bytes()?) as usize };
        strings.push(pieces.text(length, flags)?);
        pieces.skip(runs * 4 + phonetic)?;
    }
    Ok(strings)
}

/// Bytes that go on in further records.
struct Pieces<'a> {
    now: &'a [u8],
    then: &'a [&'a [u8]],
}

impl<'a> Pieces<'a> {
    /// Whether there are more; goes on to the next record at the end of one.
    fn left(&mut self) -> bool {
        while self.now.is_empty() {
            let Some((next, rest)) = self.then.split_first() else { return false };
            (self.now, self.then) = (next, rest);
        }
        true
    }

    fn take(&mut self, most: usize) -> Result<&'a [u8], String> {
        if !self.left() {
            return Err(damaged("a text breaks off"));
        }
        let (taken, rest) = self.now.split_at(most.min(self.now.len()));
        self.now = rest;
        Ok(taken)
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            *byte = self.take(1)?[0];
        }
        Ok(bytes)
    }

    /// Characters, in one byte each (Latin-1) or two; a record that continues a text says anew which.
    fn text(&mut self, length: usize, flags: u8) -> Result<String, String> {
        let (mut units, mut wide) = (Vec::new(), flags & 1 != 0);
        while units.len() < length {
            if self.now.is_empty() {
                wide = self.bytes::<1>()?[0] & 1 != 0;
            }
            let missing = length - units.len();
            if wide {
                let taken = self.take(missing * 2)?;
                if taken.len() % 2 != 0 {
                    return Err(damaged("a text breaks off within a character"));
                }
                units.extend(taken.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])));
            } else {
                units.extend(self.take(missing)?.iter().map(|byte| u16::from(*byte)));
            }
        }
        Ok(String::from_utf16_lossy(&units))
    }

    fn skip(&mut self, mut count: usize) -> Result<(), String> {
        while count > 0 {
            count -= self.take(count)?.len();
        }
        Ok(())
    }
}

/// Which cells hold dates.
#[derive(Default)]
pub(super) struct Formats {
    /// Formats by their number that show dates.
    dates: BTreeSet<u16>,
    /// The number of each kind of cell.
    cells: Vec<u16>,
}

impl Formats {
    /// A format the workbook brings; it comes before the cells that use it.
    pub(super) fn custom(&mut self, number: u16, pattern: &str) {
        if shows_dates(pattern) {
            self.dates.insert(number);
        }
    }

    /// The next kind of cell.
    pub(super) fn cell(&mut self, number: u16) {
        self.cells.push(number);
    }

    pub(super) fn is_date(&self, cell: u16) -> bool {
        let Some(number) = self.cells.get(usize::from(cell)) else { return false };
        // Built in; from 27 on the ones of East Asian versions.
        matches!(number, 14..=22 | 27..=36 | 45..=47 | 50..=58) || self.dates.contains(number)
    }
}

/// Whether a number format has parts of a date or time outside of quotes and brackets.
fn shows_dates(pattern: &str) -> bool {
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' | '_' | '*' => drop(chars.next()),
            '"' => drop(chars.by_ref().find(|char| *char == '"')),
            '[' => {
                let inner: String = chars.by_ref().take_while(|char| *char != ']').collect();
                if ["h", "hh", "m", "mm", "s", "ss"].contains(&inner.to_ascii_lowercase().as_str()) {
                    return true;
                }
            }
            ';' => return false,
            'y' | 'Y' | 'm' | 'M' | 'd' | 'D' | 'h' | 'H' | 's' | 'S' => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u16, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len()).unwrap();
        [&kind.to_le_bytes(), &length.to_le_bytes(), data].concat()
    }

    #[test]
    fn texts_go_on_in_the_next_record_in_another_width() {
        // "ab" and half of "cdef" in one byte each; the rest of it wide, then 李 wide, with a run of formatting behind it.
        let first = [&[0_u8; 8][..], &[2, 0, 0, b'a', b'b'], &[4, 0, 0, b'c', b'd']].concat();
        let second = [&[1_u8, b'e', 0, b'f', 0][..], &[1, 0, 9, 1, 0, 0x4E, 0x67, 9, 9, 9, 9]].concat();
        let stream = [record(0x00FC, &first), record(0x003C, &second), record(0x000A, &[])].concat();
        let mut records = Records::new(&stream);
        let found = strings(&records.next().unwrap().unwrap()).unwrap();
        assert_eq!(found, ["ab", "cdef", "李"]);
        assert_eq!(records.next().unwrap().unwrap().kind, 0x000A);
        assert!(records.next().is_none());
    }

    #[test]
    fn what_breaks_off_is_an_error_wherever_it_does() {
        let whole = [record(0x00FC, &[0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 1, 1, 0, 2, 0, 3, 0])].concat();
        for length in 1..whole.len() {
            assert!(Records::new(&whole[..length]).next().unwrap().is_err(), "{length}");
        }
        let record = Record { kind: 0x00FC, data: &whole[4..whole.len() - 1], more: Vec::new() };
        assert!(strings(&record).is_err());
        // A text that says it is long takes no room before it is there.
        let record = Record { kind: 0x00FC, data: &[0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1], more: Vec::new() };
        assert!(strings(&record).is_err());
    }

    #[test]
    fn formats_of_dates_are_told_from_others() {
        for (pattern, is) in [
            ("yyyy\\-mm\\-dd", true),
            ("h:mm AM/PM", true),
            ("[h]:mm", true),
            ("0.00", false),
            ("#,##0\" days\"", false),
            ("[Red]0", false),
            ("General", false),
            ("\\d0", false),
            ("@", false),
        ] {
            assert_eq!(shows_dates(pattern), is, "{pattern}");
        }
    }
}
