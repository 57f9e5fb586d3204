//! What a recall comes to for each person, and the draft that takes a recalled plan's place.

use herald_loadtest::standins::wecom::{Action, Behaviour};
use herald_tests::tenant::Plan;
use herald_tests::{Options, SOON, wait_for, wait_until};
use serde_json::{Value, json};

use crate::alone::escalation::{World, user};

async fn order(world: &World, plan: &Plan, verb: &str, body: Value) -> Value {
    world.tenant.http.post(&format!("{}/{verb}", plan.path()), &body).await.expect(200).json()
}

/// What the recall came to for everybody, once it is known.
async fn recalls(world: &World, plan: &Plan) -> Vec<String> {
    let path = format!("{}/recipients", plan.path());
    wait_for("everybody has a result", SOON, async || {
        let all = world.tenant.http.all(&path).await;
        let words = all.iter().map(|person| person["recall"].as_str().map(str::to_owned));
        words.collect::<Option<Vec<String>>>()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_21_a_provider_that_can_takes_messages_back_and_one_that_cannot_is_said_to() {
    let world = World::start(Options::default()).await;
    // Three by WeCom in one call, of whom one has read; one by mail; one by both; one who was reached by nothing.
    let mut body = world.body(6, json!([{"channels": ["wecom", "email"]}]));
    let people = body["recipients"].as_array_mut().unwrap();
    people[..3].iter_mut().for_each(|person| drop(person.as_object_mut().unwrap().remove("email")));
    people[3].as_object_mut().unwrap().remove("ids");
    people[5] = json!({"key": "canary-6", "phone": "+8613800138000"});
    body.as_object_mut().unwrap().remove("acknowledgement");
    let plan = world.tenant.send(&body).await;
    world.tenant.until(&plan, "finished", SOON).await;
    world.read(&plan, &[2]).await;
    // The provider is busy at first: it is asked again.
    world.chat.script(Behaviour::new(Action::RefuseRecall(-1)).times(1));
    let before = world.tenant.http.all(&format!("{}/recipients", plan.path())).await;
    assert!(before.iter().all(|person| person["recall"].is_null()), "{before:?}");
    order(&world, &plan, "recall", json!({})).await;
    assert_eq!(
        recalls(&world, &plan).await,
        ["recalled", "too_late", "recalled", "not_possible", "not_possible", "recalled"]
    );
    world.chat.read(|received| {
        assert_eq!(received.violations, Vec::<String>::new());
        assert_eq!(received.recalled.len() as u64, received.calls, "each message once: {received}");
    });
    // Twice is once.
    order(&world, &plan, "recall", json!({})).await;
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_21_what_was_sent_a_day_ago_or_by_an_account_that_is_gone_stays() {
    let world = World::start(Options::default()).await;
    let mut plans = Vec::new();
    for no in 1..=3 {
        let mut body = world.body(1, json!([{"channels": ["wecom"]}]));
        body["recipients"][0]["ids"]["wecom"] = user(no).into();
        let plan = world.tenant.send(&body).await;
        world.tenant.until(&plan, "finished", SOON).await;
        plans.push(plan);
    }
    let old = format!(
        "UPDATE attempt SET ended_at = now() - interval '25 hours' WHERE plan_id = {}",
        plans[0].internal()
    );
    world.system.database.run(&old).await;
    // WeCom does not know the message any more.
    world.chat.script(Behaviour::new(Action::RefuseRecall(40058)).times(1));
    order(&world, &plans[1], "recall", json!({})).await;
    assert_eq!(recalls(&world, &plans[1]).await, ["not_possible"]);
    order(&world, &plans[0], "recall", json!({})).await;
    assert_eq!(recalls(&world, &plans[0]).await, ["too_late"]);
    world
        .system
        .database
        .run("UPDATE account SET enabled = false, version = version + 1 WHERE channel = 4")
        .await;
    wait_until("the worker has heard of it", SOON, async || {
        let recalled = "SELECT count(*) FROM attempt WHERE recalled IS NOT NULL";
        world.system.database.number(recalled).await == 2
    })
    .await;
    world.chat.read(|received| assert_eq!(received.recalled.len(), 0));
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_21_a_recall_goes_on_after_its_worker_was_killed() {
    const PEOPLE: usize = 120;
    let mut world = World::start(Options::default()).await;
    // Everybody gets a text of their own: as many messages to take back.
    let mut body = world.body(PEOPLE, json!([{"channels": ["wecom"]}]));
    body["content"]["text"] = "canary {{ name }} {{ link }}".into();
    let plan = world.tenant.send(&body).await;
    world.tenant.until(&plan, "finished", SOON).await;
    order(&world, &plan, "recall", json!({})).await;
    world.chat.wait_for(|received| received.recalled.len() > 20, SOON).await.unwrap();
    world.system.workers[0].kill();
    // Whoever is dead keeps the job no longer than its lease; that is not waited for here.
    world.system.database.run("UPDATE job SET due_at = now() WHERE kind = 4").await;
    world.system.add_worker();
    let all = recalls(&world, &plan).await;
    assert!(all.iter().all(|word| word == "recalled"), "{all:?}");
    world.chat.read(|received| assert_eq!(received.recalled.len(), PEOPLE));
    world.system.finish().await;
}

/// The page in the nth message to somebody, below the API.
fn page(world: &World, no: usize, nth: usize) -> String {
    let content = world.chat.read(|received| {
        let own = received.first.iter().filter(|message| message.users == [user(no)]);
        own.map(|message| message.content.clone()).nth(nth)
    });
    format!("/m/{}", crate::reading::token(&content.unwrap(), "/m/"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_recalled_plan_leads_to_the_one_that_took_its_place_once_it_is_sent() {
    let world = World::start(Options::default()).await;
    let plan = world.tenant.send(&world.body(2, json!([{"channels": ["wecom"]}]))).await;
    world.tenant.until(&plan, "finished", SOON).await;
    let old = page(&world, 2, 0);
    assert_eq!(world.tenant.http.get(&old).await.status, 200);
    let recalled = order(&world, &plan, "recall", json!({"edit": true})).await;
    let again = order(&world, &plan, "recall", json!({"edit": true})).await;
    assert_eq!(
        (&recalled["status"], &recalled["superseded_by"]),
        (&json!("recalled"), &again["superseded_by"]),
        "{recalled}"
    );
    let id = recalled["superseded_by"].as_str().unwrap().to_owned();
    let draft = world.tenant.http.get(&format!("/v1/plans/{id}")).await.expect(200).json();
    let next = Plan { id, body: draft.clone() };
    assert_eq!(
        (&draft["status"], &draft["supersedes"], &draft["recipients"]["total"]),
        (&json!("draft"), &json!(plan.id), &json!(2))
    );
    // Not before it is sent.
    assert_eq!(world.tenant.http.get(&old).await.status, 410);
    let sent = world.tenant.http.post(&format!("{}/send", next.path()), &json!({})).await;
    assert_eq!(sent.status, 202, "{}", sent.text);
    world.tenant.until(&next, "finished", SOON).await;
    let shown = world.tenant.http.get(&old).await.expect(200);
    assert!(shown.text.contains("Canary title"), "{}", shown.text);
    let new = page(&world, 2, 1);
    let moved =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
    let moved = moved.get(format!("{}{old}", world.tenant.http.base())).send().await.unwrap();
    let location = moved.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!((moved.status().as_u16(), format!("/m/{location}")), (303, new));
    let wrong =
        world.tenant.http.post(&format!("{}/recall", plan.path()), &json!({"edit": "yes", "why": 1})).await;
    assert_eq!(wrong.pointers(), ["/edit", "/why"]);
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_21_what_was_recalled_is_gone_from_inboxes() {
    let world = World::start(Options::default()).await;
    world.tenant.inbox().await;
    let plan = world.tenant.send(&world.body(2, json!([{"channels": ["inbox"]}]))).await;
    world.tenant.until(&plan, "finished", SOON).await;
    assert_eq!(world.tenant.http.all("/v1/inbox/canary-1").await.len(), 1);
    world.read(&plan, &[2]).await;
    order(&world, &plan, "recall", json!({})).await;
    assert_eq!(world.tenant.http.all("/v1/inbox/canary-1").await.len(), 0);
    assert_eq!(recalls(&world, &plan).await, ["recalled", "too_late"]);
    world.system.finish().await;
}
