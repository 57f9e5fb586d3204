//! `POST /m/{token}/acknowledge`: a recipient's answer, from the page's form or from a program. The first one stands.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use herald_shared::db::reading::{Note, Page};
use herald_shared::links::{Holder, Purpose};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::language::Words;
use super::visit::{Drawn, draw};
use super::{Found, code, find, gate, opened, trouble};
use crate::App;
use crate::error::{Kind, Problem, Result};
use crate::problems::Problems;

/// The answer in one's own words, among the options.
pub(super) const OTHER: &str = "other";
/// Characters of one's own words.
const MAX_WORDS: usize = 500;

/// What a plan lets its recipients answer.
pub(super) struct Offered {
    pub(super) options: Vec<String>,
    pub(super) other: bool,
}

impl Offered {
    pub(super) fn of(acknowledgement: Option<&Value>) -> Self {
        let list = acknowledgement.and_then(|offered| offered["options"].as_array());
        let options = list.into_iter().flatten().filter_map(|option| Some(option.as_str()?.to_owned()));
        let other = acknowledgement.is_some_and(|offered| offered["other"].as_bool() == Some(true));
        Offered { options: options.collect(), other }
    }
}

/// An answer as it came.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entered {
    option: Option<String>,
    text: Option<String>,
}

/// What is told to a program.
#[derive(Serialize)]
struct Told<'a> {
    answer: &'a str,
    answer_text: Option<&'a str>,
    answered_at: Timestamp,
}

/// What is wrong with an answer: the field, in words for programs, in words for people.
type Wrong = (&'static str, &'static str, fn(&'static Words) -> Option<&'static str>);

/// The answer of whoever holds the token.
pub(super) async fn acknowledge(
    State(app): State<App>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: std::result::Result<Bytes, BytesRejection>,
) -> Response {
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_json =
        declared.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
    let request = Request { app: &app, token: &token, headers: &headers, is_json };
    let taken = async { request.take(&body.map_err(|rejection| unread(&rejection))?).await };
    match taken.await {
        Ok(response) => response,
        Err(problem) if is_json => problem.into_response(),
        Err(problem) => trouble(&headers, &problem),
    }
}

fn unread(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::new(Kind::BodyTooLarge, "An answer may have 16 kB.");
    }
    Problem::new(Kind::MalformedBody, "The body broke off.")
}

struct Request<'a> {
    app: &'a App,
    token: &'a str,
    headers: &'a HeaderMap,
    is_json: bool,
}

impl Request<'_> {
    async fn take(&self, body: &[u8]) -> Result<Response> {
        let holder = opened(self.app, Purpose::Page, self.token).await?.ok_or_else(super::nothing)?;
        let page = self.page(holder).await?;
        if page.terms.protected && !code::is_remembered(self.app, self.headers, holder).await? {
            return self.ask_who(&page);
        }
        let entered = if self.is_json { from_json(body)? } else { from_form(body)? };
        let offered = Offered::of(page.acknowledgement.as_ref());
        if page.answered.is_some() {
            return self.answered(holder, &page).await;
        }
        let (answer, words) = match check(&offered, &entered) {
            Ok(answer) => answer,
            Err(wrong) => return self.refuse(holder, &page, &entered, wrong).await,
        };
        let Holder { plan_id, no, channel } = holder;
        let note = Note { plan_id, no, channel, answer: Some(answer), words };
        let is_first = self.app.recorder.note(note).await?;
        // Somebody may have been faster, or the plan was recalled just now.
        let page = self.page(holder).await?;
        match &page.answered {
            Some((answer, at)) if is_first && self.is_json => {
                let told = Told { answer, answer_text: page.words.as_deref(), answered_at: *at };
                Ok(Json(told).into_response())
            }
            Some(_) if is_first => Ok(self.back()),
            _ => self.answered(holder, &page).await,
        }
    }

    async fn page(&self, holder: Holder) -> Result<Box<Page>> {
        match find(self.app, holder).await? {
            Found::Page(page) => Ok(page),
            Found::Withdrawn => Err(super::withdrawn()),
            Found::Erased => Err(super::erased()),
            Found::Closed => Err(super::closed()),
            Found::Nothing => Err(super::nothing()),
        }
    }

    /// Nobody answers who has not been let in.
    fn ask_who(&self, page: &Page) -> Result<Response> {
        if self.is_json {
            let detail = "This message is protected: its recipient opens the page and enters a code first.";
            return Err(Problem::new(Kind::Protected, detail));
        }
        let words = Words::of(self.headers, page.locale.as_deref());
        let text = gate::page(words, "../", self.token, &gate::Note::Nothing);
        Ok(super::html(StatusCode::FORBIDDEN, text))
    }

    /// To the page, which shows the answer; a reload sends nothing again.
    fn back(&self) -> Response {
        let mut response = StatusCode::SEE_OTHER.into_response();
        if let Ok(location) = HeaderValue::from_str(&format!("../{}", self.token)) {
            response.headers_mut().insert(LOCATION, location);
        }
        response
    }

    async fn answered(&self, holder: Holder, page: &Page) -> Result<Response> {
        if self.is_json {
            return Err(Problem::new(
                Kind::Answered,
                "This person has answered already; nothing was changed.",
            ));
        }
        let drawn = Drawn { up: "../", note: |words| Some(words.already), entered: (None, None) };
        let text = draw(self.app, (self.token, holder), page, self.headers, &drawn).await?;
        Ok(super::html(StatusCode::CONFLICT, text))
    }

    async fn refuse(
        &self,
        holder: Holder,
        page: &Page,
        entered: &Entered,
        (pointer, detail, note): Wrong,
    ) -> Result<Response> {
        if self.is_json {
            let mut problems = Problems::default();
            problems.add(pointer, detail);
            return Err(Problem::validation(problems));
        }
        let entered = (entered.option.as_deref(), entered.text.as_deref());
        let drawn = Drawn { up: "../", note, entered };
        let text = draw(self.app, (self.token, holder), page, self.headers, &drawn).await?;
        Ok(super::html(StatusCode::UNPROCESSABLE_ENTITY, text))
    }
}

