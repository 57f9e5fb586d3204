//! `/q/{token}`: the page of a plan that a QR code leads to. A member says once who they are, by an address that the plan has of them and
//! the code that is sent there; their browser is remembered and led on to their own page.
//!
//! Its token is that of a page of nobody (recipient 0). Whether an address is in the plan is told to nobody: the answer is the same, and
//! it does not wait for the code to be sent.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use herald_shared::db::codes::{self, Checked};
use herald_shared::links::{Holder, Links, Purpose};

use super::html::{document, escape};
use super::language::Words;
use super::{code, link_key, trouble};
use crate::App;
use crate::error::{Kind, Problem, Result};

/// Characters of what is entered.
const MAX_ADDRESS: usize = 320;

/// The page of a plan, for its QR code.
pub(crate) fn link(links: &Links, plan_id: i64) -> String {
    links.group(Holder { plan_id, no: 0, channel: None })
}

/// `GET /q/{token}`: on to one's own page, or the question who one is.
pub(super) async fn page(State(app): State<App>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    let shown = async {
        let plan_id = opened(&app, &token).await?;
        if let Some(no) = code::remembered(&app, &headers, plan_id).await? {
            return on(&app, "../", Holder { plan_id, no, channel: None }, None).await;
        }
        Ok(super::html(StatusCode::OK, draw(&headers, "", &token, &Asked::default())))
    };
    shown.await.unwrap_or_else(|problem: Problem| trouble(&headers, &problem))
}

/// `POST /q/{token}/code`: sends a code, if the address is in the plan.
pub(super) async fn ask(
    State(app): State<App>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked = async {
        let plan_id = opened(&app, &token).await?;
        let address = form(&body)?.0;
        app.page_limiter.ask(plan_id, &address)?;
        let sender = (app.clone(), address.clone());
        tokio::spawn(async move {
            let (app, address) = sender;
            if let Err(problem) = send(&app, plan_id, &address).await {
                tracing::warn!(problem = problem.detail, "a code was not sent");
            }
        });
        let asked = Asked { address: &address, is_sent: true, is_wrong: false };
        Ok(super::html(StatusCode::OK, draw(&headers, "../", &token, &asked)))
    };
    asked.await.unwrap_or_else(|problem: Problem| trouble(&headers, &problem))
}

/// `POST /q/{token}/enter`: a right code leads on, and the browser is remembered.
pub(super) async fn enter(
    State(app): State<App>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let entered = async {
        let plan_id = opened(&app, &token).await?;
        let (address, entered) = form(&body)?;
        app.page_limiter.ask(plan_id, &address)?;
        if let Some(no) = find(&app, plan_id, &address).await? {
            let holder = Holder { plan_id, no, channel: None };
            if code::check(&app, holder, &entered).await? == Checked::Right {
                let cookie = code::remember(&app, holder, &format!("/q/{token}")).await?;
                return on(&app, "../../", holder, cookie).await;
            }
        }
        let asked = Asked { address: &address, is_sent: true, is_wrong: true };
        Ok(super::html(StatusCode::UNPROCESSABLE_ENTITY, draw(&headers, "../", &token, &asked)))
    };
    entered.await.unwrap_or_else(|problem: Problem| trouble(&headers, &problem))
}

/// The plan of a token.
async fn opened(app: &App, token: &str) -> Result<i64> {
    let holder = link_key(app).await?.open(Purpose::Page, token).filter(|holder| holder.no == 0);
    holder.map(|holder| holder.plan_id).ok_or_else(super::nothing)
}

/// The recipient with an address, in a plan that went out and was not withdrawn.
async fn find(app: &App, plan_id: i64, address: &str) -> Result<Option<i32>> {
    let turn = app.members.acquire().await;
    let found = codes::member(&app.db().await?, plan_id, address).await?;
    drop(turn);
    Ok(found)
}

