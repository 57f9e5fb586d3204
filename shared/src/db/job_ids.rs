//! Ids given out from blocks: one trip to the database for many ids.

use deadpool_postgres::GenericClient;
use tokio::sync::Mutex;

use super::Error;

/// A source of ids backed by a sequence whose increment is the block size.
pub struct IdBlock {
    sql: &'static str,
    size: i64,
    next: Mutex<(i64, i64)>,
}

impl IdBlock {
    /// Plan ids.
    #[must_use]
    pub fn plans() -> Self {
        IdBlock { sql: "SELECT nextval('plan_id_block')", size: 100, next: Mutex::new((0, 0)) }
    }

    /// Job ids.
    #[must_use]
    pub fn jobs() -> Self {
        IdBlock { sql: "SELECT nextval('job_id_block')", size: 1000, next: Mutex::new((0, 0)) }
    }

    /// The next id. Ids are unique over all processes; their order over processes means nothing.
    ///
    /// # Errors
    /// [`Error`] of the database when a new block is needed.
    pub async fn next(&self, client: &impl GenericClient) -> Result<i64, Error> {
        let mut next = self.next.lock().await;
        if next.0 == next.1 {
            let statement = client.prepare_cached(self.sql).await?;
            let start: i64 = client.query_one(&statement, &[]).await?.get(0);
            *next = (start, start + self.size);
        }
        next.0 += 1;
        Ok(next.0 - 1)
    }
}
