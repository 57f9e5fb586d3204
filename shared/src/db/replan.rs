//! Plans that no longer fit. The hot pools plan each statement once per connection, and a plan made while hardly any jobs waited may
//! read all of them: right for three, 16 ms a claim of 12 for thousands. Which index such a plan picks depends on what autovacuum saw
//! last, so no way of writing the statement is proof against it. A statement that took suspiciously long is planned anew instead.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool_postgres::Client;

/// Longer than any of these statements takes on a machine that is not overloaded: on its own, and for each row more.
const SLOW: Duration = Duration::from_millis(5);
const SLOW_ROW: Duration = Duration::from_micros(300);
/// Planning costs about a millisecond; a machine that is merely busy pays it no more often than this.
const EVERY: Duration = Duration::from_secs(1);

/// When the plans of a pool were last thrown away.
#[derive(Debug, Default)]
pub struct Replan(Mutex<Option<Instant>>);

impl Replan {
    /// Throws the plans of `client` away when its last statement took too long for so many rows.
    pub async fn judge(&self, client: &Client, took: Duration, rows: usize) {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        if took < SLOW.saturating_add(SLOW_ROW.saturating_mul(rows)) || !self.is_time() {
            return;
        }
        // The statement's own answer is in hand; a broken connection is found out by its next user.
        if let Err(error) = client.batch_execute("DISCARD PLANS").await {
            tracing::debug!(%error, "cannot have statements planned anew");
        }
    }

    fn is_time(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = last.is_none_or(|last| last.elapsed() >= EVERY);
        if is_time {
            *last = Some(Instant::now());
        }
        is_time
    }
}
