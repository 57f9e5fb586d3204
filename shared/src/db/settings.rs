//! Installation-wide secrets in table `setting`, sealed under the master key.

use deadpool_postgres::GenericClient;

use super::Error;
use crate::secrets::{self, KeyRing};

/// The pepper of the API keys' hashes.
pub const KEY_PEPPER: &str = "key_pepper";
/// The key of signed links (`links`).
pub const LINK_KEY: &str = "link_key";

fn aad(name: &str) -> String {
    format!("setting|{name}")
}

/// Makes the secret `name` (32 random bytes) unless it exists. Idempotent.
///
/// # Errors
/// [`Error`] of the database.
pub async fn ensure(client: &impl GenericClient, ring: &KeyRing, name: &str) -> Result<(), Error> {
    let sealed = ring.seal(&secrets::random_bytes::<32>(), &aad(name));
    client
        .execute(
            "INSERT INTO setting (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            &[&name, &sealed],
        )
        .await?;
    Ok(())
}

/// The secret `name`, opened; `None` before `herald-api migrate`.
///
/// # Errors
/// The database's, or the master key does not open it.
pub async fn get(client: &impl GenericClient, ring: &KeyRing, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
    let row = client.query_opt("SELECT value FROM setting WHERE name = $1", &[&name]).await?;
    row.map(|row| Ok(ring.open(row.get(0), &aad(name))?)).transpose()
}

/// Seals every setting again that is not under the first master key; returns how many.
///
/// # Errors
/// The database's, or a value the ring does not open (nothing is changed then: run it in a transaction).
pub async fn rewrap(client: &impl GenericClient, ring: &KeyRing) -> anyhow::Result<usize> {
    let mut count = 0;
    for row in client.query("SELECT name, value FROM setting FOR UPDATE", &[]).await? {
        let (name, value): (String, Vec<u8>) = (row.get(0), row.get(1));
        if ring.needs_rewrap(&value) {
            let sealed = ring.seal(&ring.open(&value, &aad(&name))?, &aad(&name));
            client.execute("UPDATE setting SET value = $2 WHERE name = $1", &[&name, &sealed]).await?;
            count += 1;
        }
    }
    Ok(count)
}