fn from_json(body: &[u8]) -> Result<Entered> {
    serde_json::from_slice(body).map_err(|error| {
        let detail = format!("Send {{\"option\": \"...\", \"text\": \"...\"}}: {error}.");
        Problem::new(if error.is_data() { Kind::Validation } else { Kind::MalformedBody }, detail)
    })
}

fn from_form(body: &[u8]) -> Result<Entered> {
    let mut entered = Entered::default();
    for (name, value) in url::form_urlencoded::parse(body) {
        match &*name {
            "option" => entered.option = Some(value.into_owned()),
            "text" => entered.text = Some(value.replace("\r\n", "\n")),
            _ => return Err(Problem::new(Kind::MalformedBody, "This is not the page's form.")),
        }
    }
    Ok(entered)
}

/// The option and the words of a good answer.
fn check(offered: &Offered, entered: &Entered) -> std::result::Result<(String, Option<String>), Wrong> {
    if offered.options.is_empty() && !offered.other {
        return Err(("/option", "this message takes no answer", |words| Some(words.choose)));
    }
    let chosen = entered.option.as_deref().unwrap_or_default();
    let is_other = offered.other && chosen == OTHER;
    if !is_other && !offered.options.iter().any(|option| option == chosen) {
        return Err(("/option", "must be one of the options that were offered", |words| Some(words.choose)));
    }
    let words = entered.text.as_deref().map(str::trim).filter(|words| !words.is_empty());
    match words {
        Some(_) if !offered.other => {
            Err(("/text", "only the options were offered: leave it out", |words| Some(words.choose)))
        }
        Some(words) if words.chars().count() > MAX_WORDS || words.chars().any(is_unfit) => {
            Err(("/text", "must have at most 500 characters and no control characters", |words| {
                Some(words.too_long)
            }))
        }
        None if is_other => {
            Err(("/text", "must say something, since option is other", |words| Some(words.say_more)))
        }
        words => Ok((chosen.to_owned(), words.map(str::to_owned))),
    }
}

fn is_unfit(c: char) -> bool {
    c.is_control() && c != '\n' && c != '\t'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(
        other: bool,
        option: &str,
        text: Option<&str>,
    ) -> Result<(String, Option<String>), &'static str> {
        let offered = Offered { options: vec!["Yes".to_owned(), "到".to_owned()], other };
        let entered = Entered { option: Some(option.to_owned()), text: text.map(str::to_owned) };
        check(&offered, &entered).map_err(|(pointer, ..)| pointer)
    }

    #[test]
    fn an_answer_is_one_of_the_options_or_in_own_words() {
        let ok = |option: &str, words: Option<&str>| Ok((option.to_owned(), words.map(str::to_owned)));
        assert_eq!(checked(false, "到", None), ok("到", None));
        assert_eq!(checked(true, "Yes", Some(" \n")), ok("Yes", None));
        assert_eq!(checked(true, "other", Some(" later\ntoday ")), ok("other", Some("later\ntoday")));
        for (other, option, text, pointer) in [
            (false, "yes", None, "/option"),
            (false, "", None, "/option"),
            (false, "other", Some("x"), "/option"),
            (true, "other", None, "/text"),
            (true, "other", Some("a\0b"), "/text"),
            (false, "Yes", Some("but"), "/text"),
        ] {
            assert_eq!(checked(other, option, text), Err(pointer), "{option} {text:?}");
        }
        assert!(checked(true, "other", Some(&"水".repeat(500))).is_ok());
        assert_eq!(checked(true, "other", Some(&"水".repeat(501))), Err("/text"));
    }
}
