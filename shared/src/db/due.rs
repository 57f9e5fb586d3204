//! Looks before a transaction is begun.

use deadpool_postgres::GenericClient;

use super::Error;
use crate::domain::Lane;

/// What is taken in a transaction, by its code in the table of jobs. Of deliveries others ask, by channel.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// Plans to be expanded.
    Expand = 0,
    /// Steps of ladders.
    Escalate = 2,
}

/// Whether anything of this kind is due in a lane: one trip where a transaction that finds nothing takes four, twenty times a second.
pub(super) async fn any(
    client: &impl GenericClient,
    kind: Kind,
    lane: Lane,
    back: f64,
) -> Result<bool, Error> {
    let statement = client.prepare_cached(include_str!("sql/due.sql")).await?;
    Ok(client.query_one(&statement, &[&(kind as i16), &lane.code(), &back]).await?.get(0))
}
