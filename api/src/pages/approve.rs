//! `/a/{token}`: the page on which an approver decides whether a message may go out. Looking changes nothing, because mail scanners look,
//! too; the first decision of a step stands.

mod view;
mod words;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use herald_shared::db::approval::{self, Case, Decided, Decision, Judge};
use herald_shared::domain::PlanStatus;
use herald_shared::domain::approval::{Opinion, Person, Seat};
use herald_shared::links::{Holder, Purpose};

use self::view::Shown;
use self::words::{AskWords, Line};
use super::language::Words;
use super::{opened, trouble};
use crate::App;
use crate::error::{Kind, Problem, Result};
use crate::routes::MAX_COMMENT;

/// Somebody with a valid link, and what they are to decide.
struct Approver {
    seat: Seat,
    person: Person,
    case: Case,
}

impl Approver {
    async fn of(app: &App, token: &str) -> Result<Approver> {
        let holder = opened(app, Purpose::Approve, token).await?.ok_or_else(super::nothing)?;
        let Holder { plan_id, no, .. } = holder;
        let seat = Seat::unpack(no);
        let case = approval::case(&app.db().await?, plan_id, seat).await?.ok_or_else(super::nothing)?;
        let at = |place: i16| usize::try_from(place).ok()?.checked_sub(1);
        let step = case.terms.approval.as_ref().and_then(|all| all.steps.get(at(seat.step)?));
        let person = step.and_then(|step| step.approvers.get(at(seat.approver)?)).cloned();
        Ok(Approver { seat, person: person.ok_or_else(super::nothing)?, case })
    }

    /// Whether this step is still to be decided.
    fn is_open(&self) -> bool {
        let case = &self.case;
        case.status == PlanStatus::AwaitingApproval && case.current && case.said.is_none()
    }

    /// What is to be said of the step besides the message.
    fn line(&self) -> Line {
        let case = &self.case;
        match (&case.said, case.status) {
            _ if !case.current => Line::Changed,
            (Some((Opinion::Approved, _)), _) => Line::Approved,
            (Some((Opinion::Rejected, _)), _) => Line::Rejected,
            (None, PlanStatus::AwaitingApproval) => Line::Open,
            (None, PlanStatus::Recalled) => Line::Withdrawn,
            (None, PlanStatus::Expired) => Line::Expired,
            (None, _) => Line::Changed,
        }
    }
}

/// The page.
pub(super) async fn page(State(app): State<App>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    let shown = async {
        let approver = Approver::of(&app, &token).await?;
        draw(&app, &headers, &approver, Entered::default()).await
    };
    match shown.await {
        Ok(text) => super::html(StatusCode::OK, text),
        Err(problem) => trouble(&headers, &problem),
    }
}

/// What was entered in a form that was refused, and what is wrong with it.
#[derive(Default)]
struct Entered {
    comment: String,
    note: Option<fn(&'static AskWords) -> &'static str>,
}

async fn draw(app: &App, headers: &HeaderMap, approver: &Approver, entered: Entered) -> Result<String> {
    let case = &approver.case;
    let reach = approval::audience(&app.db().await?, case.tenant_id, case.plan.id).await?;
    let words = Words::of(headers, None);
    let message = if case.terms.is_sensitive() { view::bare(case) } else { view::sample(case) };
    let ask = AskWords::of(words);
    Ok(view::page(&Shown {
        words,
        ask,
        approver: &approver.person,
        case,
        message: &message,
        reach: &reach,
        line: approver.line(),
        is_open: approver.is_open(),
        comment: &entered.comment,
        note: entered.note.map(|note| note(ask)),
    }))
}

/// The decision, from the page's form.
pub(super) async fn decide(
    State(app): State<App>,
    Path(token): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match take(&app, &token, &headers, &body).await {
        Ok(response) => response,
        Err(problem) => trouble(&headers, &problem),
    }
}

async fn take(app: &App, token: &str, headers: &HeaderMap, body: &[u8]) -> Result<Response> {
    let approver = Approver::of(app, token).await?;
    let (opinion, comment) = form(body)?;
    let refuse = async |status, note: fn(&'static AskWords) -> &'static str, approver: &Approver| {
        let entered = Entered { comment: comment.clone(), note: Some(note) };
        Ok(super::html(status, draw(app, headers, approver, entered).await?))
    };
    if !approver.is_open() {
        return refuse(StatusCode::CONFLICT, |words| words.late, &approver).await;
    }
    let unfit = |c: char| c.is_control() && c != '\n' && c != '\t';
    if comment.chars().count() > MAX_COMMENT || comment.chars().any(unfit) {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, |words| words.too_long, &approver).await;
    }
    if opinion == Opinion::Rejected && comment.is_empty() {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, |words| words.say_why, &approver).await;
    }
    let decision = Decision {
        plan_id: approver.case.plan.id,
        round: approver.case.round,
        step: approver.seat.step,
        opinion,
        judge: Judge::Approver(approver.seat.approver),
        name: approver.person.label(),
        comment: Some(comment.as_str()).filter(|comment| !comment.is_empty()),
    };
    if approval::decide(&app.db().await?, &decision).await? == Decided::Yes {
        app.notices.due();
        return Ok(back(token));
    }
    // Somebody was faster.
    let approver = Approver::of(app, token).await?;
    refuse(StatusCode::CONFLICT, |words| words.late, &approver).await
}

/// To the page, which shows what was decided; a reload sends nothing again.
fn back(token: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(location) = HeaderValue::from_str(token) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn form(body: &[u8]) -> Result<(Opinion, String)> {
    let wrong = || Problem::new(Kind::MalformedBody, "This is not the page's form.");
    let (mut opinion, mut comment) = (None, String::new());
    for (name, value) in url::form_urlencoded::parse(body) {
        match (&*name, &*value) {
            ("decision", "approve") => opinion = Some(Opinion::Approved),
            ("decision", "reject") => opinion = Some(Opinion::Rejected),
            ("comment", words) => words.replace("\r\n", "\n").trim().clone_into(&mut comment),
            _ => return Err(wrong()),
        }
    }
    Ok((opinion.ok_or_else(wrong)?, comment))
}
