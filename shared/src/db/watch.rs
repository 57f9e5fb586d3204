//! Looking at plans again and again for whoever waits for them.

use deadpool_postgres::GenericClient;
use jiff::Timestamp;

use super::{Error, plans};

/// Plans as they are, and a time by the database's clock at which they were not older. Other tenants' are left out.
///
/// # Errors
/// [`Error`] of the database.
pub async fn look(
    client: &impl GenericClient,
    tenant_id: i64,
    ids: &[i64],
) -> Result<(Timestamp, Vec<plans::View>), Error> {
    let statement = client.prepare_cached(include_str!("sql/watch/clock.sql")).await?;
    let at = client.query_one(&statement, &[]).await?.get(0);
    Ok((at, plans::views(client, tenant_id, ids).await?))
}
