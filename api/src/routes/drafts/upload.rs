//! `POST /v1/plans/{id}/recipients`: an audience streams into a draft, or into a plan that was sent, all of it or nothing.
//!
//! One transaction holds a draft from the first row to the last, so an upload that breaks off, in whatever way, leaves
//! no trace, and one that replaces who is there is not seen in parts. A workbook is kept in a file before that: its list of
//! contents stands at its end. One upload at a time and process: what it remembers of a million people is what the process has room for.

use std::str::FromStr;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::{BodyDataStream, Bytes};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use axum::response::{IntoResponse, Response};
use deadpool_postgres::Transaction;
use futures_util::StreamExt as _;
use herald_shared::db;
use herald_shared::db::drafts::Held;
use herald_shared::domain::ids::PlanRef;
use serde::Serialize;
use tokio::sync::SemaphorePermit;

use super::super::plans::plan_ref;
use super::workbook::{self, Sheet};
use super::{hold, let_go, list, target};
use crate::App;
use crate::accept::{Format, Intake, Report, RowProblem};
use crate::auth::CallerRef;
use crate::error::{Kind, Problem, Result};
use crate::extract::{Id, IdempotencyKey, Params, drain};

/// Bytes of one upload.
const MAX_BYTES: u64 = 1024 * 1024 * 1024;
/// Longest wait for the next bytes. Below the database's limit for an idle transaction.
const IDLE: Duration = Duration::from_secs(30);
/// Longest upload: its transaction keeps the database from tidying up behind everybody.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// Longest wait for another upload's end.
const TURN: Duration = Duration::from_secs(2);
/// Bytes read at once: a person takes a multiple of their row in memory.
const PIECE: usize = 32 * 1024;
/// The media type of XLSX.
const XLSX: &str = crate::export::Format::Xlsx.media_type();
/// People one statement writes.
pub(super) const CHUNK: usize = 1000;

/// What is done with those who are in the draft already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// They stay.
    Append,
    /// They go, unless the upload fails.
    Replace,
}

impl FromStr for Mode {
    type Err = ();
    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "append" => Ok(Mode::Append),
            "replace" => Ok(Mode::Replace),
            _ => Err(()),
        }
    }
}

/// How the file is to be read.
#[derive(Clone, Copy)]
struct How {
    format: Format,
    mode: Mode,
}

/// Where rows come from.
enum Source<'a> {
    Bytes(&'a mut BodyDataStream),
    Sheet(Sheet),
}

/// What became of an upload.
#[derive(Serialize)]
pub(super) struct Told {
    pub(super) rows: u64,
    pub(super) added: i32,
    pub(super) duplicates: i32,
    refused: u64,
    errors: Vec<RowProblem>,
    /// People in the plan now.
    recipients: i32,
}

impl Told {
    pub(super) fn of(report: Report, plan: &Held) -> Self {
        Told {
            rows: report.rows,
            added: report.added,
            duplicates: report.duplicates,
            refused: report.refused,
            errors: report.problems,
            recipients: plan.recipients + report.added,
        }
    }
}

pub(super) async fn upload(
    State(app): State<App>,
    caller: CallerRef,
    Id(id): Id,
    IdempotencyKey(key): IdempotencyKey,
    mut params: Params,
    request: Request,
) -> Result<Response> {
    if is_json(request.headers()) {
        params.finish()?;
        return list::add(&app, &caller, id, key, request).await;
    }
    let waits = request.headers().contains_key(EXPECT);
    let mode = params.parse("mode", "append or replace").unwrap_or(Mode::Append);
    let declared = params.finish().and_then(|()| Ok(How { format: declared(request.headers())?, mode }));
    let mut stream = request.into_body().into_data_stream();
    let done = match declared {
        Ok(how) => Box::pin(take(&app, &caller, id, how, &mut stream)).await,
        Err(problem) => Err(problem),
    };
    match done {
        Ok(told) => Ok(Json(told).into_response()),
        Err(problem) => {
            if !waits {
                drain(stream).await;
            }
            Err(problem)
        }
    }
}

