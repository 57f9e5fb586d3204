//! Keys seen in the last seconds, so that a busy key costs no query per request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool_postgres::GenericClient;
use herald_shared::db;
use herald_shared::db::settings;
use herald_shared::secrets::KeyRing;
use tokio::sync::OnceCell;

use super::guard::Caller;
use super::key::Secret;
use crate::error::{Problem, Result};

/// A revoked key works at most this long in other API processes; in the one that revoked it, no longer at all.
const TRUST: Duration = Duration::from_secs(3);
/// Entries kept; a flood of wrong keys must not grow it.
const MAX_ENTRIES: usize = 10_000;

/// Valid and invalid keys by their hash, and the pepper that makes the hashes.
#[derive(Default)]
pub struct KeyCache {
    pepper: OnceCell<Vec<u8>>,
    seen: Mutex<HashMap<[u8; 32], Entry>>,
}

struct Entry {
    at: Instant,
    caller: Option<Arc<Caller>>,
}

impl KeyCache {
    /// Who holds `secret`; `None` when nobody does.
    ///
    /// # Errors
    /// 503 while the database is away or not migrated.
    pub async fn find(&self, app: &crate::App, secret: &Secret) -> Result<Option<Arc<Caller>>> {
        let pepper = match self.pepper.get() {
            Some(pepper) => pepper,
            None => self.pepper(&app.db().await?, &app.ring).await?,
        };
        let hash = secret.hash(pepper);
        if let Some(known) = self.known(&hash) {
            return Ok(known);
        }
        let holder = db::keys::by_hash(&app.db().await?, &hash).await?;
        let caller = holder.map(|holder| Arc::new(Caller::from(holder)));
        self.remember(hash, caller.clone());
        Ok(caller)
    }

    /// The pepper, read once.
    ///
    /// # Errors
    /// 503 while the database is not migrated; 500 when the master key does not open it.
    pub async fn pepper(&self, client: &impl GenericClient, ring: &KeyRing) -> Result<&Vec<u8>> {
        let read = async || match settings::get(client, ring, settings::KEY_PEPPER).await {
            Ok(Some(pepper)) => Ok(pepper),
            Ok(None) => Err(Problem::unavailable("The database is not migrated: run herald-api migrate.", 5)),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the key pepper cannot be read");
                Err(Problem::unavailable("API keys cannot be checked; Herald's log says why.", 5))
            }
        };
        self.pepper.get_or_try_init(read).await
    }

    /// Forgets a key that was just revoked.
    pub fn forget(&self, key_id: i64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.retain(|_, entry| entry.caller.as_ref().is_none_or(|caller| caller.key_id != key_id));
    }

    fn known(&self, hash: &[u8; 32]) -> Option<Option<Arc<Caller>>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = seen.get(hash).filter(|entry| entry.at.elapsed() < TRUST)?;
        Some(entry.caller.clone())
    }

    fn remember(&self, hash: [u8; 32], caller: Option<Arc<Caller>>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= MAX_ENTRIES {
            seen.retain(|_, entry| entry.at.elapsed() < TRUST);
        }
        if seen.len() >= MAX_ENTRIES {
            seen.retain(|_, entry| entry.caller.is_some());
        }
        if seen.len() < MAX_ENTRIES {
            seen.insert(hash, Entry { at: Instant::now(), caller });
        }
    }
}
