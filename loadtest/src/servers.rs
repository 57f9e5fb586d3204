//! Connections to Postgres, RabbitMQ and HTTP servers.

use std::time::Duration;

use anyhow::Context;
use lapin::{Connection, ConnectionProperties};
use tokio_postgres::{Client, NoTls};

use crate::env::Env;

/// A Postgres connection of its own; without TLS, as floors are measured on one machine.
pub(crate) async fn postgres(url: &str) -> anyhow::Result<Client> {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.context("cannot connect to DATABASE_URL")?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            eprintln!("Postgres connection ended: {error}");
        }
    });
    Ok(client)
}

/// A session that holds a snapshot until it is dropped.
pub(crate) async fn idle_transaction(env: &Env) -> anyhow::Result<Client> {
    let client = postgres(&env.required("DATABASE_URL")?).await?;
    let begin = "SET idle_in_transaction_session_timeout = 0; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT txid_current()";
    client.batch_execute(begin).await?;
    Ok(client)
}

/// An HTTP connection pool; never through a proxy, which would be measured too.
pub(crate) fn http(deadline: Duration) -> anyhow::Result<reqwest::Client> {
    Ok(reqwest::Client::builder().timeout(deadline).no_proxy().build()?)
}

/// An AMQP connection of its own.
pub(crate) async fn amqp(url: &str) -> anyhow::Result<Connection> {
    Connection::connect(url, ConnectionProperties::default()).await.context("cannot connect to AMQP_URL")
}
