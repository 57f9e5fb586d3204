//! Everything a run needs: servers that may be broken, a database, the fleet, tenants and their providers.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use herald_loadtest::standins::{smtp, webhook};
use herald_tests::tenant::smtp_account;
use herald_tests::{Client, Database, SOON, Servers, process, wait_until};
use serde_json::{Value, json};

use crate::fleet::Fleet;
use crate::schedule::Shape;

/// Calls each mail and webhook account may have at once, all workers together.
pub(crate) const CONCURRENCY: u32 = 12;
/// Calls an inbox account may have at once, all workers together.
const INBOX_CONCURRENCY: u32 = 4;
/// How long a provider normally takes, so that calls are under way when something dies.
const USUAL: Duration = Duration::from_millis(80);
/// After so long without an answer the worker gives a call up as unknown.
pub(crate) const PATIENCE_MS: u64 = 2000;
/// Calls a second that the webhook account of every tenant may get.
pub(crate) const PER_SECOND: usize = 25;

/// Where everything happens.
pub(crate) struct World {
    pub(crate) servers: &'static Servers,
    pub(crate) database: Database,
    pub(crate) prefix: String,
    pub(crate) fleet: Fleet,
    pub(crate) tenants: Vec<Tenancy>,
    pub(crate) shape: Shape,
}

/// A tenant with accounts and providers of its own. Its name is in everything that belongs to it.
pub(crate) struct Tenancy {
    pub(crate) name: String,
    /// At each API.
    pub(crate) clients: Vec<Client>,
    pub(crate) mail: smtp::Handle,
    pub(crate) hook: webhook::Handle,
    /// When the webhook receiver was called.
    pub(crate) calls: Arc<Mutex<Vec<Instant>>>,
}

impl World {
    /// Starts all of it and waits until it is ready.
    pub(crate) async fn start(servers: &'static Servers, shape: Shape, old: Option<PathBuf>) -> World {
        let database = Database::create_small(servers).await;
        let prefix = format!("faults-{}", std::process::id());
        let fleet = Fleet::start(servers, &database.url, &prefix, shape, old).await;
        for (name, client) in fleet.pages() {
            wait_until(&format!("{name} is ready"), SOON, async || {
                fleet.assert_running();
                ready(&client).await
            })
            .await;
        }
        let mut tenants = Vec::new();
        for index in 0..shape.tenants {
            tenants.push(Tenancy::start(&fleet, index).await);
        }
        World { servers, database, prefix, fleet, tenants, shape }
    }

    /// Calls one worker may have under way at once, when it is the only one: what its death can make unknown.
    pub(crate) fn calls_per_worker(&self) -> u64 {
        self.tenants.len() as u64 * u64::from(2 * CONCURRENCY + INBOX_CONCURRENCY)
    }
}

async fn ready(client: &Client) -> bool {
    let answer = client.try_call(reqwest::Method::GET, "/readyz", &[], None).await;
    answer.is_ok_and(|answer| answer.status == 200)
}

impl Tenancy {
    async fn start(fleet: &Fleet, index: usize) -> Tenancy {
        let name = format!("canary-{}", ["alpha", "beta", "gamma", "delta"][index % 4]);
        let text = process::command("herald-api", &["tenant", "create", &name], &fleet.env()).unwrap();
        let made: Value = serde_json::from_str(text.trim()).unwrap();
        let clients = fleet.clients(made["key"].as_str());
        let mail = smtp::start(smtp::Options { keep: 0, ..smtp::Options::default() }).await.unwrap();
        let (key, calls) = (webhook::Key::random(), Arc::new(Mutex::new(Vec::new())));
        let seen = calls.clone();
        let observer: webhook::Observer = Arc::new(move |arrival| seen.lock().unwrap().push(arrival.at));
        let options = webhook::Options {
            keys: vec![key.clone()],
            keep: 0,
            observer: Some(observer),
            ..webhook::Options::default()
        };
        let hook = webhook::start(options).await.unwrap();
        let tenancy = Tenancy { name, clients, mail, hook, calls };
        let mut account = smtp_account("mail", tenancy.mail.addr(), CONCURRENCY);
        account["settings"]["timeout_ms"] = PATIENCE_MS.into();
        tenancy.account(&account).await;
        tenancy
            .account(&json!({"name": "hooks", "channel": "webhook", "provider": "webhook",
                "settings": {"timeout_ms": PATIENCE_MS}, "secret": {"signing_key": key.text()},
                "limits": {"concurrency": CONCURRENCY, "per_second": PER_SECOND}}))
            .await;
        tenancy.account(&json!({"name": "inbox", "channel": "inbox", "provider": "inbox"})).await;
        tenancy.behave_mail();
        tenancy.behave_hook();
        tenancy
    }

    async fn account(&self, body: &Value) {
        drop(self.clients[0].post("/v1/accounts", body).await.expect(201));
    }

    /// The mail server works as usual.
    pub(crate) fn behave_mail(&self) {
        self.mail.clear_scripts();
        self.mail.script(smtp::Behaviour::stall_after_dot(USUAL));
    }

    /// The webhook receiver works as usual.
    pub(crate) fn behave_hook(&self) {
        self.hook.clear_scripts();
        self.hook.script(webhook::Behaviour::new(webhook::Action::StallAfterBody(USUAL)));
    }
}
