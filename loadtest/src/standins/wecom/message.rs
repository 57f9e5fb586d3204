//! The body of `message/send`, read strictly. Limits: the vendor's page on app messages, in bytes.

use serde::Deserialize;
use serde_json::Value;

const MAX_USERS: usize = 1000;
const MAX_TEXT: usize = 2048;
const MAX_TITLE: usize = 128;
const MAX_DESCRIPTION: usize = 512;
const MAX_URL: usize = 2048;

/// A request that is right in every respect.
pub(super) struct Parsed {
    /// As given, each once.
    pub(super) users: Vec<String>,
    pub(super) msgtype: String,
    /// What the member sees.
    pub(super) content: String,
}

/// Why a request is wrong: `errcode` and words.
pub(super) struct Wrong(pub(super) i64, pub(super) &'static str);

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    touser: Option<String>,
    toparty: Option<Value>,
    totag: Option<Value>,
    msgtype: Option<String>,
    agentid: Option<Value>,
    text: Option<Text>,
    textcard: Option<Card>,
}

#[derive(Deserialize)]
struct Text {
    #[serde(default)]
    content: String,
}

#[derive(Deserialize)]
struct Card {
    #[serde(default)]
    title: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    url: String,
}

pub(super) fn parse(body: &[u8], app: u64) -> Result<Parsed, Wrong> {
    if body.windows(2).any(|pair| pair == br"\u") {
        return Err(Wrong(40033, "the body has \\u escapes: send UTF-8"));
    }
    let body: Body =
        serde_json::from_slice(body).map_err(|_| Wrong(47001, "the body is no JSON of a message"))?;
    let agent = body.agentid.ok_or(Wrong(41011, "agentid is missing"))?;
    match agent.as_u64() {
        None => return Err(Wrong(40056, "agentid is no number")),
        Some(id) if id != app => return Err(Wrong(301_002, "the token has no rights on this agentid")),
        Some(_) => {}
    }
    if body.toparty.is_some() || body.totag.is_some() {
        return Err(Wrong(82002, "a message to parties or tags is not expected here"));
    }
    let users = users(&body.touser.unwrap_or_default())?;
    let (msgtype, content) = match (body.msgtype.as_deref(), body.text, body.textcard) {
        (Some("text"), Some(text), None) => ("text", text_content(text)?),
        (Some("textcard"), None, Some(card)) => ("textcard", card_content(&card)?),
        (Some("text" | "textcard"), ..) => return Err(Wrong(40063, "the part named by msgtype is missing")),
        _ => return Err(Wrong(40008, "msgtype is neither text nor textcard")),
    };
    Ok(Parsed { users, msgtype: msgtype.to_owned(), content })
}

fn users(joined: &str) -> Result<Vec<String>, Wrong> {
    if joined.is_empty() {
        return Err(Wrong(82001, "touser is empty"));
    }
    let users: Vec<String> = joined.split('|').map(str::to_owned).collect();
    if users.len() > MAX_USERS {
        return Err(Wrong(40032, "more than 1000 users"));
    }
    if users.iter().any(|user| user == "@all") {
        return Err(Wrong(60011, "@all: this message would go to everybody"));
    }
    let fits = |user: &String| {
        (1..=64).contains(&user.len())
            && user.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-@.".contains(&b))
    };
    if !users.iter().all(fits) {
        return Err(Wrong(40003, "touser has an entry that is no user id"));
    }
    let mut once: Vec<String> = users.iter().map(|user| user.to_ascii_lowercase()).collect();
    once.sort_unstable();
    once.dedup();
    if once.len() < users.len() {
        return Err(Wrong(40031, "touser names somebody twice"));
    }
    Ok(users)
}

fn text_content(text: Text) -> Result<String, Wrong> {
    match text.content.len() {
        0 => Err(Wrong(44004, "text.content is empty")),
        1..=MAX_TEXT => Ok(text.content),
        _ => Err(Wrong(45002, "text.content has more than 2048 bytes")),
    }
}

fn card_content(card: &Card) -> Result<String, Wrong> {
    if card.title.is_empty() || card.description.is_empty() || card.url.is_empty() {
        return Err(Wrong(40063, "title, description or url of the card is empty"));
    }
    if card.title.len() > MAX_TITLE || card.description.len() > MAX_DESCRIPTION || card.url.len() > MAX_URL {
        return Err(Wrong(45002, "title, description or url of the card is too long"));
    }
    Ok(format!("{}\n{}\n{}", card.title, card.description, card.url))
}
