//! What stands before the page of a protected message: nothing of it is shown until a code was entered that went to an address known to
//! be the recipient's.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use herald_shared::db::codes::Checked;
use herald_shared::links::{Holder, Purpose};

use super::code::{self, Asked};
use super::html::{document, escape};
use super::language::Words;
use super::{Found, find, opened, trouble};
use crate::App;
use crate::error::{Kind, Problem, Result};

/// Where the cookie of a page goes.
pub(super) fn path(token: &str) -> String {
    format!("/m/{token}")
}

/// `POST /m/{token}/code`: sends a code.
pub(super) async fn ask(State(app): State<App>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    let asked = async {
        let holder = protected(&app, &token).await?;
        let (status, note) = match code::send(&app, holder).await? {
            Asked::Sent(address) => (StatusCode::OK, Note::Sent(address)),
            Asked::In(minutes) => (StatusCode::TOO_MANY_REQUESTS, Note::In(minutes)),
            Asked::Nowhere => (StatusCode::CONFLICT, Note::Nowhere),
        };
        Ok(super::html(status, page(Words::of(&headers, None), "../", &token, &note)))
    };
    asked.await.unwrap_or_else(|problem: Problem| trouble(&headers, &problem))
}

/// `POST /m/{token}/enter`: a right code lets in, and the browser is remembered.
pub(super) async fn enter(
    State(app): State<App>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let entered = async {
        let holder = protected(&app, &token).await?;
        let code = form(&body)?;
        let note = match code::check(&app, holder, &code).await? {
            Checked::Right => {
                let cookie = code::remember(&app, holder, &path(&token)).await?;
                return Ok(back(&token, cookie));
            }
            Checked::Wrong => Note::Wrong,
            Checked::Nothing => Note::Over,
        };
        let text = page(Words::of(&headers, None), "../", &token, &note);
        Ok(super::html(StatusCode::UNPROCESSABLE_ENTITY, text))
    };
    entered.await.unwrap_or_else(|problem: Problem| trouble(&headers, &problem))
}

/// `POST /m/{token}/forget`: by whoever is in: no browser is remembered any more.
pub(super) async fn forget(
    State(app): State<App>,
    Path(token): Path<String>,
    headers: HeaderMap,
) -> Response {
    let forgotten = async {
        let holder = protected(&app, &token).await?;
        let mut cookie = None;
        if code::is_remembered(&app, &headers, holder).await? {
            cookie = code::forget(&app, holder, &path(&token)).await?;
        }
        Ok(back(&token, cookie))
    };
    forgotten.await.unwrap_or_else(|problem: Problem| trouble(&headers, &problem))
}

/// Whoever holds the token of a protected message that can be opened.
async fn protected(app: &App, token: &str) -> Result<Holder> {
    let holder = opened(app, Purpose::Page, token).await?.ok_or_else(super::nothing)?;
    match find(app, holder).await? {
        Found::Page(page) if page.terms.protected => Ok(holder),
        Found::Withdrawn => Err(super::withdrawn()),
        Found::Erased => Err(super::erased()),
        Found::Closed => Err(super::closed()),
        Found::Page(_) | Found::Nothing => Err(super::nothing()),
    }
}

/// To the page, with a cookie.
fn back(token: &str, cookie: Option<HeaderValue>) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(&format!("../{token}")) {
        headers.insert(LOCATION, location);
    }
    headers.extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
    response
}

fn form(body: &[u8]) -> Result<String> {
    let mut entered = String::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        if name != "code" {
            return Err(Problem::new(Kind::MalformedBody, "This is not the page's form."));
        }
        entered = value.into_owned();
    }
    Ok(entered)
}

/// What is to be said besides the question.
pub(super) enum Note {
    Nothing,
    /// A code is on its way to this address.
    Sent(String),
    In(i64),
    Nowhere,
    Wrong,
    /// There is no code any more that could be tried.
    Over,
}

/// The question who somebody is.
pub(super) fn page(words: &'static Words, up: &str, token: &str, note: &Note) -> String {
    let gate = if words.tag == "zh" { &CHINESE } else { &ENGLISH };
    let mut body = format!("<h1>{}</h1>", gate.heading);
    if let Some(note) = gate.note(note) {
        body += &format!("<p class=\"note\" role=\"status\">{}</p>", escape(&note));
    }
    let GateWords { text, send, code, enter, .. } = gate;
    body += &format!(
        "<p>{text}</p><form method=\"post\" action=\"{up}{token}/code\"><button>{send}</button></form>\
         <form method=\"post\" action=\"{up}{token}/enter\"><label for=\"code\">{code}</label>\
         <input id=\"code\" name=\"code\" inputmode=\"numeric\" autocomplete=\"one-time-code\" pattern=\"[0-9 -]*\" maxlength=\"20\" required>\
         <button>{enter}</button></form>"
    );
    document(words, gate.heading, &body)
}

/// The button with which somebody leaves no trace in a browser.
pub(super) fn forget_button(words: &Words, up: &str, token: &str) -> String {
    let label = if words.tag == "zh" { CHINESE.forget } else { ENGLISH.forget };
    format!(
        "<form method=\"post\" action=\"{up}{token}/forget\"><button class=\"no\">{label}</button></form>"
    )
}

struct GateWords {
    heading: &'static str,
    text: &'static str,
    send: &'static str,
    code: &'static str,
    enter: &'static str,
    forget: &'static str,
    sent: &'static str,
    too_often: &'static str,
    nowhere: &'static str,
    wrong: &'static str,
    over: &'static str,
}

impl GateWords {
    fn note(&self, note: &Note) -> Option<String> {
        Some(match note {
            Note::Nothing => return None,
            Note::Sent(address) => self.sent.replace("{}", address),
            Note::In(minutes) => self.too_often.replace("{}", &minutes.to_string()),
            Note::Nowhere => self.nowhere.to_owned(),
            Note::Wrong => self.wrong.to_owned(),
            Note::Over => self.over.to_owned(),
        })
    }
}

static ENGLISH: GateWords = GateWords {
    heading: "This message is protected",
    text: "Before it is shown you are asked who you are: a code is sent to an address that is known to be yours.",
    send: "Send me a code",
    code: "The code you got",
    enter: "Open the message",
    forget: "Forget my browsers",
    sent: "A code is on its way to {}. It is valid for 10 minutes.",
    too_often: "You have got as many codes as may be sent in an hour. The next one may be had in {} minutes.",
    nowhere: "No code can be sent to you: the sender has no address of yours for that. Please ask the sender.",
    wrong: "This is not the code. Please try again.",
    over: "There is no valid code: it is too old, was used, or was tried too often. Please get a new one.",
};

static CHINESE: GateWords = GateWords {
    heading: "这是受保护的消息",
    text: "显示内容之前需要确认您的身份：验证码将发送到已知属于您的地址。",
    send: "发送验证码",
    code: "请输入验证码",
    enter: "打开消息",
    forget: "忘记我的浏览器",
    sent: "验证码已发送到 {}，10分钟内有效。",
    too_often: "一小时内可发送的验证码次数已用完，请在 {} 分钟后再试。",
    nowhere: "无法向您发送验证码：发送方没有您的可用地址，请联系发送方。",
    wrong: "验证码不正确，请重试。",
    over: "没有有效的验证码：已过期、已使用或尝试次数过多，请重新获取。",
};
