//! One job, from pointer to release: capacity and claim; then `job`.

use std::sync::Arc;
use std::time::Duration;

use herald_shared::db::claim::{Claimed, Want};
use herald_shared::db::{self, ANSWER, Client, worker};
use herald_shared::domain::pointer::Pointer;
use herald_shared::links::Links;
use tracing::Instrument as _;

use crate::LaneContext;
use crate::accounts::Open;
use crate::job::Job;
use crate::permits;

/// Carries one job as far as it goes. `false`: something was not recorded, so its pointer must not be acked.
pub(crate) async fn run(context: &Arc<LaneContext>, pointer: Pointer) -> bool {
    let shared = &context.shared;
    shared.lease.alive().await;
    let account =
        match shared.accounts.get(pointer.account, &shared.config.common.master_key, &context.pool).await {
            Ok(Some(account)) => account,
            // Deleted, disabled or unusable: admission chooses again when the pointer lapses.
            Ok(None) => return true,
            Err(error) => {
                tracing::warn!(error = error.chain(), "cannot load an account: its job comes back");
                return true;
            }
        };
    let links = match links(context).await {
        Ok(links) => links,
        Err(error) => {
            tracing::warn!(error = %format!("{error:#}"), "cannot make recipients' links: a job comes back");
            return true;
        }
    };
    let (permits, wish) = match permits::first(context, &account, pointer).await {
        Ok(first) => first,
        Err(wait) => {
            put_back(context, pointer, wait).await;
            return true;
        }
    };
    // Whom limits per recipient hold back must not be marked, and who that is the claim tells.
    let calls = if account.limits_recipients() { 0 } else { permits.len() };
    let want = Want {
        job: pointer.job,
        calls: i32::try_from(calls).unwrap_or(1),
        batch: account.most(account.spec.batch),
        personal: account.most(account.spec.personal),
    };
    let Some(mut claimed) = context.batches.claim(want).await else { return true };
    let account = current(context, account, &claimed).await;
    let message = shared.messages.get(&mut claimed, links);
    // The accepting request's trace goes along: every line logged about this job, by drivers too, carries it.
    let traceparent = claimed.message.traceparent.as_deref().unwrap_or_default();
    let span = tracing::info_span!("job", id = pointer.job, plan = %claimed.plan.number(), traceparent);
    Job::new(context.clone(), account, claimed, message, wish).work(permits).instrument(span).await
}

/// Where recipients' links come from; `None`: there is no public address. Its key is read once.
async fn links(context: &LaneContext) -> anyhow::Result<Option<Arc<Links>>> {
    let source = &context.shared.links;
    if source.base.is_some() && source.known().is_none() {
        let client = context.pool.get().await?;
        source.key(&client).await?;
    }
    Ok(source.links())
}

/// Gives an unclaimed job back. Without a wait its account is at fault: admission chooses again.
async fn put_back(context: &LaneContext, pointer: Pointer, wait: Duration) {
    let put_back = async |client: &mut Client| worker::put_back(client, pointer.job, wait).await;
    if let Err(error) = db::ask(&context.pool, ANSWER, put_back).await {
        tracing::warn!(error = error.chain(), "cannot put a job back: it comes back by its visibility time");
    }
}

/// The account at the version the claim saw.
async fn current(context: &LaneContext, account: Arc<Open>, claimed: &Claimed) -> Arc<Open> {
    let (id, version) = claimed.account;
    if account.version == version && account.id == id {
        return account;
    }
    let shared = &context.shared;
    shared.accounts.is_stale(id, version);
    match shared.accounts.get(id, &shared.config.common.master_key, &context.pool).await {
        Ok(Some(fresh)) => fresh,
        _ => account,
    }
}
