//! The kinds of files that are taken: told by the name's ending, proven by the bytes.
//!
//! Whoever opens a file trusts its ending. So what says that it is a PDF begins like one; of the kinds that are containers the main part is
//! looked for, since a program in an archive looks like any archive. Nothing is unpacked.

use std::io::Cursor;

use zip::ZipArchive;

/// A kind of files.
pub(crate) struct Kind {
    /// How names end, in lower case.
    ending: &'static str,
    /// The media type it is handed out with.
    pub(crate) media_type: &'static str,
    holds: fn(&[u8]) -> bool,
}

const fn kind(ending: &'static str, media_type: &'static str, holds: fn(&[u8]) -> bool) -> Kind {
    Kind { ending, media_type, holds }
}

/// Media types as registered at IANA; RAR has none but this.
static KINDS: [Kind; 12] = [
    kind("jpg", "image/jpeg", |bytes| bytes.starts_with(b"\xff\xd8\xff")),
    kind("jpeg", "image/jpeg", |bytes| bytes.starts_with(b"\xff\xd8\xff")),
    kind("png", "image/png", |bytes| bytes.starts_with(b"\x89PNG\r\n\x1a\n")),
    kind("doc", "application/msword", |bytes| has_stream(bytes, &["WordDocument"])),
    kind("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", |bytes| {
        has_part(bytes, "word/document")
    }),
    kind("xls", "application/vnd.ms-excel", |bytes| has_stream(bytes, &["Workbook", "Book"])),
    kind("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", |bytes| {
        has_part(bytes, "xl/workbook")
    }),
    kind("ppt", "application/vnd.ms-powerpoint", |bytes| has_stream(bytes, &["PowerPoint Document"])),
    kind("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation", |bytes| {
        has_part(bytes, "ppt/presentation")
    }),
    kind("rar", "application/vnd.rar", |bytes| {
        bytes.starts_with(b"Rar!\x1a\x07\x00") || bytes.starts_with(b"Rar!\x1a\x07\x01\x00")
    }),
    kind("zip", "application/zip", is_zip),
    kind("pdf", "application/pdf", |bytes| bytes.starts_with(b"%PDF-")),
];

/// Parts an Office document may have; the list of an archive of 5 MB could hold a hundred thousand.
const MAX_PARTS: usize = 5_000;
/// Where a compound file's list of streams may have an entry: entries have 128 bytes, the sectors before them a multiple of it.
const ENTRY: usize = 128;

impl Kind {
    /// The kind that a name's ending says.
    ///
    /// # Errors
    /// What is wrong with the ending, and which there are.
    pub(crate) fn of(name: &str) -> Result<&'static Kind, String> {
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        let found = KINDS.iter().find(|kind| kind.ending.eq_ignore_ascii_case(ending));
        found.ok_or_else(|| {
            let endings: Vec<&str> = KINDS.iter().map(|kind| kind.ending).collect();
            format!("ends in none of: {}; put other files into a zip", endings.join(", "))
        })
    }

    /// Finds out whether the bytes are what the ending says.
    ///
    /// # Errors
    /// That they are not, and what to do.
    pub(crate) fn check(&self, bytes: &[u8]) -> Result<(), String> {
        if (self.holds)(bytes) {
            return Ok(());
        }
        let locked = bytes.starts_with(OLE) && self.ending.ends_with('x');
        let what = if locked {
            "It seems to have a password: save it without one, or send it in a zip."
        } else {
            "Send the file's own bytes as the body, under a name with the ending of what it is."
        };
        Err(format!("The bytes are not those of a .{} file. {what}", self.ending))
    }
}

/// An archive from its first byte to the end of its list, or an empty one.
fn is_zip(bytes: &[u8]) -> bool {
    let begins = bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06");
    begins && bytes.windows(4).any(|window| window == b"PK\x05\x06")
}

/// An Office document (OPC) whose main part begins like `main`: programs number it at times.
fn has_part(bytes: &[u8], main: &str) -> bool {
    if !is_zip(bytes) || bytes.windows(4).filter(|window| *window == b"PK\x01\x02").count() > MAX_PARTS {
        return false;
    }
    let Ok(archive) = ZipArchive::new(Cursor::new(bytes)) else { return false };
    let mut names = archive.file_names().flatten();
    archive.index_for_name("[Content_Types].xml").is_some()
        && names.any(|name| name.starts_with(main) && name.ends_with(".xml"))
}

