//! Rule 13: enough answers end everybody else's ladder.

use std::collections::HashSet;

use herald_shared::db::reading::{self, Note};
use herald_shared::db::{self, Hot, PoolSize};
use herald_shared::domain::Channel;
use herald_tests::tenant::Plan;
use herald_tests::{Options, SOON, wait_until};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::alone::escalation::World;

/// Volunteers, called by WeCom until they answer, then by mail.
fn volunteers(world: &World, people: usize, enough: Value) -> Value {
    let tiers =
        json!([{"channels": ["wecom"], "until": "acknowledged", "wait": "1h"}, {"channels": ["email"]}]);
    let mut body = world.body(people, tiers);
    body["acknowledgement"] = json!({"options": ["I can come", "I cannot"], "other": true});
    body["enough"] = enough;
    body
}

async fn answer(pool: &db::Pool, plan: i64, no: usize, option: &str) {
    let note = Note {
        plan_id: plan,
        no: i32::try_from(no).unwrap(),
        channel: Some(Channel::Wecom),
        answer: Some(option.to_owned()),
        words: (option == "other").then(|| "Perhaps".to_owned()),
    };
    reading::note(&pool.get().await.unwrap(), &[note]).await.unwrap();
}

async fn chatted(world: &World, people: u64) {
    world.chat.wait_for(|received| received.deliveries >= people, SOON).await.unwrap();
}

async fn is_enough(world: &World, plan: &Plan) -> bool {
    let sql = format!("SELECT count(*) FROM plan WHERE id = {} AND enough_at IS NOT NULL", plan.internal());
    world.system.database.number(&sql).await == 1
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_13_only_the_answers_that_count_are_counted() {
    let world = World::start(Options::default()).await;
    let enough = json!({"count": 2, "options": ["I can come"]});
    let plan = world.tenant.send(&volunteers(&world, 6, enough.clone())).await;
    chatted(&world, 6).await;
    let pool = db::connect(&world.system.database.url, PoolSize(1), Hot::Keyed).unwrap();
    for (no, option) in [(1, "I cannot"), (2, "other"), (3, "I can come"), (3, "I can come")] {
        answer(&pool, plan.internal(), no, option).await;
        assert!(!is_enough(&world, &plan).await, "{no} {option}");
    }
    answer(&pool, plan.internal(), 4, "I can come").await;
    assert!(is_enough(&world, &plan).await);
    let finished = world.tenant.until(&plan, "finished", SOON).await;
    assert_eq!(finished["enough"], enough, "{finished}");
    let people = &finished["recipients"];
    assert_eq!(
        (&people["reached"], &people["waiting"], &people["acknowledged"]),
        (&json!(6), &json!(0), &json!(4))
    );
    let answered = "acknowledged";
    assert_eq!(
        world.results(&plan).await,
        [answered, answered, answered, answered, "not_needed", "not_needed"]
    );
    // The page stays open.
    answer(&pool, plan.internal(), 5, "I can come").await;
    let now = world.tenant.plan(&plan).await;
    assert_eq!((&now["answers"]["I can come"], &now["status"]), (&json!(3), &json!("finished")), "{now}");
    assert_eq!(world.results(&plan).await[4], "not_needed");
    world.mail.read(|received| assert_eq!(received.mails, 0));
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_13_exactly_enough_answers_of_many_at_once_are_enough() {
    const PEOPLE: usize = 40;
    let world = World::start(Options::default()).await;
    let plan = world.tenant.send(&volunteers(&world, PEOPLE + 1, json!({"count": PEOPLE}))).await;
    chatted(&world, PEOPLE as u64 + 1).await;
    let pool = db::connect(&world.system.database.url, PoolSize(8), Hot::Keyed).unwrap();
    let mut all_but_one = JoinSet::new();
    for no in 1..PEOPLE {
        let (pool, plan) = (pool.clone(), plan.internal());
        let option = if no % 2 == 0 { "I can come" } else { "I cannot" };
        all_but_one.spawn(async move { answer(&pool, plan, no, option).await });
    }
    all_but_one.join_all().await;
    assert!(!is_enough(&world, &plan).await);
    answer(&pool, plan.internal(), PEOPLE, "I cannot").await;
    assert!(is_enough(&world, &plan).await);
    world.tenant.until(&plan, "finished", SOON).await;
    let results = world.results(&plan).await;
    assert_eq!(
        (&results[PEOPLE], results.iter().filter(|one| *one == "acknowledged").count()),
        (&"not_needed".to_owned(), PEOPLE)
    );
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_13_nothing_is_sent_after_it_was_enough() {
    const PEOPLE: usize = 2500;
    let mut world = World::start(Options::default()).await;
    // Nobody sends: all wait, some as deliveries, some not expanded yet.
    world.system.workers[0].kill();
    world.system.dispatchers[0].kill();
    let mut body = volunteers(&world, PEOPLE, json!({"count": 1}));
    // One tier that waits for nothing has ladders, too, where there may be enough.
    body["tiers"] = json!([{"channels": ["wecom"]}]);
    let plan = world.tenant.send(&body).await;
    let pool = db::connect(&world.system.database.url, PoolSize(1), Hot::Keyed).unwrap();
    answer(&pool, plan.internal(), 7, "I cannot").await;
    world.system.add_worker();
    world.system.add_dispatcher();
    let finished = world.tenant.until(&plan, "finished", SOON).await;
    let people = &finished["recipients"];
    assert_eq!(
        (&people["cancelled"], &people["pending"], &people["waiting"]),
        (&json!(PEOPLE), &json!(0), &json!(0)),
        "{finished}"
    );
    let results: HashSet<String> = world.results(&plan).await.into_iter().collect();
    assert_eq!(results, HashSet::from(["not_needed".to_owned(), "acknowledged".to_owned()]));
    // The same with everything admitted: the claim refuses.
    let small = world.tenant.send(&volunteers(&world, 1, json!({"count": 1}))).await;
    chatted(&world, 1).await;
    answer(&pool, small.internal(), 1, "I can come").await;
    world.tenant.until(&small, "finished", SOON).await;
    let due = "SELECT count(*) FROM job";
    wait_until("no job is left", SOON, async || world.system.database.number(due).await == 0).await;
    world.chat.read(|received| assert_eq!(received.deliveries, 1));
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_13_the_claim_and_the_mark_refuse_what_is_not_needed() {
    let mut world = World::start(Options::default()).await;
    world.system.workers[0].kill();
    world.system.dispatchers[0].kill();
    let plan = world.tenant.send(&volunteers(&world, 3, json!({"count": 1}))).await;
    let pool = db::connect(&world.system.database.url, PoolSize(1), Hot::Keyed).unwrap();
    answer(&pool, plan.internal(), 1, "I can come").await;
    // Nobody sweeps: only the worker can refuse. The pointer lies in its queue since acceptance.
    world.system.add_worker();
    let claims = "SELECT count(*) FROM job WHERE claims > 0";
    let marker = world.tenant.send(&world.body(1, json!([{"channels": ["wecom"]}]))).await;
    world.system.add_dispatcher();
    world.tenant.until(&marker, "finished", SOON).await;
    assert_eq!(world.system.database.number(claims).await, 0);
    let finished = world.tenant.until(&plan, "finished", SOON).await;
    assert_eq!(
        (&finished["deliveries"]["cancelled"], &finished["deliveries"]["total"]),
        (&json!(3), &json!(3)),
        "{finished}"
    );
    world.chat.read(|received| assert_eq!(received.deliveries, 1));
    world.system.finish().await;
}
