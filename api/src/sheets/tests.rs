//! Workbooks made by other programs, and ones made to do harm.

use std::io::{Cursor, Seek as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use zip::write::SimpleFileOptions;

use super::*;

const XLS: &[u8] = include_bytes!("../../tests/sheets/people.xls");
const XLSX: &[u8] = include_bytes!("../../tests/sheets/people.xlsx");

fn rows(bytes: &[u8]) -> Result<Vec<Row>, String> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    let mut rows = Vec::new();
    read(file, &mut |row| {
        rows.push(row);
        Ok(())
    })?;
    Ok(rows)
}

/// The texts of one row; what cannot be taken begins with `!`.
fn shown(row: &Row) -> Vec<String> {
    let cells = row.cells.iter().map(|cell| match cell {
        Cell::Text(text) => text.clone(),
        Cell::Wrong(detail) => format!("! {detail}"),
    });
    cells.collect()
}

#[test]
fn both_kinds_are_read_alike() {
    for bytes in [XLS, XLSX] {
        let rows = rows(bytes).unwrap();
        assert_eq!(rows.len(), 303);
        assert_eq!(shown(&rows[0])[..3], ["工号", "姓名", "手机"]);
        let first = [
            "00042",
            "李雷",
            "13800138000",
            "lilei@example.org",
            "lilei",
            "2026-11-28",
            "1234.5",
            "true",
            "two words",
        ];
        assert_eq!(shown(&rows[1]), first);
        let second = [
            "1001",
            "Han Meimei",
            "+8613800138001",
            "han@example.org",
            "",
            "2026-11-28T14:30:00",
            "0.3",
            "false",
        ];
        assert_eq!(shown(&rows[2]), second);
        assert_eq!((rows[2].line, rows[3].line), (3, 5), "an empty row is none, and counts");
        for (no, row) in rows[3..].iter().enumerate() {
            let words = if no % 3 == 0 { "note " } else { "备注" };
            assert_eq!(shown(row)[8], format!("{}{no}", words.repeat(20)));
        }
    }
}

