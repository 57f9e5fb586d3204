//! Where tokens are kept: in the database for the fleet, or in memory for one process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use herald_shared::db::tokens::{self, Row, TokenSlot};
use herald_shared::db::{self, ANSWER, Client, Pool};
use herald_shared::secrets::KeyRing;

use super::{LEASE, Taken, Token, Tokens};

/// Tokens of all workers, sealed in the database.
pub struct FleetTokens {
    pool: Pool,
    ring: KeyRing,
}

impl FleetTokens {
    /// A store in that database, sealing with that key.
    #[must_use]
    pub fn new(pool: Pool, ring: KeyRing) -> Self {
        FleetTokens { pool, ring }
    }

    /// The token of a row, if it can be used and read. One that cannot be opened (the master key changed) counts as useless.
    fn opened(&self, slot: TokenSlot, row: &Row, useless: i64) -> Option<Token> {
        if row.serial <= useless || row.valid.is_zero() {
            return None;
        }
        let plain = self.ring.open(row.token.as_deref()?, &slot.aad()).ok()?;
        let text = String::from_utf8(plain).ok()?;
        Some(Token { text: text.into(), serial: row.serial, valid: row.valid })
    }
}

#[async_trait]
impl Tokens for FleetTokens {
    async fn take(&self, slot: TokenSlot, useless: i64) -> Result<Taken, String> {
        let read = async |client: &mut Client| tokens::read(client, slot).await;
        let row = db::ask(&self.pool, ANSWER, read).await.map_err(|error| error.chain())?;
        let mut useless = useless;
        if let Some(row) = row {
            if let Some(token) = self.opened(slot, &row, useless) {
                return Ok(Taken::Token(token));
            }
            if row.busy {
                return Ok(row.refused.map_or(Taken::Busy, Taken::Refused));
            }
            useless = useless.max(row.serial);
        }
        // Guarded: of all who saw the same, one gets it.
        let lease = async |client: &mut Client| tokens::lease(client, slot, useless, LEASE).await;
        let leased = db::ask(&self.pool, ANSWER, lease).await.map_err(|error| error.chain())?;
        Ok(if leased { Taken::Yours } else { Taken::Busy })
    }

    async fn put(&self, slot: TokenSlot, text: &str, valid: Duration) -> Result<i64, String> {
        let sealed = self.ring.seal(text.as_bytes(), &slot.aad());
        let put = async |client: &mut Client| tokens::put(client, slot, &sealed, valid).await;
        let serial = db::ask(&self.pool, ANSWER, put).await.map_err(|error| error.chain())?;
        serial.ok_or_else(|| "the account has newer credentials meanwhile".to_owned())
    }

    async fn refuse(&self, slot: TokenSlot, code: &str, pause: Duration) -> Result<(), String> {
        let refuse = async |client: &mut Client| tokens::refuse(client, slot, code, pause).await;
        db::ask(&self.pool, ANSWER, refuse).await.map_err(|error| error.chain())
    }
}

/// Tokens of one process, in memory: for a process that only verifies, and for tests.
#[derive(Default)]
pub struct OwnTokens(Mutex<HashMap<TokenSlot, Held>>);

#[derive(Default)]
struct Held {
    token: Option<(Token, Instant)>,
    serial: i64,
    busy: Option<Instant>,
    refused: Option<String>,
}

impl OwnTokens {
    fn with<R>(&self, slot: TokenSlot, change: impl FnOnce(&mut Held) -> R) -> R {
        change(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(slot).or_default())
    }
}

#[async_trait]
impl Tokens for OwnTokens {
    async fn take(&self, slot: TokenSlot, useless: i64) -> Result<Taken, String> {
        let now = Instant::now();
        Ok(self.with(slot, |held| {
            if let Some((token, until)) = held.token.as_ref().filter(|(token, _)| token.serial > useless)
                && now < *until
            {
                return Taken::Token(Token { valid: *until - now, ..token.clone() });
            }
            if held.busy.is_some_and(|until| now < until) {
                return held.refused.clone().map_or(Taken::Busy, Taken::Refused);
            }
            (held.busy, held.refused) = (Some(now + LEASE), None);
            Taken::Yours
        }))
    }

    async fn put(&self, slot: TokenSlot, text: &str, valid: Duration) -> Result<i64, String> {
        Ok(self.with(slot, |held| {
            held.serial += 1;
            let token = Token { text: text.into(), serial: held.serial, valid };
            held.token = Some((token, Instant::now() + valid));
            (held.busy, held.refused) = (None, None);
            held.serial
        }))
    }

    async fn refuse(&self, slot: TokenSlot, code: &str, pause: Duration) -> Result<(), String> {
        self.with(slot, |held| {
            held.busy = Some(Instant::now() + pause);
            held.refused = Some(code.to_owned());
        });
        Ok(())
    }
}