/// How compound files (MS-CFB 2.2) begin.
const OLE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

/// A compound file with one of these streams in its list (MS-CFB 2.6.1: name in UTF-16, its length, its type).
fn has_stream(bytes: &[u8], names: &[&str]) -> bool {
    let is_named = |entry: &[u8], name: &str| {
        let wide: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        let length = u16::try_from(wide.len()).unwrap_or(0).to_le_bytes();
        entry.starts_with(&wide) && entry[64..66] == length && entry[66] == 2
    };
    let entries = || bytes.chunks_exact(ENTRY).skip(4);
    bytes.starts_with(OLE) && names.iter().any(|name| entries().any(|entry| is_named(entry, name)))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn ooxml(parts: &[&str]) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for part in parts {
            archive.start_file(*part, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(b"<x/>").unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    fn ole(stream: &str) -> Vec<u8> {
        let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
        file.create_stream(stream).unwrap().write_all(&[7; 5000]).unwrap();
        file.flush().unwrap();
        file.into_inner().into_inner()
    }

    /// The smallest file of each kind there is, and which endings it may have.
    fn samples() -> Vec<(Vec<u8>, &'static [&'static str])> {
        let types = "[Content_Types].xml";
        vec![
            (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00".to_vec(), &["jpg", "jpeg"]),
            (b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR".to_vec(), &["png"]),
            (b"%PDF-1.7\n%%EOF\n".to_vec(), &["pdf"]),
            (b"Rar!\x1a\x07\x00\xcf\x90\x73".to_vec(), &["rar"]),
            (b"Rar!\x1a\x07\x01\x00\x33\x92".to_vec(), &["rar"]),
            ([&b"PK\x05\x06"[..], &[0; 18]].concat(), &["zip"]),
            (ooxml(&["plan.txt"]), &["zip"]),
            (ooxml(&[types, "word/document.xml"]), &["docx", "zip"]),
            (ooxml(&[types, "word/document2.xml"]), &["docx", "zip"]),
            (ooxml(&[types, "xl/workbook.xml"]), &["xlsx", "zip"]),
            (ooxml(&[types, "ppt/presentation.xml"]), &["pptx", "zip"]),
            (ooxml(&["word/document.xml"]), &["zip"]),
            (include_bytes!("../../tests/sheets/people.xlsx").to_vec(), &["xlsx", "zip"]),
            (include_bytes!("../../tests/sheets/people.xls").to_vec(), &["xls"]),
            (ole("WordDocument"), &["doc"]),
            (ole("Workbook"), &["xls"]),
            (ole("Book"), &["xls"]),
            (ole("PowerPoint Document"), &["ppt"]),
            (ole("EncryptedPackage"), &[]),
            (b"PK\x03\x04 and nothing else".to_vec(), &[]),
            (b"MZ\x90\x00".to_vec(), &[]),
            (b"<html><script>alert(1)</script>".to_vec(), &[]),
            (b"--boundary\r\nContent-Disposition: form-data\r\n\r\n%PDF-1.7".to_vec(), &[]),
            (b" %PDF-1.7".to_vec(), &[]),
            (Vec::new(), &[]),
        ]
    }

    #[test]
    fn every_kind_is_what_it_says_and_nothing_else() {
        for (no, (bytes, endings)) in samples().iter().enumerate() {
            for kind in &KINDS {
                let taken = kind.check(bytes);
                assert_eq!(
                    taken.is_ok(),
                    endings.contains(&kind.ending),
                    "{no} as {}: {taken:?}",
                    kind.ending
                );
            }
        }
    }

    #[test]
    fn a_document_with_a_password_is_told_so() {
        let why = Kind::of("plan.docx").unwrap_or_else(|why| panic!("{why}")).check(&ole("EncryptedPackage"));
        assert!(why.unwrap_err().contains("password"));
    }

    #[test]
    fn the_ending_counts_whatever_its_case() {
        assert_eq!(Kind::of("图纸.v2.PDF").map_or("", |kind| kind.media_type), "application/pdf");
        for name in ["setup.exe", "plan.pdf.exe", "plan", "plan.", "pdf"] {
            assert!(Kind::of(name).is_err(), "{name}");
        }
    }
}
