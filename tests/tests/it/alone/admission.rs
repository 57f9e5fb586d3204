//! Who is admitted, when, and through which account: fair shares, windows, pace, turns.

use std::time::{Duration, Instant};

use herald_loadtest::standins::webhook;
use herald_tests::tenant::Plan;
use herald_tests::{Options, SOON, System, Tenant, broker, wait_for, wait_until};
use serde_json::{Value, json};

/// Most units of one queue message made of several jobs, or of one job to webhooks.
const MESSAGE: u32 = 100;

/// A tenant with one account for webhooks.
async fn tenant(system: &mut System, name: &str) -> Tenant {
    let tenant = system.tenant(name).await;
    tenant.webhook(webhook::Key::random().text()).await;
    tenant
}

/// One more account for webhooks.
async fn account(tenant: &Tenant, name: &str) {
    let secret = json!({"signing_key": webhook::Key::random().text()});
    tenant
        .account(json!({"name": name, "channel": "webhook", "provider": "webhook", "secret": secret}))
        .await;
}

/// A plan of lane normal to `count` webhooks.
fn hooks(server: &webhook::Handle, count: usize) -> Value {
    let people: Vec<Value> = (0..count)
        .map(|no| json!({"key": format!("canary-{no}"), "url": server.url(&format!("/canary-{no}"))}))
        .collect();
    json!({"title": "Canary", "content": {"text": "Canary"}, "channels": ["webhook"], "recipients": people})
}

/// A plan too large for a request, as acceptance would write it, waiting to be expanded.
async fn insert_plan(system: &System, tenant: &str, id: i64, server: &webhook::Handle, people: u32) {
    let url = server.url("/canary");
    let sql = format!(
        "INSERT INTO plan (id, created_at, tenant_id, status, lane, on_unknown, slots, expires_at, n_recipients, title, content, tiers)
         SELECT {id}, date_trunc('milliseconds', now()), id, 3, 1, 0, '{{25}}', now() + interval '1 day', {people}, 'Canary',
                '{{\"text\": \"canary\"}}', '[{{\"channels\": [\"webhook\"], \"mode\": \"all\"}}]' FROM tenant WHERE name = '{tenant}';
         INSERT INTO recipient (plan_id, no, key, addresses)
         SELECT {id}, no, 'canary-' || no, jsonb_build_object('url', '{url}') FROM generate_series(1, {people}) AS no;
         INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, units, lo, hi, due_at)
         SELECT nextval('job_id'), 0, {id}, id, 16, 1, {people}, 1, {people}, now() FROM tenant WHERE name = '{tenant}';"
    );
    system.database.run(&sql).await;
}

async fn sent(system: &System, plan: i64) -> i64 {
    system.database.number(&format!("SELECT n_sent::bigint FROM plan WHERE id = {plan}")).await
}

async fn sent_reaches(system: &System, plan: i64, wanted: i64) {
    wait_until(&format!("{wanted} of plan {plan} are sent"), SOON, async || {
        sent(system, plan).await >= wanted
    })
    .await;
}

/// Ends a large plan the way a recall does.
async fn recall(system: &System, plan: i64) {
    system.database.run(&format!("UPDATE plan SET status = 7, epoch = epoch + 1 WHERE id = {plan}")).await;
    let over = format!("SELECT count(*) FROM plan WHERE id = {plan} AND finished_at IS NOT NULL");
    wait_until("the recalled plan has ended", SOON, async || system.database.number(&over).await == 1).await;
}

