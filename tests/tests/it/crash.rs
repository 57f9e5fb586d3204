//! Processes killed, frozen and stopped in the middle of their work.

use std::time::Duration;

use herald_loadtest::standins::smtp::{self, Behaviour};
use herald_shared::db::{self, Hot, PoolSize};
use herald_tests::system::DRAIN;
use herald_tests::tenant::{Plan, smtp_account};
use herald_tests::{Options, SOON, System, Tenant, wait_until};

use crate::support::{assert_correct, duplicates, mail, mail_to_many, start};

const CONCURRENCY: u32 = 10;
const LONG: Duration = Duration::from_secs(90);

/// A mail system whose provider takes some milliseconds for each mail.
async fn start_slow(options: Options, delay_ms: u64) -> (System, Tenant, smtp::Handle) {
    let server = smtp::start(smtp::Options::default()).await.unwrap();
    server.script(Behaviour::stall_after_dot(Duration::from_millis(delay_ms)));
    let (system, tenant) = start(options).await;
    tenant.account(smtp_account("mail", server.addr(), CONCURRENCY)).await;
    (system, tenant, server)
}

/// Everybody got it, and those who got it twice are no more than the outcomes that were recorded as unknown.
async fn assert_all_sent(
    system: &mut System,
    tenant: &Tenant,
    plan: &Plan,
    server: &smtp::Handle,
) -> (u64, f64) {
    let finished = tenant.until(plan, "finished", LONG).await;
    let total = finished["recipients"]["total"].as_u64().unwrap();
    assert_eq!(finished["deliveries"]["sent"], total, "{finished}");
    server.read(|received| assert_eq!(received.by_recipient.len() as u64, total, "somebody was left out"));
    let (twice, unknown) = (duplicates(server), unknown(system).await);
    assert!(twice as f64 <= unknown, "{twice} duplicates, but only {unknown} unknown outcomes");
    eprintln!("{twice} duplicates, {unknown} unknown outcomes of {total}");
    (twice, unknown)
}

/// Outcomes recorded as unknown: by dispatchers for dead workers, by workers for calls without an answer.
async fn unknown(system: &mut System) -> f64 {
    system.metric("herald_unknown_outcomes_total", &[]).await
        + system.metric("herald_attempts_total", &[("outcome", "unknown")]).await
}

async fn mails_reach(server: &smtp::Handle, mails: u64) {
    server.wait_for(|received| received.mails >= mails, LONG).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_three_times_while_sending_two_thousand_loses_nothing() {
    let (mut system, tenant, server) =
        start_slow(Options::default().env("HERALD_LEASE_MS", "2000"), 10).await;
    let plan = tenant.send(&mail_to_many(2000)).await;
    for progress in [300, 900, 1500] {
        mails_reach(&server, progress).await;
        system.workers.last_mut().unwrap().kill();
        system.add_worker();
    }
    let (_, unknown) = assert_all_sent(&mut system, &tenant, &plan, &server).await;
    let bound = 3.0 * f64::from(CONCURRENCY);
    assert!(unknown <= bound, "{unknown} unknown outcomes, {bound} calls at most were under way");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_worker_is_taken_over_and_its_late_truth_is_heard() {
    let options = Options::default().env("HERALD_LEASE_MS", "1500").env("HERALD_UNKNOWN_GRACE_MS", "1500");
    let (mut system, tenant, server) = start_slow(options, 20).await;
    let plan = tenant.send(&mail_to_many(1000)).await;
    mails_reach(&server, 200).await;
    system.workers[0].signal("STOP");
    system.add_worker();
    system.workers[1].ready().await;
    wait_until("the frozen worker's jobs are taken over", SOON, async || {
        let sql = "SELECT count(*) FROM worker_incarnation WHERE ended_at IS NOT NULL";
        system.database.number(sql).await == 1
    })
    .await;
    system.workers[0].signal("CONT");
    let (_, unknown) = assert_all_sent(&mut system, &tenant, &plan, &server).await;
    assert!(unknown <= f64::from(CONCURRENCY), "{unknown} unknown outcomes");
    assert_correct(&server);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_stopped_politely_loses_and_repeats_nothing() {
    let (mut system, tenant, server) = start_slow(Options::default(), 20).await;
    let plan = tenant.send(&mail_to_many(600)).await;
    for progress in [100, 300] {
        mails_reach(&server, progress).await;
        system.workers.last_mut().unwrap().stop(DRAIN).await;
        system.add_worker();
    }
    let (twice, unknown) = assert_all_sent(&mut system, &tenant, &plan, &server).await;
    assert_eq!((twice, unknown), (0, 0.0));
    assert_correct(&server);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_dispatcher_or_api_loses_nothing() {
    let (mut system, tenant, server) = start_slow(Options::default(), 5).await;
    let plan = tenant.send(&mail_to_many(1000)).await;
    system.dispatchers[0].kill();
    system.add_dispatcher();
    mails_reach(&server, 300).await;
    system.dispatchers[1].kill();
    system.api.kill();
    system.add_dispatcher();
    system.start_api().await;
    let tenant = Tenant { http: tenant.http.at(&system.client(None).await), ..tenant };
    let (twice, _) = assert_all_sent(&mut system, &tenant, &plan, &server).await;
    assert_eq!(twice, 0, "only a worker's death makes an outcome unknown");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_and_two_dispatchers_share_a_plan_without_repeating_anything() {
    let (mut system, tenant, server) = start_slow(Options::default().workers(2).dispatchers(2), 10).await;
    let plan = tenant.send(&mail_to_many(1000)).await;
    let (twice, unknown) = assert_all_sent(&mut system, &tenant, &plan, &server).await;
    assert_eq!((twice, unknown), (0, 0.0));
    for worker in &mut system.workers {
        let page = worker.http().await.get("/metrics").await.text;
        let sent =
            herald_tests::metrics::Metrics::parse(&page).sum("herald_attempts_total", &[("outcome", "sent")]);
        assert!(sent > 0.0, "{} had no part in it", worker.name);
    }
    system.finish().await;
}

/// A process frozen, or cut off, in the middle of a transaction: what it has locked everybody else needs.
#[tokio::test(flavor = "multi_thread")]
async fn the_locks_of_a_frozen_process_hold_up_nobody_for_long() {
    let (mut system, tenant, _server) = start_slow(Options::default(), 1).await;
    system.workers[0].kill();
    tenant.send(&mail(["canary-held@example.org"])).await;
    // As a settle does it, with the settings every process has; then not a word more.
    let pool = db::connect(&system.database.url, PoolSize(1), Hot::Keyed).unwrap();
    let mut frozen = pool.get().await.unwrap();
    let transaction = frozen.transaction().await.unwrap();
    assert_eq!(transaction.execute("UPDATE plan SET n_open = n_open", &[]).await.unwrap(), 1);
    system.add_worker();
    system.workers[1].ready().await;
    wait_until("an outcome waits for the lock", SOON, async || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        system.database.number(sql).await > 0
    })
    .await;
    let other = tenant.send(&mail(["canary-other@example.org"])).await;
    tenant.until(&other, "finished", SOON).await;
    drop(transaction);
    system.finish().await;
}
