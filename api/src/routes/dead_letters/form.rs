//! The body of a redrive: ids, or conditions.

use herald_shared::db::dead::Filter;
use herald_shared::domain::{Channel, Reason};
use uuid::Uuid;

use super::walk::Position;
use crate::cursor;
use crate::error::{Problem, Result};
use crate::json::{Document, Field, Object};
use crate::problems::Problems;

/// Dead letters one request sends again at most.
const MAX: i32 = 10_000;
/// Ids one request names at most.
const MAX_IDS: usize = 1_000;
/// Without `limit`.
const DEFAULT: i32 = 1_000;

/// What is to be sent again.
pub(super) enum Form {
    /// These.
    Ids(Vec<Uuid>),
    /// What matches.
    Matching(Matching),
}

/// Conditions, and how far to go.
pub(super) struct Matching {
    pub(super) filter: Filter,
    pub(super) channel: Option<Channel>,
    pub(super) plan: Option<Uuid>,
    pub(super) limit: i64,
    pub(super) after: Option<Position>,
}

pub(super) fn read(document: &Document<'_>) -> Result<Form> {
    let mut problems = Problems::default();
    let form = document.root().object(&mut problems).map(|mut object| {
        let form = match object.take("ids") {
            Some(field) => Form::Ids(ids(&field, &mut problems)),
            None => Form::Matching(matching(&mut object, &mut problems)),
        };
        object.finish(&mut problems);
        form
    });
    match form {
        Some(form) if problems.is_empty() => Ok(form),
        _ => Err(Problem::validation(problems)),
    }
}

fn ids(field: &Field<'_>, problems: &mut Problems) -> Vec<Uuid> {
    let items = field.list(MAX_IDS, problems).unwrap_or_default();
    if items.is_empty() {
        field.refuse(problems, "must name at least one delivery");
    }
    items.iter().filter_map(|item| uuid(item, problems)).collect()
}

fn uuid(field: &Field<'_>, problems: &mut Problems) -> Option<Uuid> {
    let id = Uuid::try_parse(&field.string(problems)?).ok();
    if id.is_none() {
        field.refuse(problems, "is no id: ids are UUIDs");
    }
    id
}

fn matching(object: &mut Object<'_>, problems: &mut Problems) -> Matching {
    let known: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    let channels: Vec<&str> = Channel::ALL.iter().map(|channel| channel.as_str()).collect();
    let filter = Filter {
        reason: object.take("reason").and_then(|field| field.word(&known, problems)),
        account: object.take("account").and_then(|field| uuid(&field, problems)),
        after: object.take("failed_after").and_then(|field| field.time(problems)),
        before: object.take("failed_before").and_then(|field| field.time(problems)),
    };
    let channel = object.take("channel").and_then(|field| field.word(&channels, problems));
    let plan = object.take("plan").and_then(|field| uuid(&field, problems));
    let limit = object.take("limit").map_or(Some(DEFAULT), |field| field.integer(1, MAX, problems));
    let after = object.take("cursor").and_then(|field| {
        let position = cursor::read(&field.string(problems)?);
        if position.is_none() {
            field.refuse(problems, "is not a cursor of a redrive; take next_cursor as it is");
        }
        position
    });
    let Filter { reason, account, after: since, before } = filter;
    let given = reason.is_some() || account.is_some() || since.is_some() || before.is_some();
    if problems.is_empty() && !given && channel.is_none() && plan.is_none() {
        let detail =
            "give ids, or at least one of reason, channel, account, plan, failed_after, failed_before";
        problems.add("", detail);
    }
    Matching { filter, channel, plan, limit: limit.unwrap_or(DEFAULT).into(), after }
}
