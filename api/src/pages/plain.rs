//! HTML as text: a message's HTML is never shown as such, because no list of what is harmless in it is ever complete.

/// Elements whose content is not for reading.
const UNREAD: [&str; 5] = ["script", "style", "head", "title", "template"];
/// Elements that end a line.
const LINES: [&str; 14] =
    ["br", "p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table"];

/// The words of an HTML text, with its lines.
pub(super) fn words_of(html: &str) -> String {
    let (mut text, mut rest) = (String::with_capacity(html.len()), html);
    while let Some(at) = rest.find('<') {
        push(&mut text, &rest[..at]);
        rest = &rest[at..];
        let skipped = match rest.strip_prefix("<!--") {
            Some(comment) => comment.find("-->").map_or(rest.len(), |end| end + 7),
            None => rest.find('>').map_or(rest.len(), |end| end + 1),
        };
        let tag = name(rest);
        rest = &rest[skipped..];
        if UNREAD.contains(&tag.as_str()) {
            rest = after_end_of(rest, &tag);
        } else if LINES.contains(&tag.trim_start_matches('/')) && !text.ends_with("\n\n") {
            text.push('\n');
        }
    }
    push(&mut text, rest);
    text.trim().to_owned()
}

/// The tag's name in lower case, with the slash of an end tag.
fn name(tag: &str) -> String {
    let inside = tag.trim_start_matches('<').chars().enumerate();
    let name = inside.take_while(|(i, c)| c.is_ascii_alphanumeric() || (*i == 0 && *c == '/'));
    name.map(|(_, c)| c.to_ascii_lowercase()).collect()
}

fn after_end_of<'a>(rest: &'a str, tag: &str) -> &'a str {
    let lower = rest.to_ascii_lowercase();
    let end = lower.find(&format!("</{tag}")).map(|at| at + rest[at..].find('>').map_or(0, |end| end + 1));
    end.map_or("", |end| &rest[end..])
}

/// Words between tags: white space counts once, references become characters.
fn push(text: &mut String, words: &str) {
    let words = characters(words);
    if words.starts_with(char::is_whitespace) && !text.is_empty() && !text.ends_with(char::is_whitespace) {
        text.push(' ');
    }
    text.push_str(&words.split_whitespace().collect::<Vec<_>>().join(" "));
    if words.ends_with(char::is_whitespace) && !text.ends_with(char::is_whitespace) {
        text.push(' ');
    }
}

fn characters(words: &str) -> String {
    let mut text = String::with_capacity(words.len());
    let mut rest = words;
    while let Some(at) = rest.find('&') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let reference = rest.find(';').filter(|end| *end <= 10).map(|end| &rest[1..end]);
        match reference.and_then(character) {
            Some(found) => {
                text.push(found);
                rest = &rest[reference.map_or(0, str::len) + 2..];
            }
            None => {
                text.push('&');
                rest = &rest[1..];
            }
        }
    }
    text + rest
}

fn character(reference: &str) -> Option<char> {
    let code = match reference {
        "amp" => return Some('&'),
        "lt" => return Some('<'),
        "gt" => return Some('>'),
        "quot" => return Some('"'),
        "apos" => return Some('\''),
        "nbsp" => return Some(' '),
        _ => reference.strip_prefix('#')?,
    };
    let hexadecimal = code.strip_prefix(['x', 'X']).map(|digits| u32::from_str_radix(digits, 16).ok());
    let found = char::from_u32(hexadecimal.unwrap_or_else(|| code.parse().ok())?)?;
    (!found.is_control()).then_some(found)
}

#[cfg(test)]
mod tests {
    use super::words_of;
    use proptest::prelude::*;

    #[test]
    fn words_and_lines_are_kept_and_nothing_else() {
        for (html, text) in [
            ("<p>Water&nbsp;is <b>off</b>.</p><p>Sorry</p>", "Water is off.\n\nSorry"),
            ("<head><title>x</title></head><body>A<br>B</body>", "A\nB"),
            ("a<script>alert('<b>1')</script>b<STYLE>p{}</STYLE >c", "abc"),
            ("<!-- <p>no</p> -->yes", "yes"),
            ("1 &lt; 2 &amp;&amp; 3 &#62; 2 &#x4f60;&bogus; &", "1 < 2 && 3 > 2 你&bogus; &"),
            ("<img src=x onerror=alert(1)>", ""),
            ("unfinished <b", "unfinished"),
            ("<script>never ended", ""),
        ] {
            assert_eq!(words_of(html), text, "{html}");
        }
    }

    proptest! {
        #[test]
        fn anything_can_be_read(html in "[<>/!&;#a-z \\-\"=x0-9水]{0,80}") {
            words_of(&html);
        }

        #[test]
        fn no_script_is_ever_shown(before in "[a-z <>]{0,10}", inside in "[a-z<> /]{0,20}") {
            let html = format!("{before}<script>{inside}canary</script>");
            // Unless a tag before it swallows its beginning, in which case it is words, like all of the rest.
            let shown = words_of(&html);
            prop_assert!(before.contains('<') || !shown.contains("canary"), "{}", shown);
        }
    }
}
