//! CSV.

use super::{Cell, is_dangerous};

/// UTF-8's.
pub(super) const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Writes a line. A text that could be taken for a formula gets an apostrophe in front, which spreadsheets read as "this is text".
pub(super) fn row(out: &mut Vec<u8>, cells: &[Cell]) {
    for (place, cell) in cells.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        match cell {
            Cell::Empty => {}
            Cell::Number(number) => out.extend(number.to_string().bytes()),
            Cell::Time(time) => out.extend(time.to_string().bytes()),
            Cell::Text(content) => text(out, content),
        }
    }
    out.extend(b"\r\n");
}

fn text(out: &mut Vec<u8>, text: &str) {
    let dangerous = is_dangerous(text);
    let quoted = dangerous || text.starts_with(' ') || text.contains(['"', ',', '\r', '\n']);
    if !quoted {
        return out.extend(text.bytes());
    }
    out.push(b'"');
    if dangerous {
        out.push(b'\'');
    }
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(texts: &[&str]) -> String {
        let cells: Vec<Cell> = texts.iter().map(|text| Cell::Text((*text).to_owned())).collect();
        let mut out = Vec::new();
        row(&mut out, &cells);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn cells_are_quoted_where_rfc_4180_wants_it() {
        assert_eq!(line(&["李雷", "a b", ""]), "李雷,a b,\r\n");
        assert_eq!(line(&["a,b", "say \"x\"", "two\nlines"]), "\"a,b\",\"say \"\"x\"\"\",\"two\nlines\"\r\n");
    }

    #[test]
    fn no_cell_is_a_formula() {
        for text in ["=1+1", "+86***00", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1", "＠x"] {
            let line = line(&[text]);
            assert!(line.starts_with("\"'"), "{line}");
            assert!(line.contains(text));
        }
        assert_eq!(line(&["a=1", "l***@example.org", "'x"]), "a=1,l***@example.org,'x\r\n");
    }

    #[test]
    fn numbers_and_times_are_plain() {
        let mut out = Vec::new();
        row(
            &mut out,
            &[Cell::Number(-3), Cell::Time("2026-11-22T04:00:00.5Z".parse().unwrap()), Cell::Empty],
        );
        assert_eq!(String::from_utf8(out).unwrap(), "-3,2026-11-22T04:00:00.5Z,\r\n");
    }
}
