//! The pages as HTML: no script, no request to anywhere else, readable on a phone.

use std::fmt::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use ring::digest::{SHA256, digest};

use super::language::{Notice, Words};

/// Light and dark by the reader's setting; what a finger has to find is at least 48 points high. `signature` stands at the right, below the text.
const STYLE: &str = ":root{color-scheme:light dark;--ink:#1c1f23;--soft:#5c6570;--paper:#fff;--ground:#f2f4f7;--line:#d4d9e0;--accent:#0b57d0;--on:#fff;--bad:#b3261e;--wash:#eaf1fd;--alert:#fdeeed}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#a0a8b3;--paper:#1b1e22;--ground:#101214;--line:#3a4048;--accent:#8ab4f8;--on:#0c1b33;--bad:#f2b8b5;--wash:#22304a;--alert:#3b2120}}\
*{box-sizing:border-box}html{-webkit-text-size-adjust:100%}\
body{margin:0;background:var(--ground);color:var(--ink);font:1.0625rem/1.65 system-ui,-apple-system,'PingFang SC','Microsoft YaHei','Noto Sans CJK SC',sans-serif}\
main{max-width:40rem;min-height:100vh;margin:0 auto;padding:1.5rem 1.25rem 3rem;background:var(--paper)}\
@media(min-width:44rem){main{min-height:0;margin:2rem auto;padding:2rem 2.25rem 2.5rem;border:1px solid var(--line);border-radius:1rem}}\
h1{margin:0 0 1rem;font-size:1.5rem;line-height:1.35}h2{margin:2rem 0 .75rem;font-size:1.0625rem;line-height:1.4}\
h1,.text,.signature,dt,dd,li,label{overflow-wrap:anywhere}.text,.signature,dd{white-space:pre-wrap}\
.signature{margin-top:1.5rem;text-align:right;color:var(--soft)}a{color:var(--accent)}\
label{display:flex;gap:.75rem;align-items:center;min-height:3rem;margin:.5rem 0;padding:.625rem .875rem;border:1px solid var(--line);border-radius:.75rem;cursor:pointer}\
label[for]{display:block;min-height:0;margin:1rem 0 .25rem;padding:0;border:0}label:has(:checked){border-color:var(--accent);background:var(--wash)}input[type=radio]{flex:none;width:1.25rem;height:1.25rem;margin:0;accent-color:var(--accent)}\
textarea,input:not([type]){display:block;width:100%;min-height:3rem;margin:.5rem 0;padding:.75rem .875rem;font:inherit;color:inherit;background:var(--paper);border:1px solid var(--line);border-radius:.75rem}textarea{min-height:6rem}\
button,.link{display:block;width:100%;min-height:3rem;margin-top:1.25rem;padding:.75rem 1rem;font:inherit;font-weight:600;line-height:1.4;text-align:center;text-decoration:none;color:var(--on);background:var(--accent);border:1px solid var(--accent);border-radius:.75rem;cursor:pointer}\
.link{color:var(--accent);background:none}.no{background:var(--bad);border-color:var(--bad)}table{width:100%;margin:1rem 0;border-collapse:collapse}td,th{padding:.375rem .75rem .375rem 0;text-align:left;border-bottom:1px solid var(--line)}:focus-visible{outline:3px solid var(--accent);outline-offset:2px}\
.note{margin:0 0 1.25rem;padding:.75rem 1rem;border-left:.25rem solid var(--bad);border-radius:.25rem;background:var(--alert)}\
dl{margin:0;padding:.875rem 1rem;border-radius:.75rem;background:var(--wash)}dt{font-weight:600}dd{margin:0;color:var(--soft)}\
ul{margin:0;padding:0;list-style:none}li{border-top:1px solid var(--line)}li a{display:block;padding:.75rem 0}.seen{position:absolute}";

/// What a browser may do with the pages: show them, with this style, our own image and the empty icon (`data:,`, so that no browser asks
/// for another), and send the form to us.
pub(super) fn policy() -> &'static str {
    static POLICY: LazyLock<String> = LazyLock::new(|| {
        let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
        format!(
            "default-src 'none'; img-src 'self' data:; style-src 'sha256-{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
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
    pub(super) video: Option<&'a str>,
    /// Who says it.
    pub(super) signature: Option<&'a str>,
    /// Name and bytes of its files.
    pub(super) files: &'a [(String, usize)],
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

/// The page of a link message: the browser goes on by itself once it has fetched the image that counts, and a person by hand where it
/// does not. No redirect by status: link previews would follow it, and count.
pub(super) fn leading_on(words: &'static Words, (token, title): (&str, &str), target: &str) -> String {
    let (url, label) = (escape(target), words.open_link);
    let body = format!(
        "<meta http-equiv=\"refresh\" content=\"1;url={url}\"><h1>{}</h1><a class=\"link\" rel=\"noopener noreferrer\" href=\"{url}\">{label}</a>\
         <img class=\"seen\" src=\"{token}/seen.gif\" width=\"1\" height=\"1\" alt=\"\">",
        escape(title)
    );
    document(words, title, &body)
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
    if let Some(signature) = view.signature {
        add(&format!("<p class=\"signature\">{}</p>", escape(signature)));
    }
    for (link, label) in [(view.video, words.watch), (view.link, words.open_link)] {
        let Some(link) = link else { continue };
        let url = escape(link);
        add(&format!("<a class=\"link\" rel=\"noopener noreferrer\" href=\"{url}\">{label}</a>"));
    }
    if !view.files.is_empty() {
        add(&files(view));
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

/// The list of files, each to be saved.
fn files(view: &View<'_>) -> String {
    let mut list = format!("<h2>{}</h2><ul>", view.words.files);
    for (n, (name, bytes)) in (1..).zip(view.files) {
        let (up, token, name, size) = (view.up, view.token, escape(name), size(*bytes));
        write!(list, "<li><a href=\"{up}{token}/files/{n}\">{name} ({size})</a></li>")
            .expect("a string takes whatever is written");
    }
    list + "</ul>"
}

/// Bytes as people say them, in steps of a thousand.
fn size(bytes: usize) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
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
