//! What a WeCom member is shown, and who is named in a call.
//!
//! A message with a link whose text is short becomes a `textcard` (the whole card is the link); everything else is `text`,
//! title first. Not `markdown`: members who read WeCom through WeChat are not shown it. Limits are in bytes and are kept
//! here, because WeCom cuts what is longer and says nothing. Source: PROVIDERS 2.

use std::collections::BTreeMap;

use herald_shared::domain::template::{Compiled, Rendered};
use serde::Serialize;

use crate::{Call, Target};

/// `text.content`.
const MAX_TEXT: usize = 2048;
/// `textcard.title`, `.description`, `.url`.
const MAX_CARD: (usize, usize, usize) = (128, 512, 2048);
/// Why HTML alone does not do.
const NO_TEXT: &str = "WeCom shows plain text only: give content.text";
/// A user id has at most so many bytes.
const MAX_USER: usize = 64;

/// Whether `text` can be a member's user id: letters, digits, `_-@.`, a letter or digit first, at most 64 bytes.
///
/// Nothing that could widen a call passes: `@all` begins with an at sign, `|` joins ids.
#[must_use]
pub fn is_user_id(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"_-@.".contains(&b);
    (1..=MAX_USER).contains(&text.len())
        && text.as_bytes()[0].is_ascii_alphanumeric()
        && text.bytes().all(fits)
}

/// The people of a call by user id in lower case, as WeCom names them in answers. Two may share an id.
pub(super) struct People<'a> {
    pub(super) by_id: BTreeMap<String, Vec<&'a Target>>,
    /// Those whose address is no user id.
    pub(super) invalid: Vec<&'a Target>,
}

impl<'a> People<'a> {
    pub(super) fn of(call: &'a Call) -> Self {
        let mut people = People { by_id: BTreeMap::new(), invalid: Vec::new() };
        for target in &call.to {
            if is_user_id(&target.address) {
                people.by_id.entry(target.address.to_ascii_lowercase()).or_default().push(target);
            } else {
                people.invalid.push(target);
            }
        }
        people
    }

    /// `u1|u2|...`, as given.
    fn joined(&self) -> String {
        let first = self.by_id.values().filter_map(|same| same.first());
        first.map(|target| target.address.as_str()).collect::<Vec<_>>().join("|")
    }
}

#[derive(Serialize)]
struct Body<'a> {
    touser: String,
    agentid: u64,
    #[serde(flatten)]
    part: Part<'a>,
    /// Off, on purpose: it drops a request equal to an earlier one and answers success, so that a second alarm with the
    /// same words would be lost in silence.
    enable_duplicate_check: u8,
}

#[derive(Serialize)]
#[serde(tag = "msgtype", rename_all = "lowercase")]
enum Part<'a> {
    Text { text: Text },
    Textcard { textcard: Card<'a> },
}

#[derive(Serialize)]
struct Text {
    content: String,
}

#[derive(Serialize)]
struct Card<'a> {
    title: &'a str,
    description: &'a str,
    url: &'a str,
}

/// The request for everybody in `people`.
///
/// # Errors
/// Why the message cannot go to WeCom, in words for its sender.
pub(super) fn serialise(call: &Call, people: &People<'_>, agent_id: u64) -> Result<Vec<u8>, String> {
    let content = &call.message.content;
    let render = |target: &Target| call.render(target);
    let first = call.to.first().ok_or("the call has no recipient")?;
    let rendered = render(first).map_err(|problem| problem.to_string())?;
    // One message goes to all: whoever made the call had to see to it that it is the same.
    if !content.is_general() && call.to[1..].iter().any(|other| render(other).as_ref() != Ok(&rendered)) {
        return Err("a personal message cannot go to several people in one call".to_owned());
    }
    let part = part(&rendered)?;
    let body = Body { touser: people.joined(), agentid: agent_id, part, enable_duplicate_check: 0 };
    serde_json::to_vec(&body).map_err(|error| error.to_string())
}

/// What can be known of a message before it is rendered for somebody: that it has text, and fits if everybody gets the same.
///
/// # Errors
/// Why it cannot go to WeCom, in words for its sender.
pub(super) fn check(content: &Compiled) -> Result<(), String> {
    if content.is_general() {
        let rendered = content.render(None, None, None).map_err(|problem| problem.to_string())?;
        return part(&rendered).map(drop);
    }
    if content.has_text() { Ok(()) } else { Err(NO_TEXT.to_owned()) }
}

fn part(message: &Rendered) -> Result<Part<'_>, String> {
    let Some(words) = message.text.as_deref().filter(|text| !text.trim().is_empty()) else {
        return Err(NO_TEXT.to_owned());
    };
    let title = message.subject.as_str();
    let card = message.link.as_deref().filter(|url| {
        !title.is_empty() && title.len() <= MAX_CARD.0 && words.len() <= MAX_CARD.1 && url.len() <= MAX_CARD.2
    });
    if let Some(url) = card {
        return Ok(Part::Textcard { textcard: Card { title, description: words, url } });
    }
    let parts = [Some(title).filter(|title| !title.is_empty()), Some(words), message.link.as_deref()];
    let content = parts.into_iter().flatten().collect::<Vec<_>>().join("\n");
    if content.len() > MAX_TEXT {
        return Err(format!(
            "title, text and link have {} bytes together, WeCom shows {MAX_TEXT} (a Chinese character has 3): shorten the text",
            content.len()
        ));
    }
    Ok(Part::Text { text: Text { content } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(subject: &str, text: &str, link: Option<&str>) -> Rendered {
        let text = Some(text.to_owned());
        Rendered { subject: subject.to_owned(), text, html: None, link: link.map(str::to_owned) }
    }

    fn json(message: &Rendered) -> serde_json::Value {
        serde_json::to_value(part(message).ok().unwrap()).unwrap()
    }

    #[test]
    fn nothing_that_widens_a_call_is_a_user_id() {
        for good in ["lilei", "Li.Lei_1-x@corp", "1", &"a".repeat(64)] {
            assert!(is_user_id(good), "{good}");
        }
        let bad = [
            "",
            "@all",
            "a|b",
            "a\nb",
            "a b",
            "李雷",
            "|",
            "-x",
            ".x",
            "a\u{0}",
            "*",
            "a,b",
            &"a".repeat(65),
        ];
        for bad in bad {
            assert!(!is_user_id(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_short_message_with_a_link_is_a_card_and_everything_else_is_text() {
        let card = json(&rendered("停水", "今天 14:00", Some("https://x.example/1")));
        assert_eq!(card["msgtype"], "textcard");
        assert_eq!(card["textcard"]["url"], "https://x.example/1");
        let text = json(&rendered("停水", "今天 14:00", None));
        assert_eq!(
            (&text["msgtype"], &text["text"]["content"]),
            (&"text".into(), &"停水\n今天 14:00".into())
        );
        let long = json(&rendered("t", &"x".repeat(513), Some("https://x.example/1")));
        assert_eq!(long["msgtype"], "text");
        assert!(long["text"]["content"].as_str().unwrap().ends_with("x\nhttps://x.example/1"));
    }

    #[test]
    fn limits_are_bytes_and_nothing_is_cut() {
        let exactly = "水".repeat((MAX_TEXT - 2) / 3);
        assert!(part(&rendered("t", &exactly, None)).is_ok());
        let over = part(&rendered("t", &format!("{exactly}水"), None)).err().unwrap();
        assert!(over.contains("2051 bytes"), "{over}");
        let html = Rendered { html: Some("<b>x</b>".into()), ..Rendered::default() };
        assert!(part(&html).err().unwrap().contains("content.text"));
    }
}
