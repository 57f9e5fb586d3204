//! Rules 9 and 10: tiers and ladders that come up again, tiers for some priorities or hours.

use herald_loadtest::standins::smtp;
use herald_tests::tenant::Plan;
use herald_tests::{Options, SOON, wait_until};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::alone::escalation::{World, address, path};

/// Tier, round and channel of what a person was sent, in order.
async fn course(world: &World, plan: &Plan, no: usize) -> Vec<(u64, u64, String)> {
    let person = world.tenant.http.all(&format!("{}/recipients", plan.path())).await.remove(no - 1);
    let of = |on: &Value| {
        let channel = on["channel"].as_str().unwrap().to_owned();
        (on["tier"].as_u64().unwrap(), on["round"].as_u64().unwrap(), channel)
    };
    person["channels"].as_array().unwrap().iter().map(of).collect()
}

fn at(tier: u64, round: u64, channel: &str) -> (u64, u64, String) {
    (tier, round, channel.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_09_a_tier_comes_up_again_for_those_who_are_silent() {
    let world = World::start(Options::default()).await;
    let tiers = json!([
        {"channels": ["wecom"], "until": "read", "wait": "1s", "repeat": 1},
        {"channels": ["email"], "until": "read", "wait": "1s", "repeat": 2},
        {"channels": ["webhook"]},
    ]);
    // Nobody like that at the mail server: the tier is left with all its rounds.
    world.mail.script_for(&address(2), smtp::Behaviour::refuse("550 5.1.1 no such user"));
    let plan = world.tenant.send(&world.body(3, tiers.clone())).await;
    world.chat.wait_for(|received| received.deliveries >= 5, SOON).await.unwrap();
    world.read(&plan, &[3]).await;
    world.hooks.wait_for(|received| received.by_path.contains_key(&path(2)), SOON).await.unwrap();
    let finished = world.tenant.until(&plan, "finished", SOON).await;
    assert_eq!(finished["tiers"][0]["repeat"], 1, "{finished}");
    assert_eq!(world.results(&plan).await, ["sent", "sent", "read"]);
    let chat = [at(1, 1, "wecom"), at(1, 2, "wecom")];
    let mail = [at(2, 1, "email"), at(2, 2, "email"), at(2, 3, "email"), at(3, 1, "webhook")];
    assert_eq!(course(&world, &plan, 1).await, [&chat[..], &mail].concat());
    assert_eq!(
        course(&world, &plan, 2).await,
        [&chat[..], &[at(2, 1, "email"), at(3, 1, "webhook")]].concat()
    );
    let first = world.tenant.http.all(&format!("{}/recipients", plan.path())).await.remove(0);
    assert_eq!((&first["tier"], &first["round"]), (&json!(3), &json!(1)), "{first}");
    world.hooks.read(|received| assert_eq!(received.requests, 2));
    let listed = world.tenant.http.all(&format!("{}/deliveries?channel=email", plan.path())).await;
    let rounds: Vec<u64> = listed.iter().map(|one| one["round"].as_u64().unwrap()).collect();
    assert_eq!(rounds, [1, 1, 2, 3], "{listed:?}");
    let one = world.tenant.http.get(&format!("/v1/deliveries/{}", listed[3]["id"].as_str().unwrap())).await;
    assert_eq!((&one.json()["tier"], &one.json()["round"]), (&json!(2), &json!(3)), "{}", one.text);
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_09_a_whole_ladder_comes_up_again_and_what_cannot_be_tried_is_tried_once() {
    let world = World::start(Options::default()).await;
    let step = |channel: &str| json!({"channels": [channel], "until": "read", "wait": "1s"});
    let mut body = world.body(2, json!([step("wecom"), step("email")]));
    body["repeat"] = 1.into();
    body["recipients"][1].as_object_mut().unwrap().remove("email");
    let plan = world.tenant.send(&body).await;
    // Sixty steps, and no address for any.
    let mut lost = world.body(1, json!(vec![step("wecom"); 10]));
    lost["repeat"] = 5.into();
    lost["recipients"][0].as_object_mut().unwrap().remove("ids");
    let lost = world.tenant.send(&lost).await;
    let finished = world.tenant.until(&lost, "finished", SOON).await;
    assert_eq!(
        (&finished["deliveries"]["suppressed"], &finished["repeat"]),
        (&json!(10), &json!(5)),
        "{finished}"
    );
    assert_eq!(world.results(&lost).await, ["unreachable"]);
    world.tenant.until(&plan, "finished", SOON).await;
    assert_eq!(world.results(&plan).await, ["exhausted"; 2]);
    let all = [at(1, 1, "wecom"), at(2, 1, "email"), at(1, 2, "wecom"), at(2, 2, "email")];
    assert_eq!(course(&world, &plan, 1).await, all);
    assert_eq!(course(&world, &plan, 2).await, all[..3], "the mail they cannot get is told once");
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_09_news_of_an_earlier_round_counts_for_the_tier() {
    let world = World::start(Options::default()).await;
    let step = json!({"channels": ["email"], "until": "read", "wait": "1h", "repeat": 2});
    let plan = world.tenant.send(&world.body(1, json!([step, {"channels": ["webhook"]}]))).await;
    let database = &world.system.database;
    let id = plan.internal();
    let mailed = |count: i64| {
        let sql = format!("SELECT count(*) FROM delivery WHERE plan_id = {id} AND status = 3");
        async move { wait_until("it is sent", SOON, async || database.number(&sql).await == count).await }
    };
    mailed(1).await;
    // No provider here reports both ways: the tier waits for what one would report, which the database is told.
    database.run(&format!("UPDATE plan SET untils = '{{2, 2, 2, 1}}' WHERE id = {id}")).await;
    database.run(&format!("UPDATE job SET due_at = now() WHERE plan_id = {id} AND kind = 2")).await;
    let over = world.tenant.until(&plan, "finished", SOON).await;
    assert_eq!(
        over["deliveries"]["total"], 1,
        "silence of a channel that tells failures only means that it held: {over}"
    );
    let plan = world.tenant.send(&world.body(1, json!([step, {"channels": ["webhook"]}]))).await;
    let id = plan.internal();
    let sent = format!("SELECT count(*) FROM delivery WHERE plan_id = {id} AND status = 3");
    wait_until("round 1 is sent", SOON, async || database.number(&sent).await == 1).await;
    database.run(&format!("UPDATE job SET due_at = now() WHERE plan_id = {id} AND kind = 2")).await;
    wait_until("round 2 is sent", SOON, async || database.number(&sent).await == 2).await;
    database.run(&format!("UPDATE plan SET untils = '{{2, 2, 2, 1}}' WHERE id = {id}")).await;
    database
        .run(&format!(
            "UPDATE delivery SET status = 4, updated_at = now() WHERE plan_id = {id} AND slot = 17"
        ))
        .await;
    world.tenant.until(&plan, "finished", SOON).await;
    assert_eq!(world.results(&plan).await, ["delivered"]);
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_a_tier_is_for_some_priorities() {
    let world = World::start(Options::default()).await;
    let tiers = json!([
        {"channels": ["wecom"], "until": "read", "wait": "1s", "only": {"priorities": ["urgent"]}},
        {"channels": ["email"], "until": "read", "wait": "1s", "only": {"priorities": ["normal", "bulk"]}},
        {"channels": ["webhook"]},
    ]);
    for (priority, expected) in [("urgent", at(1, 1, "wecom")), ("normal", at(2, 1, "email"))] {
        let mut body = world.body(1, tiers.clone());
        body["priority"] = priority.into();
        let plan = world.tenant.send(&body).await;
        let finished = world.tenant.until(&plan, "finished", SOON).await;
        assert_eq!(finished["tiers"][0]["only"], json!({"priorities": ["urgent"]}), "{finished}");
        assert_eq!(course(&world, &plan, 1).await, [expected, at(3, 1, "webhook")]);
    }
    // The tier is the one that was declared, wherever it is told.
    world.hooks.read(|received| assert_eq!(received.requests, 2));
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_10_a_tier_is_for_some_hours() {
    let world = World::start(Options::default()).await;
    let clock = |hours: i64| {
        let at = Timestamp::now() + SignedDuration::from_hours(hours);
        at.to_zoned(TimeZone::UTC).strftime("%H:%M").to_string()
    };
    let now = json!({"hours": {"from": clock(-1), "to": clock(1)}});
    let tiers = json!([
        {"channels": ["wecom"], "until": "read", "wait": "1h"},
        {"channels": ["email"], "until": "read", "wait": "1h", "only": now},
        {"channels": ["webhook"], "until": "read", "wait": "1h"},
        {"channels": ["email"], "only": now},
    ]);
    let mut body = world.body(3, tiers);
    // Nine hours ahead, the zone itself, and whoever has none: the tenant's clock counts, which shows UTC.
    body["recipients"][0]["time_zone"] = "Asia/Tokyo".into();
    body["recipients"][1]["time_zone"] = "UTC".into();
    let plan = world.tenant.send(&body).await;
    let sent = format!("SELECT count(*) FROM delivery WHERE plan_id = {} AND status = 3", plan.internal());
    for count in [3, 6, 8] {
        let what = format!("{count} messages are sent");
        wait_until(&what, SOON, async || world.system.database.number(&sent).await == count).await;
        let now = world.tenant.http.post(&format!("{}/escalate", plan.path()), &json!({})).await;
        assert_eq!(now.status, 200, "{}", now.text);
    }
    world.tenant.until(&plan, "finished", SOON).await;
    let [first, second, third, fourth] =
        [at(1, 1, "wecom"), at(2, 1, "email"), at(3, 1, "webhook"), at(4, 1, "email")];
    assert_eq!(course(&world, &plan, 1).await, [first.clone(), third.clone()]);
    for no in [2, 3] {
        assert_eq!(course(&world, &plan, no).await, [&first, &second, &third, &fourth].map(Clone::clone));
    }
    assert_eq!(world.results(&plan).await, ["exhausted", "sent", "sent"]);
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_07_a_channel_that_could_tell_and_says_nothing_gives_way() {
    let world = World::start(Options::default()).await;
    let tier = json!({"channels": ["wecom", "email"], "mode": "first", "until": "read", "wait": "1h", "channel_wait": "1s"});
    let plan = world.tenant.send(&world.body(3, json!([tier, {"channels": ["webhook"]}]))).await;
    let (database, id) = (&world.system.database, plan.internal());
    let begun = format!("SELECT count(*) FROM recipient WHERE plan_id = {id} AND next_at IS NOT NULL");
    wait_until("it is sent", SOON, async || database.number(&begun).await == 3).await;
    assert_eq!(database.number("SELECT count(*) FROM job WHERE attempt > 16").await, 0, "WeCom never tells");
    // No provider here reports both ways: as if one did, three were sent by SMS, one of them has arrived, and one has read.
    database.run(&format!("UPDATE plan SET slots = '{{18, 17, 41}}' WHERE id = {id}")).await;
    database
        .run(&format!(
            "INSERT INTO delivery (plan_id, slot, no) SELECT {id}, 18, no FROM generate_series(1, 3) AS no"
        ))
        .await;
    database
        .run(&format!("UPDATE delivery SET status = 3, sent_at = now() WHERE plan_id = {id} AND slot = 18"))
        .await;
    database
        .run(&format!("UPDATE delivery SET status = 4 WHERE plan_id = {id} AND slot = 18 AND no = 2"))
        .await;
    world.read(&plan, &[3]).await;
    world.mail.wait_for(|received| received.by_recipient.contains_key(&address(1)), SOON).await.unwrap();
    let waits = "SELECT count(*) FROM job WHERE attempt > 16";
    wait_until("the channel's wait is over", SOON, async || database.number(waits).await == 0).await;
    world.mail.read(|received| assert_eq!(received.mails, 1));
    // Late good news is recorded.
    database
        .run(&format!("UPDATE delivery SET status = 4 WHERE plan_id = {id} AND slot = 18 AND no = 1"))
        .await;
    assert_eq!(world.results(&plan).await, ["-", "-", "read"], "the tier waits for reading");
    world.read(&plan, &[1, 2]).await;
    world.tenant.until(&plan, "finished", SOON).await;
    // What was made up stands for no attempt.
    let tables =
        ["delivery", "attempt", "recipient"].map(|table| format!("DELETE FROM {table} WHERE plan_id = {id}"));
    database.run(&format!("{}; DELETE FROM plan WHERE id = {id}", tables.join("; "))).await;
    world.system.finish().await;
}
