//! The fleet's lease to fetch an access token, at the statements themselves.

use std::time::Duration;

use herald_shared::db::tokens::{self, TokenSlot};
use herald_shared::db::{self, Hot, Pool, PoolSize};
use herald_tests::{Database, Servers};

const LEASE: Duration = Duration::from_secs(60);
const OLD: TokenSlot = TokenSlot { account: 1, version: 1 };
const NEW: TokenSlot = TokenSlot { account: 1, version: 2 };

async fn before() -> (Database, Pool) {
    let database = Database::create(Servers::shared().await).await;
    let account = "INSERT INTO tenant (uid, name) VALUES (gen_random_uuid(), 't');
        INSERT INTO account (uid, tenant_id, name, channel, provider) SELECT gen_random_uuid(), id, 'a', 4, 'wecom-app' FROM tenant";
    database.run(account).await;
    let pool = db::connect(&database.url, PoolSize(8), Hot::Keyed).unwrap();
    (database, pool)
}

async fn lease(pool: &Pool, slot: TokenSlot, useless: i64) -> bool {
    tokens::lease(&pool.get().await.unwrap(), slot, useless, LEASE).await.unwrap()
}

async fn put(pool: &Pool, slot: TokenSlot, valid: Duration) -> Option<i64> {
    tokens::put(&pool.get().await.unwrap(), slot, b"sealed", valid).await.unwrap()
}

/// How many of eight at once get the lease.
async fn contenders(pool: &Pool, useless: i64) -> usize {
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let pool = pool.clone();
        all.spawn(async move { lease(&pool, OLD, useless).await });
    }
    all.join_all().await.into_iter().filter(|had| *had).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_one_fetches_each_time_the_token_is_found_useless() {
    let (database, pool) = before().await;
    assert_eq!(contenders(&pool, 0).await, 1, "none yet");
    assert_eq!(put(&pool, OLD, LEASE).await, Some(1));
    assert_eq!(contenders(&pool, 0).await, 0, "there is one");
    assert_eq!(contenders(&pool, 1).await, 1, "number 1 was refused");
    assert_eq!(put(&pool, OLD, LEASE).await, Some(2));
    assert_eq!(contenders(&pool, 1).await, 0, "number 2 is there for those who come late with the news");
    assert_eq!(put(&pool, OLD, Duration::ZERO).await, Some(3));
    assert_eq!(contenders(&pool, 0).await, 1, "number 3 has lapsed");
    database.run("UPDATE provider_token SET refreshing_until = now()").await;
    assert_eq!(contenders(&pool, 0).await, 1, "a dead fetcher's lease ends");
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_credentials_make_the_token_void_and_a_refusal_is_waited_out() {
    let (database, pool) = before().await;
    assert!(lease(&pool, OLD, 0).await);
    assert!(lease(&pool, NEW, 0).await, "whatever the old ones are at");
    assert_eq!(put(&pool, OLD, LEASE).await, None);
    assert!(!lease(&pool, OLD, 0).await, "a worker that has not heard yet gets nothing");
    let client = pool.get().await.unwrap();
    assert!(tokens::read(&client, OLD).await.unwrap().is_none());
    tokens::refuse(&client, NEW, "40001", LEASE).await.unwrap();
    assert!(!lease(&pool, NEW, 0).await);
    let row = tokens::read(&client, NEW).await.unwrap().unwrap();
    assert_eq!((row.busy, row.refused.as_deref(), row.token), (true, Some("40001"), None));
    database.remove().await;
}
