//! Tier mode `first`: the next channel when the one before failed for good, and never two at once.

use std::time::Duration;

use herald_loadtest::standins::smtp::{self, Behaviour};
use herald_loadtest::standins::webhook::{self, Action};
use herald_tests::tenant::Plan;
use herald_tests::{Options, SOON, System, Tenant, wait_until};
use serde_json::{Value, json};

use crate::support::start;

const NOBODY: &str = "550 5.1.1 no such user";

/// A tenant with mail and webhooks.
async fn start_both(options: Options) -> (System, Tenant, smtp::Handle, webhook::Handle) {
    let mail = smtp::start(smtp::Options::default()).await.unwrap();
    let key = webhook::Key::random();
    let hooks = webhook::start(webhook::Options { keys: vec![key.clone()], ..webhook::Options::default() })
        .await
        .unwrap();
    let (system, tenant) = start(options).await;
    tenant.smtp(mail.addr()).await;
    tenant.webhook(key.text()).await;
    (system, tenant, mail, hooks)
}

fn address(no: usize) -> String {
    format!("canary-{no}@example.org")
}

/// The mail server knows none of these.
fn refuse(mail: &smtp::Handle, people: impl IntoIterator<Item = usize>) {
    people.into_iter().for_each(|no| mail.script_for(&address(no), Behaviour::refuse(NOBODY)));
}

/// A plan by mail, else by webhook.
fn body(people: Vec<Value>) -> Value {
    json!({"title": "Canary", "content": {"text": "canary"}, "recipients": people, "tiers": [{"channels": ["email", "webhook"], "mode": "first"}]})
}

/// Somebody with both addresses.
fn person(no: usize, hooks: &webhook::Handle, path: &str) -> Value {
    json!({"key": format!("canary-{no}"), "email": address(no), "url": hooks.url(path)})
}

async fn people(tenant: &Tenant, plan: &Plan, query: &str) -> Vec<Value> {
    tenant.http.all(&format!("{}/recipients?{query}", plan.path())).await
}

/// State, result, and channels with what became of each.
fn told(person: &Value) -> (String, String, Vec<String>) {
    let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let channels = person["channels"].as_array().unwrap();
    let channel =
        |on: &Value| format!("{} {} {}", word(&on["channel"]), word(&on["status"]), word(&on["reason"]));
    (word(&person["state"]), word(&person["result"]), channels.iter().map(channel).collect())
}

async fn redrive(tenant: &Tenant, body: Value) -> Value {
    tenant.http.post("/v1/dead-letters/redrive", &body).await.expect(200).json()
}

/// One person for each way through the channels.
fn everybody(hooks: &webhook::Handle) -> Vec<Value> {
    vec![
        person(1, hooks, "/works"),
        person(2, hooks, "/works"),
        json!({"key": "canary-3", "url": hooks.url("/works")}),
        json!({"key": "canary-4", "email": address(4)}),
        json!({"key": "canary-5", "phone": "+8613800138000"}),
        person(6, hooks, "/refuses"),
        json!({"key": "canary-7", "email": address(1), "url": hooks.url("/works")}),
    ]
}

