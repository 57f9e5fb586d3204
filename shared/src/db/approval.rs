//! Approval: the rules of tenants, who was asked, what they said. The decision itself is in the database (`decide_approval`), under the
//! plan's lock: a step is decided once, whoever clicks at the same time.

use deadpool_postgres::{GenericClient, Transaction};
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio_postgres::Row;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::Error;
use super::drafts::Held;
use crate::domain::approval::{Approval, ApprovalRules, ApprovalStep, Opinion, Seat};
use crate::domain::ids::PlanRef;
use crate::domain::{Channel, Content, Lane, PlanStatus, Terms, Tier};

/// When a tenant's plans need approval; `None`: never, unless they say so themselves.
///
/// # Errors
/// [`Error`] of the database.
pub async fn rules(client: &impl GenericClient, tenant_id: i64) -> Result<Option<ApprovalRules>, Error> {
    let statement = client.prepare_cached(include_str!("sql/approval/rules.sql")).await?;
    let row = client.query_opt(&statement, &[&tenant_id]).await?;
    Ok(row.map(|row| row.get::<_, Json<ApprovalRules>>("rules").0))
}

/// Sets a tenant's rules.
///
/// # Errors
/// [`Error`] of the database.
pub async fn put_rules(
    client: &impl GenericClient,
    tenant_id: i64,
    rules: &ApprovalRules,
) -> Result<(), Error> {
    let statement = client.prepare_cached(include_str!("sql/approval/put_rules.sql")).await?;
    client.execute(&statement, &[&tenant_id, &Json(rules)]).await?;
    Ok(())
}

/// Lets a draft wait for approval, to start at `send_at` (`None`: at once) and be given up at `expires_at`; its first round begins.
///
/// # Errors
/// [`Error`] of the database.
pub async fn ask(
    db: &Transaction<'_>,
    draft: &Held,
    (send_at, expires_at): (Option<Timestamp>, Timestamp),
    traceparent: Option<&str>,
    approval: &Approval,
    key_id: i64,
) -> Result<(), Error> {
    let statement = db.prepare_cached(include_str!("sql/approval/ask.sql")).await?;
    db.execute(&statement, &[&draft.id, &expires_at, &traceparent, &Json(approval), &key_id, &send_at])
        .await?;
    Ok(())
}

/// Says that a key has changed a plan, which it therefore may not approve. A plan that waited for approval or was rejected is a draft
/// again, and what was decided about it is void. Whoever edits a plan calls this in the edit's transaction, holding the plan.
///
/// # Errors
/// [`Error`] of the database.
pub async fn edited(db: &Transaction<'_>, plan_id: i64, key_id: i64) -> Result<(), Error> {
    let statement = db.prepare_cached(include_str!("sql/approval/edited.sql")).await?;
    db.execute(&statement, &[&plan_id, &key_id]).await?;
    Ok(())
}

/// Who decides.
#[derive(Debug, Clone)]
pub enum Judge {
    /// An approver of the step, from 1, by their page.
    Approver(i16),
    /// An API key, by its internal id.
    Key(i64),
}

/// One opinion.
#[derive(Debug, Clone)]
pub struct Decision<'a> {
    /// The plan.
    pub plan_id: i64,
    /// The round, in full.
    pub round: i32,
    /// The step.
    pub step: i16,
    /// What they say.
    pub opinion: Opinion,
    /// Who says it.
    pub judge: Judge,
    /// What they are called.
    pub name: Option<&'a str>,
    /// In their words.
    pub comment: Option<&'a str>,
}

/// What became of an opinion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decided {
    /// It counts.
    Yes,
    /// Somebody has decided this step before.
    Already,
    /// The plan does not wait for this round any more.
    Over,
}

