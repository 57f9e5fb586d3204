//! How many parts a short message takes: what networks send, and what they charge.
//!
//! GSM-7 (3GPP TS 23.038): 160 septets, 153 in each of several parts; characters of the extension table take two, which are never
//! parted. A character outside of it makes the whole message UCS-2: 70 UTF-16 units, 67 in each of several, surrogate pairs whole.

/// Characters of the basic table but for line feed, carriage return, and what ASCII has in the same places.
const BASIC: &str = "@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà";
/// Characters that take an escape before them.
const EXTENDED: &str = "^{}\\[~]|€\u{c}";

/// How the characters are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// Seven bits a character.
    Gsm7,
    /// Sixteen.
    Ucs2,
}

impl Coding {
    /// Units of a message that goes out in one part, and of each part of a longer one.
    #[must_use]
    pub const fn room(self) -> (usize, usize) {
        match self {
            Coding::Gsm7 => (160, 153),
            Coding::Ucs2 => (70, 67),
        }
    }
}

/// A message as networks see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segments {
    /// How it is coded.
    pub coding: Coding,
    /// Septets or UTF-16 units.
    pub units: usize,
    /// Parts; an empty message takes one.
    pub count: usize,
}

/// Counts the parts of a message.
#[must_use]
pub fn segments(text: &str) -> Segments {
    let coding = if text.chars().all(|char| septets(char).is_some()) { Coding::Gsm7 } else { Coding::Ucs2 };
    let size = |char: char| match coding {
        Coding::Gsm7 => septets(char).unwrap_or(1),
        Coding::Ucs2 => char.len_utf16(),
    };
    let units = text.chars().map(size).sum();
    let (alone, room) = coding.room();
    if units <= alone {
        return Segments { coding, units, count: 1 };
    }
    let (mut count, mut used) = (1, 0);
    for size in text.chars().map(size) {
        if used + size > room {
            count += 1;
            used = 0;
        }
        used += size;
    }
    Segments { coding, units, count }
}

/// Counts the parts of a message within mainland China, where operators count characters of any kind alike and put the sender's
/// signature in front: 【signature】text.
#[must_use]
pub fn mainland_segments(signature: &str, text: &str) -> usize {
    let brackets = if signature.is_empty() { 0 } else { 2 };
    let units = signature.encode_utf16().count() + brackets + text.encode_utf16().count();
    let (alone, room) = Coding::Ucs2.room();
    if units <= alone { 1 } else { units.div_ceil(room) }
}

/// Septets a character takes in GSM-7; `None`: it has no place there.
fn septets(char: char) -> Option<usize> {
    if char.is_ascii_alphanumeric() || matches!(char, '\n' | '\r') || BASIC.contains(char) {
        Some(1)
    } else {
        EXTENDED.contains(char).then_some(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    /// Counted by programs that are not ours; each case names its source.
    const VECTORS: &str = include_str!("../../tests/vectors/sms_segmentation.json");

    #[test]
    fn messages_have_as_many_parts_as_others_count() {
        let vectors: Vec<Value> = serde_json::from_str(VECTORS).unwrap();
        assert!(vectors.len() >= 17);
        for vector in vectors {
            let text = vector["inputs"]["text"].as_str().unwrap();
            let expected = usize::try_from(vector["expected"]["segments"].as_u64().unwrap()).unwrap();
            if let Some(signature) = vector["inputs"]["signature"].as_str() {
                assert_eq!(mainland_segments(signature, text), expected, "{}", vector["name"]);
                continue;
            }
            let found = segments(text);
            assert_eq!(found.count, expected, "{}", vector["name"]);
            let coding = if vector["expected"]["encoding"] == "GSM-7" { Coding::Gsm7 } else { Coding::Ucs2 };
            assert_eq!(found.coding, coding, "{}", vector["name"]);
        }
    }

    #[test]
    fn the_tables_are_whole() {
        // 128 places less the escape: 62 letters and digits, two line ends, the rest.
        assert_eq!(BASIC.chars().count() + 62 + 2, 127);
        assert_eq!(EXTENDED.chars().count(), 10);
        assert!(BASIC.chars().all(|char| !EXTENDED.contains(char)));
    }

    proptest! {
        #[test]
        fn parts_hold_all_and_no_more_than_they_can(text in "[a-z€{水😀]{0,400}") {
            let Segments { coding, units, count } = segments(&text);
            let (alone, room) = coding.room();
            let fits = if units <= alone { count == 1 } else { count >= units.div_ceil(room) };
            prop_assert!(fits);
            // A character of two units leaves at most one unit of a part empty.
            prop_assert!(count <= 1 + units / (room - 1));
        }
    }
}
