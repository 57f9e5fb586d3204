//! The pages as HTML: no script, no request to anywhere else, readable on a phone.

use std::fmt::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};

use super::language::{Notice, Words};

const STYLE: &str = "body{margin:0 auto;max-width:40rem;padding:1rem;font:1rem/1.5 system-ui,sans-serif;color:#1a1a1a;background:#fff}\
h1{font-size:1.4rem;line-height:1.3}h2{font-size:1.1rem;margin-top:2rem}h1,.text,dd,li{overflow-wrap:anywhere}.text,dd{white-space:pre-wrap}\
label{display:block;padding:.7rem;margin:.4rem 0;border:1px solid #888;border-radius:.5rem}\
input:not([type]){box-sizing:border-box;width:100%;font:inherit;padding:.7rem}textarea{box-sizing:border-box;width:100%;min-height:4.5rem;font:inherit;padding:.5rem}\
button,.link{display:block;box-sizing:border-box;width:100%;padding:.8rem;margin-top:1rem;font:inherit;font-weight:600;text-align:center;text-decoration:none;color:#fff;background:#0b57d0;border:0;border-radius:.5rem}\
.no{background:#b3261e}table{border-collapse:collapse;margin:1rem 0}td,th{padding:.3rem .8rem .3rem 0;text-align:left;border-bottom:1px solid #888}dt{margin-top:.5rem;font-size:.85rem;opacity:.75}\
.note{padding:.7rem;border-left:.3rem solid #b3261e;background:#fceeee}dd{margin:0}li{margin:.4rem 0}.seen{position:absolute}\
@media(prefers-color-scheme:dark){body{color:#eee;background:#111}a{color:#8ab4f8}.link{color:#fff}textarea{color:#eee;background:#222}.note{background:#421}}";

/// What a browser may do with the pages: show them, with this style and our own image, and send the form to us.
pub(super) fn policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
        format!(
            "default-src 'none'; img-src 'self'; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
    });
    &POLICY
}

/// One message as its page shows it.
pub(super) struct View<'a> {
    pub(super) words: &'static Words,
    /// From here to the folder of the tokens: empty, or `../`.
    pub(super) up: &'static str,
    pub(super) token: &'a str,
    pub(super) title: &'a str,
    pub(super) text: &'a str,
    pub(super) link: Option<&'a str>,
    /// What may be answered; nothing when it was, or cannot be.
    pub(super) options: &'a [String],
    /// An answer in one's own words may be given.
    pub(super) other: bool,
    /// What was chosen and written in a form that was refused.
    pub(super) entered: (Option<&'a str>, Option<&'a str>),
    /// What is wrong.
    pub(super) note: Option<&'a str>,
    pub(super) answered: Option<Answered<'a>>,
    /// Title and token of other messages.
    pub(super) history: &'a [(String, String)],
    /// HTML below everything else.
    pub(super) end: String,
}

/// What was answered.
pub(super) struct Answered<'a> {
    pub(super) answer: &'a str,
    pub(super) words: Option<&'a str>,
    pub(super) at: Timestamp,
}

/// A recipient's page.
pub(super) fn page(view: &View<'_>) -> String {
    let words = view.words;
    let mut body = String::with_capacity(2048);
    let mut add = |text: &str| body.push_str(text);
    add(&format!("<h1>{}</h1>", escape(view.title)));
    if let Some(note) = view.note {
        add(&format!("<p class=\"note\" role=\"alert\">{}</p>", escape(note)));
    }
    add(&format!("<div class=\"text\">{}</div>", escape(view.text)));
    if let Some(link) = view.link {
        let (url, label) = (escape(link), words.open_link);
        add(&format!("<a class=\"link\" rel=\"noopener noreferrer\" href=\"{url}\">{label}</a>"));
    }
    if let Some(answered) = &view.answered {
        add(&answer(words, answered));
    } else if !view.options.is_empty() || view.other {
        add(&form(view));
    }
    if !view.history.is_empty() {
        add(&format!("<h2>{}</h2><ul>", words.history));
        for (title, token) in view.history {
            add(&format!("<li><a href=\"{}{token}\">{}</a></li>", view.up, escape(title)));
        }
        add("</ul>");
    }
    add(&view.end);
    let (up, token) = (view.up, view.token);
    add(&format!("<img class=\"seen\" src=\"{up}{token}/seen.gif\" width=\"1\" height=\"1\" alt=\"\">"));
    document(words, view.title, &body)
}

fn answer(words: &Words, answered: &Answered<'_>) -> String {
    let chosen = if answered.answer == super::answer::OTHER { words.other } else { answered.answer };
    let own = answered.words.map(|words| format!("<dd>{}</dd>", escape(words))).unwrap_or_default();
    let at = answered.at.strftime("%Y-%m-%d %H:%M UTC");
    format!("<h2>{}</h2><dl><dt>{}</dt>{own}<dd>{at}</dd></dl>", words.your_answer, escape(chosen))
}

fn form(view: &View<'_>) -> String {
    let (words, (chosen, written)) = (view.words, view.entered);
    let mut form = format!(
        "<h2>{}</h2><form method=\"post\" action=\"{}{}/acknowledge\">",
        words.please_answer, view.up, view.token
    );
    let mut choice = |value: &str, label: &str| {
        let checked = if chosen == Some(value) { " checked" } else { "" };
        let (value, label) = (escape(value), escape(label));
        write!(form, "<label><input type=\"radio\" name=\"option\" value=\"{value}\" required{checked}> {label}</label>")
            .expect("a string takes whatever is written");
    };
    view.options.iter().for_each(|option| choice(option, option));
    if view.other {
        choice(super::answer::OTHER, words.other);
        let (hint, written) = (words.your_words, escape(written.unwrap_or_default()));
        write!(form, "<textarea name=\"text\" maxlength=\"500\" aria-label=\"{hint}\" placeholder=\"{hint}\">{written}</textarea>")
            .expect("a string takes whatever is written");
    }
    form + &format!("<button>{}</button></form>", words.send)
}

/// A page that only says something, in both languages, the reader's first.
pub(super) fn notice(words: &'static Words, which: impl Fn(&'static Words) -> Notice) -> String {
    let ((heading, text), (other_heading, other_text)) = (which(words), which(words.other_language()));
    let other = words.other_language().tag;
    let body = format!(
        "<h1>{heading}</h1><p>{text}</p><div lang=\"{other}\"><h2>{other_heading}</h2><p>{other_text}</p></div>"
    );
    document(words, heading, &body)
}

/// The question whether to leave a mailing, in both languages.
pub(super) fn leave(words: &'static Words) -> String {
    let part = |words: &Words| {
        let ((heading, text), button) = (words.leave, words.leave_button);
        format!(
            "<div lang=\"{}\"><h1>{heading}</h1><p>{text}</p><form method=\"post\"><button>{button}</button></form></div>",
            words.tag
        )
    };
    document(words, words.leave.0, &(part(words) + &part(words.other_language())))
}

pub(super) fn document(words: &Words, title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html><html lang=\"{}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta name=\"robots\" content=\"noindex,nofollow\"><title>{}</title><link rel=\"icon\" href=\"data:,\"><style>{STYLE}</style></head><body><main>{body}</main></body></html>",
        words.tag,
        escape(title)
    )
}

/// Text that stands for itself in HTML and between quotes.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}
