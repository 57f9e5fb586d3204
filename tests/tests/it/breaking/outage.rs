//! Servers that restart, vanish, forget everything, or come late.

use std::time::Duration;

use herald_loadtest::standins::smtp::{self, Behaviour};
use herald_tests::{Database, Options, SOON, Servers, System, Tenant, tenant::smtp_account, wait_until};
use reqwest::Method;

use crate::support::{duplicates, mail, mail_to_many};

const LONG: Duration = Duration::from_secs(90);

/// A mail system on servers that may be broken, whose provider takes some milliseconds for each mail.
async fn start(servers: &'static Servers) -> (System, Tenant, smtp::Handle) {
    let server = smtp::start(smtp::Options::default()).await.unwrap();
    server.script(Behaviour::stall_after_dot(Duration::from_millis(10)));
    let mut system = System::start(Options::default().on(servers)).await;
    expect_outage(&mut system);
    let tenant = system.tenant("canary-tenant").await;
    tenant.account(smtp_account("mail", server.addr(), 5)).await;
    (system, tenant, server)
}

/// The AMQP library calls a connection that ends an error.
fn expect_outage(system: &mut System) {
    system.expect_error("\"target\":\"lapin::");
}

async fn mails_reach(server: &smtp::Handle, mails: u64) {
    server.wait_for(|received| received.mails >= mails, LONG).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_restarts_while_plans_run_loses_and_repeats_nothing() {
    let (servers, _turn) = Servers::breakable().await;
    let (system, tenant, server) = start(servers).await;
    let plan = tenant.send(&mail_to_many(1000)).await;
    mails_reach(&server, 100).await;
    servers.tell(&["stop-broker"]);
    // The API needs no broker: what it accepts now goes out when the broker is back.
    let meanwhile = tenant.send(&mail(["canary-meanwhile@example.org"])).await;
    servers.tell(&["start-broker"]);
    let finished = tenant.until(&plan, "finished", LONG).await;
    assert_eq!(finished["deliveries"]["sent"], 1000, "{finished}");
    tenant.until(&meanwhile, "finished", LONG).await;
    assert_eq!(duplicates(&server), 0);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_loses_everything_is_filled_again() {
    let (servers, _turn) = Servers::breakable().await;
    let (system, tenant, server) = start(servers).await;
    let plan = tenant.send(&mail_to_many(1000)).await;
    mails_reach(&server, 100).await;
    servers.tell(&["wipe-broker"]);
    let finished = tenant.until(&plan, "finished", LONG).await;
    assert_eq!(finished["deliveries"]["sent"], 1000, "{finished}");
    assert_eq!(duplicates(&server), 0);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_crashes_while_plans_run_means_503_and_everything_arrives() {
    let (servers, _turn) = Servers::breakable().await;
    let (mut system, tenant, server) = start(servers).await;
    let plan = tenant.send(&mail_to_many(1000)).await;
    mails_reach(&server, 100).await;
    servers.tell(&["stop-postgres", "--immediate"]);
    for (method, path) in
        [(Method::GET, plan.path()), (Method::GET, "/v1/plans".into()), (Method::POST, "/v1/plans".into())]
    {
        let body =
            (method == Method::POST).then(|| mail(["canary-lost@example.org"]).to_string().into_bytes());
        let answer = tenant.http.call(method.clone(), &path, &[], body).await;
        assert_eq!(answer.status, 503, "{method} {path}: {}", answer.text);
        assert!(!answer.header("retry-after").is_empty(), "{method} {path}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    assert_eq!(tenant.http.get("/readyz").await.status, 503);
    assert_eq!(tenant.http.get("/healthz").await.status, 200);
    servers.tell(&["start-postgres"]);
    let finished = tenant.until(&plan, "finished", LONG).await;
    assert_eq!(finished["deliveries"]["sent"], 1000, "{finished}");
    let unknown = system.metric("herald_unknown_outcomes_total", &[]).await;
    let twice = duplicates(&server);
    assert!(twice as f64 <= unknown, "{twice} duplicates, but only {unknown} unknown outcomes");
    assert!(
        !server.read(|received| received.by_recipient.contains_key("canary-lost@example.org")),
        "503 means not accepted"
    );
    system.ready().await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_before_their_servers_become_ready_when_those_come() {
    let (servers, _turn) = Servers::breakable().await;
    let database = Database::create(servers).await;
    servers.tell(&["stop-postgres"]);
    servers.tell(&["stop-broker"]);
    let mut system = System::spawn_on(database, &servers.amqp_url, Options::default()).await;
    expect_outage(&mut system);
    let api = system.client(None).await;
    assert_eq!(api.get("/readyz").await.expect(503).json()["dependencies"]["database"], "cannot be reached");
    assert_eq!(api.get("/healthz").await.status, 200);
    for process in system.dispatchers.iter_mut().chain(&mut system.workers) {
        assert_eq!(process.http().await.get("/readyz").await.status, 503, "{}", process.name);
    }
    servers.tell(&["start-postgres"]);
    servers.tell(&["start-broker"]);
    system.ready().await;
    let tenant = system.tenant("canary-tenant").await;
    tenant.inbox().await;
    let mut body = mail([serde_json::json!({"key": "canary-1"})]);
    body["channels"] = serde_json::json!(["inbox"]);
    let plan = tenant.send(&body).await;
    tenant.until(&plan, "finished", LONG).await;
    wait_until("every process is alive", SOON, async || tenant.http.get("/readyz").await.status == 200).await;
    system.finish().await;
}
