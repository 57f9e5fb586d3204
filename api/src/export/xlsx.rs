//! XLSX: the least that Excel, WPS and LibreOffice open without a word. Texts lie in the cells, so nothing has to be remembered.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::zip::Zip;
use super::{Cell, is_dangerous};

/// Rows a worksheet can have.
const MAX_ROWS: u32 = 1_048_576;
/// A sheet above this gets a successor: an entry of the archive must stay below 4 GB.
const MAX_BYTES: u64 = 3_000_000_000;
/// UTF-16 units a cell can have.
const MAX_TEXT: usize = 32_767;
/// XML that waits to be packed.
const PIECE: usize = 32 * 1024;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";

/// Sheets are whatever is not named, so the list can stand first although nobody knows yet how many there will be.
const TYPES: &str = "<Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
<Default Extension=\"xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml\"/>\
<Override PartName=\"/xl/workbook.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml\"/>\
<Override PartName=\"/xl/styles.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml\"/>";

/// 0: nothing; 1: text whatever it looks like, also after it was edited; 2: a time; 3: a title.
const STYLES: &str = "<numFmts count=\"1\"><numFmt numFmtId=\"164\" formatCode=\"yyyy\\-mm\\-dd\\ hh:mm:ss\"/></numFmts>\
<fonts count=\"2\"><font><sz val=\"11\"/><name val=\"Calibri\"/></font><font><b/><sz val=\"11\"/><name val=\"Calibri\"/></font></fonts>\
<fills count=\"2\"><fill><patternFill patternType=\"none\"/></fill><fill><patternFill patternType=\"gray125\"/></fill></fills>\
<borders count=\"1\"><border><left/><right/><top/><bottom/><diagonal/></border></borders>\
<cellStyleXfs count=\"1\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\"/></cellStyleXfs>\
<cellXfs count=\"4\"><xf numFmtId=\"0\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\"/>\
<xf numFmtId=\"49\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" quotePrefix=\"1\" applyNumberFormat=\"1\"/>\
<xf numFmtId=\"164\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/>\
<xf numFmtId=\"0\" fontId=\"1\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyFont=\"1\"/></cellXfs>\
<cellStyles count=\"1\"><cellStyle name=\"Normal\" xfId=\"0\" builtinId=\"0\"/></cellStyles>";

/// A workbook being written.
pub(super) struct Xlsx {
    zip: Zip,
    name: String,
    titles: Vec<String>,
    xml: String,
    sheets: u32,
    rows: u32,
    max_rows: u32,
}

impl Xlsx {
    pub(super) fn new(name: &str, titles: &[String]) -> Self {
        Self::of_sheets(name, titles, MAX_ROWS)
    }

    fn of_sheets(name: &str, titles: &[String], max_rows: u32) -> Self {
        let mut zip = Zip::new();
        zip.entry(
            "[Content_Types].xml",
            &format!("{HEAD}<Types xmlns=\"{PACKAGE}/content-types\">{TYPES}</Types>"),
        );
        let (name, titles) = (name.to_owned(), titles.to_vec());
        let mut xlsx = Xlsx { zip, name, titles, xml: String::new(), sheets: 0, rows: 0, max_rows };
        xlsx.begin_sheet();
        xlsx
    }

    fn begin_sheet(&mut self) {
        self.sheets += 1;
        self.rows = 1;
        self.zip.begin(&format!("xl/worksheets/sheet{}.xml", self.sheets));
        // The titles stay in sight.
        let pane = "<sheetViews><sheetView workbookViewId=\"0\"><pane ySplit=\"1\" topLeftCell=\"A2\" activePane=\"bottomLeft\" state=\"frozen\"/></sheetView></sheetViews>";
        let head = format!("{HEAD}<worksheet xmlns=\"{MAIN}\">{pane}<sheetData><row>");
        self.xml.push_str(&head);
        for title in &self.titles {
            text(&mut self.xml, title, 3);
        }
        self.xml.push_str("</row>");
    }

