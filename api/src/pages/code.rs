//! One-time codes: whoever has a link is asked who they are. Used by the pages of protected plans; any page that knows a recipient can.
//!
//! The code goes to an address that the plan has of the recipient, as a small urgent plan of the same tenant. The browser in which it is
//! entered gets a signed cookie that names its row in `page_pass`, so that it can be taken back.

use axum::http::{HeaderMap, HeaderValue};
use herald_shared::db;
use herald_shared::db::accept::NewRecipient;
use herald_shared::db::codes::{self, Checked, Issued};
use herald_shared::domain::terms::Internal;
use herald_shared::domain::{Channel, Content, Lane};
use herald_shared::links::{Holder, Purpose};
use herald_shared::secrets::random_bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{cookie, link_key};
use crate::App;
use crate::error::Result;
use crate::notices::{Message, write};
use crate::routes::mask;

/// Name of the cookie that says: a right code was entered here.
const PASS: &str = "herald_pass";
/// How long it is kept, in seconds; `sql/codes/known.sql` has the same.
const KEPT: u32 = 30 * 86_400;
/// By which channels a code may go, the first that the recipient and the tenant have.
const CHANNELS: [Channel; 3] = [Channel::Email, Channel::Sms, Channel::Wecom];
/// How long a code is good.
const GOOD: SignedDuration = SignedDuration::from_mins(10);
/// Digits of a code.
const DIGITS: usize = 6;

/// What became of a wish for a code.
pub(super) enum Asked {
    /// It is on its way to this address, masked.
    Sent(String),
    /// There were too many; the next one may be had in so many minutes.
    In(i64),
    /// There is no such recipient, no address that a code could go to, or no account to send it by.
    Nowhere,
}

/// Sends a code to whoever `holder` stands for.
pub(super) async fn send(app: &App, holder: Holder) -> Result<Asked> {
    let of = (holder.plan_id, holder.no);
    let code = fresh();
    let hash = link_key(app).await?.code_hash(holder.plan_id, holder.no, &code);
    let mut db = app.db().await?;
    let transaction = db.transaction().await.map_err(db::Error::from)?;
    let Some(person) = codes::person(&transaction, of).await? else { return Ok(Asked::Nowhere) };
    match codes::issue(&transaction, of, &hash).await? {
        Issued::Yes => {}
        Issued::In(seconds) => return Ok(Asked::In((seconds + 59) / 60)),
        Issued::Nobody => return Ok(Asked::Nowhere),
    }
    for channel in CHANNELS {
        let kind = channel.address_kind();
        let Some(address) = person.addresses.get(kind) else { continue };
        let to = NewRecipient {
            name: person.name.clone(),
            addresses: [(kind.to_owned(), address.clone())].into(),
            variables: json!({ "code": code }).as_object().cloned(),
            ..NewRecipient::default()
        };
        let Some(wakes) = write(app, &transaction, person.tenant_id, message(to, channel)).await? else {
            continue;
        };
        transaction.commit().await.map_err(db::Error::from)?;
        app.notices.wake(wakes);
        return Ok(Asked::Sent(mask(address)));
    }
    // Not committed: a code that went nowhere is none.
    Ok(Asked::Nowhere)
}

/// Six digits that nobody can guess.
fn fresh() -> String {
    let number = u64::from_be_bytes(random_bytes::<8>()) % 1_000_000;
    format!("{number:06}")
}

fn message(to: NewRecipient, channel: Channel) -> Message {
    Message {
        kind: Internal::Code,
        title: "验证码 · Your code",
        content: Content {
            text: Some(
                "您的验证码：{{ code }}，10分钟内有效。请勿告诉他人。\nYour code: {{ code }}, valid for 10 minutes. Do not give it to anybody.\n"
                    .to_owned(),
            ),
            ..Content::default()
        },
        people: vec![to],
        channels: vec![channel],
        lane: Lane::Urgent,
        expires_at: Timestamp::now() + GOOD,
    }
}

/// Tries what was entered; blanks between digits do not matter.
pub(super) async fn check(app: &App, holder: Holder, entered: &str) -> Result<Checked> {
    let code: String = entered.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    if code.len() != DIGITS || !code.bytes().all(|digit| digit.is_ascii_digit()) {
        return Ok(Checked::Wrong);
    }
    let hash = link_key(app).await?.code_hash(holder.plan_id, holder.no, &code);
    Ok(codes::check(&app.db().await?, (holder.plan_id, holder.no), &hash).await?)
}

/// The cookie for a browser in which a right code was entered, sent back to what is below `path` (from `/`, such as `/m/{token}`).
pub(super) async fn remember(app: &App, holder: Holder, path: &str) -> Result<Option<HeaderValue>> {
    let id = codes::remember(&app.db().await?, (holder.plan_id, holder.no)).await?;
    let pass = Holder { plan_id: id, no: holder.no, channel: None };
    let value = link_key(app).await?.token(Purpose::Pass, pass);
    Ok(cookie::set(app, (PASS, &value), path, KEPT))
}

/// Whether the browser is remembered as this recipient's.
pub(super) async fn is_remembered(app: &App, headers: &HeaderMap, holder: Holder) -> Result<bool> {
    let key = link_key(app).await?;
    // Of several plans on one path there may be several.
    let passes = cookie::all(headers, PASS).filter_map(|value| key.open(Purpose::Pass, value)).take(10);
    let passes: Vec<i64> = passes.filter(|pass| pass.no == holder.no).map(|pass| pass.plan_id).collect();
    if passes.is_empty() {
        return Ok(false);
    }
    let db = app.db().await?;
    for pass in passes {
        if codes::is_known(&db, pass, (holder.plan_id, holder.no)).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// As which recipient of a plan the browser is remembered.
pub(super) async fn remembered(app: &App, headers: &HeaderMap, plan_id: i64) -> Result<Option<i32>> {
    let key = link_key(app).await?;
    let passes = cookie::all(headers, PASS).filter_map(|value| key.open(Purpose::Pass, value)).take(10);
    let passes: Vec<Holder> = passes.collect();
    if passes.is_empty() {
        return Ok(None);
    }
    let db = app.db().await?;
    for pass in passes {
        if codes::is_known(&db, pass.plan_id, (plan_id, pass.no)).await? {
            return Ok(Some(pass.no));
        }
    }
    Ok(None)
}

/// Forgets all browsers of a recipient; with it, the cookie that goes.
pub(super) async fn forget(app: &App, holder: Holder, path: &str) -> Result<Option<HeaderValue>> {
    codes::forget(&app.db().await?, (holder.plan_id, holder.no)).await?;
    Ok(cookie::set(app, (PASS, ""), path, 0))
}

#[cfg(test)]
mod tests {
    use super::fresh;

    #[test]
    fn a_code_has_six_digits_and_is_not_the_one_before() {
        let codes: std::collections::BTreeSet<String> = (0..50).map(|_| fresh()).collect();
        assert!(codes.len() > 45);
        assert!(codes.iter().all(|code| code.len() == 6 && code.bytes().all(|digit| digit.is_ascii_digit())));
    }
}
