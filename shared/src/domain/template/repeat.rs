//! `"x" * 99999999` is one step for the engine and 100 MB for everybody else: fuel counts steps, not bytes. So a `*` is taken only where
//! it cannot repeat a text often: beside a number that is written out and small, or between two values that are made numbers.

/// How often something may be repeated, over all of a template.
const MOST: u64 = 1_000;
/// Filters that answer a number.
const NUMBERS: [&str; 4] = ["int", "float", "length", "count"];

/// The line of a `*` that might repeat a text too often.
pub(super) fn line_of_repetition(source: &str) -> Option<usize> {
    let mut times: u64 = 1;
    for (start, code) in code(source) {
        let tokens = tokens(code);
        for (at, _) in tokens.iter().enumerate().filter(|(_, (_, token))| *token == "*") {
            let token = |place: Option<usize>| {
                place.and_then(|place| tokens.get(place)).map_or("", |(_, token)| token)
            };
            let literals = [token(at.checked_sub(1)), token(at.checked_add(1))];
            let smallest = literals.iter().filter_map(|token| token.parse::<u64>().ok()).min();
            times = match smallest {
                Some(literal) => times.saturating_mul(literal.max(1)),
                None if is_number_before(&tokens[..at]) && is_number_after(&tokens[at + 1..]) => times,
                None => u64::MAX,
            };
            if times > MOST {
                return Some(source[..start + tokens[at].0].matches('\n').count() + 1);
            }
        }
    }
    None
}

/// `... | float`, before a `*`.
fn is_number_before(tokens: &[(usize, &str)]) -> bool {
    matches!(tokens, [.., (_, "|"), (_, filter)] if NUMBERS.contains(filter))
}

/// `x | int` or `x.y | int`, after a `*`.
fn is_number_after(tokens: &[(usize, &str)]) -> bool {
    let filter = tokens
        .iter()
        .position(|(_, token)| !token.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.'));
    filter.is_some_and(|at| matches!(&tokens[at..], [(_, "|"), (_, filter), ..] if NUMBERS.contains(filter)))
}

/// The insides of `{{ }}` and `{% %}`, with where they start.
fn code(source: &str) -> Vec<(usize, &str)> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(open) = source[at..].find("{{").into_iter().chain(source[at..].find("{%")).min() {
        let start = at + open + 2;
        let close = if source[at + open..].starts_with("{{") { "}}" } else { "%}" };
        let end = source[start..].find(close).map_or(source.len(), |end| start + end);
        found.push((start, &source[start..end]));
        at = end;
    }
    found
}

/// Words, signs and texts of a piece of code, with where they start. `**` is one sign, as is a whole text.
fn tokens(code: &str) -> Vec<(usize, &str)> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(first) = code[at..].chars().next() {
        let rest = &code[at..];
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = match first {
            '"' | '\'' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            '*' if rest.starts_with("**") => 2,
            first if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            first => first.len_utf8(),
        };
        if !first.is_whitespace() {
            found.push((at, &rest[..length]));
        }
        at += length;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_might_repeat_a_text_is_found_with_its_line() {
        for (source, line) in [
            (r#"{{ "x" * 99999999 }}"#, 1),
            ("a\n{{ name * n }}", 2),
            ("{{ n * name }}", 1),
            ("{{ name * 100 * 100 }}", 1),
            ("{% set a = name * 999 %}\n{{ a * 999 }}", 2),
            ("{{ price|float * name }}", 1),
            ("{{ '*' ~ name * n|int }}", 1),
        ] {
            assert_eq!(line_of_repetition(source), Some(line), "{source}");
        }
    }

    #[test]
    fn sums_with_numbers_are_taken() {
        for source in [
            "2 * 3 = {{ 2 * 3 }}",
            "{{ price * 100 }}",
            "{{ price|float * order.count|int }}",
            "{{ xs|length * x|float }}",
            "{{ '* * *' }} {{ a ** 2 }} * {% if a %}*{% endif %}",
            "{{ \"unclosed * ",
        ] {
            assert_eq!(line_of_repetition(source), None, "{source}");
        }
    }
}