async fn send(app: &App, plan_id: i64, address: &str) -> Result<()> {
    if let Some(no) = find(app, plan_id, address).await? {
        // Too many, or nowhere to go to: that is told to nobody either.
        code::send(app, Holder { plan_id, no, channel: None }).await?;
    }
    Ok(())
}

/// To somebody's own page; `up` leads from here to the folder of the kinds of pages.
async fn on(app: &App, up: &str, holder: Holder, cookie: Option<HeaderValue>) -> Result<Response> {
    let own = link_key(app).await?.token(Purpose::Page, holder);
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    if let Ok(location) = HeaderValue::from_str(&format!("{up}m/{own}")) {
        headers.insert(LOCATION, location);
    }
    headers.extend(cookie.map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}

/// Address and code, as far as they were entered.
fn form(body: &[u8]) -> Result<(String, String)> {
    let (mut address, mut code) = (String::new(), String::new());
    for (name, value) in url::form_urlencoded::parse(body) {
        match &*name {
            "address" => value.trim().clone_into(&mut address),
            "code" => code = value.into_owned(),
            _ => return Err(Problem::new(Kind::MalformedBody, "This is not the page's form.")),
        }
    }
    if address.is_empty() || address.chars().count() > MAX_ADDRESS || address.contains('\0') {
        return Err(Problem::new(Kind::MalformedBody, "An address is needed."));
    }
    Ok((address, code))
}

/// How far somebody is.
#[derive(Default)]
struct Asked<'a> {
    address: &'a str,
    is_sent: bool,
    is_wrong: bool,
}

fn draw(headers: &HeaderMap, up: &str, token: &str, asked: &Asked<'_>) -> String {
    let words = Words::of(headers, None);
    let group = if words.tag == "zh" { &CHINESE } else { &ENGLISH };
    let mut body = format!("<h1>{}</h1>", group.heading);
    let note = if asked.is_wrong { group.wrong } else { group.sent };
    if asked.is_sent {
        body += &format!("<p class=\"note\" role=\"status\">{note}</p>");
    }
    let address = escape(asked.address);
    body += &format!(
        "<p>{}</p><form method=\"post\" action=\"{up}{token}/code\"><label for=\"address\">{}</label>\
         <input id=\"address\" name=\"address\" value=\"{address}\" maxlength=\"{MAX_ADDRESS}\" autocomplete=\"email\" required>\
         <button>{}</button></form>",
        group.text, group.address, group.send
    );
    if asked.is_sent {
        body += &format!(
            "<form method=\"post\" action=\"{up}{token}/enter\"><input type=\"hidden\" name=\"address\" value=\"{address}\">\
             <label for=\"code\">{}</label>\
             <input id=\"code\" name=\"code\" inputmode=\"numeric\" autocomplete=\"one-time-code\" pattern=\"[0-9 -]*\" maxlength=\"20\" required>\
             <button>{}</button></form>",
            group.code, group.enter
        );
    }
    document(words, group.heading, &body)
}

struct GroupWords {
    heading: &'static str,
    text: &'static str,
    address: &'static str,
    send: &'static str,
    sent: &'static str,
    wrong: &'static str,
    code: &'static str,
    enter: &'static str,
}

static ENGLISH: GroupWords = GroupWords {
    heading: "Read your message",
    text: "Say once who you are: if this message was sent to your address, you get a code there.",
    address: "Your mail address or phone number",
    send: "Send me a code",
    sent: "If this message was sent to that address, a code is on its way there. It is valid for 10 minutes.",
    wrong: "This code is not valid. Please try again, or get a new one.",
    code: "The code you got",
    enter: "Open my message",
};

static CHINESE: GroupWords = GroupWords {
    heading: "查看您的消息",
    text: "只需确认一次身份：如果这条消息发送给了您的地址，验证码会发送到该地址。",
    address: "您的邮箱地址或手机号码",
    send: "发送验证码",
    sent: "如果这条消息发送给了该地址，验证码已发往该地址，10分钟内有效。",
    wrong: "验证码无效，请重试或重新获取。",
    code: "请输入验证码",
    enter: "打开我的消息",
};