/// Gives an opinion. Once: a second one for the step changes nothing.
///
/// # Errors
/// [`Error`] of the database.
pub async fn decide(client: &impl GenericClient, decision: &Decision<'_>) -> Result<Decided, Error> {
    let statement = client.prepare_cached(include_str!("sql/approval/decide.sql")).await?;
    let (approver, key) = match decision.judge {
        Judge::Approver(approver) => (Some(i32::from(approver)), None),
        Judge::Key(key) => (None, Some(key)),
    };
    let Decision { plan_id, round, step, opinion, name, comment, .. } = decision;
    let (step, opinion) = (i32::from(*step), i32::from(opinion.code()));
    let row = client
        .query_one(&statement, &[plan_id, round, &step, &opinion, &approver, &key, name, comment])
        .await?;
    Ok(match row.get(0) {
        "over" => Decided::Over,
        "decided" => Decided::Already,
        _ => Decided::Yes,
    })
}

/// How a plan stands for a key that wants to decide.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Where the plan is in its life.
    pub status: PlanStatus,
    /// The round, if it waits.
    pub round: i32,
    /// The key made or changed it.
    pub is_author: bool,
    /// The step that is to be decided.
    pub step: Option<i16>,
    /// What this key has said in the newest round.
    pub said: Option<Opinion>,
    /// What the key is called.
    pub name: String,
}

/// Holds a plan until the transaction ends; `None`: the tenant has no such plan.
///
/// # Errors
/// [`Error`] of the database.
pub async fn standing(
    db: &Transaction<'_>,
    tenant_id: i64,
    plan: PlanRef,
    key_id: i64,
) -> Result<Option<Standing>, Error> {
    let Ok(created_at) = Timestamp::from_millisecond(plan.created_ms) else { return Ok(None) };
    let statement = db.prepare_cached(include_str!("sql/approval/standing.sql")).await?;
    let Some(row) = db.query_opt(&statement, &[&tenant_id, &plan.id, &created_at, &key_id]).await? else {
        return Ok(None);
    };
    Ok(Some(Standing {
        status: PlanStatus::from_code(row.get("status"))?,
        round: row.get("epoch"),
        is_author: row.get("author"),
        step: row.get("step"),
        said: opinion(&row, "mine")?,
        name: row.get("name"),
    }))
}

fn opinion(row: &Row, column: &str) -> Result<Option<Opinion>, Error> {
    Ok(row.get::<_, Option<i16>>(column).map(Opinion::from_code).transpose()?)
}

/// One step of one round.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Which round; a larger one is later.
    pub round: i32,
    /// Which step, from 1.
    pub step: i16,
    /// When its approvers were asked.
    pub asked_at: Timestamp,
    /// Whom was asked; known of the newest round.
    pub asked: Option<ApprovalStep>,
    /// It can still be decided.
    pub open: bool,
    /// The plan was changed since: it counts no more.
    pub void: bool,
    /// What was said and when.
    pub said: Option<(Opinion, Timestamp)>,
    /// What whoever decided is called.
    pub name: Option<String>,
    /// The API key that decided.
    pub key: Option<Uuid>,
    /// In their words.
    pub comment: Option<String>,
}

/// What was asked and said about a plan, newest first, at most 500 steps. Nothing of other tenants' plans.
///
/// # Errors
/// [`Error`] of the database.
pub async fn history(
    client: &impl GenericClient,
    tenant_id: i64,
    plan: PlanRef,
) -> Result<Vec<Asked>, Error> {
    let Ok(created_at) = Timestamp::from_millisecond(plan.created_ms) else { return Ok(Vec::new()) };
    let statement = client.prepare_cached(include_str!("sql/approval/history.sql")).await?;
    let rows = client.query(&statement, &[&tenant_id, &plan.id, &created_at]).await?;
    let asked = |row: &Row| {
        Ok(Asked {
            round: row.get("round"),
            step: row.get("step"),
            asked_at: row.get("asked_at"),
            asked: row.get::<_, Option<Json<ApprovalStep>>>("asked").map(|Json(step)| step),
            open: row.get("open"),
            void: row.get("void"),
            said: opinion(row, "opinion")?.zip(row.get("decided_at")),
            name: row.get("name"),
            key: row.get("key"),
            comment: row.get("comment"),
        })
    };
    rows.iter().map(asked).collect()
}

