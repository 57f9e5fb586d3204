//! Quiet hours of tenants, and deliveries that wait for their end (migration 0041; the rule in `domain::quiet`).

use deadpool_postgres::{GenericClient, Transaction};
use jiff::Timestamp;

use super::Error;
use crate::domain::quiet::{Minute, QuietHours, Window};
use crate::domain::{Channel, Wait};

/// A tenant's quiet hours; without windows where it has none.
///
/// # Errors
/// [`Error`] of the database.
pub async fn get(client: &impl GenericClient, tenant_id: i64) -> Result<QuietHours, Error> {
    let tenant = client.prepare_cached(include_str!("sql/quiet/tenant.sql")).await?;
    let tenant = client.query_one(&tenant, &[&tenant_id]).await?;
    let windows = client.prepare_cached(include_str!("sql/quiet/windows.sql")).await?;
    let rows = client.query(&windows, &[&tenant_id]).await?;
    let window = |row: &tokio_postgres::Row| -> Result<Window, Error> {
        let minute =
            |at: usize| Minute::at(row.get(at)).unwrap_or_else(|| Minute::at(0).expect("midnight is one"));
        let codes: Vec<i16> = row.get(2);
        let channels = codes.into_iter().map(Channel::from_code).collect::<Result<Vec<_>, _>>()?;
        let channels = if channels.len() == Channel::ALL.len() { Vec::new() } else { channels };
        Ok(Window { from: minute(0), to: minute(1), channels })
    };
    Ok(QuietHours {
        time_zone: tenant.get(0),
        windows: rows.iter().map(window).collect::<Result<_, _>>()?,
        spread: Wait::seconds(tenant.get::<_, i64>(1).unsigned_abs()),
    })
}

/// Sets a tenant's quiet hours, all of them. What waits already keeps its time.
///
/// # Errors
/// [`Error`] of the database.
pub async fn set(db: &Transaction<'_>, tenant_id: i64, hours: &QuietHours) -> Result<(), Error> {
    let spread = i64::try_from(hours.spread.duration().as_secs()).unwrap_or(i64::MAX);
    db.execute(include_str!("sql/quiet/set_tenant.sql"), &[&tenant_id, &hours.time_zone, &spread]).await?;
    let all =
        || hours.windows.iter().flat_map(|window| window.of().iter().map(move |channel| (window, channel)));
    let channels: Vec<i16> = all().map(|(_, channel)| channel.code()).collect();
    let begins: Vec<i16> = all().map(|(window, _)| window.from.of_day()).collect();
    let ends: Vec<i16> = all().map(|(window, _)| window.to.of_day()).collect();
    db.execute(include_str!("sql/quiet/clear.sql"), &[&tenant_id]).await?;
    db.execute(include_str!("sql/quiet/add.sql"), &[&tenant_id, &channels, &begins, &ends]).await?;
    Ok(())
}

/// Whether a tenant has any.
///
/// # Errors
/// [`Error`] of the database.
pub async fn any(client: &impl GenericClient, tenant_id: i64) -> Result<bool, Error> {
    let statement =
        client.prepare_cached("SELECT EXISTS (SELECT FROM quiet_window WHERE tenant_id = $1)").await?;
    Ok(client.query_one(&statement, &[&tenant_id]).await?.get(0))
}

/// Puts off what of jobs just made falls into quiet hours. Joins the caller's transaction.
pub(super) async fn keep(db: &impl GenericClient, jobs: &[i64]) -> Result<(), Error> {
    let statement = db.prepare_cached("SELECT keep_quiet($1)").await?;
    db.execute(&statement, &[&jobs]).await?;
    Ok(())
}

/// Deliveries of claimed jobs that must wait for the end of quiet hours.
#[derive(Default)]
pub(super) struct Resting {
    jobs: Vec<i64>,
    nos: Vec<i32>,
    untils: Vec<Timestamp>,
}

impl Resting {
    /// One more.
    pub(super) fn add(&mut self, job: i64, no: i32, until: Timestamp) {
        self.jobs.push(job);
        self.nos.push(no);
        self.untils.push(until);
    }

    /// Takes them out of their jobs into others that are due then, in one statement: a crash leaves them in the one or the other.
    pub(super) async fn put_off(self, client: &impl GenericClient) -> Result<(), Error> {
        if self.jobs.is_empty() {
            return Ok(());
        }
        let statement = client.prepare_cached("SELECT put_off($1, $2, $3)").await?;
        client.execute(&statement, &[&self.jobs, &self.nos, &self.untils]).await?;
        Ok(())
    }
}
