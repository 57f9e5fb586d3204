//! The operator's commands.

use anyhow::Context as _;
use herald_shared::config::Common;
use herald_shared::db::{self, Client, Hot, Pool, PoolSize, keys::NewKey, migrate, settings, tenants};
use herald_shared::domain::quiet::{QuietHours, Window};
use herald_shared::domain::{Wait, local_time};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::auth::{FreshKey, Scope};

fn connect(common: &Common) -> anyhow::Result<Pool> {
    db::connect(&common.database_url, PoolSize(2), Hot::No)
}

async fn client(pool: &Pool) -> anyhow::Result<Client> {
    pool.get().await.context("the database cannot be reached: is DATABASE_URL right and the server up?")
}

/// Brings the schema up to date and makes the installation's own secrets. Repeatable.
///
/// # Errors
/// When the database refuses, or is newer than this build.
pub async fn migrate(common: &Common) -> anyhow::Result<Value> {
    let pool = connect(common)?;
    let mut client = client(&pool).await?;
    let report = migrate::run(&mut client).await?;
    for secret in [settings::KEY_PEPPER, settings::LINK_KEY] {
        settings::ensure(&client, &common.master_key, secret).await?;
    }
    Ok(json!({ "applied": report.applied }))
}

/// Makes a tenant with a first key that may do everything.
///
/// With `if_missing`, an existing tenant gets one more key.
///
/// # Errors
/// When the name is taken and `if_missing` is not set, or the database is not migrated.
pub async fn create_tenant(common: &Common, name: &str, if_missing: bool) -> anyhow::Result<Value> {
    anyhow::ensure!((1..=100).contains(&name.chars().count()), "a tenant's name has 1 to 100 characters");
    let pool = connect(common)?;
    let mut client = client(&pool).await?;
    let transaction = client.transaction().await?;
    let made = tenants::create(&transaction, Uuid::now_v7(), name).await?;
    let (tenant, key_name) = match made {
        Some(tenant) => (tenant, "first"),
        None => {
            anyhow::ensure!(
                if_missing,
                "a tenant named {name} exists: choose another name, or give --if-missing"
            );
            (tenants::by_name(&transaction, name).await?.context("the tenant vanished")?, "demo")
        }
    };
    let key = add_key(&transaction, common, tenant.id, key_name, &Scope::ALL).await?;
    transaction.commit().await?;
    Ok(json!({ "tenant": tenant.uid, "name": name, "key": key.text }))
}

/// Limits over all accounts of a tenant; those left out do not bind.
#[derive(Debug, Default, clap::Args)]
pub struct TenantLimits {
    /// Calls in any sliding second.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub per_second: Option<u32>,
    /// Calls in any sliding minute.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub per_minute: Option<u32>,
    /// Calls in any sliding 24 hours.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    pub per_day: Option<u32>,
    /// Count people instead of calls in `--per-minute` and `--per-day`.
    #[arg(long)]
    pub per_recipient: bool,
}

impl TenantLimits {
    fn json(&self) -> Value {
        let numbers =
            [("per_second", self.per_second), ("per_minute", self.per_minute), ("per_day", self.per_day)];
        let mut all: serde_json::Map<String, Value> =
            numbers.into_iter().filter_map(|(name, n)| Some((name.to_owned(), n?.into()))).collect();
        if self.per_recipient && !all.is_empty() {
            all.insert("per".to_owned(), "recipient".into());
        }
        Value::Object(all)
    }
}

/// Sets what a tenant may send over all its accounts; workers heed it within some seconds.
///
/// # Errors
/// When there is no such tenant, or the database is not migrated.
pub async fn limit_tenant(common: &Common, name: &str, limits: &TenantLimits) -> anyhow::Result<Value> {
    let pool = connect(common)?;
    let limits = limits.json();
    let found = tenants::limit(&client(&pool).await?, name, &limits).await?;
    let found = found.with_context(|| format!("there is no tenant {name}"))?;
    Ok(json!({ "tenant": found.uid, "name": name, "limits": limits }))
}

