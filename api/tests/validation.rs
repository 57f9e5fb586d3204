//! What `POST /v1/plans` makes of a body: every bad input gets its pointer, every good one its plan. No servers needed.

use herald_api::accept::{Chosen, Draft, Given, read};
use herald_api::json::Document;
use herald_api::problems::Place;
use herald_channels::NetPolicy;
use herald_shared::domain::{Channel, Lane, Mode, OnUnknown};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// The draft, or every pointer with its detail.
fn try_read(text: &str) -> Result<Draft, Vec<(String, String)>> {
    let chosen = Chosen::new(vec![
        (Channel::Email, 1),
        (Channel::Webhook, 2),
        (Channel::Inbox, 3),
    ]);
    let net = NetPolicy::new(vec!["10.1.0.0/16".parse().unwrap()]);
    let document = Document::parse(text.as_bytes()).expect("JSON");
    read(&document, &Given { chosen: &chosen, net: &net, now: now() }).map_err(|refused| {
        let list = refused.problems.into_list().into_iter();
        list.map(|problem| match problem.place {
            Place::Pointer(pointer) => (pointer, problem.detail),
            other => panic!("{other:?} in a body"),
        })
        .collect()
    })
}

/// A good plan with `changes` merged over it.
fn plan(changes: Value) -> Value {
    let mut plan = json!({ "title": "Water", "content": { "text": "Hello" }, "recipients": ["han@example.org"] });
    for (name, value) in changes.as_object().unwrap() {
        plan[name] = value.clone();
    }
    plan
}

fn good(changes: Value) -> Draft {
    let plan = plan(changes);
    try_read(&plan.to_string()).unwrap_or_else(|problems| panic!("{plan} is refused: {problems:?}"))
}

fn bad(changes: Value) -> Vec<(String, String)> {
    let plan = plan(changes);
    match try_read(&plan.to_string()) {
        Ok(_) => panic!("{plan} is accepted"),
        Err(problems) => problems,
    }
}

/// Asserts that `changes` are refused at exactly `pointers`.
fn refused_at(changes: Value, pointers: &[&str]) {
    let problems = bad(changes.clone());
    let found: Vec<&str> = problems.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(found, pointers, "{changes}: {problems:?}");
}

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
    let slots: Vec<_> = draft.slots.iter().map(|(slot, account)| (slot.tier(), slot.channel(), *account)).collect();
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
fn bare_recipients_are_known_by_their_form() {
    let draft = good(json!({ "recipients": ["Han@Example.ORG", "+8613800138000", "https://hooks.example.org/x"] }));
    let kinds: Vec<_> = draft.recipients.iter().flat_map(|person| person.addresses.iter()).collect();
    assert_eq!(kinds[0], (&"email".to_owned(), &"Han@example.org".to_owned()));
    assert_eq!(kinds[1].0, "phone");
    assert_eq!(kinds[2].0, "url");
    refused_at(json!({ "recipients": ["lilei", "", "ftp://x.example.org/", 7] }), &[
        "/recipients/0",
        "/recipients/1",
        "/recipients/2",
        "/recipients/3",
    ]);
}

#[test]
fn every_bad_address_is_listed() {
    let recipients = json!([
        { "email": "no-at-sign.example.org" },
        { "email": "a@b@c.example.org" },
        { "email": "a b@example.org" },
        { "email": "user@localhost" },
        { "email": "x@example.org\r\nBcc: y@example.org" },
        { "phone": "13800138000" },
        { "phone": "+0123456789" },
        { "phone": "+123" },
        { "url": "not a url" },
        { "ids": { "wecom": "a\nb" } },
        { "ids": { "telegram": "x" } },
        { "email": "good@example.org" },
    ]);
    let problems = bad(json!({ "recipients": recipients }));
    let found: Vec<&str> = problems.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(found, [
        "/recipients/0/email",
        "/recipients/1/email",
        "/recipients/2/email",
        "/recipients/3/email",
        "/recipients/4/email",
        "/recipients/5/phone",
        "/recipients/6/phone",
        "/recipients/7/phone",
        "/recipients/8/url",
        "/recipients/9/ids/wecom",
        "/recipients/10/ids/telegram",
    ]);
    assert!(problems.iter().all(|(_, detail)| !detail.contains("y@example")), "no address is repeated");
}

