//! The rules of ladders, each by its number (docs/ESCALATION.md), on a running system.

use std::time::Duration;

use herald_tests::tenant::Plan;
use herald_tests::{Options, SOON, wait_until};
use serde_json::{Value, json};

use crate::alone::escalation::{World, address, path, user};

async fn start(options: Options) -> World {
    World::start(options).await
}

/// WeCom until read, then mail.
fn two(wait: &str) -> Value {
    json!([{"channels": ["wecom"], "until": "read", "wait": wait}, {"channels": ["email"]}])
}

async fn chatted(world: &World, people: u64) {
    world.chat.wait_for(|received| received.deliveries >= people, SOON).await.unwrap();
}

/// Their waits are under way.
async fn waiting(world: &World, plan: &Plan, people: i64) {
    let sql =
        format!("SELECT count(*) FROM recipient WHERE plan_id = {} AND next_at IS NOT NULL", plan.internal());
    wait_until("the waits have begun", SOON, async || world.system.database.number(&sql).await == people)
        .await;
}

async fn person(world: &World, plan: &Plan, no: usize) -> Value {
    world.tenant.http.all(&format!("{}/recipients", plan.path())).await.remove(no - 1)
}

async fn order(world: &World, plan: &Plan, verb: &str, status: u16) -> Value {
    let answer = world.tenant.http.post(&format!("{}/{verb}", plan.path()), &json!({})).await;
    assert_eq!(answer.status, status, "{}", answer.text);
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_02_a_read_ends_the_ladder_at_once_and_the_plan_with_the_last() {
    let world = start(Options::default()).await;
    let plan = world.tenant.send(&world.body(2, two("1h"))).await;
    waiting(&world, &plan, 2).await;
    let now = world.tenant.plan(&plan).await;
    assert_eq!((&now["status"], &now["recipients"]["waiting"]), (&json!("running"), &json!(2)), "{now}");
    assert_eq!(
        now["tiers"][0],
        json!({"channels": ["wecom"], "mode": "all", "wait": "PT1H", "until": "read"})
    );
    let first = person(&world, &plan, 1).await;
    assert!(first["next_at"].is_string() && first["result"].is_null() && first["tier"] == 1, "{first}");
    world.read(&plan, &[1]).await;
    let first = person(&world, &plan, 1).await;
    assert_eq!((&first["result"], &first["next_at"]), (&json!("read"), &Value::Null), "{first}");
    assert_eq!(world.tenant.plan(&plan).await["recipients"]["waiting"], 1);
    world.answer(&plan, &[2]).await;
    let now = world.tenant.plan(&plan).await;
    assert_eq!((&now["status"], &now["recipients"]["waiting"]), (&json!("finished"), &json!(0)), "{now}");
    assert_eq!(world.results(&plan).await, ["read", "acknowledged"]);
    world.mail.read(|received| assert_eq!(received.mails, 0));
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_02_whoever_reads_before_the_claim_gets_nothing_more() {
    let mut world = start(Options::default()).await;
    let plan = world.tenant.send(&world.body(60, two("1h"))).await;
    waiting(&world, &plan, 60).await;
    world.system.workers[0].kill();
    let now = world.tenant.http.post(&format!("{}/escalate", plan.path()), &json!({})).await;
    assert_eq!(now.status, 200, "{}", now.text);
    let sql = "SELECT count(*) FROM delivery WHERE slot = 33";
    wait_until("tier 2 has fired", SOON, async || world.system.database.number(sql).await == 60).await;
    let readers: Vec<usize> = (1..=60).step_by(2).collect();
    world.read(&plan, &readers).await;
    world.system.add_worker();
    let finished = world.tenant.until(&plan, "finished", SOON).await;
    assert_eq!(
        (&finished["deliveries"]["suppressed"], &finished["deliveries"]["sent"]),
        (&json!(30), &json!(90))
    );
    world.mail.read(|received| {
        assert!((1..=60).all(|no| received.by_recipient.contains_key(&address(no)) != readers.contains(&no)));
    });
    let first = person(&world, &plan, 1).await;
    assert_eq!(
        (&first["result"], &first["channels"][1]["reason"]),
        (&json!("read"), &json!("already_read")),
        "{first}"
    );
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_03_delivered_holds_at_once_where_nothing_is_reported_and_after_silence_where_failures_are() {
    let world = start(Options::default()).await;
    let until = |channel: &str| json!([{"channels": [channel], "until": "delivered", "wait": "2s"}, {"channels": ["webhook"]}]);
    let chat = world.tenant.send(&world.body(1, until("wecom"))).await;
    let mail = world.tenant.send(&world.body(1, until("email"))).await;
    world.tenant.until(&chat, "finished", SOON).await;
    waiting(&world, &mail, 1).await;
    let finished = world.tenant.until(&mail, "finished", SOON).await;
    assert_eq!(finished["deliveries"]["sent"], 1, "the status stays sent: {finished}");
    assert_eq!(
        (world.results(&chat).await, world.results(&mail).await),
        (vec!["sent".to_owned()], vec!["sent".to_owned()])
    );
    world.hooks.read(|received| assert_eq!(received.requests, 0));
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_06_a_tier_that_reaches_nobody_is_left_at_once() {
    let world = start(Options::default()).await;
    let tiers = json!([
        {"channels": ["wecom"], "until": "read", "wait": "1h"},
        {"channels": ["email"], "until": "read", "wait": "1h"},
        {"channels": ["webhook"]},
    ]);
    let mut body = world.body(3, tiers);
    // No WeCom: mail at once. WeCom does not know them, nor the mail server: the webhook at once. Nothing at all.
    body["recipients"][0].as_object_mut().unwrap().remove("ids");
    body["recipients"][2] = json!({"key": "canary-3", "phone": "+8613800138000"});
    world.chat.invalid_user(&user(2));
    world.mail.script_for(
        &address(2),
        herald_loadtest::standins::smtp::Behaviour::refuse("550 5.1.1 no such user"),
    );
    let plan = world.tenant.send(&body).await;
    world.mail.wait_for(|received| received.by_recipient.contains_key(&address(1)), SOON).await.unwrap();
    world.hooks.wait_for(|received| received.by_path.contains_key(&path(2)), SOON).await.unwrap();
    waiting(&world, &plan, 1).await;
    wait_until("two are at their end", SOON, async || {
        world.results(&plan).await == ["-", "sent", "unreachable"]
    })
    .await;
    let now = world.tenant.plan(&plan).await;
    assert_eq!(now["status"], "running", "{now}");
    let reach = &now["recipients"];
    assert_eq!(
        (&reach["waiting"], &reach["reached"], &reach["unreachable"]),
        (&json!(1), &json!(2), &json!(1)),
        "{now}"
    );
    assert_eq!(person(&world, &plan, 1).await["tier"], 2);
    world.read(&plan, &[1]).await;
    world.tenant.until(&plan, "finished", SOON).await;
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_07_a_tier_goes_through_its_channels_before_the_next() {
    let world = start(Options::default()).await;
    let tiers = json!([{"channels": ["wecom", "email"], "mode": "first"}, {"channels": ["webhook"]}]);
    world.chat.invalid_user(&user(1));
    world.chat.invalid_user(&user(2));
    world.mail.script_for(
        &address(2),
        herald_loadtest::standins::smtp::Behaviour::refuse("550 5.1.1 no such user"),
    );
    let plan = world.tenant.send(&world.body(3, tiers)).await;
    let finished = world.tenant.until(&plan, "finished", SOON).await;
    assert_eq!(finished["deliveries"]["total"], 3 + 2 + 1, "{finished}");
    assert_eq!(world.results(&plan).await, ["sent", "sent", "sent"]);
    let tiers: Vec<Value> = world.tenant.http.all(&format!("{}/recipients", plan.path())).await;
    assert_eq!(tiers.iter().map(|one| one["tier"].as_i64().unwrap()).collect::<Vec<_>>(), [1, 2, 1]);
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_15_a_pause_stops_sending_and_not_reading() {
    let world = start(Options::default()).await;
    let plan = world.tenant.send(&world.body(2, two("2s"))).await;
    waiting(&world, &plan, 2).await;
    order(&world, &plan, "pause", 200).await;
    order(&world, &plan, "escalate", 409).await;
    world.read(&plan, &[1]).await;
    assert_eq!(person(&world, &plan, 1).await["result"], "read");
    let left = "SELECT count(*) FROM job WHERE kind = 2 AND due_at < now() + interval '500 years'";
    wait_until("the waits are parked", SOON, async || world.system.database.number(left).await == 0).await;
    let due =
        format!("SELECT count(*) FROM recipient WHERE plan_id = {} AND next_at < now()", plan.internal());
    wait_until("its time has come", SOON, async || world.system.database.number(&due).await == 1).await;
    world.mail.read(|received| assert_eq!(received.mails, 0));
    order(&world, &plan, "resume", 200).await;
    world.tenant.until(&plan, "finished", SOON).await;
    world.mail.read(|received| {
        assert_eq!((received.mails, received.by_recipient.contains_key(&address(2))), (1, true))
    });
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_16_a_step_found_long_overdue_does_not_fire() {
    let mut world = start(Options::default()).await;
    let plan = world.tenant.send(&world.body(3, two("1h"))).await;
    waiting(&world, &plan, 3).await;
    world.system.dispatchers[0].kill();
    world.system.database.run("UPDATE job SET due_at = now() - interval '13 hours' WHERE kind = 2").await;
    world.system.add_dispatcher();
    let finished = world.tenant.until(&plan, "finished", SOON).await;
    assert_eq!(finished["deliveries"]["total"], 3, "{finished}");
    assert_eq!(world.results(&plan).await, ["overdue"; 3]);
    // In the claim: tier 2 fired in time, and nobody took it for half a day.
    let plan = world.tenant.send(&world.body(2, two("1h"))).await;
    waiting(&world, &plan, 2).await;
    world.system.workers[0].kill();
    order(&world, &plan, "escalate", 200).await;
    let id = plan.internal();
    let made = format!("SELECT count(*) FROM delivery WHERE plan_id = {id} AND slot = 33");
    wait_until("tier 2 has fired", SOON, async || world.system.database.number(&made).await == 2).await;
    world
        .system
        .database
        .run(&format!(
            "UPDATE delivery SET created_at = now() - interval '13 hours' WHERE plan_id = {id} AND slot = 33"
        ))
        .await;
    world.system.add_worker();
    world.tenant.until(&plan, "finished", SOON).await;
    assert_eq!(world.results(&plan).await, ["overdue"; 2]);
    world.mail.read(|received| assert_eq!(received.mails, 0));
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_16_a_plan_says_itself_how_late_is_too_late() {
    let mut world = start(Options::default()).await;
    for (max_late, results) in [("2h", ["overdue"; 2]), ("4h", ["sent"; 2])] {
        let mut body = world.body(2, two("1h"));
        body["max_late"] = json!(max_late);
        let plan = world.tenant.send(&body).await;
        waiting(&world, &plan, 2).await;
        world.system.dispatchers.last_mut().expect("one runs").kill();
        let three_hours_ago = "UPDATE job SET due_at = now() - interval '3 hours' WHERE kind = 2";
        world.system.database.run(three_hours_ago).await;
        world.system.add_dispatcher();
        let finished = world.tenant.until(&plan, "finished", SOON).await;
        assert_eq!(finished["max_late"], json!(format!("PT{}", max_late.to_uppercase())));
        assert_eq!(world.results(&plan).await, results, "{max_late}");
    }
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_21_recall_and_stop_end_ladders_and_escalate_ends_the_wait() {
    let world = start(Options::default()).await;
    for (verb, result) in [("recall", "recalled"), ("stop", "stopped")] {
        let plan = world.tenant.send(&world.body(2, two("1h"))).await;
        waiting(&world, &plan, 2).await;
        world.read(&plan, &[1]).await;
        order(&world, &plan, verb, 200).await;
        wait_until("it is over", SOON, async || world.tenant.plan(&plan).await["finished_at"].is_string())
            .await;
        let now = world.tenant.plan(&plan).await;
        assert_eq!(
            (&now["recipients"]["waiting"], &now["recipients"]["reached"]),
            (&json!(0), &json!(2)),
            "{now}"
        );
        assert_eq!(world.results(&plan).await, ["read", result]);
        order(&world, &plan, "escalate", 409).await;
    }
    let plan = world.tenant.send(&world.body(2, two("1h"))).await;
    waiting(&world, &plan, 2).await;
    order(&world, &plan, "escalate", 200).await;
    world.tenant.until(&plan, "finished", SOON).await;
    assert_eq!(world.results(&plan).await, ["sent", "sent"]);
    world.mail.read(|received| assert_eq!(received.mails, 2));
    let elsewhere =
        world.tenant.http.post(&format!("/v1/plans/{}/escalate", uuid::Uuid::now_v7()), &json!({})).await;
    assert_eq!(elsewhere.status, 404);
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_21_expiry_ends_ladders() {
    let world = start(Options::default()).await;
    let plan = world.tenant.send(&world.body(1, two("1h"))).await;
    waiting(&world, &plan, 1).await;
    world.system.database.run("UPDATE plan SET expires_at = now()").await;
    wait_until("it is over", SOON, async || world.tenant.plan(&plan).await["finished_at"].is_string()).await;
    assert_eq!(world.results(&plan).await, ["expired"]);
    assert_eq!(world.tenant.plan(&plan).await["status"], "expired");
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_23_the_last_tier_waits_too_and_its_silence_is_told() {
    let world = start(Options::default()).await;
    let tiers = json!([{"channels": ["wecom"], "until": "read", "wait": "1s"}, {"channels": ["email"], "until": "read", "wait": "1s"}]);
    let plan = world.tenant.send(&world.body(2, tiers)).await;
    world.mail.wait_for(|received| received.mails == 2, SOON).await.unwrap();
    world.read(&plan, &[2]).await;
    let finished = world.tenant.until(&plan, "finished", SOON).await;
    assert_eq!(world.results(&plan).await, ["exhausted", "read"]);
    assert_eq!(finished["recipients"]["reached"], 2, "{finished}");
    let only = world.tenant.send(&world.body(1, json!([{"channels": ["wecom"], "until": "read"}]))).await;
    world.tenant.until(&only, "finished", SOON).await;
    assert_eq!(world.results(&only).await, ["exhausted"], "no wait: it is over when it is sent");
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_has_a_ladder_when_it_is_sent() {
    let world = start(Options::default()).await;
    let mut body = world.body(3, two("1s"));
    body["draft"] = true.into();
    let draft = world.tenant.http.post("/v1/plans", &body).await.expect(201).json();
    let plan = Plan { id: draft["id"].as_str().unwrap().to_owned(), body: draft };
    let sent = world.tenant.http.post(&format!("{}/send", plan.path()), &json!({})).await;
    assert_eq!(sent.status, 202, "{}", sent.text);
    chatted(&world, 3).await;
    world.read(&plan, &[1]).await;
    world.tenant.until(&plan, "finished", SOON).await;
    assert_eq!(world.results(&plan).await, ["read", "sent", "sent"]);
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_02_reads_while_the_tier_fires_send_nothing_later_than_what_was_in_flight() {
    const PEOPLE: usize = 300;
    let world = start(Options::default().dispatchers(2).workers(2)).await;
    let plan = world.tenant.send(&world.body(PEOPLE, two("1s"))).await;
    let begun = format!("SELECT count(next_at) FROM recipient WHERE plan_id = {}", plan.internal());
    wait_until("the first wait has begun", SOON, async || world.system.database.number(&begun).await > 0)
        .await;
    // Reads go on before, while and after tier 2 fires, and each is timed when its commit was answered.
    let mut read = Vec::new();
    for chunk in (1..=PEOPLE).collect::<Vec<_>>().chunks(5) {
        world.read(&plan, chunk).await;
        let at = std::time::Instant::now();
        read.extend(chunk.iter().map(|no| (*no, at)));
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    world.tenant.until(&plan, "finished", SOON).await;
    let window = Duration::from_millis(1000);
    world.mail.read(|received| {
        for (no, read) in read {
            let Some(tally) = received.by_recipient.get(&address(no)) else { continue };
            let late = tally.last_at.saturating_duration_since(read);
            assert!(tally.count == 1 && late < window, "person {no} got mail {late:?} after reading");
        }
    });
    world.system.finish().await;
}
