//! A run of a worker process: the lease on everything it claims.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;

use super::Error;

/// Registers this run; its id goes into every claim and mark. And what time it is.
///
/// # Errors
/// [`Error`] of the database.
pub async fn begin(client: &impl GenericClient) -> Result<(i64, Timestamp), Error> {
    let sql = "INSERT INTO worker_incarnation DEFAULT VALUES RETURNING id, clock_timestamp()";
    let row = client.query_one(sql, &[]).await?;
    Ok((row.get(0), row.get(1)))
}

/// Shows a sign of life and returns what time it is; `None`: it was declared dead, everything it held is given away.
///
/// # Errors
/// [`Error`] of the database.
pub async fn beat(client: &impl GenericClient, id: i64) -> Result<Option<Timestamp>, Error> {
    let statement = client.prepare_cached(include_str!("sql/incarnation/beat.sql")).await?;
    Ok(client.query_opt(&statement, &[&id]).await?.map(|row| row.get(0)))
}

/// Says that this run claims nothing any more, so that what is left is taken over at once.
///
/// # Errors
/// [`Error`] of the database.
pub async fn end(client: &impl GenericClient, id: i64) -> Result<(), Error> {
    let sql = "UPDATE worker_incarnation SET ended_at = now() WHERE id = $1 AND ended_at IS NULL";
    client.execute(sql, &[&id]).await?;
    Ok(())
}

/// A run as a reclaimer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    /// The run.
    pub id: i64,
    /// Its beat now.
    pub beat: i64,
    /// It said so itself, or was declared dead before.
    pub ended: bool,
}

/// Every run that is alive by its own account, or ended but still named by a claimed job.
///
/// # Errors
/// [`Error`] of the database.
pub async fn sightings(client: &impl GenericClient) -> Result<Vec<Sighting>, Error> {
    let statement = client.prepare_cached(include_str!("sql/incarnation/sightings.sql")).await?;
    let rows = client.query(&statement, &[]).await?;
    Ok(rows.iter().map(|row| Sighting { id: row.get(0), beat: row.get(1), ended: row.get(2) }).collect())
}