#[test]
fn private_webhook_targets_are_refused_in_every_spelling() {
    for url in [
        "https://169.254.169.254/latest/meta-data",
        "https://2852039166/",
        "https://0xa9fea9fe/",
        "https://0251.0376.0251.0376/",
        "https://[::ffff:169.254.169.254]/",
        "https://[::1]/",
        "https://127.0.0.1:8080/",
        "https://127.1/",
        "https://10.0.0.7/",
        "http://93.184.216.34/",
    ] {
        refused_at(json!({ "channels": ["webhook"], "recipients": [url] }), &["/recipients/0"]);
        refused_at(json!({ "channels": ["webhook"], "recipients": [{ "url": url }] }), &["/recipients/0/url"]);
    }
    for url in ["https://93.184.216.34/", "http://10.1.2.3/", "https://names.are.checked.when.dialled.example/"] {
        good(json!({ "channels": ["webhook"], "recipients": [url] }));
    }
}

#[test]
fn unknown_fields_are_refused_where_they_are() {
    refused_at(
        json!({
            "titel": "x", "audience": {}, "sender": "x", "quiet": "ignore",
            "content": { "text": "x", "sms": "y" },
            "recipients": [{ "email": "a@example.org", "mail": "b" }],
            "tiers": [{ "channels": ["email"], "repeat": 2 }],
            "acknowledgement": { "options": ["Yes"], "max": 1 },
        }),
        &[
            "/content/sms",
            "/tiers/0/repeat",
            "/recipients/0/mail",
            "/acknowledgement/max",
            "/audience",
            "/quiet",
            "/sender",
            "/titel",
        ],
    );
}

#[test]
fn what_comes_later_says_so() {
    for (changes, pointer) in [
        (json!({ "template": "welcome" }), "/template"),
        (json!({ "variables": {} }), "/variables"),
        (json!({ "policy": "oncall" }), "/policy"),
        (json!({ "draft": true }), "/draft"),
        (json!({ "tiers": [{ "channels": ["email"], "wait": "10m" }] }), "/tiers/0/wait"),
        (json!({ "tiers": [{ "channels": ["email"], "until": "read" }] }), "/tiers/0/until"),
        (json!({ "tiers": [{ "channels": ["email"] }, { "channels": ["inbox"] }] }), "/tiers"),
        (json!({ "tiers": [{ "channels": ["email", "inbox"], "mode": "first" }] }), "/tiers/0/mode"),
    ] {
        let problems = bad(changes.clone());
        assert_eq!(problems.len(), 1, "{changes}: {problems:?}");
        assert_eq!(problems[0].0, pointer);
        assert!(problems[0].1.contains("not supported yet"), "{}", problems[0].1);
    }
    assert_eq!(good(json!({ "tiers": [{ "channels": ["email"], "mode": "first" }] })).tiers[0].mode, Mode::First);
    good(json!({ "draft": false }));
}

#[test]
fn wrong_types_are_refused_where_they_are_all_at_once() {
    refused_at(
        json!({
            "title": 7, "content": "text", "channels": "email", "priority": 1, "send_at": 12, "expires_at": true,
            "on_unknown": [], "acknowledgement": "yes", "reference": {}, "metadata": [], "recipients": [[], 1, null, {"variables": []}],
        }),
        &[
            "/title",
            "/content",
            "/channels",
            "/recipients/0",
            "/recipients/1",
            "/recipients/2",
            "/recipients/3/variables",
            "/priority",
            "/on_unknown",
            "/send_at",
            "/expires_at",
            "/reference",
            "/acknowledgement",
            "/metadata",
        ],
    );
    for body in ["[]", "7", "\"x\"", "null", "true"] {
        assert_eq!(try_read(body).unwrap_err()[0].0, "", "{body}");
    }
    refused_at(json!({ "recipients": {} }), &["/recipients"]);
}

