//! Channels, times and the rest.

use herald_api::accept::{Chosen, Given, Library, read};
use herald_api::json::Document;
use herald_api::problems::Place;
use herald_channels::NetPolicy;
use herald_shared::domain::{Channel, Lane, Mode, OnUnknown};
use jiff::SignedDuration;
use serde_json::json;

use crate::{bad, good, now, plan, refused_at};

#[test]
fn the_example_of_the_contract_reads_but_for_what_comes_later() {
    let draft = good(json!({
        "content": { "text": "Hello {{ name }}.", "html": "<p>{{ 房间 }}</p>", "subject": "Water", "link": "https://example.org/{{ 房间 }}" },
        "recipients": [
            { "key": "E1001", "name": "Li Lei", "email": "li@example.org", "phone": "+8613800138000", "ids": { "wecom": "lilei" },
              "variables": { "房间": "301" }, "time_zone": "Asia/Shanghai", "locale": "zh" },
            { "email": "han@example.org", "variables": { "房间": "302" } },
        ],
        "tiers": [{ "channels": ["email", "inbox"], "mode": "all" }],
        "priority": "urgent", "send_at": null, "expires_at": null, "on_unknown": "hold",
        "acknowledgement": { "options": ["Received", "On my way"], "other": true },
        "reference": "ticket-42", "metadata": { "ticket": "42" },
    }));
    assert_eq!((draft.lane, draft.on_unknown), (Lane::Urgent, OnUnknown::Hold));
    assert_eq!(draft.expires_at, now() + SignedDuration::from_hours(24));
    let slots: Vec<_> =
        draft.slots.iter().map(|(slot, account)| (slot.tier(), slot.channel(), *account)).collect();
    assert_eq!(slots, [(1, Channel::Email, 1), (1, Channel::Inbox, 3)]);
    let li = &draft.recipients[0].addresses;
    assert_eq!(li["email"], "li@example.org");
    assert_eq!(li["inbox"], "E1001", "an inbox is named by the key unless ids say otherwise");
    assert!(!draft.recipients[1].addresses.contains_key("inbox"));
}

#[test]
fn defaults_are_mail_normal_resend_and_three_days() {
    let draft = good(json!({}));
    assert_eq!((draft.lane, draft.on_unknown), (Lane::Normal, OnUnknown::Resend));
    assert_eq!(draft.tiers[0].channels, [Channel::Email]);
    assert_eq!(draft.tiers[0].mode, Mode::All);
    assert_eq!(draft.expires_at, now() + SignedDuration::from_hours(72));
    let later = good(json!({ "send_at": "2026-12-01T08:00:00+08:00" }));
    assert_eq!(later.expires_at, "2026-12-04T00:00:00Z".parse().unwrap(), "counted from the start");
}

#[test]
fn channels_are_used_at_once_or_one_after_the_other() {
    for (changes, mode) in [
        (json!({ "channels": ["email", "inbox"] }), Mode::All),
        (json!({ "channels": ["email", "inbox"], "mode": "first" }), Mode::First),
        (json!({ "tiers": [{ "channels": ["inbox", "email"], "mode": "first" }] }), Mode::First),
        (json!({ "tiers": [{ "channels": ["email"], "mode": "all" }] }), Mode::All),
    ] {
        assert_eq!(good(changes.clone()).tiers[0].mode, mode, "{changes}");
    }
    for changes in [
        json!({ "mode": "first" }),
        json!({ "channels": ["email"], "mode": "second" }),
        json!({ "tiers": [{ "channels": ["email"] }], "mode": "first" }),
    ] {
        let problems = bad(changes.clone());
        assert_eq!((problems.len(), problems[0].0.as_str()), (1, "/mode"), "{changes}: {problems:?}");
    }
}

#[test]
fn send_at_may_be_a_minute_late_and_needs_an_offset() {
    good(json!({ "send_at": "2026-11-21T11:59:01Z" }));
    good(json!({ "send_at": "2026-11-21T20:00:00.5+08:00" }));
    for text in [
        "2026-11-21T11:58:59Z",
        "2026-11-21T14:00:00",
        "2026-11-21",
        "tomorrow",
        "",
        "2026-11-21 14:00:00Z",
        "9999-12-31T23:59:59Z",
    ] {
        refused_at(json!({ "send_at": text }), &["/send_at"]);
    }
    refused_at(json!({ "expires_at": "2026-11-21T12:00:00Z" }), &["/expires_at"]);
    refused_at(
        json!({ "send_at": "2026-11-22T00:00:00Z", "expires_at": "2026-11-21T23:00:00Z" }),
        &["/expires_at"],
    );
}

#[test]
fn channels_must_be_known_unique_and_have_an_account() {
    for (changes, pointer, words) in [
        (json!({ "channels": ["email", "pigeon"] }), "/channels/1", "email, sms"),
        (json!({ "channels": ["chat"] }), "/channels/0", "not one of"),
        (json!({ "channels": ["email", "email"] }), "/channels/1", "twice"),
        (json!({ "channels": ["sms"] }), "/channels/0", "account"),
        (json!({ "tiers": [{ "channels": ["inbox", "wecom"] }] }), "/tiers/0/channels/1", "account"),
    ] {
        let problems = bad(changes.clone());
        assert_eq!((problems.len(), problems[0].0.as_str()), (1, pointer), "{changes}: {problems:?}");
        assert!(problems[0].1.contains(words), "{}", problems[0].1);
    }
    refused_at(json!({ "priority": "high" }), &["/priority"]);
    refused_at(json!({ "on_unknown": "retry" }), &["/on_unknown"]);
}

#[test]
fn without_a_mail_account_the_default_channel_is_refused() {
    let (chosen, net) = (Chosen::new(Vec::new()), NetPolicy::new(Vec::new()));
    let body = plan(json!({})).to_string();
    let document = Document::parse(body.as_bytes()).unwrap();
    let refused = read(
        &document,
        &Given { chosen: &chosen, known: &Library::default(), published: true, net: &net, now: now() },
    )
    .unwrap_err();
    assert!(refused.lacks_account);
    assert_eq!(refused.problems.into_list()[0].place, Place::Pointer("/channels".to_owned()));
}

#[test]
fn answers_are_few_short_and_different() {
    good(json!({ "acknowledgement": { "other": true } }));
    refused_at(json!({ "acknowledgement": {} }), &["/acknowledgement"]);
    refused_at(
        json!({ "acknowledgement": { "options": ["Yes", "Yes", "x".repeat(51), "other"] } }),
        &["/acknowledgement/options/1", "/acknowledgement/options/2", "/acknowledgement/options/3"],
    );
}

#[test]
fn a_draft_may_come_without_people_and_leaves_its_end_to_its_start() {
    let draft = good(json!({ "draft": true, "recipients": null }));
    assert!(draft.held && draft.recipients.is_empty());
    assert_eq!(draft.expires_at, herald_shared::db::drafts::never());
    let draft = good(json!({ "draft": true, "expires_at": "2026-11-22T00:00:00Z" }));
    assert_eq!((draft.recipients.len(), draft.expires_at), (1, "2026-11-22T00:00:00Z".parse().unwrap()));
    assert!(!good(json!({ "draft": false })).held);
    refused_at(json!({ "recipients": null }), &["/recipients"]);
    refused_at(json!({ "draft": "yes" }), &["/draft"]);
}
