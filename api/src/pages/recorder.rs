//! Readings and answers of many people in few statements: a plan that a million people read is written once for many of them.

use deadpool_postgres::Pool;
use herald_shared::batch::{self, Batcher};
use herald_shared::db::reading::{self, Note};
use herald_shared::db::{self, Client};

use crate::error::{Problem, Result};

/// People in one statement.
const SIZE: usize = 500;
/// Statements at once: a second one would only wait for the first one's plan.
const PARALLEL: usize = 1;

/// Takes what is to be noted.
pub(crate) struct Recorder(Batcher<Note, Option<bool>>);

/// The recorder, and the task that must run for it.
pub(crate) fn recorder(pool: Pool) -> (Recorder, impl Future<Output = anyhow::Result<()>> + Send) {
    let (batcher, run) = batch::batcher(PARALLEL, SIZE, move |notes: Vec<Note>| write(pool.clone(), notes));
    (Recorder(batcher), run)
}

impl Recorder {
    /// Notes it; `true`: it is the first of its kind. It is committed then.
    ///
    /// # Errors
    /// 503 while the database is away: nothing is noted, or it cannot be told.
    pub(crate) async fn note(&self, note: Note) -> Result<bool> {
        let noted = self.0.submit(note).await.flatten();
        noted.ok_or_else(|| Problem::unavailable("This cannot be noted at this moment; try again.", 2))
    }
}

async fn write(pool: Pool, notes: Vec<Note>) -> Vec<Option<bool>> {
    let ask = async |client: &mut Client| reading::note(client, &notes).await;
    match db::ask(&pool, db::ANSWER, ask).await {
        Ok(new) => new.into_iter().map(Some).collect(),
        Err(error) => {
            tracing::warn!(error = error.chain(), "cannot note what was read");
            vec![None; notes.len()]
        }
    }
}
