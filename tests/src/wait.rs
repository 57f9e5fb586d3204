//! Waiting for conditions.

use std::time::{Duration, Instant};

/// Asks `look` until it gives something; panics with `what` when it has not within `limit`.
///
/// # Panics
/// When the limit is over.
pub async fn wait_for<T>(what: &str, limit: Duration, look: impl AsyncFnMut() -> Option<T>) -> T {
    within(limit, look).await.unwrap_or_else(|| panic!("not so within {limit:?}: {what}"))
}

/// Asks `look` until it gives something; `None` when it has not within `limit`. The one place where tests wait between two looks.
pub async fn within<T>(limit: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(found) = look().await {
            return Some(found);
        }
        if begun.elapsed() >= limit {
            return None;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// Asks `holds` until it is true.
///
/// # Panics
/// When the limit is over.
pub async fn wait_until(what: &str, limit: Duration, mut holds: impl AsyncFnMut() -> bool) {
    wait_for(what, limit, async || holds().await.then_some(())).await;
}