async fn take(
    app: &App,
    caller: &CallerRef,
    id: uuid::Uuid,
    how: How,
    stream: &mut BodyDataStream,
) -> Result<Told> {
    let plan = plan_ref(id)?;
    let turn = turn(app).await?;
    let mut db = app.db().await?;
    let told = into_draft(app, &mut db, (caller, plan), how, stream).await;
    if matches!(&told, Err(problem) if problem.kind == Kind::Unavailable) {
        // Its server may have fallen silent without closing it.
        drop(db::Client::take(db));
    } else if told.is_err() {
        let_go(app, &db).await;
    }
    drop(turn);
    told
}

async fn into_draft(
    app: &App,
    db: &mut db::Client,
    (caller, plan): (&CallerRef, PlanRef),
    how: How,
    stream: &mut BodyDataStream,
) -> Result<Told> {
    let begun = Instant::now();
    let source = match how.format {
        Format::Workbook => {
            // What cannot be given people is told before its file is taken.
            let transaction = begin(app, db).await?;
            in_time(app, open(&transaction, caller, plan, how.mode)).await?;
            in_time(app, async { Ok(transaction.rollback().await.map_err(db::Error::from)?) }).await?;
            Source::Sheet(workbook::open(stream, begun).await?)
        }
        Format::Csv | Format::Ndjson => Source::Bytes(stream),
    };
    let transaction = begin(app, db).await?;
    let mut draft = in_time(app, open(&transaction, caller, plan, how.mode)).await?;
    if how.mode == Mode::Replace {
        empty(app, &transaction, &mut draft).await?;
    }
    let mut intake = Intake::new(how.format, &draft, app.net.clone()).map_err(unreadable)?;
    remember(app, &transaction, &draft, &mut intake).await?;
    pour(app, &transaction, &draft, &mut intake, (source, begun)).await?;
    let report = intake.report();
    if how.mode == Mode::Replace && report.added == 0 {
        return Err(nobody_left(&report));
    }
    let told = Told::of(report, &draft);
    in_time(app, async {
        target::close(&transaction, &draft, caller.key_id, (told.added, told.duplicates)).await?;
        transaction.commit().await.map_err(db::Error::from)?;
        Ok(())
    })
    .await?;
    Ok(told)
}

async fn begin<'a>(app: &App, db: &'a mut db::Client) -> Result<Transaction<'a>> {
    in_time(app, async { Ok(db.transaction().await.map_err(db::Error::from)?) }).await
}

/// The plan that people are added to; everybody is replaced in a draft only.
async fn open(db: &Transaction<'_>, caller: &CallerRef, plan: PlanRef, mode: Mode) -> Result<Held> {
    match mode {
        Mode::Append => target::open(db, caller.tenant_id, plan).await,
        Mode::Replace => hold(db, caller.tenant_id, plan, "given other recipients").await,
    }
}

/// Takes everybody out, in this transaction.
async fn empty(app: &App, db: &Transaction<'_>, draft: &mut Held) -> Result<()> {
    while in_time(app, async { Ok(db::drafts::remove_some(db, draft).await?) }).await? {}
    in_time(app, async { Ok(db::drafts::emptied(db, draft).await?) }).await
}

/// Replacing everybody by nobody is a mistake.
fn nobody_left(report: &Report) -> Problem {
    let first = report.problems.first().map_or_else(String::new, |problem| {
        let column = problem.column.as_ref().map_or_else(String::new, |column| format!(", {column}"));
        format!(" The first problem: line {}{column}: {}.", problem.line, problem.detail)
    });
    unreadable(format!("None of its {} rows could be taken.{first}", report.rows))
}

/// An upload may take long, an answer of the database may not.
async fn in_time<T>(app: &App, asked: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(app.deadline, asked).await.unwrap_or_else(|_| Err(db::Error::Deadline.into()))
}

pub(super) async fn turn(app: &App) -> Result<SemaphorePermit<'_>> {
    match tokio::time::timeout(TURN, app.uploads.acquire()).await {
        Ok(Ok(turn)) => Ok(turn),
        _ => Err(Problem::unavailable("Another upload is being taken; try again when it has ended.", 5)),
    }
}