    fn end_sheet(&mut self) {
        self.xml.push_str("</sheetData></worksheet>");
        self.pack();
        self.zip.end();
    }

    fn pack(&mut self) {
        self.zip.write(self.xml.as_bytes());
        self.xml.clear();
    }

    pub(super) fn row(&mut self, cells: &[Cell]) {
        if self.rows == self.max_rows || self.zip.size() > MAX_BYTES {
            self.end_sheet();
            self.begin_sheet();
        }
        self.rows += 1;
        self.xml.push_str("<row>");
        for cell in cells {
            match cell {
                Cell::Empty => self.xml.push_str("<c/>"),
                Cell::Number(number) => push(&mut self.xml, format_args!("<c><v>{number}</v></c>")),
                Cell::Time(time) => {
                    push(&mut self.xml, format_args!("<c s=\"2\"><v>{:.6}</v></c>", serial(*time)));
                }
                Cell::Text(content) => text(&mut self.xml, content, u8::from(is_dangerous(content))),
            }
        }
        self.xml.push_str("</row>");
        if self.xml.len() >= PIECE {
            self.pack();
        }
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        self.zip.take()
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.end_sheet();
        let (mut sheets, mut relations) = (String::new(), String::new());
        for no in 1..=self.sheets {
            let mut name = String::new();
            escape(&mut name, &self.name);
            let name = if no == 1 { name } else { format!("{name} {no}") };
            push(
                &mut sheets,
                format_args!("<sheet name=\"{name}\" sheetId=\"{no}\" r:id=\"rId{}\"/>", no + 1),
            );
            push(
                &mut relations,
                format_args!(
                    "<Relationship Id=\"rId{}\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/sheet{no}.xml\"/>",
                    no + 1
                ),
            );
        }
        let workbook = format!(
            "{HEAD}<workbook xmlns=\"{MAIN}\" xmlns:r=\"{OFFICE}\"><sheets>{sheets}</sheets></workbook>"
        );
        let related = |relations: &str| {
            format!("{HEAD}<Relationships xmlns=\"{PACKAGE}/relationships\">{relations}</Relationships>")
        };
        let styles = format!("<Relationship Id=\"rId1\" Type=\"{OFFICE}/styles\" Target=\"styles.xml\"/>");
        let root = format!(
            "<Relationship Id=\"rId1\" Type=\"{OFFICE}/officeDocument\" Target=\"xl/workbook.xml\"/>"
        );
        self.zip.entry("xl/workbook.xml", &workbook);
        self.zip.entry("xl/_rels/workbook.xml.rels", &related(&(styles + &relations)));
        self.zip.entry("xl/styles.xml", &format!("{HEAD}<styleSheet xmlns=\"{MAIN}\">{STYLES}</styleSheet>"));
        self.zip.entry("_rels/.rels", &related(&root));
        self.zip.finish()
    }
}

fn push(xml: &mut String, words: std::fmt::Arguments<'_>) {
    xml.write_fmt(words).expect("a String takes everything");
}

fn text(xml: &mut String, content: &str, style: u8) {
    push(xml, format_args!("<c s=\"{style}\" t=\"inlineStr\"><is><t xml:space=\"preserve\">"));
    escape(xml, content);
    xml.push_str("</t></is></c>");
}

/// What XML cannot hold becomes U+FFFD; what a cell cannot hold is cut, and shown to be.
fn escape(xml: &mut String, text: &str) {
    let mut room = MAX_TEXT - 1;
    for char in text.chars() {
        if char.len_utf16() > room {
            return xml.push('…');
        }
        room -= char.len_utf16();
        match char {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\r' => xml.push_str("&#13;"),
            '\t' | '\n' => xml.push(char),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => xml.push('\u{fffd}'),
            _ => xml.push(char),
        }
    }
}