#[test]
fn required_fields_are_missed() {
    let found: Vec<String> = try_read("{}").unwrap_err().into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(found, ["/title", "/content", "/recipients"]);
    refused_at(json!({ "recipients": [] }), &["/recipients"]);
    refused_at(json!({ "content": {} }), &["/content"]);
    refused_at(json!({ "content": { "subject": "x", "text": null } }), &["/content"]);
    refused_at(json!({ "recipients": [{ "name": "Li Lei" }] }), &["/recipients/0"]);
    refused_at(json!({ "channels": [] }), &["/channels"]);
    refused_at(json!({ "tiers": [] }), &["/tiers"]);
    refused_at(json!({ "tiers": [{}] }), &["/tiers/0/channels"]);
    refused_at(json!({ "channels": ["email"], "tiers": [{ "channels": ["email"] }] }), &["/tiers"]);
}

#[test]
fn ten_thousand_recipients_are_enough() {
    let people = |count: usize| -> Vec<String> { (0..count).map(|n| format!("p{n}@example.org")).collect() };
    assert_eq!(good(json!({ "recipients": people(10_000) })).recipients.len(), 10_000);
    let problems = bad(json!({ "recipients": people(10_001) }));
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].0, "/recipients");
    assert!(problems[0].1.contains("10001") && problems[0].1.contains("10000"), "{}", problems[0].1);
}

#[test]
fn problems_are_listed_up_to_a_hundred_and_counted_beyond() {
    let people: Vec<String> = (0..250).map(|n| format!("not an address {n}")).collect();
    assert_eq!(bad(json!({ "recipients": people })).len(), 100);
}

#[test]
fn lengths_are_bounded_in_characters() {
    good(json!({ "title": "水".repeat(200), "content": { "text": "水".repeat(10_000), "html": "x".repeat(10_000) } }));
    refused_at(json!({ "title": "水".repeat(201) }), &["/title"]);
    refused_at(json!({ "title": "" }), &["/title"]);
    refused_at(json!({ "content": { "text": "x".repeat(10_001) } }), &["/content/text"]);
    refused_at(json!({ "content": { "html": "x".repeat(10_001) } }), &["/content/html"]);
    refused_at(json!({ "content": { "text": "x", "subject": "x".repeat(201) } }), &["/content/subject"]);
    refused_at(json!({ "reference": "x".repeat(129) }), &["/reference"]);
    refused_at(json!({ "metadata": { "x": "y".repeat(20_000) } }), &["/metadata"]);
    let variables = json!({ "x": "y".repeat(20_000) });
    refused_at(json!({ "recipients": [{ "key": "a", "variables": variables }] }), &["/recipients/0/variables"]);
}

#[test]
fn nothing_can_be_put_into_a_header() {
    for evil in ["a\r\nBcc: x@example.org", "a\nb", "a\rb", "a\u{0085}b", "a\u{2028}b", "a\u{0007}b", "a\tb"] {
        refused_at(json!({ "title": evil }), &["/title"]);
        refused_at(json!({ "content": { "text": "x", "subject": evil } }), &["/content/subject"]);
        refused_at(json!({ "recipients": [{ "email": "a@example.org", "name": evil }] }), &["/recipients/0/name"]);
        refused_at(json!({ "recipients": [{ "key": evil }] }), &["/recipients/0/key"]);
        refused_at(json!({ "reference": evil }), &["/reference"]);
    }
    let with = |value: &str| {
        json!({
            "content": { "subject": "For {{ room }}", "text": "{{ text }}" },
            "recipients": [{ "email": "a@example.org", "variables": { "room": value, "text": "one\ntwo" } }],
        })
    };
    good(with("301"));
    refused_at(with("301\r\nBcc: x@example.org"), &["/recipients/0/variables"]);
}

#[test]
fn nul_is_refused_wherever_it_stands() {
    for (changes, pointer) in [
        (json!({ "title": "a\0b" }), "/title"),
        (json!({ "content": { "text": "a\0b" } }), "/content/text"),
        (json!({ "reference": "\0" }), "/reference"),
        (json!({ "metadata": { "a": { "b": ["\0"] } } }), "/metadata/a/b/0"),
        (json!({ "metadata": { "a\0": 1 } }), "/metadata"),
        (json!({ "recipients": ["a\0@example.org"] }), "/recipients/0"),
        (json!({ "recipients": [{ "key": "a", "variables": { "x": "\0" } }] }), "/recipients/0/variables/x"),
        (json!({ "recipients": [{ "ids": { "inbox": "\0" } }] }), "/recipients/0/ids/inbox"),
        (json!({ "acknowledgement": { "options": ["\0"] } }), "/acknowledgement/options/0"),
    ] {
        let problems = bad(changes.clone());
        assert_eq!(problems[0].0, pointer, "{changes}: {problems:?}");
        assert!(problems[0].1.contains("NUL"), "{}", problems[0].1);
    }
}

