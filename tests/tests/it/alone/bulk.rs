//! A large plan on a database that knows nothing yet of its tables: no statement may get slower as the plan goes on.

use std::time::{Duration, Instant};

use herald_tests::{Options, System, wait_until};

const PEOPLE: u32 = 200_000;
const HALF: i64 = PEOPLE as i64 / 2;
/// Deliveries a second. Above what a statement that scans the whole plan for each chunk reaches (3,500 to 7,700/s were
/// measured with it), and a fifth of what the dev profile does on two busy cores (45,000 to 65,000/s).
const FLOOR: f64 = 10_000.0;
const LIMIT: Duration = Duration::from_secs(100);

/// A plan to so many inboxes as acceptance would write it, waiting to be expanded.
pub(crate) async fn insert_plan(system: &System, people: u32) {
    let sql = format!(
        "INSERT INTO plan (id, created_at, tenant_id, status, lane, on_unknown, slots, expires_at, n_recipients, title, content, tiers)
         SELECT 1000000, date_trunc('milliseconds', now()), id, 3, 2, 0, '{{26}}', now() + interval '1 day', {people}, 'Canary',
                '{{\"text\": \"canary {{{{ name }}}}\"}}', '[{{\"channels\": [\"inbox\"], \"mode\": \"all\"}}]' FROM tenant;
         INSERT INTO recipient (plan_id, no, key, name, addresses)
         SELECT 1000000, no, 'canary-' || no, 'Name ' || no, jsonb_build_object('inbox', 'canary-' || no) FROM generate_series(1, {people}) AS no;
         INSERT INTO job (id, kind, plan_id, tenant_id, slot, lane, units, lo, hi, due_at)
         SELECT nextval('job_id'), 0, 1000000, id, 16, 2, {people}, 1, {people}, now() FROM tenant;"
    );
    system.database.run(&sql).await;
}

async fn sent_reaches(system: &System, wanted: i64) -> Instant {
    let client = system.database.connect().await.unwrap();
    wait_until(&format!("{wanted} are sent"), LIMIT, async || {
        client.query_one("SELECT n_sent FROM plan", &[]).await.unwrap().get::<_, i32>(0)
            >= i32::try_from(wanted).unwrap()
    })
    .await;
    Instant::now()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_thousand_on_a_just_migrated_database_do_not_get_slower_with_one_worker_nor_with_two() {
    for workers in [1, 2] {
        let mut system = System::start(Options::default().workers(workers).alone()).await;
        system.tenant("canary-tenant").await.inbox().await;
        insert_plan(&system, PEOPLE).await;
        let begun = Instant::now();
        let half = sent_reaches(&system, HALF).await;
        let end = sent_reaches(&system, HALF * 2).await;
        let rate = |from: Instant, to: Instant, count: i64| count as f64 / (to - from).as_secs_f64();
        let (first, second, whole) =
            (rate(begun, half, HALF), rate(half, end, HALF), rate(begun, end, HALF * 2));
        eprintln!("{workers} workers: {whole:.0}/s, first half {first:.0}/s, second {second:.0}/s");
        assert!(
            second > first / 2.0,
            "it slows down: {first:.0}/s, then {second:.0}/s with {workers} workers"
        );
        assert!(whole > FLOOR, "{whole:.0}/s with {workers} workers");
        assert_eq!(system.database.number("SELECT count(*) FROM inbox_message").await, HALF * 2);
        system.finish().await;
    }
}