/// Who is in the draft already.
pub(super) async fn remember(
    app: &App,
    db: &Transaction<'_>,
    draft: &Held,
    intake: &mut Intake,
) -> Result<()> {
    let mut after = 0;
    loop {
        let people = in_time(app, async { Ok(db::drafts::people(db, draft, after).await?) }).await?;
        let Some((last, _)) = people.last() else { return Ok(()) };
        after = *last;
        people.iter().for_each(|(_, person)| intake.know(person));
    }
}

/// The rows, as they arrive, into the draft.
async fn pour(
    app: &App,
    db: &Transaction<'_>,
    draft: &Held,
    intake: &mut Intake,
    (source, begun): (Source<'_>, Instant),
) -> Result<()> {
    let mut last = draft.recipients;
    match source {
        Source::Bytes(stream) => {
            let mut bytes = 0;
            while let Some(chunk) = next(stream, begun).await? {
                bytes += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
                if bytes > MAX_BYTES {
                    return Err(too_large());
                }
                for piece in chunk.chunks(PIECE) {
                    intake.push(piece).map_err(unreadable)?;
                    last = write(app, db, draft, intake, (last, CHUNK)).await?;
                }
            }
        }
        Source::Sheet(mut sheet) => {
            while let Some(rows) = sheet.next(begun).await? {
                for row in &rows {
                    intake.row(row).map_err(unreadable)?;
                }
                last = write(app, db, draft, intake, (last, CHUNK)).await?;
            }
        }
    }
    intake.end().map_err(unreadable)?;
    write(app, db, draft, intake, (last, 1)).await?;
    Ok(())
}

/// Writes who is ready, as long as there are `least` of them.
async fn write(
    app: &App,
    db: &Transaction<'_>,
    draft: &Held,
    intake: &mut Intake,
    (mut last, least): (i32, usize),
) -> Result<i32> {
    while intake.ready() >= least {
        let people = intake.take(CHUNK);
        in_time(app, async { Ok(db::drafts::add(db, draft, last, &people).await?) }).await?;
        last += i32::try_from(people.len()).unwrap_or(0);
    }
    Ok(last)
}

/// The next bytes; `None` at the end.
pub(super) async fn next(stream: &mut BodyDataStream, begun: Instant) -> Result<Option<Bytes>> {
    match soon(begun, stream.next()).await? {
        None => Ok(None),
        Some(Ok(chunk)) => Ok(Some(chunk)),
        Some(Err(_)) => {
            Err(Problem::new(Kind::MalformedBody, "The body broke off; nothing of it was taken."))
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    declared.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// What is waited for within the time an upload has.
pub(super) async fn soon<T>(begun: Instant, awaited: impl Future<Output = T>) -> Result<T> {
    let limit = IDLE.min(LONGEST.saturating_sub(begun.elapsed()));
    tokio::time::timeout(limit, awaited).await.map_err(|_| {
        let detail = format!(
            "The upload stood still for {} s or took longer than {} minutes; nothing of it was taken.",
            IDLE.as_secs(),
            LONGEST.as_secs() / 60
        );
        Problem::new(Kind::BodyTimeout, detail)
    })
}

fn declared(headers: &HeaderMap) -> Result<Format> {
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    if text(CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok()).is_some_and(|bytes| bytes > MAX_BYTES) {
        return Err(too_large());
    }
    let essence = text(CONTENT_TYPE).unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "text/csv" => Ok(Format::Csv),
        "application/x-ndjson" => Ok(Format::Ndjson),
        XLSX | "application/vnd.ms-excel" => Ok(Format::Workbook),
        _ => {
            let detail = format!(
                "Send CSV (Content-Type: text/csv), a workbook ({XLSX} or application/vnd.ms-excel), one recipient a line as JSON \
                 (application/x-ndjson), or {{\"recipients\": [...]}} (application/json)."
            );
            Err(Problem::new(Kind::NotRows, detail))
        }
    }
}

fn too_large() -> Problem {
    let detail = format!("An upload may have {} MB; send it in parts.", MAX_BYTES / 1024 / 1024);
    Problem::new(Kind::BodyTooLarge, detail)
}

/// The file as a whole cannot be taken.
pub(super) fn unreadable(detail: String) -> Problem {
    Problem::new(Kind::Unreadable, format!("{detail} Nothing of the file was taken."))
}
