//! What a dry run asks. Nothing here writes.

use std::collections::BTreeMap;

use deadpool_postgres::GenericClient;
use serde_json::Value;
use uuid::Uuid;

use super::Error;
use crate::domain::limits::Limits;
use crate::domain::reach::Alike;
use crate::domain::{Channel, Reason};

/// Jobs read at most to find out what waits in a lane and channel.
const JOBS: i64 = 50_000;
/// Different address kinds there are, as many as the statement looks for.
const KINDS: usize = 9;

/// People of a plan by what they can be reached by. `mailing_of`: the tenant whose unsubscribed addresses get nothing.
///
/// # Errors
/// [`Error`] of the database.
pub async fn people(
    db: &impl GenericClient,
    plan_id: i64,
    kinds: &[&'static str],
    mailing_of: Option<i64>,
) -> Result<Vec<Alike>, Error> {
    let mut wanted: Vec<&str> = kinds.iter().copied().take(KINDS).collect();
    wanted.resize(KINDS, "");
    let statement = db.prepare_cached(include_str!("sql/dry_run/people.sql")).await?;
    let rows = db.query(&statement, &[&plan_id, &wanted, &mailing_of]).await?;
    let read = |row: &tokio_postgres::Row| alike(kinds, row.get("how"), row.get("people"));
    Ok(rows.iter().map(read).collect())
}

/// Reads `how` of the statement: bits of the kinds, whether they left the mailing, skips as JSON.
fn alike(kinds: &[&'static str], how: &str, people: i64) -> Alike {
    let mut parts = how.splitn(3, ' ');
    let has: u32 = parts.next().and_then(|bits| bits.parse().ok()).unwrap_or_default();
    let has_left = parts.next() == Some("1");
    let mut skips: BTreeMap<String, String> =
        parts.next().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    if has_left {
        let email = Channel::Email.address_kind().to_owned();
        skips.entry(email).or_insert_with(|| Reason::Unsubscribed.as_str().to_owned());
    }
    let own = (0..).zip(kinds).filter(|(bit, _)| has >> bit & 1 == 1);
    Alike { kinds: own.map(|(_, kind)| (*kind).to_owned()).collect(), skips, people }
}

/// An account that may carry something.
#[derive(Debug, Clone)]
pub struct Carrier {
    /// Its medium.
    pub channel: Channel,
    /// Public id.
    pub uid: Uuid,
    /// Its name.
    pub name: String,
    /// Its driver.
    pub provider: String,
    /// Lower is used first.
    pub order: i32,
    /// Its part of the work among accounts of its order.
    pub part: f64,
    /// Whether new work would go there now.
    pub usable: bool,
    /// Its limits.
    pub limits: Limits,
    /// Price of one message.
    pub price: String,
    /// What a call usually takes, in ms; 0 while nothing is known.
    pub usual_ms: f64,
    /// Units of its day that are used up.
    pub used_today: i64,
}

/// A tenant's enabled accounts, by channel and order.
///
/// # Errors
/// [`Error`] of the database.
pub async fn carriers(db: &impl GenericClient, tenant_id: i64) -> Result<Vec<Carrier>, Error> {
    let statement = db.prepare_cached(include_str!("sql/dry_run/accounts.sql")).await?;
    let rows = db.query(&statement, &[&tenant_id]).await?;
    let read = |row: &tokio_postgres::Row| {
        Ok(Carrier {
            channel: Channel::from_code(row.get("channel"))?,
            uid: row.get("uid"),
            name: row.get("name"),
            provider: row.get("provider"),
            order: row.get("failover_order"),
            part: row.get("part"),
            usable: row.get("usable"),
            limits: Limits::read(&row.get::<_, Value>("limits")),
            price: row.get("price"),
            usual_ms: row.get("usual_ms"),
            used_today: row.get("used_today"),
        })
    };
    rows.iter().map(read).collect()
}

/// How many of a tenant's deliveries wait before a plan of that lane, by channel; of a long backlog at least so many.
///
/// # Errors
/// [`Error`] of the database.
pub async fn waiting(
    db: &impl GenericClient,
    tenant_id: i64,
    lane: i16,
) -> Result<BTreeMap<Channel, i64>, Error> {
    let statement = db.prepare_cached(include_str!("sql/dry_run/waiting.sql")).await?;
    let rows = db.query(&statement, &[&tenant_id, &i32::from(lane), &JOBS]).await?;
    let read = |row: &tokio_postgres::Row| {
        let code = i16::try_from(row.get::<_, i32>("channel")).unwrap_or_default();
        Ok((Channel::from_code(code)?, row.get("people")))
    };
    rows.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_read_as_the_statement_tells_them() {
        let kinds = ["email", "inbox"];
        let read = alike(&kinds, r#"3 1 {"inbox": "duplicate"}"#, 7);
        assert_eq!((read.kinds, read.people), (vec!["email".to_owned(), "inbox".to_owned()], 7));
        let skips = [("email", "unsubscribed"), ("inbox", "duplicate")];
        assert_eq!(read.skips, skips.map(|(kind, reason)| (kind.to_owned(), reason.to_owned())).into());
        assert_eq!(alike(&kinds, "0 0 {}", 1), Alike { people: 1, ..Alike::default() });
    }
}
