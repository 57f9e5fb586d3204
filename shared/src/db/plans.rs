//! Plans as their owners see them. Acceptance writes them (`accept`), the job protocol moves them.

mod view;

use deadpool_postgres::GenericClient;
use jiff::Timestamp;
use tokio_postgres::types::Json;

use super::Error;
use crate::domain::ids::PlanRef;
use crate::domain::{Content, Lane, PlanStatus, Slot, Steps};

pub use view::{DeliveryCounts, RecipientCounts, View};

/// Which plans are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In this status.
    pub status: Option<PlanStatus>,
    /// With this in title or reference, in any case.
    pub text: Option<String>,
    /// Made after this.
    pub created_after: Option<Timestamp>,
    /// Those that Herald made itself, too.
    pub internal: bool,
    /// Made before this.
    pub created_before: Option<Timestamp>,
    /// With this priority.
    pub lane: Option<Lane>,
    /// In the bin, which is looked into apart from everything else.
    pub binned: bool,
}

impl Filter {
    /// The status by whose index plans are found.
    fn indexed_status(&self) -> Option<i16> {
        let everywhere = [PlanStatus::Running, PlanStatus::Finished];
        self.status.filter(|status| !everywhere.contains(status)).map(PlanStatus::code)
    }
}

/// Ids of matching plans below `before`, newest first, out of at most `scan` rows read.
///
/// # Errors
/// [`Error`] of the database.
pub async fn find(
    client: &impl GenericClient,
    tenant_id: i64,
    before: i64,
    filter: &Filter,
    (scan, limit): (i64, i64),
) -> Result<Vec<i64>, Error> {
    let sql = match filter {
        Filter { binned: true, .. } => include_str!("sql/plans/find_binned.sql"),
        _ if filter.indexed_status().is_some() => include_str!("sql/plans/find_status.sql"),
        _ => include_str!("sql/plans/find.sql"),
    };
    let statement = client.prepare_cached(sql).await?;
    let lane = filter.lane.map(Lane::code);
    let status = filter.status.map(PlanStatus::code);
    let text = filter.text.as_ref().map(|text| text.to_lowercase());
    let rows = client
        .query(
            &statement,
            &[
                &tenant_id,
                &before,
                &status,
                &text,
                &filter.created_after,
                &scan,
                &limit,
                &filter.internal,
                &filter.created_before,
                &lane,
            ],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get("id")).collect())
}

/// The last id a scan of `scan` rows below `before` came to; `None` when it came to the end.
///
/// # Errors
/// [`Error`] of the database.
pub async fn find_end(
    client: &impl GenericClient,
    tenant_id: i64,
    before: i64,
    filter: &Filter,
    scan: i64,
) -> Result<Option<i64>, Error> {
    let row = match (filter.binned, filter.indexed_status()) {
        (false, Some(status)) => {
            let statement = client.prepare_cached(include_str!("sql/plans/find_end_status.sql")).await?;
            client.query_opt(&statement, &[&tenant_id, &before, &scan, &status]).await?
        }
        (binned, _) => {
            let all = include_str!("sql/plans/find_end.sql");
            let sql = if binned { include_str!("sql/plans/find_end_binned.sql") } else { all };
            let statement = client.prepare_cached(sql).await?;
            client.query_opt(&statement, &[&tenant_id, &before, &scan]).await?
        }
    };
    Ok(row.map(|row| row.get("id")))
}

/// The plan the tenant calls `reference`.
///
/// # Errors
/// [`Error`] of the database.
pub async fn by_reference(
    client: &impl GenericClient,
    tenant_id: i64,
    reference: &str,
) -> Result<Option<i64>, Error> {
    let statement = client.prepare_cached(include_str!("sql/plans/by_reference.sql")).await?;
    let row = client.query_opt(&statement, &[&tenant_id, &reference]).await?;
    Ok(row.map(|row| row.get("id")))
}

/// The identity of the plan the tenant calls `reference`.
///
/// # Errors
/// [`Error`] of the database.
pub async fn named(
    client: &impl GenericClient,
    tenant_id: i64,
    reference: &str,
) -> Result<Option<PlanRef>, Error> {
    let statement = client.prepare_cached(include_str!("sql/plans/by_reference.sql")).await?;
    let row = client.query_opt(&statement, &[&tenant_id, &reference]).await?;
    Ok(row.map(|row| PlanRef::new(row.get("created_at"), row.get("id"))))
}

/// The plans of these internal ids, in their order; other tenants' are left out.
///
/// # Errors
/// [`Error`] of the database.
pub async fn views(client: &impl GenericClient, tenant_id: i64, ids: &[i64]) -> Result<Vec<View>, Error> {
    let statement = client.prepare_cached(include_str!("sql/plans/views.sql")).await?;
    client.query(&statement, &[&tenant_id, &ids]).await?.iter().map(view::read).collect()
}

/// What a plan says, as it was given; `None` when the tenant has no plan of exactly this identity.
///
/// # Errors
/// [`Error`] of the database.
pub async fn content(
    client: &impl GenericClient,
    tenant_id: i64,
    plan: PlanRef,
) -> Result<Option<Content>, Error> {
    let Ok(created_at) = Timestamp::from_millisecond(plan.created_ms) else { return Ok(None) };
    let statement = client.prepare_cached(include_str!("sql/plans/content.sql")).await?;
    let row = client.query_opt(&statement, &[&tenant_id, &plan.id, &created_at]).await?;
    Ok(row.map(|row| row.get::<_, Json<Content>>("content").0))
}

/// What the lists below a plan need of it.
#[derive(Debug, Clone)]
pub struct Outline {
    /// Its slots, in order.
    pub slots: Vec<Slot>,
    /// Which tier and round its steps are.
    pub steps: Steps,
}

/// The outline of a plan; `None` when the tenant has no plan of exactly this identity.
///
/// # Errors
/// [`Error`] of the database.
pub async fn outline(
    client: &impl GenericClient,
    tenant_id: i64,
    plan: PlanRef,
) -> Result<Option<Outline>, Error> {
    let statement = client.prepare_cached(include_str!("sql/plans/outline.sql")).await?;
    let Some(row) = client.query_opt(&statement, &[&tenant_id, &plan.id]).await? else { return Ok(None) };
    if row.get::<_, Timestamp>("created_at").as_millisecond() != plan.created_ms {
        return Ok(None);
    }
    let (codes, steps): (Vec<i16>, Option<Vec<i16>>) = (row.get("slots"), row.get("steps"));
    let slots = codes.into_iter().map(Slot::from_code).collect::<Result<_, _>>()?;
    Ok(Some(Outline { slots, steps: Steps::from_codes(steps.as_deref()) }))
}

/// The slots of a plan; `None` when the tenant has no plan of exactly this identity.
///
/// # Errors
/// [`Error`] of the database.
pub async fn slots(
    client: &impl GenericClient,
    tenant_id: i64,
    plan: PlanRef,
) -> Result<Option<Vec<Slot>>, Error> {
    Ok(outline(client, tenant_id, plan).await?.map(|outline| outline.slots))
}
