//! Connection pools. Every wait has a limit; nothing connects before it is used.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Client, Manager, ManagerConfig, Pool, QueueMode, RecyclingMethod, Runtime};
use rustls::ClientConfig;
use tokio::time::error::Elapsed;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Error;

/// Connections a pool may open.
#[derive(Debug, Clone, Copy)]
pub struct PoolSize(pub usize);

/// Whether a pool runs the statements of the job protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hot {
    /// Every statement is a look-up by full key or key range, so the planner is left no way but the index. Without this a
    /// statement prepared while its tables are empty or not analysed keeps a plan that reads whole plans per
    /// batch (3.5-7.7 instead of 70-100 thousand deliveries a second in the prototype).
    Yes,
    /// The same, and no bitmaps: a statement that walks an index in its order stops at the first row, where a bitmap would hold all
    /// entries, the dead ones too (20 s for one list of flows while a transaction was left open).
    Walks,
    /// The same as `Yes`, and planned once per connection instead of for each call: where every statement is a look-up by full key, so
    /// that there is one plan. Planning the claim anew cost 0.75 ms each time, more than running it.
    Keyed,
    /// The same as `Keyed`, and commits are not waited for: paces, beats, whatever a crash of the database may take along.
    Unsynced,
    /// Lists, filters, administration: the planner decides.
    No,
}

/// Longest wait for an answer. The server ends a statement after 30 s, so a connection silent for longer is dead, whatever the
/// kernel thinks of it (a pooler or balancer between that hangs still acknowledges packets).
pub const ANSWER: Duration = Duration::from_secs(35);

/// Ends the use of a connection: one that did not answer in time is thrown away instead of being handed out again, and with it
/// those that wait in its pool. What made it silent has most likely silenced them too, and finding out would take
/// this long for each.
///
/// # Errors
/// The statement's own, or [`Error::Deadline`].
pub fn answered<T>(client: Client, answer: Result<Result<T, Error>, Elapsed>) -> Result<T, Error> {
    answer.unwrap_or_else(|_| {
        if let Some(pool) = Client::pool(&client) {
            drop(pool.retain(|_, _| false));
        }
        drop(Client::take(client));
        Err(Error::Deadline)
    })
}

/// Makes a pool for `url`. No connection is made yet, so this works while the server is away.
///
/// Limits: 3 s for a free connection, 5 s to connect; on the server's side 30 s per statement and 5 s between two of a transaction.
///
/// # Errors
/// When `url` is not a PostgreSQL connection string, or TLS is required and the system's certificates cannot be read.
pub fn connect(url: &str, size: PoolSize, hot: Hot) -> anyhow::Result<Pool> {
    let mut config: tokio_postgres::Config =
        url.parse().map_err(|error| anyhow::anyhow!("DATABASE_URL is not a PostgreSQL URL: {error}"))?;
    config.connect_timeout(Duration::from_secs(5)).tcp_user_timeout(Duration::from_secs(20));
    // A statement that waits for its answer sends nothing, so only keepalives find out that the server's machine is gone: after 15 s
    // of silence, then each 5 s until the timeout above. By the system's interval it would take 105 s.
    config.keepalives_idle(Duration::from_secs(15)).keepalives_interval(Duration::from_secs(5));
    if config.get_application_name().is_none() {
        config.application_name("herald");
    }
    let mut options = config.get_options().unwrap_or_default().to_owned();
    // No transaction here waits for anything but the database. One that does is of a process that is frozen or cut off, and what it
    // has locked (a plan's row) holds up the outcomes of a whole lane.
    options
        .push_str(" -c statement_timeout=30s -c lock_timeout=10s -c idle_in_transaction_session_timeout=5s");
    if hot != Hot::No {
        options.push_str(" -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off");
    }
    if hot == Hot::Walks {
        options.push_str(" -c enable_bitmapscan=off");
    }
    if hot == Hot::Unsynced {
        options.push_str(" -c synchronous_commit=off");
    }
    if matches!(hot, Hot::Keyed | Hot::Unsynced) {
        options.push_str(" -c plan_cache_mode=force_generic_plan");
    }
    config.options(options.trim());
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = match config.get_ssl_mode() {
        SslMode::Disable | SslMode::Prefer => Manager::from_config(config, tokio_postgres::NoTls, recycling),
        _ => Manager::from_config(config, MakeRustlsConnect::new(tls()?), recycling),
    };
    let pool = Pool::builder(manager)
        .max_size(size.0)
        // The one used last is handed out next: its statements are prepared and its caches warm. In turn, every connection of a
        // quiet process would stay cold.
        .queue_mode(QueueMode::Lifo)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(Duration::from_secs(3)))
        .create_timeout(Some(Duration::from_secs(6)))
        .recycle_timeout(Some(Duration::from_secs(3)))
        .build()?;
    Ok(pool)
}

fn tls() -> anyhow::Result<ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    anyhow::ensure!(
        !roots.is_empty(),
        "DATABASE_URL asks for TLS and this system has no CA certificates: install ca-certificates"
    );
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
