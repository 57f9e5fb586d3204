//! Reminders (rule 20): a further round to those who still are whom it is for; token, page and ladder stay.

use std::time::Duration;

use herald_loadtest::standins::smtp::Behaviour;
use herald_loadtest::standins::wecom::{self, Action};
use herald_tests::tenant::Plan;
use herald_tests::{Options, SOON, wait_until};
use serde_json::{Value, json};

use crate::alone::escalation::{World, address, path};
use crate::support::start_mail;

async fn remind(world: &World, plan: &Plan, body: Value, status: u16) -> Value {
    let answer = world.tenant.http.post(&format!("{}/remind", plan.path()), &body).await;
    assert_eq!(answer.status, status, "{}", answer.text);
    answer.json()
}

async fn people(world: &World, plan: &Plan) -> Vec<Value> {
    world.tenant.http.all(&format!("{}/recipients", plan.path())).await
}

/// Result of each person in their last round; `-`: it was not for them.
fn rounds(people: &[Value]) -> Vec<String> {
    let last = |person: &Value| person["reminders"].as_array().unwrap().last().cloned().unwrap_or_default();
    people.iter().map(|person| last(person)["result"].as_str().unwrap_or("-").to_owned()).collect()
}

/// Everybody by WeCom, at once.
fn once() -> Value {
    json!([{"channels": ["wecom"]}])
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_20_a_reminder_goes_to_those_who_have_not_read_and_a_finished_plan_runs_for_it() {
    let world = World::start(Options::default()).await;
    let plan = world.tenant.send(&world.body(3, once())).await;
    world.tenant.until(&plan, "finished", SOON).await;
    world.read(&plan, &[2]).await;
    let asked = remind(&world, &plan, json!({"who": "unread", "channels": ["email", "webhook"]}), 200).await;
    assert_eq!((&asked["status"], &asked["finished_at"]), (&json!("running"), &Value::Null), "{asked}");
    let finished = world.tenant.until(&plan, "finished", SOON).await;
    let counts = (&finished["deliveries"]["total"], &finished["deliveries"]["sent"]);
    assert_eq!(counts, (&json!(7), &json!(7)), "{finished}");
    let reach = &finished["recipients"];
    assert_eq!((&reach["total"], &reach["reached"], &reach["pending"]), (&json!(3), &json!(3), &json!(0)));
    let all = people(&world, &plan).await;
    assert_eq!(rounds(&all), ["sent", "-", "sent"]);
    assert_eq!(all[0]["channels"].as_array().unwrap().len(), 1, "the ladder is told apart: {}", all[0]);
    world.mail.read(|received| {
        assert_eq!(received.mails, 2);
        assert!(!received.by_recipient.contains_key(&address(2)));
    });
    world.hooks.read(|received| assert!(!received.by_path.contains_key(&path(2))));
    let reminded = world.tenant.deliveries(&plan).await;
    let of_round: Vec<&Value> = reminded.iter().filter(|delivery| delivery["reminder"] == 1).collect();
    assert!(
        of_round.len() == 4 && of_round.iter().all(|delivery| delivery["tier"].is_null()),
        "{reminded:?}"
    );
    let id = of_round[0]["id"].as_str().unwrap();
    let alone = world.tenant.http.get(&format!("/v1/deliveries/{id}")).await.expect(200).json();
    assert_eq!(alone["attempts"].as_array().unwrap().len(), 1, "its id reads back: {alone}");
    // A second one, on tier 1's channels, finds one more reader.
    world.answer(&plan, &[1]).await;
    remind(&world, &plan, json!({"who": "unanswered"}), 200).await;
    world.tenant.until(&plan, "finished", SOON).await;
    assert_eq!(rounds(&people(&world, &plan).await), ["acknowledged", "sent", "sent"]);
    let second: Vec<Value> = people(&world, &plan).await;
    let count = |person: &Value| person["reminders"].as_array().unwrap().len();
    assert_eq!(second.iter().map(count).collect::<Vec<_>>(), [1, 1, 2]);
    world.chat.read(|received| assert_eq!(received.deliveries, 5));
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_20_whoever_reads_before_the_claim_is_left_out_and_the_ladder_goes_on_as_it_was() {
    let mut world = World::start(Options::default()).await;
    let tiers = json!([{"channels": ["wecom"], "until": "read", "wait": "1h"}, {"channels": ["webhook"]}]);
    let plan = world.tenant.send(&world.body(40, tiers)).await;
    let waits = format!("SELECT count(next_at) FROM recipient WHERE plan_id = {}", plan.internal());
    wait_until("the waits have begun", SOON, async || world.system.database.number(&waits).await == 40).await;
    let next: Vec<Value> = people(&world, &plan).await.iter().map(|one| one["next_at"].clone()).collect();
    world.system.workers[0].kill();
    remind(&world, &plan, json!({"who": "unread", "channels": ["email"]}), 200).await;
    let made = format!("SELECT count(*) FROM delivery WHERE plan_id = {} AND slot = 2049", plan.internal());
    wait_until("the round is made", SOON, async || world.system.database.number(&made).await == 40).await;
    let readers: Vec<usize> = (1..=40).step_by(2).collect();
    world.read(&plan, &readers).await;
    world.system.add_worker();
    let open = format!("SELECT n_open FROM plan WHERE id = {}", plan.internal());
    let open = format!("SELECT count(*) FROM ({open}) AS p WHERE p.n_open = 0");
    wait_until("the round is over", SOON, async || world.system.database.number(&open).await == 1).await;
    world.mail.read(|received| {
        assert!((1..=40).all(|no| received.by_recipient.contains_key(&address(no)) != readers.contains(&no)));
    });
    let all = people(&world, &plan).await;
    let left_out = &all[0]["reminders"][0];
    assert_eq!(
        (&left_out["result"], &left_out["channels"][0]["reason"]),
        (&json!("read"), &json!("already_read"))
    );
    // The ladder does not restart: who still waits does so as before, and nothing of tier 2 is there.
    assert!(all[1]["tier"] == 1 && all[1]["next_at"] == next[1] && all[1]["result"].is_null(), "{}", all[1]);
    world.hooks.read(|received| assert_eq!(received.requests, 0));
    let rest: Vec<usize> = (2..=40).step_by(2).collect();
    world.read(&plan, &rest).await;
    world.tenant.until(&plan, "finished", SOON).await;
    // Somebody who is named gets it though they have read, also at the second attempt.
    world.mail.script_for(&address(2), Behaviour::defer(1, "451 4.3.0 try later"));
    remind(&world, &plan, json!({"recipients": [all[1]["id"]], "channels": ["email"]}), 200).await;
    world.tenant.until(&plan, "finished", SOON).await;
    world.mail.read(|received| assert_eq!(received.mails, 21));
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_20_those_whom_nothing_reached_and_people_named_one_by_one() {
    let world = World::start(Options::default()).await;
    world.mail.script_for(&address(2), Behaviour::refuse("550 5.1.1 no such user"));
    let plan = world.tenant.send(&world.body(3, json!([{"channels": ["email"]}]))).await;
    world.tenant.until(&plan, "finished", SOON).await;
    remind(&world, &plan, json!({"who": "failed", "channels": ["webhook"]}), 200).await;
    let finished = world.tenant.until(&plan, "finished", SOON).await;
    assert_eq!(finished["recipients"]["reached"], 3, "{finished}");
    assert_eq!(rounds(&people(&world, &plan).await), ["-", "sent", "-"]);
    world.hooks.read(|received| assert!(received.requests == 1 && received.by_path.contains_key(&path(2))));
    // Nobody is left: the round is over at once.
    remind(&world, &plan, json!({"who": "failed", "channels": ["wecom"]}), 200).await;
    world.tenant.until(&plan, "finished", SOON).await;
    world.read(&plan, &[3]).await;
    let ids: Vec<Value> = people(&world, &plan).await.iter().map(|person| person["id"].clone()).collect();
    remind(&world, &plan, json!({"recipients": [ids[2], ids[0], ids[2]], "channels": ["wecom"]}), 200).await;
    world.tenant.until(&plan, "finished", SOON).await;
    world.chat.read(|received| assert_eq!(received.deliveries, 2, "whoever is named gets it, read or not"));
    assert_eq!(rounds(&people(&world, &plan).await), ["sent", "sent", "sent"]);
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_20_a_stopped_plan_can_be_reminded_and_one_that_was_withdrawn_cannot() {
    let world = World::start(Options::default()).await;
    let tiers = json!([{"channels": ["wecom"], "until": "read", "wait": "1h"}, {"channels": ["webhook"]}]);
    // What was out when it was stopped counts as sent.
    world.chat.script(wecom::Behaviour::new(Action::StallAfterAccepting(Duration::from_secs(1))).times(2));
    let stopped = world.tenant.send(&world.body(2, tiers)).await;
    world.chat.wait_for(|received| received.deliveries == 2, SOON).await.unwrap();
    let order = async |plan: &Plan, verb: &str| {
        world.tenant.http.post(&format!("{}/{verb}", plan.path()), &json!({})).await.expect(200).json()
    };
    order(&stopped, "stop").await;
    wait_until("it is over", SOON, async || world.tenant.plan(&stopped).await["finished_at"].is_string())
        .await;
    // Its time is over too: it gets the usual one anew.
    world.system.database.run("UPDATE plan SET expires_at = now() - interval '1 s'").await;
    remind(&world, &stopped, json!({"who": "unread", "channels": ["email"]}), 200).await;
    world.mail.wait_for(|received| received.mails == 2, SOON).await.unwrap();
    wait_until("both are sent", SOON, async || world.tenant.plan(&stopped).await["deliveries"]["sent"] == 4)
        .await;
    let now = world.tenant.plan(&stopped).await;
    assert_eq!((&now["status"], &now["recipients"]["waiting"]), (&json!("stopped"), &json!(0)), "{now}");
    assert_eq!(world.results(&stopped).await, ["stopped", "stopped"], "ladders stay ended");
    world.hooks.read(|received| assert_eq!(received.requests, 0));
    let plan = world.tenant.send(&world.body(1, once())).await;
    world.tenant.until(&plan, "finished", SOON).await;
    order(&plan, "recall").await;
    let refused = remind(&world, &plan, json!({"who": "unread"}), 409).await;
    assert_eq!(refused["type"], "urn:herald:problem:plan-state", "{refused}");
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reminder_is_asked_for_once_under_its_key_and_wrong_ones_are_told_what_is_wrong() {
    let world = World::start(Options::default()).await;
    let mut body = world.body(2, once());
    body.as_object_mut().unwrap().remove("acknowledgement");
    let plan = world.tenant.send(&body).await;
    world.tenant.until(&plan, "finished", SOON).await;
    let path = format!("{}/remind", plan.path());
    let ask = json!({"who": "unread"});
    let first = world.tenant.http.post_with_key(&path, "canary-once", &ask).await.expect(200);
    let again = world.tenant.http.post_with_key(&path, "canary-once", &ask).await.expect(200);
    assert_eq!((again.header("idempotent-replayed"), &again.text), ("true", &first.text));
    world.tenant.until(&plan, "finished", SOON).await;
    world.chat.read(|received| assert_eq!(received.deliveries, 4));
    let wrong = [
        (json!({}), vec![""]),
        (json!({"who": "everybody"}), vec!["/who"]),
        (json!({"who": "unanswered"}), vec!["/who"]),
        (json!({"who": "unread", "channels": ["sms", "sms"]}), vec!["/channels/1"]),
        (json!({"who": "unread", "channels": ["sms"]}), vec!["/channels/0"]),
        (json!({"who": "unread", "channels": []}), vec!["/channels"]),
        (
            json!({"recipients": [plan.id, "x"], "channels": ["telegraph"]}),
            vec!["/channels/0", "/recipients/0", "/recipients/1"],
        ),
        (json!({"recipients": [], "who": "unread", "when": "now"}), vec!["/recipients", "/when"]),
    ];
    for (body, pointers) in wrong {
        let answer = world.tenant.http.post(&path, &body).await;
        assert_eq!(
            (answer.status, answer.pointers()),
            (422, pointers.into_iter().map(str::to_owned).collect()),
            "{body}: {}",
            answer.text
        );
    }
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_20_a_plan_of_thousands_is_reminded_while_it_runs_and_every_count_is_right() {
    // More than two chunks. Whoever has no key has no inbox: nothing reaches them.
    const PEOPLE: usize = 5300;
    const FAILED: u64 = 53;
    let (mut system, tenant, mail) = start_mail(Options::default().workers(2)).await;
    tenant.inbox().await;
    let person = |no: usize| match no % 100 {
        0 => json!(address(no)),
        _ => json!({"key": format!("canary-{no}"), "email": address(no)}),
    };
    let people: Vec<Value> = (1..=PEOPLE).map(person).collect();
    let body = json!({"title": "Canary", "content": {"text": "canary"}, "recipients": people, "channels": ["inbox"]});
    let plan = tenant.send(&body).await;
    let remind = json!({"who": "failed", "channels": ["email"]});
    let asked = tenant.http.post(&format!("{}/remind", plan.path()), &remind).await;
    assert_eq!(asked.status, 200, "{}", asked.text);
    system.dispatchers[0].kill();
    system.add_dispatcher();
    let finished = tenant.until(&plan, "finished", SOON * 4).await;
    let reach = &finished["recipients"];
    assert_eq!((&reach["reached"], &reach["pending"]), (&json!(PEOPLE), &json!(0)), "{finished}");
    mail.read(|received| assert_eq!(received.mails, FAILED));
    // finish() compares every person's counts with their deliveries.
    system.finish().await;
}
