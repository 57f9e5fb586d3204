//! `tiers`: several of them, how long they wait and until what.

use herald_shared::domain::{Channel, Proof, Slot, Wait};
use serde_json::{Value, json};

use crate::{bad, good, refused_at};

fn tiers(tiers: Value) -> Value {
    json!({ "tiers": tiers, "acknowledgement": { "options": ["Received"] } })
}

#[test]
fn a_ladder_reads_as_written() {
    let draft = good(tiers(json!([
        { "channels": ["inbox", "email"], "wait": "10m", "until": "read" },
        { "channels": ["email", "webhook"], "mode": "first", "wait": "PT1H", "until": "acknowledged" },
        { "channels": ["webhook"] },
    ])));
    let waits: Vec<_> = draft.tiers.iter().map(|tier| (tier.wait, tier.until)).collect();
    assert_eq!(
        waits,
        [
            (Some(Wait::seconds(600)), Some(Proof::Read)),
            (Some(Wait::seconds(3600)), Some(Proof::Acknowledged)),
            (None, None)
        ]
    );
    let slots: Vec<Slot> = draft.slots.iter().map(|(slot, _)| *slot).collect();
    let expected = [
        (1, Channel::Inbox),
        (1, Channel::Email),
        (2, Channel::Email),
        (2, Channel::Webhook),
        (3, Channel::Webhook),
    ];
    assert_eq!(slots, expected.map(|(tier, channel)| Slot::new(tier, channel)));
    let text = serde_json::to_value(&draft.tiers).unwrap();
    assert_eq!(
        text[0],
        json!({ "channels": ["inbox", "email"], "mode": "all", "wait": "PT10M", "until": "read" })
    );
    assert_eq!(text[2], json!({ "channels": ["webhook"], "mode": "all" }));
}

#[test]
fn rule_05_wait_is_required_where_something_is_waited_for() {
    refused_at(
        tiers(json!([{ "channels": ["email"], "until": "read" }, { "channels": ["inbox"] }])),
        &["/tiers/0/wait"],
    );
    good(tiers(json!([{ "channels": ["email"], "until": "read" }])));
    good(tiers(json!([{ "channels": ["email"] }, { "channels": ["inbox"] }])));
    refused_at(tiers(json!([{ "channels": ["email"], "wait": "5m" }])), &["/tiers/0/wait"]);
}

#[test]
fn rule_16_how_late_is_too_late_is_a_duration() {
    let plan = |late: &str| json!({ "max_late": late });
    assert_eq!(good(plan("PT90M")).terms.max_late, Some(Wait::seconds(5400)));
    assert_eq!(good(json!({})).terms.stored(), None);
    for late in ["0s", "31d", "soon", ""] {
        refused_at(plan(late), &["/max_late"]);
    }
}

#[test]
fn rule_04_what_no_channel_can_prove_is_refused() {
    let unprovable = json!({ "tiers": [{ "channels": ["email"], "wait": "1m", "until": "acknowledged" }] });
    let problems = bad(unprovable);
    assert_eq!(problems[0].0, "/tiers/0/until");
    assert!(problems[0].1.starts_with("until_unprovable: the plan offers no answers"), "{problems:?}");
    let problems = bad(tiers(json!([{ "channels": ["voice"], "wait": "1m", "until": "read" }])));
    let found: Vec<&str> = problems.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(found, ["/tiers/0/channels/0", "/tiers/0/until"], "{problems:?}");
    assert!(problems[1].1.starts_with("until_unprovable: "), "{problems:?}");
}

#[test]
fn rule_24_waits_and_ladders_are_bounded() {
    for wait in ["0s", "31d", "PT0S", "soon", "10", "-5m"] {
        let tier = json!([{ "channels": ["email"], "wait": wait, "until": "read" }]);
        refused_at(tiers(tier), &["/tiers/0/wait"]);
    }
    let step = json!({ "channels": ["email"], "wait": "30d", "until": "read" });
    good(tiers(json!([step, step, step])));
    refused_at(tiers(json!([step, step, step, step])), &["/tiers"]);
    refused_at(tiers(json!(vec![json!({ "channels": ["email"] }); 11])), &["/tiers"]);
    for until in ["sent", "seen", "Read"] {
        refused_at(
            tiers(json!([{ "channels": ["email"], "wait": "1m", "until": until }])),
            &["/tiers/0/until"],
        );
    }
}

