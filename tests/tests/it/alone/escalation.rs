//! A thousand ladders: WeCom until read, then mail until answered, then a webhook.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use herald_loadtest::standins::{smtp, webhook, wecom};
use herald_shared::db::reading::{self, Note};
use herald_shared::db::{self, Hot, PoolSize};
use herald_shared::domain::Channel;
use herald_tests::tenant::Plan;
use herald_tests::{Options, SOON, System, Tenant, wait_for, wait_until};
use serde_json::{Value, json};

use crate::support::start;

const PEOPLE: usize = 1000;
const WAIT: Duration = Duration::from_secs(3);
/// How late a step may fire.
const ON_TIME: Duration = Duration::from_millis(500);
/// What sending some hundred messages takes on a busy machine, after the step has fired.
const SLACK: Duration = Duration::from_secs(4);

/// What recording the call before and making the next one may take on a busy machine.
const BUSY: Duration = Duration::from_secs(1);

/// Everything a ladder of the three goes through.
pub(crate) struct World {
    pub(crate) system: System,
    pub(crate) tenant: Tenant,
    pub(crate) chat: wecom::Handle,
    pub(crate) mail: smtp::Handle,
    pub(crate) hooks: webhook::Handle,
}

impl World {
    pub(crate) async fn start(options: Options) -> World {
        let keep = wecom::Options { keep: 2 * PEOPLE, ..wecom::Options::default() };
        let chat = wecom::start(keep).await.unwrap();
        let mail = smtp::start(smtp::Options::default()).await.unwrap();
        let key = webhook::Key::random();
        let hooks = webhook::Options { keys: vec![key.clone()], ..webhook::Options::default() };
        let hooks = webhook::start(hooks).await.unwrap();
        let (system, tenant) = start(options).await;
        tenant
            .account(json!({
                "name": "notices", "channel": "wecom", "provider": "wecom-app",
                "settings": {"corp_id": "ww-canary", "agent_id": 1_000_002, "base_url": chat.url()},
                "secret": {"corp_secret": "canary-secret"},
            }))
            .await;
        tenant.smtp(mail.addr()).await;
        tenant.webhook(key.text()).await;
        World { system, tenant, chat, mail, hooks }
    }

    /// Somebody with all three addresses.
    pub(crate) fn person(&self, no: usize) -> Value {
        json!({"key": format!("canary-{no}"), "email": address(no), "ids": {"wecom": user(no)}, "url": self.hooks.url(&path(no))})
    }

    pub(crate) fn body(&self, people: usize, tiers: Value) -> Value {
        let people: Vec<Value> = (1..=people).map(|no| self.person(no)).collect();
        json!({
            "title": "Canary title", "content": {"text": "canary"}, "recipients": people, "tiers": tiers,
            "acknowledgement": {"options": ["Received"], "other": true},
        })
    }

    /// These have read, as the page writes it.
    pub(crate) async fn read(&self, plan: &Plan, people: &[usize]) {
        self.note(plan, people, None).await;
    }

    /// These have answered, as the page writes it.
    pub(crate) async fn answer(&self, plan: &Plan, people: &[usize]) {
        self.note(plan, people, Some("Received")).await;
    }

    async fn note(&self, plan: &Plan, people: &[usize], answer: Option<&str>) {
        if people.is_empty() {
            return;
        }
        let pool = db::connect(&self.system.database.url, PoolSize(1), Hot::Keyed).unwrap();
        let note = |no: &usize| Note {
            plan_id: plan.internal(),
            no: i32::try_from(*no).unwrap(),
            channel: Some(Channel::Wecom),
            answer: answer.map(str::to_owned),
            words: None,
        };
        let notes: Vec<Note> = people.iter().map(note).collect();
        reading::note(&pool.get().await.unwrap(), &notes).await.unwrap();
    }

    /// When each had their first message of WeCom.
    fn chatted(&self) -> HashMap<usize, Instant> {
        let mut times = HashMap::new();
        self.chat.read(|received| {
            for message in &received.first {
                let people =
                    message.users.iter().filter_map(|user| user.strip_prefix("canary.")?.parse().ok());
                people.for_each(|no| {
                    times.entry(no).or_insert(message.at);
                });
            }
        });
        times
    }

    pub(crate) fn mailed(&self) -> HashSet<usize> {
        self.mail.read(|received| {
            (1..=PEOPLE).filter(|no| received.by_recipient.contains_key(&address(*no))).collect()
        })
    }

    pub(crate) fn hooked(&self) -> HashSet<usize> {
        self.hooks
            .read(|received| (1..=PEOPLE).filter(|no| received.by_path.contains_key(&path(*no))).collect())
    }

    /// Results of everybody, in order.
    pub(crate) async fn results(&self, plan: &Plan) -> Vec<String> {
        let all = self.tenant.http.all(&format!("{}/recipients", plan.path())).await;
        all.iter().map(|person| person["result"].as_str().unwrap_or("-").to_owned()).collect()
    }
}

pub(crate) fn address(no: usize) -> String {
    format!("canary-{no}@example.org")
}

pub(crate) fn user(no: usize) -> String {
    format!("canary.{no}")
}

pub(crate) fn path(no: usize) -> String {
    format!("/canary/{no}")
}

/// `wait`: of tier 1.
fn ladder(wait: &str) -> Value {
    json!([
        {"channels": ["wecom"], "until": "read", "wait": wait},
        {"channels": ["email"], "until": "acknowledged", "wait": "PT3S"},
        {"channels": ["webhook"]},
    ])
}

fn reads(no: usize) -> bool {
    no.is_multiple_of(3)
}

fn answers(no: usize) -> bool {
    no % 3 == 1
}

