//! What must not grow or be given out twice when servers fail again and again.

use std::time::{Duration, Instant};

use herald_loadtest::standins::smtp::{self, Behaviour};
use herald_loadtest::standins::webhook;
use herald_shared::db::pace::{self, Answer};
use herald_shared::db::{self, Hot, PoolSize};
use herald_shared::domain::limits::Limits;
use herald_tests::servers::tool;
use herald_tests::tenant::smtp_account;
use herald_tests::{Clock, Database, Options, SOON, Servers, System, wait_for, wait_until};
use serde_json::{Value, json};

use crate::support::{duplicates, mail, mail_to_many, start};

const LONG: Duration = Duration::from_secs(90);
/// Calls a second that an account may get, and what a busy test machine may make of it (see `limits`).
const PER_SECOND: usize = 20;
const ALLOWED: usize = 25;
/// Times the connections are lost.
const TIMES: usize = 10;
/// A worker (debug build) with all its connections, in MB. One with the frames RabbitMQ proposes has 110 at once and 160 after this.
const MODEST: u64 = 60;

/// SIGKILL for one server process: PostgreSQL ends all of them and recovers, but does not start anew.
async fn crash_one_process(database: &Database) {
    let sql = "SELECT pid, pg_postmaster_start_time()::text FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' LIMIT 1";
    let row = &database.rows(sql, &[]).await[0];
    let (pid, start): (i32, String) = (row.get(0), row.get(1));
    let killed = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
    assert!(killed.success());
    let now = wait_for("PostgreSQL has recovered", SOON, async || {
        let client = database.connect().await.ok()?;
        let gone = "SELECT pg_postmaster_start_time()::text WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)";
        Some(client.query_opt(gone, &[&pid]).await.ok()??.get::<_, String>(0))
    });
    assert_eq!(now.await, start, "it has not started anew");
}