#[test]
fn rule_09_what_repeats_waits_and_is_bounded() {
    let step =
        |repeat: Value| json!({ "channels": ["email"], "wait": "1m", "until": "read", "repeat": repeat });
    let draft = good(tiers(json!([step(2.into()), { "channels": ["inbox"] }])));
    let slots: Vec<(u8, Channel)> =
        draft.slots.iter().map(|(slot, _)| (slot.tier(), slot.channel())).collect();
    let (email, inbox) = (Channel::Email, Channel::Inbox);
    assert_eq!(slots, [(1, email), (2, email), (3, email), (4, inbox)]);
    let plain = good(tiers(json!([step(0.into()), { "channels": ["inbox"] }])));
    assert_eq!(draft.expires_at.duration_since(plain.expires_at).as_mins(), 2, "its waits are longer");
    for repeat in [json!(-1), json!(6), json!("2"), json!(1.5)] {
        refused_at(tiers(json!([step(repeat)])), &["/tiers/0/repeat"]);
    }
    refused_at(tiers(json!([{ "channels": ["email"], "repeat": 1 }])), &["/tiers/0/repeat"]);
    let silent = json!({ "channels": ["email"], "until": "read" });
    refused_at(tiers(json!([{ "channels": ["email"], "until": "read", "repeat": 1 }])), &["/tiers/0/wait"]);
    let whole = |tier: Value, repeat: i32| {
        let mut body = tiers(json!([tier]));
        body["repeat"] = repeat.into();
        body
    };
    refused_at(whole(silent, 1), &["/tiers/0/wait"]);
    refused_at(whole(step(0.into()), 6), &["/repeat"]);
    assert_eq!(good(whole(step(1.into()), 2)).slots.len(), 6);
    let mut long = tiers(json!(vec![step(5.into()); 10]));
    long["repeat"] = 1.into();
    refused_at(long, &["/tiers"]);
    refused_at(
        tiers(json!([{ "channels": ["email"], "wait": "30d", "until": "read", "repeat": 3 }])),
        &["/tiers"],
    );
}

#[test]
fn rule_10_tiers_for_other_priorities_do_not_exist() {
    let only = |lanes: Value| json!({ "channels": ["email"], "wait": "1m", "until": "read", "only": { "priorities": lanes } });
    let urgent = only(json!(["urgent"]));
    let body = |priority: &str| {
        let mut body = tiers(json!([urgent, { "channels": ["inbox"] }]));
        body["priority"] = priority.into();
        body
    };
    assert_eq!(good(body("urgent")).slots.len(), 2);
    let normal = good(body("normal"));
    let slots: Vec<(u8, Channel)> =
        normal.slots.iter().map(|(slot, _)| (slot.tier(), slot.channel())).collect();
    assert_eq!((slots, normal.tiers.len()), (vec![(1, Channel::Inbox)], 2));
    let problems = bad(tiers(json!([urgent])));
    assert_eq!(problems[0].0, "/tiers", "{problems:?}");
    for bad in [json!([]), json!("urgent"), json!(["urgent", "urgent"])] {
        assert!(!super::bad(tiers(json!([only(bad)]))).is_empty());
    }
    refused_at(
        tiers(json!([only(json!(["high"])), { "channels": ["inbox"] }])),
        &["/tiers/0/only/priorities/0"],
    );
}

#[test]
fn rule_10_hours_are_for_later_tiers() {
    let first = json!({ "channels": ["email"], "wait": "1m", "until": "read" });
    let only = |only: Value| json!({ "channels": ["inbox"], "only": only });
    let by_day = json!({ "hours": { "from": "08:00", "to": "20:00" } });
    let plan = good(tiers(json!([first, only(by_day.clone())])));
    assert_eq!(serde_json::to_value(&plan.tiers[1].only).unwrap(), by_day);
    refused_at(tiers(json!([only(by_day)])), &["/tiers/0/only/hours"]);
    // Of a normal plan the second is the first.
    let mut urgent = first.clone();
    urgent["only"] = json!({ "priorities": ["urgent"] });
    let night = only(json!({ "hours": { "from": "22:00", "to": "06:00" } }));
    refused_at(tiers(json!([urgent, night])), &["/tiers/1/only/hours"]);
    for (hours, at) in [
        (json!({ "from": "8", "to": "20:00" }), "/tiers/1/only/hours/from"),
        (json!({ "from": "08:00" }), "/tiers/1/only/hours/to"),
        (json!({ "from": "08:00", "to": "08:00" }), "/tiers/1/only/hours"),
        (json!({ "from": "08:00", "to": "20:00", "channels": ["inbox"] }), "/tiers/1/only/hours"),
    ] {
        refused_at(tiers(json!([first, only(json!({ "hours": hours }))])), &[at]);
    }
}

#[test]
fn what_a_tier_cannot_do_yet_is_refused() {
    for name in ["at", "target", "accounts"] {
        let mut tier = json!({ "channels": ["email"] });
        tier[name] = json!("1");
        refused_at(tiers(json!([tier])), &[&format!("/tiers/0/{name}")]);
    }
}

#[test]
fn a_ladder_may_take_its_time_before_the_plan_expires() {
    let plain = good(json!({}));
    let ladder = good(tiers(json!([{ "channels": ["email"], "wait": "5d", "until": "read" }])));
    assert_eq!(ladder.expires_at.duration_since(plain.expires_at).as_hours(), 5 * 24);
}