/// A third reads as soon as their message of WeCom is there, a third answers as soon as their mail is, a third does neither.
async fn react(world: &World, plan: &Plan) {
    let (mut read, mut answered) = (HashSet::new(), HashSet::new());
    let wanted = (1..=PEOPLE).filter(|no| reads(*no) || answers(*no)).count();
    wait_until("all who read and all who answer have had what they react to", SOON, async || {
        let readers: Vec<usize> =
            world.chatted().into_keys().filter(|no| reads(*no) && read.insert(*no)).collect();
        world.read(plan, &readers).await;
        let who_answer: Vec<usize> =
            world.mailed().into_iter().filter(|no| answers(*no) && answered.insert(*no)).collect();
        world.answer(plan, &who_answer).await;
        read.len() + answered.len() == wanted
    })
    .await;
}

/// How much later than its time the latest step fired: from the outcome that started the wait to the next tier's delivery.
async fn latest_step(world: &World, plan: &Plan) -> Duration {
    let sql = format!(
        "SELECT (max(extract(epoch FROM n.created_at - d.sent_at)) * 1000 - {})::bigint
           FROM delivery d JOIN delivery n ON n.plan_id = d.plan_id AND n.no = d.no AND n.slot >> 4 = (d.slot >> 4) + 1
          WHERE d.plan_id = {}",
        WAIT.as_millis(),
        plan.internal()
    );
    Duration::from_millis(world.system.database.number(&sql).await.try_into().expect("no step fires early"))
}

async fn assert_right_people(world: &World, plan: &Plan) {
    let finished = world.tenant.until(plan, "finished", SOON * 2).await;
    let counts = &finished["recipients"];
    assert_eq!((&counts["waiting"], &counts["reached"]), (&json!(0), &json!(PEOPLE)), "{finished}");
    let expected: HashSet<usize> = (1..=PEOPLE).filter(|no| !reads(*no)).collect();
    assert_eq!(world.mailed(), expected, "mail goes to those who have not read");
    let expected: HashSet<usize> = expected.into_iter().filter(|no| !answers(*no)).collect();
    assert_eq!(world.hooked(), expected, "the webhook goes to those who have not answered");
    for (no, result) in (1..).zip(world.results(plan).await) {
        let expected = if reads(no) {
            "read"
        } else if answers(no) {
            "acknowledged"
        } else {
            "sent"
        };
        assert_eq!(result, expected, "person {no}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_a_thousand_gets_what_they_need_when_they_need_it() {
    let world = World::start(Options::default().alone()).await;
    let plan = world.tenant.send(&world.body(PEOPLE, ladder("3s"))).await;
    react(&world, &plan).await;
    assert_right_people(&world, &plan).await;
    let chatted = world.chatted();
    let mailed: Vec<(usize, Instant)> = world.mail.read(|received| {
        assert!(received.by_recipient.values().all(|tally| tally.count == 1));
        let at = |no: usize| Some((no, received.by_recipient.get(&address(no))?.first_at));
        (1..=PEOPLE).filter_map(at).collect()
    });
    for (no, at) in &mailed {
        let after = *at - chatted[no];
        assert!(
            after >= WAIT && after <= WAIT + ON_TIME + SLACK,
            "person {no} got the mail {after:?} after the chat"
        );
    }
    let first = mailed.iter().map(|(no, at)| *at - chatted[no]).min().unwrap();
    eprintln!("the first mail came {first:?} after the chat");
    assert!(first <= WAIT + ON_TIME + BUSY, "the first mail came {first:?} after the chat");
    assert!(
        latest_step(&world, &plan).await <= ON_TIME,
        "a step fired {:?} late",
        latest_step(&world, &plan).await
    );
    world.hooks.read(|received| {
        assert!(received.by_path.values().all(|tally| tally.count == 1));
        for (no, mailed) in mailed.iter().filter(|(no, _)| !answers(*no)) {
            let at = received.by_path[&path(*no)].first_at;
            assert!(at >= *mailed + WAIT, "person {no} was called {:?} after the mail", at - *mailed);
            assert!(at <= *mailed + WAIT + ON_TIME + SLACK, "person {no}: {:?}", at - *mailed);
        }
    });
    world.system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_while_dispatchers_and_workers_die() {
    let options = Options::default().workers(2).dispatchers(2).env("HERALD_LEASE_MS", "2000").alone();
    // Long enough for everybody's first message while the other dispatcher takes over: who reads is to have read before tier 2 is due.
    let mut world = World::start(options).await;
    let plan = world.tenant.send(&world.body(PEOPLE, ladder("10s"))).await;
    world.system.dispatchers.last_mut().unwrap().kill();
    world.system.add_dispatcher();
    let readers: Vec<usize> = (1..=PEOPLE).filter(|no| reads(*no)).collect();
    world.chat.wait_for(|received| received.deliveries >= PEOPLE as u64, SOON).await.unwrap();
    world.read(&plan, &readers).await;
    wait_for("the mails begin", SOON, async || (world.mailed().len() > 50).then_some(())).await;
    world.system.workers.last_mut().unwrap().kill();
    world.system.dispatchers.first_mut().unwrap().kill();
    world.system.add_worker();
    world.system.add_dispatcher();
    react(&world, &plan).await;
    assert_right_people(&world, &plan).await;
    let unknown = world.system.metric("herald_unknown_outcomes_total", &[]).await
        + world.system.metric("herald_attempts_total", &[("outcome", "unknown")]).await;
    let again: u32 = world.mail.read(|r| r.by_recipient.values().map(|tally| tally.count - 1).sum());
    let twice: u32 = world.hooks.read(|r| r.by_path.values().map(|tally| tally.count - 1).sum());
    assert!(f64::from(again + twice) <= unknown, "{again} + {twice} went out twice, {unknown} were unknown");
    world.system.finish().await;
}
