//! Which account of each channel new work uses first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use herald_shared::db;
use herald_shared::domain::Channel;
use herald_shared::domain::account_choice::by_weight;
use herald_shared::domain::approval::ApprovalRules;

use crate::App;
use crate::error::Result;

/// How long a change made through another API process may go unnoticed. A plan accepted with an account that was just
/// disabled is no loss: the account is chosen again before it is used.
const TRUST: Duration = Duration::from_secs(2);
/// Tenants remembered.
const MAX_ENTRIES: usize = 10_000;

/// A tenant's first accounts per channel, each with its part of the work, when its plans need approval, and whether it has quiet hours.
#[derive(Debug, Clone, Default)]
pub struct Chosen {
    accounts: Vec<(Channel, i64, f64)>,
    /// The tenant's rules.
    pub approval: Option<ApprovalRules>,
    quiet: bool,
}

impl Chosen {
    /// A choice given as such, for tests.
    #[must_use]
    pub fn new(accounts: Vec<(Channel, i64)>) -> Self {
        let accounts = accounts.into_iter().map(|(channel, account)| (channel, account, 1.0)).collect();
        Chosen { accounts, approval: None, quiet: false }
    }

    /// Whether the tenant has quiet hours.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// An account for `channel`, by chance where several share the work; `None` when the tenant has no enabled one.
    #[must_use]
    pub fn account(&self, channel: Channel) -> Option<i64> {
        let own = self.accounts.iter().filter(|(own, _, _)| *own == channel);
        by_weight(own, |(_, _, part)| *part, fastrand::f64).map(|(_, account, _)| *account)
    }
}

/// Choices of the last seconds, by tenant.
#[derive(Default)]
pub struct Choices {
    known: Mutex<HashMap<i64, (Instant, Arc<Chosen>)>>,
}

impl Choices {
    /// A tenant's choice, perhaps some seconds old (`None`: nothing is remembered).
    #[must_use]
    pub fn recent(&self, tenant_id: i64) -> Option<Arc<Chosen>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&tenant_id).filter(|(at, _)| at.elapsed() < TRUST).map(|(_, chosen)| chosen.clone())
    }

    /// A tenant's choice as it is now.
    ///
    /// # Errors
    /// 503 while the database is away.
    pub async fn current(&self, app: &App, tenant_id: i64) -> Result<Arc<Chosen>> {
        let client = app.db().await?;
        let accounts = db::accounts::choices(&client, tenant_id).await?;
        let approval = db::approval::rules(&client, tenant_id).await?;
        let quiet = db::quiet::any(&client, tenant_id).await?;
        let chosen = Arc::new(Chosen { accounts, approval, quiet });
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_ENTRIES {
            known.retain(|_, (at, _)| at.elapsed() < TRUST);
        }
        if known.len() < MAX_ENTRIES {
            known.insert(tenant_id, (Instant::now(), chosen.clone()));
        }
        Ok(chosen)
    }

    /// Forgets a tenant whose accounts, rules or quiet hours were just changed here.
    pub fn forget(&self, tenant_id: i64) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&tenant_id);
    }
}
