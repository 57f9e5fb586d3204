//! Forward-only migrations, run by `herald-api migrate` under a lock. A shipped file is never edited.

use ring::digest::{SHA256, digest};
use tokio_postgres::Client;

/// Every migration: name and SQL, in order.
const MIGRATIONS: &[(&str, &str)] = &[
    ("0001_main_job", include_str!("../../migrations/0001_main_job.sql")),
    ("0002_cheaper_tally", include_str!("../../migrations/0002_cheaper_tally.sql")),
    ("0003_provider_token", include_str!("../../migrations/0003_provider_token.sql")),
    ("0005_engine_api", include_str!("../../migrations/0005_engine_api.sql")),
    ("0006_limits", include_str!("../../migrations/0006_limits.sql")),
    ("0007_admission", include_str!("../../migrations/0007_admission.sql")),
    ("0008_recipient_limits", include_str!("../../migrations/0008_recipient_limits.sql")),
    ("0009_fleet_limits", include_str!("../../migrations/0009_fleet_limits.sql")),
    ("0010_first", include_str!("../../migrations/0010_first.sql")),
    ("0012_recovery", include_str!("../../migrations/0012_recovery.sql")),
    ("0013_sweep", include_str!("../../migrations/0013_sweep.sql")),
    ("0015_born_counted", include_str!("../../migrations/0015_born_counted.sql")),
    ("0020_ladder", include_str!("../../migrations/0020_ladder.sql")),
    ("0022_reading", include_str!("../../migrations/0022_reading.sql")),
    ("0030_terms", include_str!("../../migrations/0030_terms.sql")),
    ("0031_template", include_str!("../../migrations/0031_template.sql")),
    ("0032_policy", include_str!("../../migrations/0032_policy.sql")),
    ("0033_wording", include_str!("../../migrations/0033_wording.sql")),
    ("0034_rounds", include_str!("../../migrations/0034_rounds.sql")),
    ("0035_enough", include_str!("../../migrations/0035_enough.sql")),
    ("0036_channel_wait", include_str!("../../migrations/0036_channel_wait.sql")),
    ("0037_reminders", include_str!("../../migrations/0037_reminders.sql")),
    ("0038_recall", include_str!("../../migrations/0038_recall.sql")),
    ("0040_series", include_str!("../../migrations/0040_series.sql")),
    ("0041_quiet_hours", include_str!("../../migrations/0041_quiet_hours.sql")),
    ("0042_tier_hours", include_str!("../../migrations/0042_tier_hours.sql")),
    ("0043_approval", include_str!("../../migrations/0043_approval.sql")),
    ("0044_erase", include_str!("../../migrations/0044_erase.sql")),
    ("0045_codes", include_str!("../../migrations/0045_codes.sql")),
    ("0049_subscription", include_str!("../../migrations/0049_subscription.sql")),
    ("0052_bin", include_str!("../../migrations/0052_bin.sql")),
    ("0053_keep", include_str!("../../migrations/0053_keep.sql")),
    ("0054_plan_lists", include_str!("../../migrations/0054_plan_lists.sql")),
    ("0056_file", include_str!("../../migrations/0056_file.sql")),
    ("0057_keyed", include_str!("../../migrations/0057_keyed.sql")),
];

/// The advisory lock that keeps two migrators apart: "herald" in ASCII.
const LOCK: i64 = 0x6865_7261_6c64;

/// What a run did.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    /// Names applied now, in order; empty when the database was up to date.
    pub applied: Vec<&'static str>,
}

/// Brings the database to this build's schema, each migration in a transaction of its own.
///
/// Idempotent; two at once wait for each other.
///
/// # Errors
/// When the server refuses, when an applied file was edited since, or when the database is newer than this build.
pub async fn run(client: &mut Client) -> anyhow::Result<Report> {
    client.execute("SELECT pg_advisory_lock($1)", &[&LOCK]).await?;
    let result = run_locked(client).await;
    client.execute("SELECT pg_advisory_unlock($1)", &[&LOCK]).await?;
    result
}

/// Whether the database has every migration of this build.
///
/// # Errors
/// When the server cannot be asked.
pub async fn is_current(client: &impl deadpool_postgres::GenericClient) -> Result<bool, super::Error> {
    let exists = client.query_one("SELECT to_regclass('schema_migration') IS NOT NULL", &[]).await?;
    if !exists.get::<_, bool>(0) {
        return Ok(false);
    }
    let count: i64 = client.query_one("SELECT count(*) FROM schema_migration", &[]).await?.get(0);
    Ok(count >= MIGRATIONS.len() as i64)
}

async fn run_locked(client: &mut Client) -> anyhow::Result<Report> {
    client
        .batch_execute(
            "CREATE TABLE IF NOT EXISTS schema_migration (
                 name text PRIMARY KEY, checksum bytea NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());
             COMMENT ON TABLE schema_migration IS 'Migrations applied to this database, with the SHA-256 of their text.';
             COMMENT ON COLUMN schema_migration.name IS 'File name without .sql.';
             COMMENT ON COLUMN schema_migration.checksum IS 'SHA-256 of the file: a shipped file is never edited.';
             COMMENT ON COLUMN schema_migration.applied_at IS 'When this database got it.'",
        )
        .await?;
    let rows = client.query("SELECT name, checksum FROM schema_migration ORDER BY name", &[]).await?;
    let applied: Vec<(String, Vec<u8>)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    if let Some((name, _)) = applied.iter().find(|(name, _)| !MIGRATIONS.iter().any(|(own, _)| own == name)) {
        anyhow::bail!(
            "the database has migration {name}, which this build does not know: run the newer build"
        );
    }
    let mut report = Report { applied: Vec::new() };
    for &(name, sql) in MIGRATIONS {
        let checksum = digest(&SHA256, sql.as_bytes());
        match applied.iter().find(|(done, _)| done == name) {
            Some((_, done)) if done == checksum.as_ref() => {}
            Some(_) => anyhow::bail!(
                "migration {name} was edited after it was applied: restore its text and add a new file"
            ),
            None => {
                apply(client, name, sql, checksum.as_ref()).await?;
                report.applied.push(name);
            }
        }
    }
    Ok(report)
}

async fn apply(client: &mut Client, name: &str, sql: &str, checksum: &[u8]) -> anyhow::Result<()> {
    use anyhow::Context as _;
    let transaction = client.transaction().await?;
    transaction
        .batch_execute(sql)
        .await
        .with_context(|| format!("migration {name} failed and changed nothing"))?;
    transaction
        .execute("INSERT INTO schema_migration (name, checksum) VALUES ($1, $2)", &[&name, &checksum])
        .await?;
    transaction.commit().await?;
    Ok(())
}
