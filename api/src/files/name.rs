//! Names of files: as they come, as they are taken, and as they are handed out.

use std::fmt::Write as _;

use axum::http::header::CONTENT_DISPOSITION;
use axum::http::{HeaderMap, HeaderValue};

use super::Kind;
use crate::json::is_line_breaking;

/// Characters of a name.
const MAX_NAME: usize = 150;

/// The name in a request's `Content-Disposition`: `filename*` in UTF-8 (RFC 8187), else `filename`, whose bytes are read as UTF-8.
pub(crate) fn declared(headers: &HeaderMap) -> Option<String> {
    let value = std::str::from_utf8(headers.get(CONTENT_DISPOSITION)?.as_bytes()).ok()?;
    let parameter = |name: &str| {
        let parts = value.split(';').skip(1).filter_map(|part| part.trim().split_once('='));
        parts.filter(|(own, _)| own.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    };
    let long = parameter("filename*")
        .and_then(|value| value.strip_prefix("UTF-8''").or(value.strip_prefix("utf-8''")));
    match long {
        Some(encoded) => {
            let pair = format!("name={}", encoded.replace('+', "%2B"));
            url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, name)| name.into_owned())
        }
        None => parameter("filename").map(|value| value.trim_matches('"').to_owned()),
    }
}

/// The kind of a file of this name.
///
/// # Errors
/// What is wrong with the name: it is to look the same to everybody, wherever it is saved.
pub(crate) fn named(name: &str) -> Result<&'static Kind, String> {
    let count = name.chars().count();
    if count > MAX_NAME {
        return Err(format!("has {count} characters; at most {MAX_NAME} are allowed"));
    }
    if name.contains(['/', '\\']) {
        return Err("must be a name without folders: no / and no \\".to_owned());
    }
    if name.chars().any(|c| is_line_breaking(c) || turns_writing(c)) {
        return Err(
            "must not hold control characters, or characters that turn the direction of writing".to_owned()
        );
    }
    if name.trim() != name || name.starts_with('.') {
        return Err("must not begin with a dot or a blank, nor end in a blank".to_owned());
    }
    Kind::of(name)
}

/// Invisible characters that make `gpj.exe` look like `exe.jpg` (Unicode bidirectional controls), or a name look like another.
fn turns_writing(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// `Content-Disposition` of a file to be saved: in ASCII for old programs, and as it is (RFC 6266, RFC 8187).
pub(crate) fn disposition(name: &str) -> HeaderValue {
    let plain =
        |c: char| if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' ' { c } else { '_' };
    let mut text = format!(
        "attachment; filename=\"{}\"; filename*=UTF-8''",
        name.chars().map(plain).collect::<String>()
    );
    for byte in name.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(byte))
            }
            byte => write!(text, "%{byte:02X}").expect("a string takes whatever is written"),
        }
    }
    HeaderValue::from_str(&text).expect("it is printable ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_folders_or_tricks_are_refused() {
        for name in [
            "plan.pdf",
            "施工 图纸（三号楼）.PDF",
            "a.b.c.docx",
            "O'Hara & \"co\".zip",
            &format!("{}.pdf", "水".repeat(146)),
        ] {
            assert!(named(name).is_ok(), "{name}");
        }
        for (name, word) in [
            ("../plan.pdf", "folders"),
            ("c:\\plan.pdf", "folders"),
            ("plan\r\n.pdf", "control"),
            ("plan\u{202e}fdp.pdf", "direction"),
            ("plan\u{200b}.pdf", "direction"),
            (".pdf", "dot"),
            (" plan.pdf", "blank"),
            ("plan.pdf ", "blank"),
            ("plan.exe", "none of"),
            (&format!("{}.pdf", "水".repeat(147)), "151 characters"),
        ] {
            assert!(named(name).err().is_some_and(|why| why.contains(word)), "{name}");
        }
    }

    #[test]
    fn a_name_comes_in_either_way_and_goes_out_in_both() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_DISPOSITION, HeaderValue::from_bytes(text.as_bytes()).unwrap());
            declared(&headers)
        };
        for (header, name) in [
            ("attachment; filename=\"plan.pdf\"", Some("plan.pdf")),
            ("attachment; FileName = plan.pdf", Some("plan.pdf")),
            ("attachment; filename=\"图纸.pdf\"", Some("图纸.pdf")),
            ("attachment; filename=\"x.pdf\"; filename*=UTF-8''%E5%9B%BE+1.pdf", Some("图+1.pdf")),
            ("attachment", None),
            ("attachment; size=3", None),
        ] {
            assert_eq!(read(header).as_deref(), name, "{header}");
        }
        let out = disposition("图 \"1\".pdf");
        assert_eq!(out, "attachment; filename=\"_ _1_.pdf\"; filename*=UTF-8''%E5%9B%BE%20%221%22.pdf");
        assert_eq!(read(out.to_str().unwrap()).as_deref(), Some("图 \"1\".pdf"), "it reads back");
    }
}