/// Deliveries of a plan by account, in order of account.
async fn by_account(system: &System, plan: &Plan) -> Vec<i64> {
    let sql = "SELECT (SELECT count(*) FROM delivery d WHERE d.plan_id = $1 AND d.account_id = a.id) FROM account a ORDER BY a.id";
    system.database.rows(sql, &[&plan.internal()]).await.iter().map(|row| row.get(0)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_plan_of_many_holds_up_neither_another_tenant_nor_another_plan_of_its_own() {
    let server = webhook::start(webhook::Options::default()).await.unwrap();
    let mut system = System::start(Options::default().alone()).await;
    tenant(&mut system, "canary-large").await;
    let small = tenant(&mut system, "canary-small").await;
    insert_plan(&system, "canary-large", 1_000_000, &server, 100_000).await;
    sent_reaches(&system, 1_000_000, 2000).await;
    let (begun, before) = (Instant::now(), sent(&system, 1_000_000).await);

    // Born published, then found full; and one that goes by expansion.
    for count in [100, 1500] {
        let asked = Instant::now();
        let plan = small.send(&hooks(&server, count)).await;
        small.until(&plan, "finished", SOON).await;
        eprintln!("{count} of another tenant were done after {:?}", asked.elapsed());
        // The large plan alone takes a minute and more.
        assert!(asked.elapsed() < Duration::from_secs(8), "{:?} for {count}", asked.elapsed());
    }

    insert_plan(&system, "canary-large", 1_000_001, &server, 10_000).await;
    sent_reaches(&system, 1_000_001, 2000).await;
    let at_start = [sent(&system, 1_000_000).await, sent(&system, 1_000_001).await];
    sent_reaches(&system, 1_000_001, 8000).await;
    let at_end = [sent(&system, 1_000_000).await, sent(&system, 1_000_001).await];
    let [large, other] = [0, 1].map(|plan| (at_end[plan] - at_start[plan]) as f64);
    eprintln!("while another plan of its tenant had {other}, the large one had {large}");
    assert!((0.6..1.7).contains(&(large / other)), "not shared: {other} against {large}");

    // All the while the broker held about a second's work.
    let rate = (sent(&system, 1_000_000).await - before) as f64 / begun.elapsed().as_secs_f64();
    let connection = broker::connect(&system.amqp_url).await.unwrap();
    let queue = format!("{}.v1.webhook.normal", system.prefix);
    let mut most = 0;
    let mut samples = tokio::time::interval(Duration::from_millis(50));
    for _ in 0..20 {
        samples.tick().await;
        most = most.max(broker::ready(&connection, &queue).await.unwrap());
    }
    eprintln!("{rate:.0}/s, at most {most} messages of at most {MESSAGE} waited");
    assert!(f64::from(most * MESSAGE) <= rate * 4.0 + f64::from(MESSAGE), "{most} messages at {rate:.0}/s");
    assert!(sent(&system, 1_000_000).await < 90_000, "the large plan was nearly over: nothing was shown");
    recall(&system, 1_000_000).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_plan_is_not_admitted_and_hides_nobody() {
    let server = webhook::start(webhook::Options::default()).await.unwrap();
    let mut system = System::start(Options::default()).await;
    tenant(&mut system, "canary-large").await;
    let small = tenant(&mut system, "canary-small").await;
    insert_plan(&system, "canary-large", 1_000_000, &server, 40_000).await;
    sent_reaches(&system, 1_000_000, 1000).await;
    system.database.run("UPDATE plan SET status = 5, epoch = epoch + 1 WHERE id = 1000000").await;
    let waiting = "SELECT count(*) FROM job WHERE plan_id = 1000000 AND state = 0 AND due_at <= now()";
    assert!(system.database.number(waiting).await > 512, "a page of them and more");
    for count in [100, 1500] {
        let plan = small.send(&hooks(&server, count)).await;
        small.until(&plan, "finished", Duration::from_secs(10)).await;
    }
    // Whatever was in the broker has come to nothing by now: no pointer of it is published again.
    let published = "SELECT count(*) FROM job WHERE plan_id = 1000000 AND state = 1 AND due_at > now()";
    wait_until("its pointers have lapsed", SOON, async || system.database.number(published).await == 0).await;
    let before = sent(&system, 1_000_000).await;
    system.database.run("UPDATE plan SET status = 4, epoch = epoch + 1 WHERE id = 1000000").await;
    sent_reaches(&system, 1_000_000, before + 2000).await;
    recall(&system, 1_000_000).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_of_one_order_share_by_weight_and_an_open_breaker_gets_single_probes() {
    let server = webhook::start(webhook::Options::default()).await.unwrap();
    let mut system = System::start(Options::default()).await;
    let tenant = tenant(&mut system, "canary-tenant").await;
    account(&tenant, "second").await;
    system.database.run("UPDATE account SET weight = 3 WHERE name = 'hooks'").await;
    let send = async || {
        let plan = tenant.send(&hooks(&server, 5000)).await;
        tenant.until(&plan, "finished", SOON).await;
        by_account(&system, &plan).await
    };
    let counts = send().await;
    assert!((2750..4750).contains(&counts[0]), "3 : 1 by chance in 100 jobs: {counts:?}");

    let open = "INSERT INTO account_health (account_id, breaker, open_until)
         SELECT id, 1, now() + interval '1 hour' FROM account WHERE name = 'hooks'
         ON CONFLICT (account_id) DO UPDATE SET breaker = 1, open_until = excluded.open_until";
    system.database.run(open).await;
    assert_eq!(send().await, [0, 5000], "the other one has it all");

    system.database.run("UPDATE account_health SET open_until = now() WHERE breaker = 1").await;
    let mut tried = 0;
    wait_until("a probe has closed the breaker", SOON, async || {
        tried += send().await[0];
        system.database.number("SELECT count(*) FROM account_health WHERE breaker = 1").await == 0
    })
    .await;
    assert!(tried > 0, "it closed without a probe");
    assert!(send().await[0] > 0, "it is used again");
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_pauses_is_waited_for_and_one_with_a_limit_is_given_a_seconds_calls_at_a_time() {
    let server = webhook::start(webhook::Options::default()).await.unwrap();
    let mut system = System::start(Options::default()).await;
    let tenant = tenant(&mut system, "canary-tenant").await;
    let pause = "INSERT INTO account_health (account_id, paused_until) SELECT id, now() + interval '3 s' FROM account";
    system.database.run(pause).await;
    let begun = Instant::now();
    let plan = tenant.send(&hooks(&server, 1500)).await;
    wait_until("something is sent", SOON, async || sent(&system, plan.internal()).await > 0).await;
    assert!(begun.elapsed() > Duration::from_millis(2900), "sent after {:?}", begun.elapsed());
    tenant.until(&plan, "finished", SOON).await;

    system.database.run("UPDATE account SET limits = '{\"per_second\": 10}', version = version + 1").await;
    // Accounts are read ten times a second; this one's plan is taken up after the limit is known.
    let plan = tenant.send(&hooks(&server, 5000)).await;
    let begun = Instant::now();
    let admitted = format!(
        "SELECT n_sent + (SELECT coalesce(sum(units), 0) FROM job j WHERE j.plan_id = p.id AND kind = 1 AND state > 0) FROM plan p WHERE id = {}",
        plan.internal()
    );
    wait_until("four jobs are admitted", SOON, async || system.database.number(&admitted).await >= 200).await;
    // A job of 50 calls counts for one second; one may be ahead.
    assert!(begun.elapsed() > Duration::from_millis(1500), "admitted after {:?}", begun.elapsed());
    system.database.run("UPDATE account SET limits = '{}', version = version + 1").await;
    tenant.until(&plan, "finished", SOON).await;
    system.finish().await;
}

/// The dispatcher that admits webhooks of lane normal, by the database; 0: none does.
async fn owner(system: &System) -> i64 {
    let sql = "SELECT coalesce((SELECT owner FROM admission_turn WHERE channel = 9 AND lane = 1), 0)";
    system.database.number(sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_queue_has_one_dispatcher_and_another_takes_over_when_it_is_killed() {
    let server = webhook::start(webhook::Options::default()).await.unwrap();
    let mut system = System::start(Options::default().dispatchers(2).alone()).await;
    tenant(&mut system, "canary-large").await;
    let owners = "SELECT count(DISTINCT owner) FROM admission_turn WHERE owner IS NOT NULL";
    wait_until("both have queues", SOON, async || system.database.number(owners).await == 2).await;
    wait_until("each queue has one owner", SOON, async || {
        let turns = system.database.number("SELECT count(*) FROM admission_turn").await;
        turns >= 6 && system.metric("herald_admission_turn", &[]).await == turns as f64
    })
    .await;
    insert_plan(&system, "canary-large", 1_000_000, &server, 60_000).await;
    sent_reaches(&system, 1_000_000, 1000).await;

    let dead = owner(&system).await;
    let mut killed = 0;
    for dispatcher in &mut system.dispatchers {
        let page = dispatcher.http().await.get("/metrics").await.expect(200).text;
        if page.contains(r#"herald_admission_turn{channel="webhook",lane="normal"} 1"#) {
            dispatcher.kill();
            killed += 1;
        }
    }
    assert_eq!(killed, 1);
    let begun = Instant::now();
    let heir = wait_for("another owner", SOON, async || {
        Some(owner(&system).await).filter(|owner| *owner != 0 && *owner != dead)
    })
    .await;
    eprintln!("run {heir} took over from {dead} after {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    // More than whatever was in the broker and in the worker's hands.
    sent_reaches(&system, 1_000_000, sent(&system, 1_000_000).await + 8000).await;
    recall(&system, 1_000_000).await;
    system.finish().await;
}