#[test]
fn half_a_surrogate_pair_is_no_text() {
    let body = |title: &str, value: &str| {
        format!(
            r#"{{"title":"{title}","content":{{"text":"x"}},"recipients":[{{"key":"a","variables":{{"x":"{value}"}}}}]}}"#
        )
    };
    assert!(try_read(&body(r"\ud83d\ude00", r"\ud83d\ude00")).is_ok());
    for half in [r"\ud83d", r"\ude00", r"\ud83dx"] {
        assert_eq!(try_read(&body(half, "x")).unwrap_err()[0].0, "/title", "{half}");
        assert_eq!(try_read(&body("x", half)).unwrap_err()[0].0, "/recipients/0/variables", "{half}");
    }
    let name = r#"{"title":"x","content":{"text":"x"},"recipients":["a@example.org"],"\ud83d":1}"#;
    assert_eq!(try_read(name).unwrap_err()[0].0, "");
}

#[test]
fn a_field_given_twice_is_refused() {
    let body = r#"{"title":"x","title":"y","content":{"text":"x"},"recipients":["a@example.org"]}"#;
    assert_eq!(try_read(body).unwrap_err(), [("/title".to_owned(), "is given twice".to_owned())]);
}

#[test]
fn deep_and_wide_bodies_are_refused_not_followed() {
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let body = format!(r#"{{"title":"x","content":{{"text":"x"}},"recipients":["a@example.org"],"metadata":{{"a":{deep}}}}}"#);
    assert_eq!(try_read(&body).unwrap_err()[0].0, "/metadata");
    let wide: Vec<String> = (0..1_000).map(|n| format!(r#""f{n}":1"#)).collect();
    assert_eq!(try_read(&format!("{{{}}}", wide.join(","))).unwrap_err()[0].0, "");
}

#[test]
fn send_at_may_be_a_minute_late_and_needs_an_offset() {
    good(json!({ "send_at": "2026-11-21T11:59:01Z" }));
    good(json!({ "send_at": "2026-11-21T20:00:00.5+08:00" }));
    for text in ["2026-11-21T11:58:59Z", "2026-11-21T14:00:00", "2026-11-21", "tomorrow", "", "2026-11-21 14:00:00Z", "9999-12-31T23:59:59Z"] {
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
    let refused = read(&document, &Given { chosen: &chosen, net: &net, now: now() }).unwrap_err();
    assert!(refused.lacks_account);
    assert_eq!(refused.problems.into_list()[0].place, Place::Pointer("/channels".to_owned()));
}

#[test]
fn a_wrong_template_says_line_and_column() {
    for (content, pointer) in [
        (json!({ "text": "one\ntwo {{ name" }), "/content/text"),
        (json!({ "text": "x", "html": "{% for %}" }), "/content/html"),
        (json!({ "text": "x", "subject": "{{ }}" }), "/content/subject"),
    ] {
        let problems = bad(json!({ "content": content }));
        assert_eq!(problems[0].0, pointer, "{problems:?}");
        assert!(problems[0].1.contains("line "), "{}", problems[0].1);
    }
    refused_at(json!({ "title": "{{" }), &["/title"]);
    refused_at(json!({ "content": { "text": "x", "link": "javascript:alert(1)" } }), &["/content/link"]);
    refused_at(json!({ "content": { "text": "x", "link": "/relative" } }), &["/content/link"]);
}

#[test]
fn who_lacks_a_variable_is_named() {
    let content = json!({ "text": "Hello {{ name }}, {{ room }} {{ 楼 }}", "subject": "x" });
    let recipients = json!([
        { "key": "a", "variables": { "room": "1", "楼": "2" } },
        { "key": "b", "variables": { "room": "1" } },
        "c@example.org",
    ]);
    let problems = bad(json!({ "content": content, "recipients": recipients }));
    let found: Vec<&str> = problems.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(found, ["/recipients/1", "/recipients/2"]);
    assert!(problems[0].1.ends_with(": 楼"), "{}", problems[0].1);
    assert!(problems[1].1.ends_with(": room, 楼"), "{}", problems[1].1);
}

#[test]
fn a_variable_with_a_default_may_be_missing() {
    good(json!({ "content": { "text": "{{ room | default('-') }}{% for n in range(2) %}{{ n }}{% endfor %}" } }));
}

#[test]
fn what_fails_for_everybody_is_told_at_once() {
    let problems = bad(json!({ "content": { "text": "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}" } }));
    assert_eq!(problems[0].0, "/content/text");
    assert!(problems[0].1.contains("/recipients/0"), "{}", problems[0].1);
}

#[test]
fn the_same_person_is_merged_and_counted() {
    let draft = good(json!({ "recipients": [
        { "key": "a", "email": "a@example.org" },
        { "key": "a", "name": "Anna", "phone": "+8613800138000" },
        { "email": "b@example.org", "name": "B" },
        "b@EXAMPLE.org",
    ]}));
    assert_eq!((draft.recipients.len(), draft.duplicates), (2, 2));
    let anna = &draft.recipients[0];
    assert_eq!(anna.name.as_deref(), Some("Anna"));
    assert_eq!(anna.addresses.len(), 2, "what the first entry lacked is taken from the second");
}

#[test]
fn the_same_person_with_other_variables_is_refused() {
    refused_at(
        json!({ "recipients": [
            { "key": "a", "variables": { "x": 1 } },
            { "key": "a", "variables": { "x": 1 } },
            { "key": "a", "variables": { "x": 2 } },
        ]}),
        &["/recipients/2"],
    );
}

#[test]
fn one_shared_address_is_not_one_person() {
    let recipients = json!([
        { "key": "a", "name": "Anna", "email": "desk@example.org", "variables": { "pay": "1" } },
        { "key": "b", "name": "Bert", "email": "desk@example.org", "variables": { "pay": "2" } },
        { "key": "c", "name": "Cleo", "email": "desk@example.org", "variables": { "pay": "2" } },
    ]);
    let skips = |content: &str| -> Vec<bool> {
        let draft = good(json!({ "content": { "text": content }, "recipients": recipients }));
        assert_eq!((draft.recipients.len(), draft.duplicates), (3, 0));
        draft.recipients.iter().map(|person| person.skips.contains_key("email")).collect()
    };
    assert_eq!(skips("Water is off"), [false, true, true], "all would read the same");
    assert_eq!(skips("You get {{ pay }}"), [false, false, true], "both payslips go out");
    assert_eq!(skips("{{ name }} gets {{ pay }}"), [false, false, false]);
}

#[test]
fn a_webhook_sees_the_whole_recipient_so_keys_make_a_difference() {
    let draft = good(json!({ "channels": ["webhook", "email"], "recipients": [
        { "key": "a", "url": "https://hooks.example.org/1", "email": "desk@example.org" },
        { "key": "b", "url": "https://hooks.example.org/1", "email": "desk@example.org" },
        { "phone": "+8613800138000", "url": "https://hooks.example.org/2" },
        { "phone": "+8613800138001", "url": "https://hooks.example.org/2" },
    ]}));
    let skips: Vec<Vec<&str>> =
        draft.recipients.iter().map(|person| person.skips.keys().map(String::as_str).collect()).collect();
    assert_eq!(skips, [vec![], vec!["email"], vec![], vec!["url"]]);
}

#[test]
fn locale_and_zone_are_checked() {
    good(json!({ "recipients": [{ "key": "a", "locale": "zh-Hans-CN", "time_zone": "Europe/Berlin" }] }));
    refused_at(
        json!({ "recipients": [{ "key": "a", "locale": "z", "time_zone": "Mars/Base" }] }),
        &["/recipients/0/locale", "/recipients/0/time_zone"],
    );
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
fn malformed_json_says_where() {
    for (text, words) in [("{\"a\":}", "line 1"), ("", "EOF"), ("{} {}", "trailing"), ("{\"a\":\"\u{1}\"}", "control")] {
        let detail = Document::parse(text.as_bytes()).err().unwrap_or_else(|| panic!("{text} is JSON"));
        assert!(detail.contains(words), "{text}: {detail}");
    }
    assert!(Document::parse(b"{\"a\":\"\xff\"}").err().unwrap().contains("UTF-8"));
}
