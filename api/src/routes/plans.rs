//! `/v1/plans`: accept, list, look at.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use herald_shared::db;
use herald_shared::db::idempotency::Scope as KeyScope;
use herald_shared::domain::ids;
use herald_shared::domain::ids::PlanRef;
use jiff::Timestamp;
use uuid::Uuid;

use super::dry_run::rehearse;
use super::events::listen;
use super::{Route, json_text};
use crate::accept::{self, Chosen, Draft, Given, Library, Outcome, Refused, Request};
use crate::auth::{CallerRef, Scope};
use crate::cursor::{self, Page, Window};
use crate::error::{Kind, Problem, Result};
use crate::extract::{Body, Id, IdempotencyKey, Params, entity_tag, parse, preferred_wait, replay};
use crate::observe::Trace;
use crate::{App, digest, views};

/// Rows one list request reads at most; a rare match gives a short page and a cursor to go on.
const SCAN: i64 = 20_000;
/// Bodies above this are read off the runtime's threads, which have other requests to serve.
const LONG: usize = 64 * 1024;

/// Readings of one body: what it names is looked up between them, and what that names in turn.
const LOOKS: usize = 3;

/// The route whose clients may ask to wait.
pub(crate) const PLAN: &str = "/v1/plans/{id}";

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/v1/plans", Scope::PlansWrite, create),
        Route::new(Method::GET, "/v1/plans", Scope::PlansRead, list),
        Route::new(Method::GET, PLAN, Scope::PlansRead, get),
    ]
}

async fn create(
    State(app): State<App>,
    caller: CallerRef,
    IdempotencyKey(key): IdempotencyKey,
    Extension(Trace(traceparent)): Extension<Trace>,
    mut params: Params,
    Body { bytes, room }: Body,
) -> Result<Response> {
    let rehearsed = params.parse("dry_run", "true or false").unwrap_or(false);
    params.finish()?;
    let key = key.filter(|_| !rehearsed);
    let digest = key.is_some();
    let reading = Reading { app: &app, tenant_id: caller.tenant_id, bytes, digest, edits: false };
    // The bytes go here, the room is kept until the plan is written.
    let (draft, hash) = reading.run().await?;
    let scope = key.as_deref().map(|key| KeyScope { api_key_id: caller.key_id, route: accept::ROUTE, key });
    let draft = match draft {
        Ok(draft) => draft,
        Err(refused) => return repeat_or(&app, scope, hash, Problem::validation(refused.problems)).await,
    };
    if rehearsed {
        return rehearse(&app, &caller, draft).await;
    }
    let request = Request {
        key_id: caller.key_id,
        tenant_id: caller.tenant_id,
        route: accept::ROUTE,
        idempotency: key.zip(hash),
        traceparent,
        draft,
    };
    let waits = request.draft.terms.approval.is_some();
    let outcome = app.batcher.submit(request).await?;
    drop(room);
    if waits {
        app.notices.due();
    }
    answer(outcome)
}

pub(super) fn answer(outcome: Outcome) -> Result<Response> {
    match outcome {
        Outcome::Created { held, location, body } => {
            let location = HeaderValue::from_str(&location).expect("a path with a UUID is a header value");
            let status = if held { StatusCode::CREATED } else { StatusCode::ACCEPTED };
            Ok((status, [(header::LOCATION, location)], json_text(body)).into_response())
        }
        Outcome::Replayed(kept) => replayed(kept.status, kept.location.as_deref(), kept.body),
        Outcome::KeyReused => Err(key_reused()),
        Outcome::ReferenceTaken(first) => Err(reference_taken(first)),
    }
}

pub(super) fn reference_taken(first: PlanRef) -> Problem {
    let path = format!("/v1/plans/{}", first.uuid());
    let detail = format!("The plan {path} has this reference already.");
    Problem::new(Kind::ReferenceTaken, detail).location(&path)
}

pub(super) fn replayed(status: i16, location: Option<&str>, body: String) -> Result<Response> {
    replay(status, location, body).ok_or_else(|| Problem::new(Kind::Internal, "The kept answer is damaged."))
}

pub(super) fn key_reused() -> Problem {
    Problem::new(Kind::KeyReused, "This Idempotency-Key was used for another body: use a new one.")
}

/// What was good when it was first sent may not be now (`send_at` has passed, an account is gone): the first answer counts.
async fn repeat_or(
    app: &App,
    scope: Option<KeyScope<'_>>,
    hash: Option<[u8; 32]>,
    problem: Problem,
) -> Result<Response> {
    let (Some(scope), Some(hash)) = (scope, hash) else { return Err(problem) };
    match db::idempotency::find(&app.db().await?, scope).await? {
        Some(kept) if kept.hash == hash => replayed(kept.status, kept.location.as_deref(), kept.body),
        Some(_) => Err(key_reused()),
        None => Err(problem),
    }
}