/// Some slots of an account, and how long from now the first is; asked for until the database answers.
async fn lease(pool: &db::Pool, account: i64, limits: &Limits) -> Duration {
    let ahead = Duration::from_secs(5);
    let given = wait_for("slots are given out", SOON, async || {
        let client = pool.get().await.ok()?;
        pace::lease(&client, account, limits, 2, 1, ahead).await.ok()
    });
    match given.await {
        Answer::Given(grant) if grant.calls == 2 => grant.starts,
        other => panic!("two calls were asked for: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_crash_of_one_server_process_gives_no_slot_twice() {
    let (servers, _turn) = Servers::breakable().await;
    let mut system = System::start(Options::default().on(servers).workers(3)).await;
    system.expect_error("\"target\":\"lapin::");
    let tenant = system.tenant("canary-tenant").await;
    let key = webhook::Key::random();
    let options = webhook::Options { keys: vec![key.clone()], keep: 1000, ..webhook::Options::default() };
    let server = webhook::start(options).await.unwrap();
    let limits = json!({"per_second": PER_SECOND});
    let account = json!({"name": "hooks", "channel": "webhook", "provider": "webhook", "settings": {"timeout_ms": 5000},
        "secret": {"signing_key": key.text()}, "limits": limits});
    tenant.account(account).await;
    // The commits of slots are not waited for: what a crash takes along was given out all the same, and is over in a second.
    let pool = db::connect(&system.database.url, PoolSize(1), Hot::Unsynced).unwrap();
    let id = system.database.number("SELECT id FROM account").await;
    let synced = db::connect(&system.database.url, PoolSize(1), Hot::Yes).unwrap();
    pace::open(&synced.get().await.unwrap(), id).await.unwrap();
    lease(&pool, id, &Limits::read(&limits)).await;
    crash_one_process(&system.database).await;
    let starts = lease(&pool, id, &Limits::read(&limits)).await;
    assert!(starts > Duration::from_millis(900), "the first slot after a recovery is {starts:?} away");
    // And where it counts.
    let people: Vec<Value> = (0..150)
        .map(|n| json!({"key": format!("canary-{n}"), "url": server.url(&format!("/canary/{n}"))}))
        .collect();
    let body =
        json!({"title": "t", "content": {"text": "canary"}, "channels": ["webhook"], "recipients": people});
    let plan = tenant.send(&body).await;
    for reached in [20, 60, 100] {
        wait_until("calls go on", SOON, async || server.read(|received| received.requests) >= reached).await;
        crash_one_process(&system.database).await;
    }
    tenant.until(&plan, "finished", LONG).await;
    let mut times: Vec<Instant> = server.read(|received| received.first.iter().map(|r| r.at).collect());
    times.sort();
    let second = |from: &Instant| {
        times.iter().filter(|at| *at >= from && **at < *from + Duration::from_secs(1)).count()
    };
    let most = times.iter().map(second).max().unwrap_or(0);
    assert!(most <= ALLOWED, "{most} calls in a second, {PER_SECOND} are allowed");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_loses_its_connections_again_and_again_does_not_grow() {
    let (servers, _turn) = Servers::breakable().await;
    let server = smtp::start(smtp::Options::default()).await.unwrap();
    server.script(Behaviour::stall_after_dot(Duration::from_millis(10)));
    let mut system = System::start(Options::default().on(servers)).await;
    system.expect_error("\"target\":\"lapin::");
    let tenant = system.tenant("canary-tenant").await;
    tenant.account(smtp_account("mail", server.addr(), 5)).await;
    let mut first = 0;
    for time in 1..=TIMES {
        let plan = tenant.send(&mail_to_many(200)).await;
        let half = (time as u64 * 200) - 100;
        server.wait_for(|received| received.mails >= half, LONG).await.unwrap();
        tool(servers.directory().unwrap(), &["rabbitmqctl", "close_all_connections", "test"]).unwrap();
        system
            .database
            .rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()", &[])
            .await;
        tenant.until(&plan, "finished", LONG).await;
        if time == 1 {
            first = system.workers[0].peak_memory_mb();
        }
    }
    let last = system.workers[0].peak_memory_mb();
    eprintln!("a worker's memory: {first} MB after the first loss, {last} MB after {TIMES}");
    assert!(last <= MODEST, "a worker has had {last} MB");
    assert_eq!(duplicates(&server), 0);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_come_costs_its_deadline_once() {
    let database = Database::create(Servers::shared().await).await;
    let pool = db::connect(&database.url, PoolSize(3), Hot::No).unwrap();
    let wait = |seconds: f64| {
        let pool = pool.clone();
        async move {
            let limit = Duration::from_millis(300);
            let sleep = async |client: &mut db::Client| {
                client.execute("SELECT pg_sleep($1)", &[&seconds]).await.map_err(db::Error::from)
            };
            db::ask(&pool, limit, sleep).await
        }
    };
    let (a, b, c) = tokio::join!(wait(0.01), wait(0.01), wait(0.01));
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_eq!(pool.status().size, 3);
    let silent = wait(60.0).await;
    assert!(matches!(silent, Err(db::Error::Deadline)), "{silent:?}");
    assert_eq!(pool.status().size, 0, "those that wait in the pool are as silent, most likely");
    let given_up = tokio::time::timeout(Duration::from_millis(50), wait(60.0)).await;
    assert!(given_up.is_err());
    assert_eq!(pool.status().size, 0, "an answer may still be on its way to whoever has it next");
    assert!(wait(0.01).await.is_ok());
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_are_wrong_and_jump_do_no_harm() {
    let folder = std::env::temp_dir().join(format!("herald-clock-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let Some(clock) = Clock::of("all", &folder) else {
        return eprintln!("! left out: libfaketime is not installed (apt-get install libfaketime)");
    };
    clock.set("+7200");
    let options =
        clock.env().iter().fold(Options::default(), |options, (name, value)| options.env(name, value));
    let (system, tenant) = start(options).await;
    let (key, mut plans) = (webhook::Key::random(), Vec::new());
    // It refuses what is 5 minutes off.
    let options = webhook::Options { keys: vec![key.clone()], ..webhook::Options::default() };
    let server = webhook::start(options).await.unwrap();
    tenant
        .account(json!({"name": "hooks", "channel": "webhook", "provider": "webhook",
            "settings": {"timeout_ms": 5000}, "secret": {"signing_key": key.text()}}))
        .await;
    for offset in ["+7200", "-7200", "+0"] {
        clock.set(offset);
        for priority in ["urgent", "normal"] {
            let to = json!([{"url": server.url(&format!("/canary{offset}{priority}"))}]);
            let body = json!({"title": "t", "content": {"text": "canary"}, "channels": ["webhook"], "recipients": to, "priority": priority});
            plans.push(tenant.send(&body).await);
        }
        for plan in &plans {
            tenant.until(plan, "finished", SOON).await;
        }
    }
    for plan in &plans {
        for delivery in tenant.deliveries(plan).await {
            assert_eq!(
                (&delivery["status"], &delivery["attempts"]),
                (&json!("sent"), &json!(1)),
                "{delivery}"
            );
        }
    }
    server.read(|received| assert_eq!(received.violations, Vec::<String>::new()));
    system.finish().await;
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_takes_nothing_is_made_anew_and_holds_up_no_other() {
    let (servers, _turn) = Servers::breakable().await;
    let server = smtp::start(smtp::Options::default()).await.unwrap();
    let mut system = System::start(Options::default().on(servers)).await;
    system.expect_error("\"target\":\"lapin::");
    let tenant = system.tenant("canary-tenant").await;
    tenant.account(smtp_account("mail", server.addr(), 5)).await;
    let before = tenant.send(&mail_to_many(20)).await;
    tenant.until(&before, "finished", SOON).await;
    // Its process ends and stays away, as after a death of the node at the wrong moment.
    let stop = format!("ra:stop_server(quorum_queues, {{'%2F_{}.v1.email.normal', node()}}).", system.prefix);
    tool(servers.directory().unwrap(), &["rabbitmqctl", "eval", &stop]).unwrap();
    let plan = tenant.send(&mail_to_many(200)).await;
    let urgent = tenant.send(&mail(["canary-urgent@example.org"])).await;
    tenant.until(&urgent, "finished", SOON).await;
    tenant.until(&plan, "finished", LONG).await;
    assert_eq!(duplicates(&server), 0);
    system.finish().await;
}
