//! Plan ids given out from blocks: one trip to the database for many ids, known before the plan is written.

use deadpool_postgres::GenericClient;
use tokio::sync::Mutex;

use super::Error;

/// Ids in a block: the increment of sequence `plan_id_block`.
const SIZE: i64 = 100;

/// A source of plan ids. Ids of a block not used when the process ends are left out.
pub struct IdBlock(Mutex<(i64, i64)>);

impl IdBlock {
    /// An empty block; the first id fetches one.
    #[must_use]
    pub fn plans() -> Self {
        IdBlock(Mutex::new((0, 0)))
    }

    /// The next id. Ids are unique over all processes; their order over processes means nothing.
    ///
    /// # Errors
    /// [`Error`] of the database when a new block is needed.
    pub async fn next(&self, client: &impl GenericClient) -> Result<i64, Error> {
        let mut next = self.0.lock().await;
        if next.0 == next.1 {
            let statement = client.prepare_cached("SELECT nextval('plan_id_block')").await?;
            let start: i64 = client.query_one(&statement, &[]).await?.get(0);
            *next = (start, start + SIZE);
        }
        next.0 += 1;
        Ok(next.0 - 1)
    }
}
