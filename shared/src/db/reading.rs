//! Who has read a message, and what they answered.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::Error;
use crate::domain::ids::PlanRef;
use crate::domain::{Channel, Content, PlanStatus, Terms};

/// A reading or an answer to note.
#[derive(Debug, Clone)]
pub struct Note {
    /// The plan.
    pub plan_id: i64,
    /// The recipient.
    pub no: i32,
    /// By which channel's link, or where.
    pub channel: Option<Channel>,
    /// The option, or `other`; `None`: they have read it.
    pub answer: Option<String>,
    /// Their own words.
    pub words: Option<String>,
}

/// Notes readings and answers, and counts them; says of each whether it is new. One statement, its own transaction.
///
/// # Errors
/// [`Error`] of the database; the call may be repeated.
pub async fn note(client: &impl GenericClient, notes: &[Note]) -> Result<Vec<bool>, Error> {
    let statement = client.prepare_cached(include_str!("sql/reading/note.sql")).await?;
    let plans: Vec<i64> = notes.iter().map(|note| note.plan_id).collect();
    let nos: Vec<i32> = notes.iter().map(|note| note.no).collect();
    let channels: Vec<i16> = notes.iter().map(|note| note.channel.map_or(0, Channel::code)).collect();
    let answers: Vec<Option<&str>> = notes.iter().map(|note| note.answer.as_deref()).collect();
    let words: Vec<Option<&str>> = notes.iter().map(|note| note.words.as_deref()).collect();
    let rows = client.query(&statement, &[&plans, &nos, &channels, &answers, &words]).await?;
    let mut new = vec![false; notes.len()];
    for row in rows {
        let ordinal: i64 = row.get("ord");
        if let Some(slot) = usize::try_from(ordinal - 1).ok().and_then(|i| new.get_mut(i)) {
            *slot = true;
        }
    }
    Ok(new)
}

/// One message to one person, not yet rendered.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The plan.
    pub plan: PlanRef,
    /// The recipient.
    pub no: i32,
    /// The plan's title.
    pub title: String,
    /// The plan's content.
    pub content: Content,
    /// The recipient's name.
    pub name: Option<String>,
    /// The recipient's variables.
    pub variables: Option<Map<String, Value>>,
}

/// What a recipient's page shows.
#[derive(Debug, Clone)]
pub struct Page {
    /// The message.
    pub shown: Shown,
    /// The plan's owner.
    pub tenant_id: i64,
    /// Where the plan is in its life.
    pub status: PlanStatus,
    /// The plan's rules.
    pub terms: Terms,
    /// Its content has been erased.
    pub erased: bool,
    /// The plan is in the bin, or what it said is gone.
    pub closed: bool,
    /// What the recipient may answer with.
    pub acknowledgement: Option<Value>,
    /// The caller's name for the person.
    pub key: Option<String>,
    /// The recipient's language.
    pub locale: Option<String>,
    /// What they answered and when.
    pub answered: Option<(String, Timestamp)>,
    /// Their own words.
    pub words: Option<String>,
}

/// A recipient's page; `None`: there is no such recipient.
///
/// # Errors
/// [`Error`] of the database.
pub async fn page(client: &impl GenericClient, plan_id: i64, no: i32) -> Result<Option<Page>, Error> {
    let statement = client.prepare_cached(include_str!("sql/reading/page.sql")).await?;
    let Some(row) = client.query_opt(&statement, &[&plan_id, &no]).await? else { return Ok(None) };
    let answer: Option<String> = row.get("answer");
    Ok(Some(Page {
        shown: shown(&row, plan_id, no),
        tenant_id: row.get("tenant_id"),
        status: PlanStatus::from_code(row.get("status"))?,
        terms: row.get::<_, Option<Json<Terms>>>("terms").map(|Json(terms)| terms).unwrap_or_default(),
        erased: row.get("erased"),
        closed: row.get("closed"),
        acknowledgement: row.get("acknowledgement"),
        key: row.get("key"),
        locale: row.get("locale"),
        answered: answer.zip(row.get("answered_at")),
        words: row.get("answer_text"),
    }))
}

/// Plan and position of the same person in the plan that took a recalled one's place, once that has gone out.
///
/// # Errors
/// [`Error`] of the database.
pub async fn successor(
    client: &impl GenericClient,
    plan_id: i64,
    no: i32,
) -> Result<Option<(i64, i32)>, Error> {
    let statement = client.prepare_cached(include_str!("sql/reading/successor.sql")).await?;
    let row = client.query_opt(&statement, &[&plan_id, &no]).await?;
    Ok(row.map(|row| (row.get("plan_id"), row.get("no"))))
}

/// What the person with this key has read before, newest first, but for what is shown already.
///
/// # Errors
/// [`Error`] of the database.
pub async fn history(
    client: &impl GenericClient,
    (tenant_id, key): (i64, &str),
    but: &Shown,
    limit: i64,
) -> Result<Vec<Shown>, Error> {
    let statement = client.prepare_cached(include_str!("sql/reading/history.sql")).await?;
    let rows = client.query(&statement, &[&tenant_id, &key, &but.plan.id, &but.no, &limit]).await?;
    Ok(rows.iter().map(|row| shown(row, row.get("plan_id"), row.get("no"))).collect())
}

fn shown(row: &Row, plan_id: i64, no: i32) -> Shown {
    Shown {
        plan: PlanRef::new(row.get("created_at"), plan_id),
        no,
        title: row.get("title"),
        content: row.get::<_, Json<Content>>("content").0,
        name: row.get("name"),
        variables: row.get::<_, Option<Json<Map<String, Value>>>>("variables").map(|Json(map)| map),
    }
}

/// Takes the mail address of a recipient out of the mailing of the plan's owner; `false`: there is no such recipient.
///
/// # Errors
/// [`Error`] of the database; the call may be repeated.
pub async fn unsubscribe(client: &impl GenericClient, plan_id: i64, no: i32) -> Result<bool, Error> {
    let statement = client.prepare_cached(include_str!("sql/reading/unsubscribe.sql")).await?;
    Ok(client.query_opt(&statement, &[&plan_id, &no]).await?.is_some())
}
