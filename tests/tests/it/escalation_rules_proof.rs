//! Rules about proof, and about what there is to wait for: 1, 4, 5, 8, 11, 12, 19, 22.

use herald_loadtest::standins::webhook::{Action, Behaviour};
use herald_tests::tenant::Plan;
use herald_tests::{Options, SOON, wait_until};
use serde_json::{Value, json};

use crate::alone::escalation::{World, address, path};

async fn waiting(world: &World, plan: &Plan, people: i64) {
    let sql =
        format!("SELECT count(*) FROM recipient WHERE plan_id = {} AND next_at IS NOT NULL", plan.internal());
    wait_until("the waits have begun", SOON, async || world.system.database.number(&sql).await == people)
        .await;
}

async fn enable(world: &World, name: &str, enabled: bool) {
    let accounts = world.tenant.http.all("/v1/accounts").await;
    let account = accounts.iter().find(|account| account["name"] == name).unwrap();
    let path = format!("/v1/accounts/{}", account["id"].as_str().unwrap());
    drop(world.tenant.http.patch(&path, &json!({"enabled": enabled})).await.expect(200));
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_01_proof_implies_what_is_before_it_from_wherever_it_comes() {
    let world = World::start(Options::default()).await;
    let until = |proof: &str| json!([{"channels": ["email"], "until": proof, "wait": "1h"}, {"channels": ["webhook"]}]);
    let read = world.tenant.send(&world.body(2, until("read"))).await;
    let delivered = world.tenant.send(&world.body(2, until("delivered"))).await;
    let answered = world.tenant.send(&world.body(2, until("acknowledged"))).await;
    for plan in [&read, &delivered, &answered] {
        waiting(&world, plan, 2).await;
        // By another channel than the one that was used.
        world.read(plan, &[1]).await;
        world.answer(plan, &[2]).await;
    }
    assert_eq!(world.results(&read).await, ["read", "acknowledged"]);
    assert_eq!(world.results(&delivered).await, ["read", "acknowledged"]);
    assert_eq!(world.results(&answered).await, ["-", "acknowledged"], "reading is no answer");
    world.answer(&answered, &[1]).await;
    world.tenant.until(&answered, "finished", SOON).await;
    world.hooks.read(|received| assert_eq!(received.requests, 0));
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_04_what_nothing_can_prove_is_refused() {
    let world = World::start(Options::default()).await;
    let mut body = world.body(
        1,
        json!([{"channels": ["email"], "until": "acknowledged", "wait": "1m"}, {"channels": ["webhook"]}]),
    );
    body.as_object_mut().unwrap().remove("acknowledgement");
    let refused = world.tenant.http.post("/v1/plans", &body).await.expect(422);
    assert_eq!(refused.pointers(), ["/tiers/0/until"]);
    assert!(refused.text.contains("until_unprovable"), "{}", refused.text);
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_05_a_wait_begins_when_the_first_message_is_out() {
    let mut world = World::start(Options::default()).await;
    world.system.workers[0].kill();
    let tiers = json!([{"channels": ["wecom"], "until": "read", "wait": "1s"}, {"channels": ["email"]}]);
    let plan = world.tenant.send(&world.body(1, tiers)).await;
    let old = "SELECT count(*) FROM plan WHERE created_at < now() - interval '2 seconds'";
    wait_until("its wait would be over", SOON, async || world.system.database.number(old).await == 1).await;
    let steps = "SELECT count(*) FROM job WHERE kind = 2";
    assert_eq!(world.system.database.number(steps).await, 0, "it has not begun");
    world.system.add_worker();
    world.tenant.until(&plan, "finished", SOON).await;
    let apart = "SELECT count(*) FROM delivery a JOIN delivery b ON b.plan_id = a.plan_id AND b.no = a.no AND b.slot = 33
                  WHERE a.slot = 20 AND b.created_at >= a.sent_at + interval '1 second'";
    assert_eq!(world.system.database.number(apart).await, 1);
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_08_what_finds_no_account_goes_on_where_there_is_something_else() {
    let mut world = World::start(Options::default()).await;
    world.system.workers[0].kill();
    let urgent = |mut body: Value| {
        body["priority"] = "urgent".into();
        body
    };
    let two = json!([{"channels": ["wecom"], "until": "read", "wait": "1s"}, {"channels": ["email"]}]);
    let plan = world.tenant.send(&urgent(world.body(2, two))).await;
    let first = json!([{"channels": ["wecom", "webhook"], "mode": "first", "channel_wait": "1s"}]);
    let first = world.tenant.send(&urgent(world.body(1, first))).await;
    let only = world.tenant.send(&urgent(world.body(1, json!([{"channels": ["wecom"]}])))).await;
    let last = json!([{"channels": ["wecom"], "until": "read", "wait": "1s", "repeat": 1}]);
    let last = world.tenant.send(&urgent(world.body(1, last))).await;
    enable(&world, "notices", false).await;
    world.system.add_worker();
    let finished = world.tenant.until(&plan, "finished", SOON).await;
    assert_eq!(finished["deliveries"]["failed"], 2, "{finished}");
    assert_eq!(world.results(&plan).await, ["sent", "sent"]);
    world.mail.read(|received| assert!(received.by_recipient.contains_key(&address(1))));
    let people = world.tenant.http.all(&format!("{}/recipients", plan.path())).await;
    assert_eq!(people[0]["channels"][0]["reason"], "no_account", "{}", people[0]);
    world.tenant.until(&first, "finished", SOON).await;
    world.hooks.read(|received| assert!(received.by_path.contains_key(&path(1))));
    // In the only tier, and in the last with all its rounds, it waits until the plan expires.
    for plan in [&only, &last] {
        let now = world.tenant.plan(plan).await;
        assert_eq!((&now["status"], &now["deliveries"]["failed"]), (&json!("running"), &json!(0)), "{now}");
    }
    enable(&world, "notices", true).await;
    world.tenant.until(&only, "finished", SOON).await;
    world.tenant.until(&last, "finished", SOON).await;
    assert_eq!(world.results(&last).await, ["exhausted"]);
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_11_and_rule_12_targets_are_refused_until_they_are_built() {
    let world = World::start(Options::default()).await;
    let tiers = json!([{"channels": ["wecom"], "until": "read", "wait": "1m"}, {"channels": ["email"], "target": "managers"}]);
    let refused = world.tenant.http.post("/v1/plans", &world.body(1, tiers)).await.expect(422);
    assert_eq!(refused.pointers(), ["/tiers/1/target"]);
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_19_an_unsubscribed_address_is_left_out_and_the_ladder_goes_on() {
    let world = World::start(Options::default()).await;
    let left = format!(
        "INSERT INTO unsubscribed (tenant_id, address, plan_id, no) SELECT id, '{}', 1, 1 FROM tenant",
        address(1)
    );
    world.system.database.run(&left).await;
    let tiers = json!([{"channels": ["email"], "until": "read", "wait": "1h"}, {"channels": ["webhook"]}]);
    let plan = world.tenant.send(&world.body(1, tiers)).await;
    world.tenant.until(&plan, "finished", SOON).await;
    assert_eq!(world.results(&plan).await, ["sent"]);
    let person = world.tenant.http.all(&format!("{}/recipients", plan.path())).await.remove(0);
    assert_eq!(person["channels"][0]["reason"], "unsubscribed", "{person}");
    world.mail.read(|received| assert_eq!(received.mails, 0));
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_22_unknown_keeps_a_plan_open_only_where_it_is_sent_again() {
    let world = World::start(Options::default()).await;
    world.hooks.script(Behaviour::new(Action::DropAfterBody { accepted: true }));
    let body = |on_unknown: &str| {
        let mut body = world.body(1, json!([{"channels": ["webhook"], "until": "delivered"}]));
        body["on_unknown"] = on_unknown.into();
        body
    };
    let hold = world.tenant.send(&body("hold")).await;
    let finished = world.tenant.until(&hold, "finished", SOON).await;
    assert_eq!(finished["deliveries"]["unknown"], 1, "{finished}");
    assert_eq!(world.results(&hold).await, ["exhausted"], "unknown proves nothing");
    let again = world.tenant.send(&body("resend")).await;
    world.hooks.wait_for(|received| received.requests >= 2, SOON).await.unwrap();
    assert_eq!(world.tenant.plan(&again).await["status"], "running");
    world.hooks.clear_scripts();
    world.tenant.until(&again, "finished", SOON).await;
    assert_eq!(world.results(&again).await, ["sent"]);
    world.system.finish().await;
}