/// Reading one body.
pub(super) struct Reading<'a> {
    pub(super) app: &'a App,
    pub(super) tenant_id: i64,
    pub(super) bytes: Bytes,
    /// Its digest is wanted, too.
    pub(super) digest: bool,
    /// It is what a draft is to be from now on.
    pub(super) edits: bool,
}

/// A draft or what is wrong, and the body's digest if there is an Idempotency-Key.
pub(super) type Read = (Result<Draft, Refused>, Option<[u8; 32]>);

impl Reading<'_> {
    /// Reads the body; what it names (templates) is looked up between two readings.
    pub(super) async fn run(self) -> Result<Read> {
        let mut library = Arc::new(Library::default());
        for _ in 0..LOOKS {
            let read = self.by_accounts(&library).await?;
            let Err(refused) = &read.0 else { return Ok(read) };
            if refused.wanted.is_empty() {
                return Ok(read);
            }
            let more = Library::load(&self.app.db().await?, self.tenant_id, &refused.wanted).await?;
            Arc::make_mut(&mut library).add(more);
        }
        Err(Problem::new(Kind::Internal, "What the body names could not be looked up."))
    }

    /// Reads against the accounts as last seen, and once more against the present ones if one was missing.
    async fn by_accounts(&self, library: &Arc<Library>) -> Result<Read> {
        if let Some(recent) = self.app.choices.recent(self.tenant_id) {
            let read = self.against(recent, library.clone()).await?;
            if !matches!(&read.0, Err(refused) if refused.lacks_account) {
                return Ok(read);
            }
        }
        let current = self.app.choices.current(self.app, self.tenant_id).await?;
        self.against(current, library.clone()).await
    }

    async fn against(&self, chosen: Arc<Chosen>, library: Arc<Library>) -> Result<Read> {
        let (bytes, net, digest) = (self.bytes.clone(), self.app.net.clone(), self.digest);
        let read_as = if self.edits { accept::read_edit } else { accept::read };
        let (published, keep) = (self.app.links.base.is_some(), self.app.retention.keep);
        let read = move || {
            let document = parse(&bytes)?;
            let given = Given { chosen: &chosen, known: &library, published, net: &net, now: now() };
            let read = read_as(&document, &given).map(|mut draft| {
                draft.terms.keep = draft.terms.keep.or(keep);
                draft
            });
            Ok((read, digest.then(|| digest::of(document.text()))))
        };
        if self.bytes.len() <= LONG {
            return read();
        }
        let read = self.app.reader.run(read).await;
        read.unwrap_or_else(|| Err(Problem::new(Kind::Internal, "Reading the body failed.")))
    }
}

/// The time, to the microsecond, which is what the database keeps.
pub(super) fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

async fn get(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    headers: HeaderMap,
    params: Params,
) -> Result<Response> {
    params.finish()?;
    let plan = plan_ref(id)?;
    let waited = match preferred_wait(&headers) {
        Some(seconds) => Some(wait(&app, &caller, id, seconds).await?),
        None => None,
    };
    let views = db::plans::views(&app.db().await?, caller.tenant_id, &[plan.id]).await?;
    match views.first().filter(|view| view.plan == plan) {
        Some(view) => {
            let tag = [(header::ETAG, entity_tag(view.epoch))];
            Ok((waited, tag, Json(views::plan(view))).into_response())
        }
        None => Err(Problem::not_found("plan")),
    }
}

/// Waits until the plan has ended, at most so many seconds; says so.
async fn wait(
    app: &App,
    caller: &CallerRef,
    id: Uuid,
    seconds: u64,
) -> Result<[(HeaderName, HeaderValue); 1]> {
    let mut listener = listen(app, caller, id).await?;
    // Ended, over time, or the process stops: the answer is the plan as it is.
    drop(tokio::time::timeout(Duration::from_secs(seconds), listener.end()).await);
    let applied = HeaderValue::from_str(&format!("wait={seconds}")).expect("a number is a header value");
    Ok([(HeaderName::from_static("preference-applied"), applied)])
}

/// The plan a public id names.
pub(super) fn plan_ref(id: Uuid) -> Result<PlanRef> {
    ids::parse(id)
        .filter(|packed| packed.slot == 0 && packed.no == 0)
        .map(|packed| packed.plan)
        .ok_or_else(|| Problem::not_found("plan"))
}

