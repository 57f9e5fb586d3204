//! Providers' words made fit for storing: short, on one line, without addresses.

/// Shortens `text` to 200 characters on one line and replaces everything that looks like an email address.
pub(crate) fn tidy(text: &str) -> String {
    shorten(&mask(&one_line(text)), 200)
}

/// At most `limit` characters; what is cut ends in an ellipsis.
pub(crate) fn shorten(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        None => text.to_owned(),
        Some(_) => text.chars().take(limit - 1).chain(['…']).collect(),
    }
}

/// Whether a value may stand in a header or command: no control characters (CR, LF and NUL among them).
pub(crate) fn is_clean(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn mask(text: &str) -> String {
    const EDGES: &[char] = &[' ', '<', '>', '(', ')', '[', ']', '"', '\'', ',', ';', ':'];
    text.split_inclusive(EDGES).map(mask_word).collect()
}

/// `word` may end in one edge character, which stays.
fn mask_word(word: &str) -> String {
    if !word.contains('@') {
        return word.to_owned();
    }
    let edge = word.chars().last().filter(|c| !c.is_alphanumeric() && *c != '@');
    edge.map_or_else(|| "***".to_owned(), |edge| format!("***{edge}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lose_addresses_and_length() {
        let cases = [
            ("<li@example.org>: User unknown", "<***>: User unknown"),
            ("no such user li.lei+x@example.org", "no such user ***"),
            ("RCPT TO:<李@例子.cn> bad", "RCPT TO:<***> bad"),
            ("two\r\nlines\0 here", "two lines here"),
            ("plain words.", "plain words."),
        ];
        for (given, expected) in cases {
            assert_eq!(tidy(given), expected);
        }
        assert_eq!(tidy(&"x".repeat(500)).chars().count(), 200);
        assert!(!is_clean("a\r\nBcc: x"));
        assert!(is_clean("水 off"));
    }
}
