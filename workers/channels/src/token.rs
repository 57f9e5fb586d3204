//! Access tokens: one per account, fetched by one process at a time, used by the whole fleet.
//!
//! Providers count, limit and punish token requests, so a driver never asks for one by itself: it asks [`Shared`], which
//! keeps the last one in memory, lets one task of this process look further, and takes the fleet's lease before the
//! provider is asked. A token that the provider refuses is told by its serial: the first to tell fetches a new one, the
//! others find it.

mod store;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
pub use herald_shared::db::tokens::TokenSlot;
pub use store::{FleetTokens, OwnTokens};

/// Longest a call waits for a token: longer than a dead process can hold the lease, and a fetch after it.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a fetch may take before somebody else tries. A driver's own limit must be shorter.
pub(crate) const LEASE: Duration = Duration::from_secs(8);
/// Between two looks whether somebody else's fetch is done.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Used no longer than this before its end. Source: PROVIDERS 0.8.
const MARGIN: Duration = Duration::from_secs(300);

/// A token. Its text is never shown.
#[derive(Clone)]
pub struct Token {
    /// What the provider wants to see.
    pub text: Arc<str>,
    /// Which fetch it is from; later ones are larger.
    pub serial: i64,
    /// How long it may still be used.
    pub valid: Duration,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("serial", &self.serial)
            .field("valid", &self.valid)
            .finish_non_exhaustive()
    }
}

/// What there is for somebody who wants a token.
#[derive(Debug)]
pub enum Taken {
    /// This one.
    Token(Token),
    /// None, and the lease is the caller's: fetch one, then [`Tokens::put`] or [`Tokens::refuse`].
    Yours,
    /// None, and somebody is fetching one: look again soon.
    Busy,
    /// None, and the provider refused to give one lately, with this code: do not ask it now.
    Refused(String),
}

/// Where tokens are kept. Errors are in words for a log, without secrets.
#[async_trait]
pub trait Tokens: Send + Sync {
    /// A token later than `useless` (0: any), or what to do about there being none.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn take(&self, slot: TokenSlot, useless: i64) -> Result<Taken, String>;

    /// Keeps a fetched token for everybody; ends the lease.
    ///
    /// # Errors
    /// When the store cannot be asked, or the account has newer credentials meanwhile.
    async fn put(&self, slot: TokenSlot, text: &str, valid: Duration) -> Result<i64, String>;

    /// Notes that the provider gave none; nobody asks again before `pause` is over.
    ///
    /// # Errors
    /// When the store cannot be asked.
    async fn refuse(&self, slot: TokenSlot, code: &str, pause: Duration) -> Result<(), String>;
}

/// What a fetch brought.
pub(crate) struct Fetched {
    pub(crate) text: String,
    /// As the provider said it.
    pub(crate) expires_in: Duration,
}

/// Why a fetch brought nothing.
pub(crate) struct NotFetched {
    /// The provider's code, or a word of the driver's.
    pub(crate) code: String,
    /// How long nobody should try again.
    pub(crate) pause: Duration,
}

/// Why there is no token.
#[derive(Debug)]
pub(crate) enum NoToken {
    /// The provider gave none, now or a moment ago, with this code.
    Refused(String),
    /// The store or somebody else's fetch took too long.
    Late(String),
}

/// One account's token as its driver sees it.
pub(crate) struct Shared {
    store: Arc<dyn Tokens>,
    slot: TokenSlot,
    known: RwLock<Option<(Token, Instant)>>,
    /// Held while this process looks further than its memory.
    looking: tokio::sync::Mutex<()>,
}

impl Shared {
    pub(crate) fn new(store: Arc<dyn Tokens>, slot: TokenSlot) -> Self {
        Shared { store, slot, known: RwLock::default(), looking: tokio::sync::Mutex::default() }
    }

    /// A token later than `useless` (0: any), within [`PATIENCE`]; `fetch` asks the provider, only under the lease.
    pub(crate) async fn get<F>(&self, useless: i64, fetch: impl Fn() -> F) -> Result<Token, NoToken>
    where
        F: Future<Output = Result<Fetched, NotFetched>>,
    {
        if let Some(token) = self.remembered(useless) {
            return Ok(token);
        }
        let looked = tokio::time::timeout(PATIENCE, self.look(useless, fetch)).await;
        looked.unwrap_or_else(|_| {
            Err(NoToken::Late("somebody else's fetch of the token took too long".to_owned()))
        })
    }

    fn remembered(&self, useless: i64) -> Option<Token> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let (token, until) = known.as_ref()?;
        (token.serial > useless && Instant::now() < *until).then(|| token.clone())
    }

    async fn look<F>(&self, useless: i64, fetch: impl Fn() -> F) -> Result<Token, NoToken>
    where
        F: Future<Output = Result<Fetched, NotFetched>>,
    {
        let _looking = self.looking.lock().await;
        loop {
            // Whoever held the lock before may have found it.
            if let Some(token) = self.remembered(useless) {
                return Ok(token);
            }
            match self.store.take(self.slot, useless).await.map_err(NoToken::Late)? {
                Taken::Token(token) => self.remember(token),
                Taken::Yours => return self.renew(fetch).await,
                Taken::Busy => tokio::time::sleep(LOOK_AGAIN).await,
                Taken::Refused(code) => return Err(NoToken::Refused(code)),
            }
        }
    }

    async fn renew<F>(&self, fetch: impl Fn() -> F) -> Result<Token, NoToken>
    where
        F: Future<Output = Result<Fetched, NotFetched>>,
    {
        match fetch().await {
            Ok(Fetched { text, expires_in }) => {
                let valid = expires_in.saturating_sub(MARGIN).max(expires_in / 2);
                let serial = self.store.put(self.slot, &text, valid).await.map_err(NoToken::Late)?;
                let token = Token { text: text.into(), serial, valid };
                self.remember(token.clone());
                Ok(token)
            }
            Err(NotFetched { code, pause }) => {
                if let Err(problem) = self.store.refuse(self.slot, &code, pause).await {
                    tracing::warn!(account = self.slot.account, %problem, "cannot note that no token was given");
                }
                Err(NoToken::Refused(code))
            }
        }
    }

    fn remember(&self, token: Token) {
        let until = Instant::now() + token.valid;
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some((token, until));
    }
}

#[cfg(test)]
mod tests;
