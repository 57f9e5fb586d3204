//! How many short messages a text takes. GSM 03.38: 160 characters of its alphabet in one message, 153 in each of several; any other
//! character makes the whole text UCS-2, with 70 and 67. A pair (escape and sign, or two surrogates) is never split.

/// GSM 03.38 default alphabet, one unit each.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// Its extension, two units each.
const EXTENDED: &str = "\u{c}^{}\\[~]|€";

/// What a text costs as a short message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segments {
    /// Whether it needs UCS-2.
    pub is_ucs2: bool,
    /// Units of its alphabet: septets, or UTF-16 units.
    pub units: usize,
    /// Messages it is cut into; none for an empty text.
    pub segments: usize,
}

/// Counts `text`.
#[must_use]
pub fn segments(text: &str) -> Segments {
    let septets = |c: char| match c {
        _ if BASIC.contains(c) => Some(1),
        _ if EXTENDED.contains(c) => Some(2),
        _ => None,
    };
    let gsm: Option<Vec<usize>> = text.chars().map(septets).collect();
    let is_ucs2 = gsm.is_none();
    let widths = gsm.unwrap_or_else(|| text.chars().map(char::len_utf16).collect());
    let units = widths.iter().sum();
    let (single, several) = if is_ucs2 { (70, 67) } else { (160, 153) };
    if units <= single {
        return Segments { is_ucs2, units, segments: usize::from(units > 0) };
    }
    let (mut segments, mut used) = (1, 0);
    for width in widths {
        if used + width > several {
            (segments, used) = (segments + 1, 0);
        }
        used += width;
    }
    Segments { is_ucs2, units, segments }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_cut_where_the_standard_cuts_them() {
        for (text, is_ucs2, units, count) in [
            (String::new(), false, 0, 0),
            ("a".repeat(160), false, 160, 1),
            ("a".repeat(161), false, 161, 2),
            ("a".repeat(306), false, 306, 2),
            ("a".repeat(307), false, 307, 3),
            ("€".repeat(80), false, 160, 1),
            // 76 signs of two fit in 153, one septet stays empty.
            ("€".repeat(153), false, 306, 3),
            ("停".repeat(70), true, 70, 1),
            ("停".repeat(71), true, 71, 2),
            ("😀".repeat(35), true, 70, 1),
            // 33 pairs fit in 67 units.
            ("😀".repeat(67), true, 134, 3),
            (format!("{}停", "a".repeat(70)), true, 71, 2),
        ] {
            assert_eq!(segments(&text), Segments { is_ucs2, units, segments: count }, "{text}");
        }
    }

    proptest! {
        #[test]
        fn more_text_never_takes_fewer_messages_of_its_alphabet(text in "[a-zA-Z€停😀 ]{0,400}", more in "[a-z]{0,40}") {
            let (less, all) = (segments(&text), segments(&format!("{text}{more}")));
            prop_assert_eq!(less.is_ucs2, all.is_ucs2);
            prop_assert!(all.segments >= less.segments);
            let several = if all.is_ucs2 { 67 } else { 153 };
            prop_assert!(all.segments * several + several >= all.units);
        }
    }
}