async fn list(State(app): State<App>, caller: CallerRef, mut params: Params) -> Result<Response> {
    let window: Window<1> = params.window();
    let reference = params.take("reference");
    let series: Option<Uuid> = params.parse("series", "the id of a plan that recurs");
    let filter = db::plans::Filter {
        status: params.parse("status", "a plan status, such as running"),
        text: params.take("q"),
        created_after: params.time("created_after"),
        internal: params.parse("internal", "true or false").unwrap_or(false),
        created_before: params.time("created_before"),
        lane: params.parse("priority", "urgent, normal or bulk"),
        binned: params.parse("binned", "true or false").unwrap_or(false),
    };
    let number = params.take("number");
    params.finish()?;
    let db = app.db().await?;
    let (ids, next) = match reference {
        Some(reference) => {
            (db::plans::by_reference(&db, caller.tenant_id, &reference).await?.into_iter().collect(), None)
        }
        None if series.is_some() => of_series(&db, caller.tenant_id, series, window).await?,
        None => match by_number(&db, caller.tenant_id, (&filter, number.as_deref()), &window).await? {
            Some(view) => {
                return Ok(Json(Page { items: vec![views::plan(&view)], next_cursor: None }).into_response());
            }
            None if number.is_some() => (Vec::new(), None),
            None => page(&db, caller.tenant_id, &filter, window).await?,
        },
    };
    let views = db::plans::views(&db, caller.tenant_id, &ids).await?;
    let items = views.iter().filter(|view| matches(view, &filter)).map(views::plan).collect();
    Ok(Json(Page { items, next_cursor: next.map(|id| cursor::write([id])) }).into_response())
}

/// The plan whose number is searched for, if it is one of the tenant's and the other conditions hold.
async fn by_number(
    db: &db::Client,
    tenant_id: i64,
    (filter, number): (&db::plans::Filter, Option<&str>),
    window: &Window<1>,
) -> Result<Option<db::plans::View>> {
    let (asked, first) = (number.is_some(), window.after.is_none());
    let Some(number) = number.or(filter.text.as_deref()).filter(|_| first) else { return Ok(None) };
    let Some(id) = PlanRef::id_of_number(number) else { return Ok(None) };
    let mut found = db::plans::views(db, tenant_id, &[id]).await?;
    let text = filter.text.clone().filter(|_| asked);
    let rest = db::plans::Filter { text, ..filter.clone() };
    // The date in front is part of the number.
    found.retain(|view| view.plan.number().eq_ignore_ascii_case(number.trim()) && matches(view, &rest));
    Ok(found.pop())
}

/// Ids of a page, and where the next one starts.
async fn page(
    db: &db::Client,
    tenant_id: i64,
    filter: &db::plans::Filter,
    window: Window<1>,
) -> Result<(Vec<i64>, Option<i64>)> {
    let before = window.after.map_or(i64::MAX, |[id]| id);
    let mut ids = db::plans::find(db, tenant_id, before, filter, (SCAN, window.limit + 1)).await?;
    if crate::cursor::cut(&mut ids, window.limit) {
        let next = ids.last().copied();
        return Ok((ids, next));
    }
    let end = db::plans::find_end(db, tenant_id, before, filter, SCAN).await?;
    Ok((ids, end))
}

/// Ids of a page of a series, and where the next one starts.
async fn of_series(
    db: &db::Client,
    tenant_id: i64,
    series: Option<Uuid>,
    window: Window<1>,
) -> Result<(Vec<i64>, Option<i64>)> {
    let Some(pattern) = series.and_then(|id| plan_ref(id).ok()) else { return Ok((Vec::new(), None)) };
    let before = window.after.map_or(i64::MAX, |[id]| id);
    let mut ids = db::series::occurrences(db, tenant_id, pattern.id, (before, window.limit + 1)).await?;
    let more = crate::cursor::cut(&mut ids, window.limit);
    let next = ids.last().copied().filter(|_| more);
    Ok((ids, next))
}

/// A plan found by its reference must match the other conditions too.
fn matches(view: &db::plans::View, filter: &db::plans::Filter) -> bool {
    let holds = |text: &str| {
        let text = text.to_lowercase();
        filter.text.as_ref().is_none_or(|part| text.contains(&part.to_lowercase()))
    };
    filter.status.is_none_or(|status| status == view.status)
        && (!view.terms.sensitive && holds(&view.title) || view.reference.as_deref().is_some_and(holds))
        && filter.created_after.is_none_or(|after| view.created_at > after)
        && (filter.internal || view.terms.internal.is_none())
        && filter.created_before.is_none_or(|before| view.created_at < before)
        && filter.lane.is_none_or(|lane| view.lane == lane)
        && view.binned.is_some() == filter.binned
}
