//! `POST /v1/plans/batch`: one order for many plans, each obeyed or refused on its own.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use herald_shared::db;
use herald_shared::db::bin::Move;
use herald_shared::db::control::Order;
use serde::Serialize;
use uuid::Uuid;

use super::super::control::order;
use super::super::plans::plan_ref;
use super::{gone, put};
use crate::App;
use crate::auth::CallerRef;
use crate::error::{Kind, Problem, Result};
use crate::extract::{Body, Params, parse};
use crate::problems::Problems;

/// Plans of one request.
const MAX_IDS: usize = 500;
const ACTIONS: &[&str] = &["pause", "resume", "stop", "recall", "bin", "restore", "purge"];

/// What is to be done.
#[derive(Clone, Copy)]
enum Action {
    Order(Order),
    Bin,
    Restore,
    Purge,
}

impl std::str::FromStr for Action {
    type Err = ();
    fn from_str(word: &str) -> std::result::Result<Self, ()> {
        Ok(match word {
            "pause" => Action::Order(Order::Pause),
            "resume" => Action::Order(Order::Resume),
            "stop" => Action::Order(Order::Stop),
            "recall" => Action::Order(Order::Recall),
            "bin" => Action::Bin,
            "restore" => Action::Restore,
            "purge" => Action::Purge,
            _ => return Err(()),
        })
    }
}

#[derive(Serialize)]
struct Told {
    results: Vec<One>,
}

/// What became of one plan.
#[derive(Serialize)]
struct One {
    id: Uuid,
    /// What the order alone would have been answered with.
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

pub(super) async fn batch(
    State(app): State<App>,
    caller: CallerRef,
    params: Params,
    Body { bytes, .. }: Body,
) -> Result<Response> {
    params.finish()?;
    let (action, ids) = read(&bytes)?;
    let db = app.db().await?;
    let mut results = Vec::with_capacity(ids.len());
    for id in ids {
        let done = act(&app, &db, caller.tenant_id, action, id).await;
        let (status, kind, detail) = match done {
            Ok(()) => (200, None, None),
            // Nothing more can be done now; what was done stays done, and the whole may be sent again.
            Err(problem) if matches!(problem.kind, Kind::Unavailable | Kind::Internal) => {
                return Err(problem);
            }
            Err(problem) => {
                let (word, _, status) = problem.kind.describe();
                (status.as_u16(), Some(format!("urn:herald:problem:{word}")), Some(problem.detail))
            }
        };
        results.push(One { id, status, r#type: kind, detail });
    }
    Ok(Json(Told { results }).into_response())
}

async fn act(app: &App, db: &db::Client, tenant_id: i64, action: Action, id: Uuid) -> Result<()> {
    let plan = plan_ref(id)?;
    match action {
        Action::Order(given) => order(db, tenant_id, plan, given).await,
        Action::Bin => put(db, tenant_id, plan, Move::Bin(app.retention.bin)).await,
        Action::Restore => put(db, tenant_id, plan, Move::Restore).await,
        Action::Purge => gone(db, tenant_id, plan).await.map(drop),
    }
}

/// Reads `{"action", "ids"}`.
fn read(bytes: &[u8]) -> Result<(Action, Vec<Uuid>)> {
    let document = parse(bytes)?;
    let mut problems = Problems::default();
    let mut action = None;
    let mut ids = Vec::new();
    if let Some(mut body) = document.root().object(&mut problems) {
        action = body.require("action", &mut problems).and_then(|field| field.word(ACTIONS, &mut problems));
        if let Some(field) = body.require("ids", &mut problems) {
            let items = field.list(MAX_IDS, &mut problems).unwrap_or_default();
            if items.is_empty() {
                field.refuse(&mut problems, "must have at least one id");
            }
            for item in items {
                match item.string(&mut problems).map(|text| text.parse()) {
                    Some(Ok(id)) => ids.push(id),
                    Some(Err(_)) => item.refuse(&mut problems, "is no id: ids are UUIDs"),
                    None => {}
                }
            }
        }
        body.finish(&mut problems);
    }
    match action {
        Some(action) if problems.is_empty() => Ok((action, ids)),
        _ => Err(Problem::validation(problems)),
    }
}
