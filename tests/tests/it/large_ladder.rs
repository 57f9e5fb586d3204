//! A large plan with a ladder among very many small ones: its people are looked up one by one, whatever PostgreSQL believes of plans.

use std::time::{Duration, Instant};

use herald_tests::{Database, Servers};

/// Every plan so far was of one person, and PostgreSQL has noted that; then comes one of 200,000 before it has looked again.
const WORLD: &str = "
    ALTER TABLE recipient SET (autovacuum_enabled = off);
    INSERT INTO recipient (plan_id, no, addresses) SELECT id, 1, '{}' FROM generate_series(1, 5000) AS id;
    ANALYZE recipient;
    INSERT INTO tenant (uid, name) VALUES (gen_random_uuid(), 'canary-tenant');
    INSERT INTO plan (id, created_at, tenant_id, status, lane, on_unknown, slots, expanded, expires_at, n_recipients, n_waiting, title,
                      content, tiers, untils, waits)
    SELECT 1000000, now(), id, 4, 1, 0, '{26,36}', true, now() + interval '1 day', 200000, 200000, 't', '{}',
           '[{\"mode\": \"all\", \"wait\": \"PT1M\", \"until\": \"read\", \"channels\": [\"inbox\"]}, {\"mode\": \"all\", \"channels\": [\"wecom\"]}]',
           '{3,1}', '{60000,0}' FROM tenant;
    INSERT INTO recipient (plan_id, no, addresses) SELECT 1000000, no, '{\"wecom\": \"canary\"}' FROM generate_series(1, 200000) AS no;
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; SET plan_cache_mode = force_generic_plan;";

/// What happens to a thousand of its people, one thing after the other.
const STEPS: [(&str, &str); 3] = [
    (
        "they were sent the first tier",
        "SELECT ladders_moved(array_agg(1000000::bigint), array_agg(26::smallint), array_agg(no), array_agg(3::smallint))
           FROM generate_series(1000, 1999) AS no",
    ),
    (
        "they go on to the second",
        "SELECT enter_tier(1000000, 1, 2, array_agg(no)) FROM generate_series(1000, 1999) AS no",
    ),
    (
        "their ladders end",
        "SELECT end_ladders(1000000, array_agg(no), array_agg(5)) FROM generate_series(1000, 1999) AS no",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_steps_cost_the_same_though_every_plan_was_thought_to_be_of_one_person() {
    let database = Database::create(Servers::shared().await).await;
    let client = database.connect().await.unwrap();
    client.batch_execute(WORLD).await.unwrap();
    for (what, sql) in STEPS {
        let begun = Instant::now();
        client.batch_execute(sql).await.unwrap();
        let took = begun.elapsed();
        eprintln!("{what}: {took:?}");
        // Compared one with another they take over ten seconds.
        assert!(took < Duration::from_secs(2), "{what}: {took:?}");
    }
    let moved = "SELECT count(*) FROM recipient WHERE plan_id = 1000000 AND tier = 2 AND result = 5";
    assert_eq!(database.number(moved).await, 1000);
    database.remove().await;
}