/// Who is reached how, whoever expands the plan.
async fn assert_everybody(tenant: &Tenant, plan: &Plan) {
    let finished = tenant.until(plan, "finished", SOON).await;
    let found: Vec<_> = people(tenant, plan, "").await.iter().map(told).collect();
    let expected = [
        ("reached", "sent", vec!["email sent -"]),
        ("reached", "sent", vec!["email failed invalid_address", "webhook sent -"]),
        ("reached", "sent", vec!["email suppressed no_address", "webhook sent -"]),
        ("unreachable", "exhausted", vec!["email failed invalid_address", "webhook suppressed no_address"]),
        ("unreachable", "unreachable", vec!["email suppressed no_address", "webhook suppressed no_address"]),
        ("unreachable", "exhausted", vec!["email failed invalid_address", "webhook failed rejected"]),
        // The same mailbox as the first: what they would read is the same, so they are reached otherwise.
        ("reached", "sent", vec!["email suppressed duplicate", "webhook sent -"]),
    ];
    for ((state, result, channels), expected) in found.iter().zip(expected) {
        let channels: Vec<&str> = channels.iter().map(String::as_str).collect();
        assert_eq!((state.as_str(), result.as_str(), channels), expected, "{finished}");
    }
    let (reach, made) = (&finished["recipients"], &finished["deliveries"]);
    assert_eq!((&reach["reached"], &reach["unreachable"]), (&json!(4), &json!(3)), "{finished}");
    let counts =
        ["total", "sent", "failed", "suppressed", "pending"].map(|name| made[name].as_i64().unwrap());
    assert_eq!(counts, [13, 4, 4, 5, 0], "{finished}");
    assert_eq!(people(tenant, plan, "reach=unreachable").await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_goes_on_to_the_next_channel_when_the_one_before_fails() {
    let (system, tenant, mail, hooks) = start_both(Options::default()).await;
    refuse(&mail, [2, 4, 6]);
    hooks.script_for("/refuses", webhook::Behaviour::status(400));
    let at_once = tenant.send(&body(everybody(&hooks))).await;
    assert_everybody(&tenant, &at_once).await;
    let mut draft = body(everybody(&hooks));
    draft["draft"] = true.into();
    let draft = tenant.http.post("/v1/plans", &draft).await.expect(201).json();
    let draft = Plan { id: draft["id"].as_str().unwrap().to_owned(), body: draft };
    let sent = tenant.http.post(&format!("{}/send", draft.path()), &json!({})).await;
    assert_eq!(sent.status, 202, "{}", sent.text);
    assert_everybody(&tenant, &draft).await;
    mail.read(|received| assert_eq!(received.mails, 2, "one for each plan"));
    hooks.read(|received| assert!(received.accepted_by_id.values().all(|tally| tally.count == 1)));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_is_waited_out_under_hold_and_a_person_lets_the_next_channel_go() {
    let (system, tenant, mail, hooks) = start_both(Options::default()).await;
    mail.script(Behaviour::drop_after_dot(true));
    let mut plan = body((1..=3).map(|no| person(no, &hooks, "/works")).collect());
    plan["on_unknown"] = "hold".into();
    let plan = tenant.send(&plan).await;
    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(
        (&finished["recipients"]["unknown"], &finished["deliveries"]["total"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(people(&tenant, &plan, "reach=unknown").await.len(), 3);
    let found = tenant.deliveries(&plan).await;
    let resolve = async |delivery: &Value, to: &str| {
        let path = format!("/v1/deliveries/{}/resolve", delivery["id"].as_str().unwrap());
        assert_eq!(tenant.http.post(&path, &json!({"to": to})).await.status, 200);
    };
    resolve(&found[0], "sent").await;
    assert_eq!(tenant.plan(&plan).await["status"], "finished", "nothing more is to go out");
    resolve(&found[1], "failed").await;
    wait_until("the next channel has gone out", SOON, async || {
        let now = tenant.plan(&plan).await;
        now["status"] == "finished" && now["recipients"]["reached"] == 2
    })
    .await;
    let told: Vec<_> = people(&tenant, &plan, "").await.iter().map(told).collect();
    assert_eq!(told[1].2, ["email failed timeout", "webhook sent -"]);
    assert_eq!(told[2].2, ["email unknown -"]);
    mail.read(|received| assert_eq!(received.mails, 3, "nobody got it twice"));
    hooks.read(|received| assert_eq!(received.accepted_by_id.len(), 1));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_is_sent_again_on_its_own_channel_under_resend() {
    let (system, tenant, mail, hooks) = start_both(Options::default()).await;
    mail.script_for(&address(1), Behaviour::drop_after_dot(true).times(1));
    // Never anything else: at the last attempt it is still unknown, which is no failure.
    mail.script_for(&address(2), Behaviour::drop_after_dot(true));
    let plan = tenant.send(&body((1..=2).map(|no| person(no, &hooks, "/works")).collect())).await;
    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!((&finished["deliveries"]["sent"], &finished["deliveries"]["unknown"]), (&json!(1), &json!(1)));
    assert_eq!(finished["deliveries"]["total"], 2, "{finished}");
    hooks.read(|received| assert_eq!(received.by_id.len(), 0, "the second channel was never opened"));
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_of_two_thousand_goes_on_once_each_while_workers_die() {
    const PEOPLE: usize = 2000;
    let options = Options::default().workers(2).env("HERALD_LEASE_MS", "2000");
    let (mut system, tenant, mail, hooks) = start_both(options).await;
    let failing = |no: usize| no.is_multiple_of(3);
    refuse(&mail, (1..=PEOPLE).filter(|no| failing(*no)));
    mail.script(Behaviour::stall_after_dot(Duration::from_millis(10)));
    hooks.script(webhook::Behaviour::new(Action::StallAfterBody(Duration::from_millis(10))));
    let plan = tenant.send(&body((1..=PEOPLE).map(|no| person(no, &hooks, "/works")).collect())).await;
    for progress in [100, 300] {
        hooks.wait_for(|received| received.accepted_by_id.len() >= progress, SOON * 3).await.unwrap();
        system.workers.last_mut().unwrap().kill();
        system.add_worker();
    }
    let finished = tenant.until(&plan, "finished", SOON * 3).await;
    let third = (1..=PEOPLE).filter(|no| failing(*no)).count();
    assert_eq!(finished["recipients"]["reached"], PEOPLE, "{finished}");
    assert_eq!(finished["deliveries"]["total"], PEOPLE + third, "{finished}");
    assert_eq!(
        (&finished["deliveries"]["failed"], &finished["deliveries"]["sent"]),
        (&json!(third), &json!(PEOPLE))
    );
    let unknown = system.metric("herald_unknown_outcomes_total", &[]).await
        + system.metric("herald_attempts_total", &[("outcome", "unknown")]).await;
    mail.read(|received| assert_eq!(received.by_recipient.len(), PEOPLE - third));
    hooks.read(|received| {
        assert_eq!(received.accepted_by_id.len(), third);
        let twice: u32 = received.accepted_by_id.values().map(|tally| tally.count - 1).sum();
        assert!(f64::from(twice) <= unknown, "{twice} went out twice, {unknown} outcomes were unknown");
    });
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_goes_out_again_only_where_no_other_channel_took_over() {
    let (system, tenant, mail, hooks) = start_both(Options::default()).await;
    refuse(&mail, [1, 2]);
    hooks.script_for("/refuses", webhook::Behaviour::status(400));
    let plan = tenant.send(&body(vec![person(1, &hooks, "/works"), person(2, &hooks, "/refuses")])).await;
    tenant.until(&plan, "finished", SOON).await;
    assert_eq!(tenant.http.all("/v1/dead-letters").await.len(), 3);
    // The first was reached by webhook. Of the second both channels failed: one goes out again, not both at once.
    let told_of = redrive(&tenant, json!({"plan": plan.id})).await;
    assert_eq!((&told_of["redriven"], &told_of["not_possible"]), (&json!(1), &json!(2)), "{told_of}");
    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(
        finished["recipients"]["unreachable"], 1,
        "it failed again, and no channel is left: {finished}"
    );
    assert_eq!(finished["deliveries"]["total"], 4, "{finished}");
    mail.clear_scripts();
    let told_of = redrive(&tenant, json!({"plan": plan.id, "channel": "email"})).await;
    assert_eq!((&told_of["redriven"], &told_of["not_possible"]), (&json!(1), &json!(1)), "{told_of}");
    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(
        (&finished["recipients"]["reached"], &finished["recipients"]["unreachable"]),
        (&json!(2), &json!(0))
    );
    let told: Vec<_> = people(&tenant, &plan, "").await.iter().map(told).collect();
    assert_eq!(told[0].2, ["email failed invalid_address", "webhook sent -"]);
    assert_eq!(told[1].2, ["email sent -", "webhook failed rejected"]);
    // Now that the mail has gone out, the other channel stays closed.
    assert_eq!(redrive(&tenant, json!({"plan": plan.id})).await["redriven"], 0);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_redrive_two_channels_of_a_person_one_does() {
    const PEOPLE: usize = 20;
    let (system, tenant, mail, hooks) = start_both(Options::default()).await;
    refuse(&mail, 1..=PEOPLE);
    hooks.script(webhook::Behaviour::status(400));
    let plan = tenant.send(&body((1..=PEOPLE).map(|no| person(no, &hooks, "/works")).collect())).await;
    tenant.until(&plan, "finished", SOON).await;
    mail.clear_scripts();
    hooks.clear_scripts();
    let letters = tenant.deliveries(&plan).await;
    let ids = |channel: &str, index: usize| {
        let of: Vec<&Value> = letters.iter().filter(|letter| letter["channel"] == channel).collect();
        json!({"ids": [of[index]["id"]]})
    };
    for index in 0..PEOPLE {
        let (by_mail, by_webhook) =
            tokio::join!(redrive(&tenant, ids("email", index)), redrive(&tenant, ids("webhook", index)));
        let both = by_mail["redriven"].as_i64().unwrap() + by_webhook["redriven"].as_i64().unwrap();
        assert_eq!(both, 1, "person {index}: {by_mail} {by_webhook}");
    }
    let finished = tenant.until(&plan, "finished", SOON).await;
    assert_eq!(
        (&finished["deliveries"]["sent"], &finished["recipients"]["reached"]),
        (&json!(PEOPLE), &json!(PEOPLE))
    );
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recall_ends_the_channels_that_were_still_to_come() {
    let (system, tenant, mail, hooks) = start_both(Options::default()).await;
    refuse(&mail, [1]);
    hooks.script(webhook::Behaviour::throttle(503, 600));
    let plan = tenant.send(&body(vec![person(1, &hooks, "/works"), person(2, &hooks, "/works")])).await;
    hooks.wait_for(|received| received.scripted > 0, SOON).await.unwrap();
    assert_eq!(tenant.http.post(&format!("{}/recall", plan.path()), &json!({})).await.status, 200);
    wait_until("nothing is open", SOON, async || tenant.plan(&plan).await["finished_at"].is_string()).await;
    let recalled = tenant.plan(&plan).await;
    let reach = &recalled["recipients"];
    assert_eq!(
        (&reach["cancelled"], &reach["reached"], &reach["unreachable"]),
        (&json!(1), &json!(1), &json!(0))
    );
    let told: Vec<_> = people(&tenant, &plan, "reach=cancelled").await.iter().map(told).collect();
    assert_eq!(told[0].1, "recalled");
    assert_eq!(told[0].2, ["email failed invalid_address", "webhook cancelled recalled"]);
    system.finish().await;
}
