//! A database of one's own, copied from one that was migrated once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Mutex;
use tokio_postgres::types::ToSql;
use tokio_postgres::{NoTls, Row};

use crate::{Servers, process, small, system};

/// A migrated, empty database; dropped with [`Database::remove`].
pub struct Database {
    /// Its URL.
    pub url: String,
    /// Its name.
    pub name: String,
    admin: String,
    looks: Mutex<Option<Arc<tokio_postgres::Client>>>,
}

/// The database the others are copied from.
pub(crate) struct Template(String);

/// A number nobody else in this run has.
pub(crate) fn next_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Database {
    /// Copies the template of `servers`, making it first if need be.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn create(servers: &Servers) -> Database {
        Self::copy(servers, "").await
    }

    /// The same, with its tables and indexes on the servers' small file system, if they have one.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn create_small(servers: &Servers) -> Database {
        let Some(small) = servers.small() else { return Self::create(servers).await };
        let sql = format!("CREATE TABLESPACE {} LOCATION '{}'", small::TABLESPACE, small.folder().display());
        execute(&servers.database_url, &sql).await.expect("a tablespace can be made");
        Self::copy(servers, &format!("TABLESPACE {}", small::TABLESPACE)).await
    }

    async fn copy(servers: &Servers, place: &str) -> Database {
        let template = servers.template.get_or_init(|| migrated(&servers.database_url)).await;
        let database = Self::named(&servers.database_url);
        let sql = format!("CREATE DATABASE {} TEMPLATE {} {place}", database.name, template.0);
        execute(&database.admin, &sql).await.expect("a database can be made");
        database
    }

    /// A database without anything in it.
    ///
    /// # Panics
    /// When the server refuses.
    pub async fn empty(servers: &Servers) -> Database {
        let database = Self::named(&servers.database_url);
        execute(&database.admin, &format!("CREATE DATABASE {}", database.name))
            .await
            .expect("a database can be made");
        database
    }

    fn named(admin: &str) -> Database {
        let name = format!("herald_test_{}_{}", std::process::id(), next_number());
        let (url, admin) = (with_database(admin, &name), admin.to_owned());
        Database { url, name, admin, looks: Mutex::default() }
    }

    /// A connection, closed when dropped.
    ///
    /// # Errors
    /// When the server is away.
    pub async fn connect(&self) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// The connection a test looks with: a new one costs the server more than most looks do.
    async fn looks(&self) -> Arc<tokio_postgres::Client> {
        let mut looks = self.looks.lock().await;
        if let Some(client) = looks.as_ref().filter(|client| !client.is_closed()) {
            return Arc::clone(client);
        }
        let client = Arc::new(self.connect().await.expect("the test database can be reached"));
        *looks = Some(Arc::clone(&client));
        client
    }

    /// Rows of a query.
    ///
    /// # Panics
    /// When it fails.
    pub async fn rows(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Vec<Row> {
        let client = self.looks().await;
        client.query(sql, parameters).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    /// The one number a query gives; `bigint`.
    ///
    /// # Panics
    /// When it fails or gives something else.
    pub async fn number(&self, sql: &str) -> i64 {
        self.rows(sql, &[]).await[0].get(0)
    }

    /// Runs statements.
    ///
    /// # Panics
    /// When one fails.
    pub async fn run(&self, sql: &str) {
        execute(&self.url, sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// Drops the database, whoever is connected.
    pub async fn remove(&self) {
        // What is left over goes with the servers.
        drop(execute(&self.admin, &format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)).await);
    }
}

async fn migrated(admin: &str) -> Template {
    let template = Database::named(admin);
    execute(admin, &format!("CREATE DATABASE {}", template.name)).await.expect("a database can be made");
    let env = [
        ("DATABASE_URL", template.url.as_str()),
        ("AMQP_URL", "amqp://nowhere"),
        ("HERALD_MASTER_KEY", system::MASTER_KEY),
    ];
    process::command("herald-api", &["migrate"], &env).expect("the migrations run");
    Template(template.name)
}

async fn execute(url: &str, sql: &str) -> Result<(), tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let connection = tokio::spawn(connection);
    let result = client.batch_execute(sql).await;
    drop(client);
    // Waited for, so that a template has no connection left when it is copied.
    drop(connection.await);
    result
}

fn with_database(url: &str, name: &str) -> String {
    let (server, _) = url.rsplit_once('/').expect("a database URL ends in /name");
    format!("{server}/{name}")
}