/// Days since 30 December 1899, as spreadsheets count.
fn serial(time: Timestamp) -> f64 {
    const EPOCH: f64 = 25_569.0;
    // Exact: milliseconds of all years to come fit.
    #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
    let ms = time.as_millisecond() as f64;
    EPOCH + ms / 86_400_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::DeflateDecoder;
    use std::collections::BTreeMap;
    use std::io::Read as _;

    /// Reads an archive by its list of entries, and checks what the list says.
    fn unzip(bytes: &[u8]) -> BTreeMap<String, String> {
        let u16_at = |at: usize| usize::from(u16::from_le_bytes(bytes[at..at + 2].try_into().unwrap()));
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let end = bytes.len() - 22;
        assert_eq!(u32_at(end), 0x0605_4b50);
        let (mut at, mut entries) = (u32_at(end + 16), BTreeMap::new());
        for _ in 0..u16_at(end + 10) {
            assert_eq!(u32_at(at), 0x0201_4b50);
            let (crc, packed, size) = (u32_at(at + 16), u32_at(at + 20), u32_at(at + 24));
            let (length, offset) = (u16_at(at + 28), u32_at(at + 42));
            let name = String::from_utf8(bytes[at + 46..at + 46 + length].to_vec()).unwrap();
            let data = offset + 30 + length;
            let mut text = String::new();
            DeflateDecoder::new(&bytes[data..data + packed]).read_to_string(&mut text).unwrap();
            let mut sum = flate2::Crc::new();
            sum.update(text.as_bytes());
            assert_eq!((text.len(), sum.sum() as usize), (size, crc), "{name}");
            assert_eq!(u32_at(data + packed), 0x0807_4b50);
            entries.insert(name, text);
            at += 46 + length;
        }
        assert_eq!(at, end);
        entries
    }

    #[test]
    fn a_workbook_has_its_parts_and_grows_by_sheets() {
        let mut xlsx = Xlsx::of_sheets("A & B", &["T".to_owned()], 3);
        let mut bytes = Vec::new();
        for no in 0..5 {
            xlsx.row(&[Cell::Number(no)]);
            bytes.extend(xlsx.take());
        }
        bytes.extend(xlsx.finish());
        let entries = unzip(&bytes);
        assert_eq!(entries.len(), 8);
        for (sheet, rows) in [(1, 3), (2, 3), (3, 2)] {
            assert_eq!(
                entries[&format!("xl/worksheets/sheet{sheet}.xml")].matches("<row>").count(),
                rows,
                "{sheet}"
            );
        }
        assert!(entries["xl/workbook.xml"].contains("name=\"A &amp; B 3\""));
    }

    #[test]
    fn texts_are_texts_and_times_are_times() {
        let mut xlsx = Xlsx::new("x", &[]);
        let time = "2026-11-22T12:00:00Z".parse().unwrap();
        xlsx.row(&[
            Cell::Text("=1+1<&\u{1}".to_owned()),
            Cell::Text("李雷".to_owned()),
            Cell::Time(time),
            Cell::Empty,
        ]);
        let sheet = &unzip(&xlsx.finish())["xl/worksheets/sheet1.xml"];
        assert!(sheet.contains(
            "<c s=\"1\" t=\"inlineStr\"><is><t xml:space=\"preserve\">=1+1&lt;&amp;\u{fffd}</t></is></c>"
        ));
        assert!(sheet.contains("<c s=\"0\" t=\"inlineStr\"><is><t xml:space=\"preserve\">李雷</t></is></c>"));
        assert!(sheet.contains("<c s=\"2\"><v>46348.500000</v></c><c/>"), "{sheet}");
    }

    #[test]
    fn a_text_longer_than_a_cell_is_cut() {
        let mut xml = String::new();
        escape(&mut xml, &"好".repeat(40_000));
        assert_eq!(xml.chars().count(), MAX_TEXT);
        assert!(xml.ends_with('…'));
    }
}