/// A workbook of these parts.
fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in parts {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(text).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A workbook whose sheet has these rows, with these shared strings.
fn book(data: &str, strings: &str) -> Vec<u8> {
    let sheet = format!("<worksheet><sheetData>{data}</sheetData></worksheet>");
    archive(&[
        ("_rels/.rels", br#"<Relationships><Relationship Id="a" Type="x/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#),
        ("xl/workbook.xml", br#"<workbook><sheets><sheet name="S" sheetId="1" r:id="b"/></sheets></workbook>"#),
        ("xl/_rels/workbook.xml.rels", br#"<Relationships><Relationship Id="b" Type="x/worksheet" Target="worksheets/s.xml"/></Relationships>"#),
        ("xl/sharedStrings.xml", strings.as_bytes()),
        ("xl/worksheets/s.xml", sheet.as_bytes()),
    ])
}

const NO_STRINGS: &str = "<sst></sst>";

#[test]
fn formulas_are_what_they_came_to_and_nothing_is_guessed() {
    let data = "<row><c t=\"str\"><f>A1&amp;\"x\"</f><v>text &amp; x</v></c><c><f>1+1</f><v>2</v></c><c><f>1+1</f></c>\
        <c t=\"e\"><v>#N/A</v></c><c t=\"s\"><v>0</v></c><c t=\"inlineStr\"><is><r><t xml:space=\"preserve\">rich </t></r><r><t>text</t></r></is></c>\
        <c><v>110101199003077777</v></c></row>";
    let rows = rows(&book(data, "<sst><si><t>shared</t></si></sst>")).unwrap();
    let shown = shown(&rows[0]);
    assert_eq!(
        (&shown[..2], &shown[4..6]),
        (&["text & x".to_owned(), "2".to_owned()][..], &["shared".to_owned(), "rich text".to_owned()][..])
    );
    for (column, words) in [(2, "formula without a value"), (3, "#N/A"), (6, "15 digits")] {
        assert!(shown[column].starts_with('!') && shown[column].contains(words), "{shown:?}");
    }
}

#[test]
fn the_template_can_be_read_again() {
    use crate::export::{Format, Writer};
    let titles = vec!["工号".to_owned(), "=1+1".to_owned()];
    let bytes = Writer::new(Format::Xlsx, "收件人", &titles).finish();
    assert_eq!(shown(&rows(&bytes).unwrap()[0]), titles);
}

#[test]
fn what_is_no_workbook_is_refused_in_words() {
    let cell = |text: &str| format!("<row><c t=\"inlineStr\"><is><t>{text}</t></is></c></row>");
    for (bytes, words) in [
        (b"key,email\na,b\n".to_vec(), "not a workbook"),
        (Vec::new(), "not a workbook"),
        (b"PK\x03\x04".to_vec(), "damaged"),
        (XLSX[..XLSX.len() / 2].to_vec(), "damaged"),
        (XLS[..XLS.len() / 2].to_vec(), "damaged"),
        (archive(&[("word/document.xml", b"<document/>")]), "damaged"),
        (book(&cell(&"long".repeat(20_000)), NO_STRINGS), "longer than"),
        (book(&cell(&"a".repeat(900_000)), NO_STRINGS), "longer than a cell"),
        (book(&"<row></row>".repeat(400_000), NO_STRINGS), "packed more than"),
        (book("", "<sst uniqueCount=\"99999999999999\"></sst>"), "too many texts"),
        (
            book(
                "<row r=\"9\"><c r=\"A9\"><v>1</v></c></row><row r=\"3\"><c r=\"A3\"><v>1</v></c></row>",
                NO_STRINGS,
            ),
            "after row",
        ),
        (book("<row><c r=\"XFD1\"><v>1</v></c></row>", NO_STRINGS), "column 16384"),
    ] {
        let detail = rows(&bytes).unwrap_err();
        assert!(detail.contains(words), "{detail} should say: {words}");
    }
    let many: Vec<(String, &[u8])> = (0..2_100).map(|no| (format!("{no}"), &b""[..])).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    assert!(rows(&archive(&many)).unwrap_err().contains("entries"));
}

/// A compound file with these streams.
fn compound(streams: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    for (name, bytes) in streams {
        file.create_stream(name).unwrap().write_all(bytes).unwrap();
    }
    file.into_inner().into_inner()
}

fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes(), &u16::try_from(data.len()).unwrap().to_le_bytes(), data].concat()
}

#[test]
fn locked_and_old_workbooks_are_told_from_damaged_ones() {
    let package = compound(&[("/EncryptedPackage", b"x")]);
    let bof = record(0x0809, &[0, 6, 5, 0]);
    let locked = compound(&[("/Workbook", &[bof.clone(), record(0x002F, &[1, 0])].concat())]);
    let old = compound(&[("/Workbook", &record(0x0809, &[0, 5, 5, 0]))]);
    let document = compound(&[("/WordDocument", b"x")]);
    // A sheet that lies where there is nothing, and cells in a column that no sheet has.
    let far = [bof.clone(), record(0x0085, &[0xFF, 0xFF, 0xFF, 0x7F, 0, 0]), record(0x000A, &[])].concat();
    let head = [bof.clone(), record(0x0085, &[22, 0, 0, 0, 0, 0]), record(0x000A, &[])].concat();
    assert_eq!(head.len(), 22);
    let wide = [head, bof, record(0x0203, &[&[0, 0, 255, 255, 0, 0][..], &[0; 8]].concat())].concat();
    for (bytes, words) in [
        (package, "password"),
        (locked, "password"),
        (old, "older than Excel 97"),
        (document, "no workbook"),
        (compound(&[("/Workbook", &far)]), "missing"),
        (compound(&[("/Workbook", &wide)]), "column 65536"),
    ] {
        let detail = rows(&bytes).unwrap_err();
        assert!(detail.contains(words), "{detail} should say: {words}");
    }
}

/// Whatever bytes of a good file are changed or cut: an answer, and no more than it had to begin with. Panics of the libraries
/// are caught where files are read, and counted here.
#[test]
fn damaged_files_end_in_an_answer() {
    fastrand::seed(7);
    let mut panics = 0;
    for good in [XLS, XLSX] {
        for round in 0..300 {
            let mut bytes = good.to_vec();
            match round % 3 {
                0 => bytes.truncate(fastrand::usize(..bytes.len())),
                1 => (0..8).for_each(|_| bytes[fastrand::usize(..good.len())] = fastrand::u8(..)),
                // The first sectors say where everything is.
                _ => (0..4).for_each(|_| bytes[fastrand::usize(..2048)] = fastrand::u8(..)),
            }
            panics += u32::from(catch_unwind(AssertUnwindSafe(|| drop(rows(&bytes)))).is_err());
        }
    }
    assert_eq!(panics, 0);
}
