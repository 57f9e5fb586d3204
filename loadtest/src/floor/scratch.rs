//! A schema of its own for one floor, gone at the end.

use anyhow::Context;
use tokio_postgres::Client;

use crate::servers;

/// A fresh schema `floor_...`.
pub(super) struct Scratch {
    url: String,
    pub(super) name: String,
}

impl Scratch {
    /// Makes the schema and what `tables` (SQL) puts in it.
    pub(super) async fn create(url: &str, tables: &str) -> anyhow::Result<Self> {
        let scratch = Self { url: url.to_owned(), name: unique_name() };
        let client = servers::postgres(url).await?;
        let name = &scratch.name;
        client
            .batch_execute(&format!("CREATE SCHEMA {name}; SET search_path = {name}; {tables}"))
            .await
            .context("cannot make the scratch schema: the role needs CREATE on the database")?;
        Ok(scratch)
    }

    /// A connection that sees the schema and waits for its commits to be on disk.
    pub(super) async fn connect(&self) -> anyhow::Result<Client> {
        let client = servers::postgres(&self.url).await?;
        let name = &self.name;
        client
            .batch_execute(&format!(
                "SET search_path = {name}; SET synchronous_commit = on; SET client_min_messages = warning"
            ))
            .await?;
        Ok(client)
    }

    /// Removes the schema.
    pub(super) async fn remove(self) -> anyhow::Result<()> {
        let client = self.connect().await?;
        client.batch_execute(&format!("DROP SCHEMA {} CASCADE", self.name)).await?;
        Ok(())
    }
}

/// A name for a schema or queue that nothing else uses.
pub(super) fn unique_name() -> String {
    format!("floor_{:016x}", fastrand::u64(..))
}
