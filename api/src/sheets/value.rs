//! Numbers and dates as the text a person reads in the cell.

use calamine::{ExcelDateTime, ExcelDateTimeType};

use super::Cell;

/// A whole number from here on may have lost digits: spreadsheets keep fifteen.
const EXACT: f64 = 1e15;

/// A number. Phone and employee numbers keep every digit, and never become 1.38E+10.
pub(super) fn number(value: f64) -> Cell {
    if !value.is_finite() {
        return Cell::Wrong("is no number".to_owned());
    }
    if value.abs() >= EXACT {
        let detail = "is a number of more than 15 digits, of which spreadsheets lose the last: give the column the format Text \
                      and write it again";
        return Cell::Wrong(detail.to_owned());
    }
    // As spreadsheets show it: 0.1 + 0.2 is 0.3.
    let rounded: f64 = format!("{value:.14e}").parse().unwrap_or(value);
    Cell::Text(if rounded == 0.0 { "0".to_owned() } else { rounded.to_string() })
}

/// A day, a time of day, or both, without a zone: `2026-11-28`, `14:30:00`, `2026-11-28T14:30:00`.
pub(super) fn date(value: f64, is_1904: bool) -> Cell {
    if !(0.0..2_958_466.0).contains(&value) {
        return number(value);
    }
    // Sheets count in days; a second is 1/86400, and its third decimal is noise.
    let seconds = (value * 86_400.0).round() / 86_400.0;
    let time = ExcelDateTime::new(seconds, ExcelDateTimeType::DateTime, is_1904);
    let (year, month, day, hour, minute, second, milli) = time.to_ymd_hms_milli();
    let second = second + u8::from(milli >= 500 && second < 59);
    let clock = format!("{hour:02}:{minute:02}:{second:02}");
    Cell::Text(if value < 1.0 && !is_1904 {
        clock
    } else if clock == "00:00:00" {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{year:04}-{month:02}-{day:02}T{clock}")
    })
}

/// A span of time: hours may exceed a day.
pub(super) fn duration(value: f64) -> Cell {
    if !(0.0..2_958_466.0).contains(&value) {
        return number(value);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range, see above")]
    let seconds = (value * 86_400.0).round() as u64;
    Cell::Text(format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60))
}

pub(super) fn boolean(value: bool) -> Cell {
    Cell::Text(if value { "true" } else { "false" }.to_owned())
}

/// A text, without the blanks around it that nobody sees in a cell.
pub(super) fn text(value: &str) -> Cell {
    Cell::Text(value.trim_matches([' ', '\u{a0}', '\u{3000}', '\t', '\r', '\n']).to_owned())
}

/// `#N/A` and its like.
pub(super) fn error(word: impl std::fmt::Display) -> Cell {
    Cell::Wrong(format!("shows the error {word}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(cell: Cell) -> String {
        match cell {
            Cell::Text(text) => text,
            Cell::Wrong(detail) => format!("! {detail}"),
        }
    }

    #[test]
    fn numbers_keep_their_digits() {
        for (value, text) in [
            (13_800_138_000.0, "13800138000"),
            (8_613_800_138_000.0, "8613800138000"),
            (999_999_999_999_999.0, "999999999999999"),
            (42.0, "42"),
            (-7.5, "-7.5"),
            (0.1 + 0.2, "0.3"),
            (1e-7, "0.0000001"),
            (-0.0, "0"),
        ] {
            assert_eq!(shown(number(value)), text);
        }
        for lost in [1e15, 110_101_199_003_077_777.0, f64::INFINITY, f64::NAN] {
            assert!(shown(number(lost)).starts_with('!'), "{lost}");
        }
    }

    #[test]
    fn dates_are_iso_text() {
        for (value, text) in [
            (46_354.0, "2026-11-28"),
            (46_354.604_166_666_66, "2026-11-28T14:30:00"),
            (0.604_166_666_67, "14:30:00"),
            (46_354.999_988_425_93, "2026-11-28T23:59:59"),
            (-1.0, "-1"),
        ] {
            assert_eq!(shown(date(value, false)), text, "{value}");
        }
        assert_eq!(shown(date(44_892.0, true)), "2026-11-28");
        assert_eq!(shown(duration(1.5)), "36:00:00");
    }
}