/// What an approver's page shows.
#[derive(Debug, Clone)]
pub struct Case {
    /// The plan's owner.
    pub tenant_id: i64,
    /// The plan.
    pub plan: PlanRef,
    /// Where it is in its life.
    pub status: PlanStatus,
    /// It has not been changed since this approver was asked.
    pub current: bool,
    /// The round, in full.
    pub round: i32,
    /// Title.
    pub title: String,
    /// What it says.
    pub content: Content,
    /// Its rules; they name the approvers.
    pub terms: Terms,
    /// Its priority.
    pub lane: Lane,
    /// By which steps it goes out.
    pub tiers: Vec<Tier>,
    /// When it is to start.
    pub send_at: Option<Timestamp>,
    /// When it is given up.
    pub expires_at: Timestamp,
    /// People in it.
    pub recipients: i32,
    /// What they may answer.
    pub acknowledgement: Option<Value>,
    /// What was said and when.
    pub said: Option<(Opinion, Timestamp)>,
    /// By whom.
    pub decided_by: Option<String>,
    /// In their words.
    pub comment: Option<String>,
    /// Name and variables of the first recipient.
    pub sample: (Option<String>, Option<Map<String, Value>>),
}

/// The case a seat is about; `None`: there is none.
///
/// # Errors
/// [`Error`] of the database.
pub async fn case(client: &impl GenericClient, plan_id: i64, seat: Seat) -> Result<Option<Case>, Error> {
    let statement = client.prepare_cached(include_str!("sql/approval/case.sql")).await?;
    let Some(row) = client.query_opt(&statement, &[&plan_id, &seat.round, &seat.step]).await? else {
        return Ok(None);
    };
    let (round, epoch): (i32, i32) = (row.get("round"), row.get("epoch"));
    let status = PlanStatus::from_code(row.get("status"))?;
    let variables = row.get::<_, Option<Json<Map<String, Value>>>>("variables");
    Ok(Some(Case {
        tenant_id: row.get("tenant_id"),
        plan: PlanRef::new(row.get("created_at"), plan_id),
        status,
        current: status != PlanStatus::AwaitingApproval || round == epoch,
        round,
        title: row.get("title"),
        content: row.get::<_, Json<Content>>("content").0,
        terms: row.get::<_, Option<Json<Terms>>>("terms").map(|Json(terms)| terms).unwrap_or_default(),
        lane: Lane::from_code(row.get("lane"))?,
        tiers: row.get::<_, Json<Vec<Tier>>>("tiers").0,
        send_at: row.get("send_at"),
        expires_at: row.get("expires_at"),
        recipients: row.get("n_recipients"),
        acknowledgement: row.get("acknowledgement"),
        said: opinion(&row, "opinion")?.zip(row.get("decided_at")),
        decided_by: row.get("decided_by"),
        comment: row.get("comment"),
        sample: (row.get("name"), variables.map(|Json(map)| map)),
    }))
}

/// Whom a plan reaches by one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// The channel.
    pub channel: Channel,
    /// People with an address for it; of large plans an estimate.
    pub people: i64,
    /// What a message by it costs, a decimal; `None`: there is no account.
    pub price: Option<String>,
    /// What one message to each of them costs.
    pub cost: Option<String>,
}

/// Whom a plan reaches by each of its channels, and for how much.
///
/// # Errors
/// [`Error`] of the database.
pub async fn audience(
    client: &impl GenericClient,
    tenant_id: i64,
    plan_id: i64,
) -> Result<Vec<Reach>, Error> {
    let statement = client.prepare_cached(include_str!("sql/approval/audience.sql")).await?;
    let rows = client.query(&statement, &[&tenant_id, &plan_id]).await?;
    let reach = |row: &Row| {
        Ok(Reach {
            channel: Channel::from_code(row.get("channel"))?,
            people: row.get("people"),
            price: row.get("price"),
            cost: row.get("cost"),
        })
    };
    rows.iter().map(reach).collect()
}
