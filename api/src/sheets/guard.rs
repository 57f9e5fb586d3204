//! What an XLSX may be, measured before it is read.
//!
//! The sizes an archive declares are the word of whoever made it, so every entry is unpacked once, into nothing, and counted. The
//! reader behind this holds the shared strings and the styles, one row's worth of a sheet, and the archive's list.

use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom};

use zip::ZipArchive;

use super::{damaged, lost, protected};

/// Entries of the archive; a workbook has a dozen and some for each sheet.
const MAX_ENTRIES: usize = 2_000;
/// Bytes of everything unpacked, and of the shared strings, which are held in memory.
const MAX_UNPACKED: u64 = 768 * 1024 * 1024;
const MAX_STRINGS: u64 = 64 * 1024 * 1024;
/// Shared strings a workbook may have, and announce: room for them is made at once.
const MAX_TEXTS: u64 = 3_000_000;
const TOO_MANY_TEXTS: &str = "The workbook has too many texts: save it as CSV in UTF-8";
/// Bytes of any other part: styles, relations, pictures.
const MAX_OTHER: u64 = 4 * 1024 * 1024;
/// What packs better than this is made to (sheets reach 30), if it is larger than so many bytes.
const MAX_RATIO: u64 = 200;
const MIN_JUDGED: u64 = 1024 * 1024;
/// Bytes between two tags: a cell's text has at most 32,767 characters.
const MAX_TEXT: u64 = 512 * 1024;
/// Bytes between two cells: an inline text may have many parts.
const MAX_CELL: u64 = 16 * 1024 * 1024;
/// Bytes of a tag that are looked at.
const MAX_TAG: usize = 512;

/// Refuses what would take more room than an audience can need.
pub(super) fn check(file: &mut File) -> Result<(), String> {
    if directory_entries(file)? > MAX_ENTRIES {
        return Err(format!("The workbook's archive has more than {MAX_ENTRIES} entries."));
    }
    let mut archive = ZipArchive::new(BufReader::new(&mut *file)).map_err(damaged)?;
    let mut total = 0;
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|error| match error {
            zip::result::ZipError::UnsupportedArchive(zip::result::ZipError::PASSWORD_REQUIRED) => {
                protected()
            }
            error => damaged(error),
        })?;
        let name: String = entry.name().map_err(damaged)?.chars().take(80).collect();
        let packed = entry.compressed_size().max(1);
        let mut part = Part::default();
        total +=
            part.measure(entry, MAX_UNPACKED - total, packed).map_err(|why| format!("{why} ({name})."))?;
    }
    drop(archive);
    file.seek(SeekFrom::Start(0)).map_err(|error| lost(&error))?;
    Ok(())
}

/// How many headers of a central directory there are in the bytes: the archive's own count may say anything.
fn directory_entries(file: &mut File) -> Result<usize, String> {
    let (mut count, mut state) = (0, 0);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = file.read(&mut buffer).map_err(|error| lost(&error))?;
        if length == 0 {
            break;
        }
        for &byte in &buffer[..length] {
            state = match (state, byte) {
                (_, b'P') => 1,
                (1, b'K') => 2,
                (2, 1) => 3,
                (3, 2) => {
                    count += 1;
                    0
                }
                _ => 0,
            };
        }
    }
    file.seek(SeekFrom::Start(0)).map_err(|error| lost(&error))?;
    Ok(count)
}

/// One part of the workbook as it is unpacked: what it is, and how large its pieces are.
#[derive(Default)]
struct Part {
    bytes: u64,
    texts: u64,
    /// Bytes since the last `<`, and since the last `<c`.
    since_tag: u64,
    since_cell: u64,
    /// The tag being read, as far as it matters.
    tag: Vec<u8>,
    in_tag: bool,
    is_sheet: bool,
    is_strings: bool,
    is_other: bool,
}

