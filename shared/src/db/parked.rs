//! Broker messages that could not be decoded.

use deadpool_postgres::GenericClient;

use super::Error;

/// Keeps a broken broker message (its first 4 kB) for the operator. Commits by itself; ack after it.
///
/// # Errors
/// [`Error`] of the database: do not ack, the broker will bring it again.
pub async fn park(
    client: &impl GenericClient,
    queue: &str,
    reason: &str,
    payload: &[u8],
) -> Result<(), Error> {
    let kept = &payload[..payload.len().min(4096)];
    let sql = "INSERT INTO parked_message (queue, reason, payload) VALUES ($1, $2, $3)";
    client.execute(sql, &[&queue, &reason, &kept]).await?;
    Ok(())
}
