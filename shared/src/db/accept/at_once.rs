//! The usual case, every plan new: one statement, one trip, one commit.

use std::collections::HashMap;

use deadpool_postgres::Client;
use tokio_postgres::types::{Json, ToSql};

use super::{
    Accepted, Columns, Idempotency, NewPlan, NewRecipient, born, born_published, first_status, sorted_keys,
};
use crate::db::Error;
use crate::db::expand::wake;
use crate::db::settle::array_text;
use crate::domain::pointer::Wake;

/// Writes `plans`, which have at most a thousand recipients together.
///
/// # Errors
/// [`Error`], nothing is written; one that names a constraint when a key or a reference is taken.
pub(super) async fn write(client: &Client, plans: &[NewPlan]) -> Result<Vec<Accepted>, Error> {
    let statement = client.prepare_cached(include_str!("../sql/accept/at_once.sql")).await?;
    let (mut deliveries, mut jobs) = (Vec::new(), Vec::new());
    for plan in plans.iter().filter(|plan| born_published(plan)) {
        let (more, theirs) = born::rows(plan);
        deliveries.extend(more);
        jobs.extend(theirs);
    }
    let mut columns = keys(plans);
    columns.extend(outlines(plans));
    columns.extend(people(plans));
    columns.extend(delivery_columns(&deliveries));
    columns.extend(job_columns(&jobs));
    columns.push(column(plans, |p| array_text(&p.first_tiers().codes())));
    columns.push(column(plans, born::counted));
    columns.push(column(plans, |p| p.ladder().map(|ladder| array_text(&ladder.untils))));
    columns.push(column(plans, |p| p.ladder().map(|ladder| array_text(&ladder.waits))));
    columns.push(column(plans, |p| p.terms.stored().map(Json)));
    columns.push(column(plans, |p| p.steps().codes().map(|codes| array_text(&codes))));
    let parameters: Vec<&(dyn ToSql + Sync)> = columns.iter().map(|column| &**column as _).collect();
    let mut wakes: HashMap<i64, Vec<Wake>> = HashMap::new();
    for row in client.query(&statement, &parameters).await? {
        let (plan, wake) = wake(&row)?;
        wakes.entry(plan).or_default().push(wake);
    }
    let created = |plan: &NewPlan| Accepted::Created { wakes: wakes.remove(&plan.id).unwrap_or_default() };
    Ok(plans.iter().map(created).collect())
}

/// A column: what `get` says of each row.
fn column<'a, R, T>(rows: &'a [R], get: impl Fn(&'a R) -> T) -> Box<dyn ToSql + Sync + Send + 'a>
where
    T: ToSql + Sync + Send + 'a,
{
    Box::new(rows.iter().map(get).collect::<Vec<T>>())
}

fn keys(plans: &[NewPlan]) -> Columns<'_> {
    let keyed = sorted_keys(plans);
    let of = |get: fn(&Idempotency) -> &str| -> Box<dyn ToSql + Sync + Send + '_> {
        Box::new(keyed.iter().map(|&(_, key)| get(key)).collect::<Vec<&str>>())
    };
    vec![
        Box::new(keyed.iter().map(|&(_, key)| key.api_key_id).collect::<Vec<i64>>()),
        of(|key| key.route),
        of(|key| &key.key),
        Box::new(keyed.iter().map(|&(_, key)| &key.hash[..]).collect::<Vec<&[u8]>>()),
        Box::new(keyed.iter().map(|&(_, key)| key.status).collect::<Vec<i16>>()),
        of(|key| &key.location),
        of(|key| &key.body),
    ]
}

fn outlines(plans: &[NewPlan]) -> Columns<'_> {
    vec![
        column(plans, |p| p.id),
        column(plans, |p| p.created_at),
        column(plans, |p| p.tenant_id),
        column(plans, |p| first_status(p).code()),
        column(plans, |p| p.lane.code()),
        column(plans, |p| p.on_unknown.code()),
        column(plans, |p| array_text(&p.slots.iter().map(|slot| slot.code()).collect::<Vec<_>>())),
        column(plans, born_published),
        column(plans, |p| p.send_at),
        column(plans, |p| p.expires_at),
        column(plans, |p| i32::try_from(p.recipients.len()).unwrap_or(i32::MAX)),
        column(plans, |p| p.duplicates),
        column(plans, |p| p.title.as_str()),
        column(plans, |p| p.reference.as_deref()),
        column(plans, |p| Json(&p.content)),
        column(plans, |p| Json(&p.tiers)),
        column(plans, |p| p.acknowledgement.as_ref()),
        column(plans, |p| p.metadata.as_ref()),
        column(plans, |p| p.traceparent.as_deref()),
    ]
}

fn people(plans: &[NewPlan]) -> Columns<'_> {
    let all: Vec<(i64, i32, &NewRecipient)> = plans
        .iter()
        .flat_map(|plan| (1..).zip(&plan.recipients).map(move |(no, person)| (plan.id, no, person)))
        .collect();
    super::recipient_columns(&all)
}

fn delivery_columns<'a>(rows: &[born::Delivery<'a>]) -> Columns<'a> {
    vec![
        Box::new(rows.iter().map(|d| d.plan_id).collect::<Vec<i64>>()),
        Box::new(rows.iter().map(|d| d.slot.code()).collect::<Vec<i16>>()),
        Box::new(rows.iter().map(|d| d.no).collect::<Vec<i32>>()),
        Box::new(rows.iter().map(|d| d.status.code()).collect::<Vec<i16>>()),
        Box::new(rows.iter().map(|d| d.reason).collect::<Vec<Option<&'a str>>>()),
    ]
}

fn job_columns(rows: &[born::Job]) -> Columns<'_> {
    vec![
        column(rows, |j| j.plan_id),
        column(rows, |j| j.tenant_id),
        column(rows, |j| j.slot.code()),
        column(rows, |j| j.lane),
        column(rows, |j| j.account),
        column(rows, |j| j.units),
        column(rows, |j| j.lo),
        column(rows, |j| j.hi),
    ]
}