impl Part {
    fn measure(&mut self, mut entry: impl Read, room: u64, packed: u64) -> Result<u64, String> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length =
                entry.read(&mut buffer).map_err(|error| format!("The workbook is damaged: {error}"))?;
            if length == 0 {
                return Ok(self.bytes);
            }
            if self.bytes == 0 && is_wide(&buffer[..length]) {
                return Err("The workbook has a part that is not UTF-8".to_owned());
            }
            self.bytes += length as u64;
            if self.bytes > room {
                return Err(format!(
                    "Unpacked, the workbook has more than {} MB",
                    MAX_UNPACKED / 1024 / 1024
                ));
            }
            if self.bytes > MIN_JUDGED && self.bytes / packed > MAX_RATIO {
                return Err(format!("The workbook has a part that is packed more than {MAX_RATIO} times"));
            }
            for &byte in &buffer[..length] {
                self.byte(byte)?;
            }
            self.judge()?;
        }
    }

    fn byte(&mut self, byte: u8) -> Result<(), String> {
        self.since_tag += 1;
        self.since_cell += 1;
        match byte {
            b'<' => {
                self.since_tag = 0;
                self.in_tag = true;
                self.tag.clear();
            }
            b'>' if self.in_tag => {
                self.in_tag = false;
                self.tag()?;
            }
            _ if self.in_tag && self.tag.len() < MAX_TAG => self.tag.push(byte),
            _ => {}
        }
        Ok(())
    }

    /// A tag has ended.
    fn tag(&mut self) -> Result<(), String> {
        let name = self.tag.split(|byte| b" \t\r\n/".contains(byte)).next().unwrap_or_default();
        let local = name.rsplit(|byte| *byte == b':').next().unwrap_or_default();
        match local {
            b"c" | b"row" => self.since_cell = 0,
            b"si" => {
                self.since_cell = 0;
                self.texts += 1;
                if self.texts > MAX_TEXTS {
                    return Err(TOO_MANY_TEXTS.to_owned());
                }
            }
            b"sheetData" => self.is_sheet = true,
            b"sst" => {
                self.is_strings = true;
                // A tag cut short, or ended within quotes, has not shown all it says.
                let whole = self.tag.len() < MAX_TAG
                    && self.tag.iter().filter(|byte| b"\"'".contains(byte)).count() % 2 == 0;
                if !whole || announced(&self.tag).is_some_and(|count| count > MAX_TEXTS) {
                    return Err(TOO_MANY_TEXTS.to_owned());
                }
            }
            b"?xml" if !is_utf_8(&self.tag) => {
                return Err("The workbook has a part that is not UTF-8".to_owned());
            }
            b"styleSheet" | b"cellXfs" | b"Relationships" | b"workbook" | b"sheets" | b"fonts" | b"fills"
            | b"borders" => {
                self.is_other = true;
            }
            _ => {}
        }
        Ok(())
    }

    /// Told once a piece, so a part is over its limit by no more than one.
    fn judge(&self) -> Result<(), String> {
        let kinds = [self.is_sheet, self.is_strings, self.is_other].iter().filter(|is| **is).count();
        if kinds > 1 {
            return Err("The workbook has a part that is several things at once".to_owned());
        }
        let is_xml = self.is_sheet || self.is_strings || self.is_other;
        let limit = match () {
            () if self.is_sheet => MAX_UNPACKED,
            () if self.is_strings => MAX_STRINGS,
            () => MAX_OTHER,
        };
        if self.bytes > limit && self.is_strings {
            return Err(format!(
                "The workbook has more than {} MB of texts: save it as CSV in UTF-8",
                MAX_STRINGS / 1024 / 1024
            ));
        }
        if self.bytes > limit {
            return Err(
                "The workbook has a part, perhaps a picture, that an audience does not need and is too large"
                    .to_owned(),
            );
        }
        if is_xml && (self.since_tag > MAX_TEXT || self.since_cell > MAX_CELL) {
            return Err("The workbook has a cell that is longer than a cell can be".to_owned());
        }
        Ok(())
    }
}

/// Whether a part begins as UTF-16 or UTF-32 does: its tags would not be seen here.
fn is_wide(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xFE, 0xFF])
        || bytes.starts_with(&[0xFF, 0xFE])
        || matches!(bytes, [0, b'<', ..] | [b'<', 0, ..] | [0, 0, ..])
}

/// Whether an XML declaration names no other encoding.
fn is_utf_8(tag: &[u8]) -> bool {
    let tag = tag.to_ascii_lowercase();
    let has = |word: &[u8]| tag.windows(word.len()).any(|window| window == word);
    !has(b"encoding") || has(b"utf-8")
}

/// `uniqueCount` of a tag.
fn announced(tag: &[u8]) -> Option<u64> {
    let tag = std::str::from_utf8(tag).ok()?;
    let (_, rest) = tag.split_once("uniqueCount")?;
    let digits: String =
        rest.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    // More digits than fit are more than may be.
    Some(digits.parse().unwrap_or(if digits.is_empty() { 0 } else { u64::MAX }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a part with this text, packed to so many bytes.
    fn measured(text: &[u8], packed: u64) -> Result<u64, String> {
        Part::default().measure(text, MAX_UNPACKED, packed)
    }

    #[test]
    fn a_part_is_what_it_says_and_no_larger() {
        let sheet = "<worksheet><sheetData><row><c><v>1</v></c></row></sheetData></worksheet>";
        assert_eq!(measured(sheet.as_bytes(), 50), Ok(sheet.len() as u64));
        let long = format!("<sheetData><c><v>{}</v></c>", "a".repeat(700_000));
        assert!(measured(long.as_bytes(), 500_000).unwrap_err().contains("longer than a cell"));
        let picture = vec![7; 5 * 1024 * 1024];
        assert!(measured(&picture, 5 * 1024 * 1024).unwrap_err().contains("too large"));
        let both = "<sst></sst><sheetData/>";
        assert!(measured(both.as_bytes(), 20).unwrap_err().contains("several things"));
    }

    #[test]
    fn what_is_packed_too_well_is_refused() {
        let text = [b"<sheetData>".as_slice(), &b"<c/>".repeat(1_000_000)].concat();
        assert!(measured(&text, 4_000).unwrap_err().contains("packed more than"));
        assert!(measured(&text, 400_000).is_ok());
    }

    #[test]
    fn texts_are_believed_only_as_far_as_a_sheet_goes() {
        assert!(measured(b"<sst count=\"9\" uniqueCount=\"9\"></sst>", 30).is_ok());
        for announced in [
            "<x:sst uniqueCount=\"99999999999\">".to_owned(),
            "<sst uniqueCount='99999999999999999999999'>".to_owned(),
            "<sst a=\">\" uniqueCount=\"99999999999\">".to_owned(),
            format!("<sst a=\"{}\" uniqueCount=\"99999999999\">", "a".repeat(600)),
        ] {
            assert!(measured(announced.as_bytes(), 30).is_err(), "{announced}");
        }
        assert!(measured(b"\xFF\xFE<\0s\0s\0t\0", 30).unwrap_err().contains("UTF-8"));
        assert!(measured(b"<?xml version=\"1.0\" encoding=\"UTF-16\"?>", 30).unwrap_err().contains("UTF-8"));
    }
}
