//! A router on a free port with a database of its own, dropped at the end.

use std::collections::HashMap;
use std::time::Duration;

use herald_api::config::MAX_FILE_MB;
use herald_api::observe::DEADLINE;
use herald_api::{App, Retention, commands, router};
use herald_channels::NetPolicy;
use herald_shared::amqp::{Topology, Waker};
use herald_shared::config::{Common, Env};
use herald_shared::db::{self, Hot, Pool, PoolSize};
use herald_shared::ops::Ops;
use herald_shared::secrets::KeyRing;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// One API process inside the test.
pub(crate) struct Server {
    pub(crate) url: String,
    /// A key of tenant `acme` that may do everything.
    pub(crate) key: String,
    pub(crate) pool: Pool,
    pub(crate) master_key: String,
    pub(crate) client: Client,
    database: Database,
    stop: CancellationToken,
}

/// An answer, read.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {} {}", self.status, self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The problem's word, checked to be in the right form.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{} {}", self.status, self.text);
        let body = self.json();
        assert_eq!(body["status"], self.status.as_u16());
        assert_eq!(body["request_id"], self.header("x-request-id"));
        body["type"].as_str().unwrap().strip_prefix("urn:herald:problem:").unwrap().to_owned()
    }
}

impl Server {
    pub(crate) async fn start() -> Self {
        let database = Database::create().await;
        Self::start_on(database, KeyRing::generate()).await
    }

    async fn start_on(database: Database, master_key: String) -> Self {
        drop(rustls::crypto::ring::default_provider().install_default());
        let common = database.common(&master_key);
        commands::migrate(&common).await.unwrap();
        let tenant = commands::create_tenant(&common, "acme", true).await.unwrap();
        let pool = db::connect(&database.url, PoolSize(10), Hot::Yes).unwrap();
        let stop = CancellationToken::new();
        let url = serve(pool.clone(), &master_key, stop.clone(), DEADLINE).await;
        let key = tenant["key"].as_str().unwrap().to_owned();
        Server { url, key, pool, master_key, client: Client::new(), database, stop }
    }

    /// Another API process on the same database with another key ring.
    pub(crate) async fn beside(&self, master_key: &str) -> String {
        serve(self.pool.clone(), master_key, self.stop.clone(), DEADLINE).await
    }

    /// Another API process that comes to the same database by way of `port` and waits no longer than `deadline`.
    pub(crate) async fn by_way_of(&self, port: u16, deadline: Duration) -> String {
        let mut url = url::Url::parse(&self.database.url).unwrap();
        url.set_port(Some(port)).unwrap();
        let pool = db::connect(url.as_str(), PoolSize(10), Hot::Yes).unwrap();
        serve(pool, &self.master_key, self.stop.clone(), deadline).await
    }

    /// Where the database listens.
    pub(crate) fn database_address(&self) -> String {
        let url = url::Url::parse(&self.database.url).unwrap();
        format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432))
    }

    pub(crate) fn common(&self, master_key: &str) -> Common {
        self.database.common(master_key)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        send(json_body(self.request(Method::POST, path), body)).await
    }

    /// An enabled inbox account, which needs no provider.
    pub(crate) async fn inbox_account(&self) -> Value {
        let body = json!({ "name": "inbox", "channel": "inbox", "provider": "inbox" });
        let answer = self.post("/v1/accounts", &body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()
    }

    /// Another tenant's key.
    pub(crate) async fn other_tenant(&self) -> String {
        let made = commands::create_tenant(&self.common(&self.master_key), "other", true).await.unwrap();
        made["key"].as_str().unwrap().to_owned()
    }

    /// Sends the stop signal.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    pub(crate) async fn sql(&self, sql: &str) {
        self.pool.get().await.unwrap().batch_execute(sql).await.unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve(pool: Pool, master_key: &str, stop: CancellationToken, deadline: Duration) -> String {
    let ops = Ops::new().database(pool.clone());
    // No broker: wakes are hints, and the API must not need them.
    let (waker, _) = Waker::new("amqp://127.0.0.1:1/%2f".into(), Topology::new("test"), stop.clone());
    let net = NetPolicy::new(Vec::new());
    let ring = KeyRing::parse(master_key).unwrap();
    let public = "https://m.example.org".parse().ok();
    let (app, accepting) = App::new(
        (pool.clone(), pool),
        ring,
        public,
        net,
        &ops.registry,
        waker,
        (deadline, Retention::default(), MAX_FILE_MB * 1024 * 1024),
    )
    .unwrap();
    tokio::spawn(accepting);
    tokio::spawn(app.watches.clone().run(app.clone(), stop.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(herald_shared::serve::serve(listener, router(app, ops), stop));
    url
}

/// An API whose database does not exist.
pub(crate) async fn without_database() -> String {
    let pool = db::connect("postgres://nobody@127.0.0.1:1/none", PoolSize(2), Hot::Yes).unwrap();
    serve(pool, &KeyRing::generate(), CancellationToken::new(), DEADLINE).await
}

pub(crate) fn json_body(request: RequestBuilder, body: &Value) -> RequestBuilder {
    request.header("content-type", "application/json").body(body.to_string())
}

pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let response: Response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    Answer { status, headers, text: response.text().await.unwrap() }
}

/// A database made for one test.
struct Database {
    admin: String,
    url: String,
    name: String,
}

impl Database {
    async fn create() -> Self {
        let admin = std::env::var("HERALD_TEST_DATABASE_URL")
            .expect("HERALD_TEST_DATABASE_URL names a PostgreSQL server for tests, e.g. postgres://postgres@127.0.0.1:5433/postgres");
        let name = format!("herald_api_{}", uuid::Uuid::now_v7().simple());
        execute(&admin, &format!("CREATE DATABASE {name}")).await;
        let mut url = url::Url::parse(&admin).unwrap();
        url.set_path(&name);
        Database { admin, url: url.into(), name }
    }

    fn common(&self, master_key: &str) -> Common {
        let mut env = Env::from_values(HashMap::from([
            ("DATABASE_URL".to_owned(), self.url.clone()),
            ("AMQP_URL".to_owned(), "amqp://127.0.0.1:1/%2f".to_owned()),
            ("HERALD_MASTER_KEY".to_owned(), master_key.to_owned()),
        ]));
        let common = Common::from_env(&mut env);
        env.finish().unwrap();
        common
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (admin, drop) = (self.admin.clone(), format!("DROP DATABASE {} WITH (FORCE)", self.name));
        // Drop cannot wait; a runtime of its own can.
        let thread = std::thread::spawn(move || {
            tokio::runtime::Runtime::new().unwrap().block_on(execute(&admin, &drop));
        });
        thread.join().unwrap();
    }
}

async fn execute(url: &str, sql: &str) {
    let pool = db::connect(url, PoolSize(1), Hot::No).unwrap();
    pool.get().await.unwrap().batch_execute(sql).await.unwrap();
}