/// When nothing is sent to a tenant's people.
#[derive(Debug, clap::Args)]
pub struct TenantQuiet {
    /// IANA zone for people without one of their own.
    #[arg(long, default_value = "UTC")]
    pub time_zone: String,
    /// A part of the day, such as `22:00-07:00`, or `20:00-08:00=sms,voice` for some channels; may be given several times.
    #[arg(long = "window")]
    pub windows: Vec<Window>,
    /// Over how long what waited is spread when they end.
    #[arg(long, default_value = "10m")]
    pub spread: Wait,
}

/// Sets a tenant's quiet hours; workers heed them at once, what waits already keeps its time.
///
/// # Errors
/// When there is no such tenant or zone, when nothing is left of the day, or the database is not migrated.
pub async fn quiet_tenant(common: &Common, name: &str, quiet: TenantQuiet) -> anyhow::Result<Value> {
    let TenantQuiet { time_zone, windows, spread } = quiet;
    anyhow::ensure!(
        local_time::zone(&time_zone).is_some(),
        "{time_zone} is not an IANA time zone such as Asia/Shanghai"
    );
    let hours = QuietHours { time_zone, windows, spread };
    if let Some(channel) = hours.silences() {
        anyhow::bail!("these windows leave no minute of the day on {channel}");
    }
    let pool = connect(common)?;
    let mut client = client(&pool).await?;
    let found =
        tenants::by_name(&client, name).await?.with_context(|| format!("there is no tenant {name}"))?;
    let transaction = client.transaction().await?;
    db::quiet::set(&transaction, found.id, &hours).await?;
    transaction.commit().await?;
    Ok(json!({ "tenant": found.uid, "name": name, "quiet_hours": hours }))
}

/// Makes one more key for a tenant.
///
/// # Errors
/// When there is no such tenant or scope, or the database is not migrated.
pub async fn create_key(
    common: &Common,
    tenant: &str,
    name: &str,
    scopes: &[Scope],
) -> anyhow::Result<Value> {
    anyhow::ensure!((1..=100).contains(&name.chars().count()), "a key's name has 1 to 100 characters");
    let pool = connect(common)?;
    let client = client(&pool).await?;
    let found =
        tenants::by_name(&client, tenant).await?.with_context(|| format!("there is no tenant {tenant}"))?;
    let key = add_key(&client, common, found.id, name, scopes).await?;
    Ok(json!({ "tenant": found.uid, "name": name, "key": key.text }))
}

async fn add_key(
    client: &impl deadpool_postgres::GenericClient,
    common: &Common,
    tenant_id: i64,
    name: &str,
    scopes: &[Scope],
) -> anyhow::Result<FreshKey> {
    let pepper = settings::get(client, &common.master_key, settings::KEY_PEPPER).await?;
    let pepper = pepper.context("the database is not migrated: run herald-api migrate first")?;
    let fresh = FreshKey::generate(&pepper);
    let new = NewKey {
        uid: Uuid::now_v7(),
        tenant_id,
        name,
        prefix: &fresh.prefix,
        hash: fresh.hash,
        scopes: scopes.iter().map(ToString::to_string).collect(),
        rate_per_second: 1_000,
    };
    db::keys::insert(client, &new).await?;
    Ok(fresh)
}

/// Seals every secret again that is not under the first master key, all in one transaction. Herald may run meanwhile,
/// provided that every process holds both keys.
///
/// # Errors
/// When a secret is under a key that `HERALD_MASTER_KEY` does not hold; nothing is changed then.
pub async fn rekey(common: &Common) -> anyhow::Result<Value> {
    let pool = connect(common)?;
    let mut client = client(&pool).await?;
    let transaction = client.transaction().await?;
    let settings = settings::rewrap(&transaction, &common.master_key).await?;
    let accounts = db::accounts::rewrap(&transaction, &common.master_key).await?;
    let subscriptions = db::subscriptions::rewrap(&transaction, &common.master_key).await?;
    transaction.commit().await?;
    Ok(json!({ "settings": settings, "accounts": accounts, "subscriptions": subscriptions }))
}
