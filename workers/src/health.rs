//! An account's state as its calls show it: out of use after an account error, in use again after a success.

use std::sync::atomic::Ordering;

use herald_shared::db::settle;

use crate::LaneContext;
use crate::accounts::Open;

/// Takes an account out of use, loudly; the work goes to another, or waits.
pub(crate) async fn account_down(context: &LaneContext, account: &Open, reason: &str) {
    let spec = account.spec;
    let used = (account.id, account.version);
    let written = async { settle::account_down(&context.pool.get().await?, used, reason).await };
    account.down.store(true, Ordering::Relaxed);
    match written.await {
        Ok(true) => {
            context
                .shared
                .metrics
                .accounts_down
                .with_label_values(&[spec.channel.as_str(), spec.provider])
                .inc();
            tracing::error!(
                account = account.id,
                reason,
                "an account is out of use: correct it with PATCH /v1/accounts/{{id}} or verify it"
            );
        }
        Ok(false) => {}
        Err(error) => tracing::warn!(
            error = error.chain(),
            "cannot write an account's state: the next call tries again"
        ),
    }
}

/// Puts an account back into use.
pub(crate) async fn account_up(context: &LaneContext, account: &Open) {
    let written = async { settle::account_up(&context.pool.get().await?, account.id).await };
    match written.await {
        Ok(true) => tracing::info!(account = account.id, "an account works again"),
        Ok(false) => {}
        Err(error) => tracing::warn!(
            error = error.chain(),
            "cannot write an account's state: the next call tries again"
        ),
    }
}
