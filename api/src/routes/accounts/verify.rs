//! Checking an account's shape, and asking its provider whether the credentials work.

use std::time::Duration;

use herald_channels::{FieldProblem, provider};
use herald_shared::db::accounts::{Account, Draft, State, secret_aad};
use serde_json::Value;
use uuid::Uuid;

use super::form::Form;
use crate::App;
use crate::error::{Kind, Problem, Result};
use crate::problems::{Place, Problems};

/// Drivers keep 10 s themselves; this is for one that does not.
const DEADLINE: Duration = Duration::from_secs(15);
/// Characters of a reason, as stored.
const MAX_REASON: usize = 500;

/// The account as it is to be stored: shape checked, verified at the provider if it is enabled and `ask`.
pub(super) async fn checked(app: &App, tenant_id: i64, uid: Uuid, form: &Form, ask: bool) -> Result<Draft> {
    check(app, tenant_id, form)?;
    let verified = form.enabled && ask;
    if verified {
        at_provider(app, tenant_id, form).await?;
    }
    let sealed =
        form.secret.as_ref().map(|secret| app.ring.seal(secret.to_string().as_bytes(), &secret_aad(uid)));
    let (state, reason) =
        if verified { (State::Ok, None) } else { (State::Down, Some("not verified yet".to_owned())) };
    Ok(Draft {
        name: form.name.clone(),
        settings: form.settings.clone(),
        secret: sealed,
        limits: form.limits.clone(),
        order: form.order,
        weight: form.weight,
        enabled: form.enabled,
        price: form.price.clone(),
        state,
        reason,
    })
}

/// Asks the provider.
///
/// # Errors
/// 422 with a pointer to what is wrong.
pub(super) async fn at_provider(app: &App, tenant_id: i64, form: &Form) -> Result<()> {
    check(app, tenant_id, form)?;
    let Some(provider) = provider(form.provider) else { return Err(no_provider()) };
    let driver =
        provider.open(account(tenant_id, form), &app.deps()).map_err(|wrong| refused(vec![wrong]))?;
    let asked = tokio::time::timeout(DEADLINE, driver.verify()).await;
    let late =
        || FieldProblem { pointer: "/settings".to_owned(), detail: "the provider did not answer".to_owned() };
    asked.unwrap_or_else(|_| Err(late())).map_err(|wrong| refused(vec![wrong]))
}

fn check(app: &App, tenant_id: i64, form: &Form) -> Result<()> {
    let Some(provider) = provider(form.provider) else { return Err(no_provider()) };
    let wrong = provider.check(&account(tenant_id, form), &app.net);
    if wrong.is_empty() { Ok(()) } else { Err(refused(wrong)) }
}

fn no_provider() -> Problem {
    let mut problems = Problems::default();
    problems.add("/provider", "is not known to this build of Herald");
    Problem::validation(problems)
}

fn refused(wrong: Vec<FieldProblem>) -> Problem {
    let mut problems = Problems::default();
    for problem in wrong {
        problems.add(problem.pointer, problem.detail);
    }
    Problem::validation(problems)
}

/// What a failed verification says, for the account's `reason`.
pub(super) fn words(problem: &Problem) -> String {
    let first = problem.errors.first().map(|error| match &error.place {
        Place::Pointer(place) | Place::Parameter(place) | Place::Header(place) => {
            format!("{place}: {}", error.detail)
        }
    });
    first.unwrap_or_else(|| problem.detail.clone()).chars().take(MAX_REASON).collect()
}

/// The stored secret in clear.
///
/// # Errors
/// 500 when the master key does not open it; the log says what to do.
pub(super) fn open_secret(app: &App, account: &Account) -> Result<Option<Value>> {
    let Some(sealed) = &account.draft.secret else { return Ok(None) };
    let opened = app.ring.open(sealed, &secret_aad(account.uid));
    let plain = opened.map_err(|error| {
        tracing::error!(account = %account.uid, error = %error, "an account's secret cannot be opened");
        Problem::new(Kind::Internal, "This account's secret cannot be opened; Herald's log says why.")
    })?;
    Ok(serde_json::from_slice(&plain).ok())
}

/// The account as a driver takes it. Its id is only known once it is stored; no driver needs it to verify.
fn account(tenant_id: i64, form: &Form) -> herald_channels::Account {
    herald_channels::Account {
        id: 0,
        version: 0,
        tenant_id,
        name: form.name.clone(),
        settings: form.settings.clone(),
        secret: form.secret.clone().unwrap_or(Value::Null),
        concurrency: form.limits["concurrency"].as_u64().and_then(|number| number.try_into().ok()),
    }
}
