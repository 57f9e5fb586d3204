//! Who a plan goes to.

use serde_json::json;

use crate::{bad, good, refused_at};

#[test]
fn bare_recipients_are_known_by_their_form() {
    let draft =
        good(json!({ "recipients": ["Han@Example.ORG", "+8613800138000", "https://hooks.example.org/x"] }));
    let kinds: Vec<_> = draft.recipients.iter().flat_map(|person| person.addresses.iter()).collect();
    assert_eq!(kinds[0], (&"email".to_owned(), &"Han@example.org".to_owned()));
    assert_eq!(kinds[1].0, "phone");
    assert_eq!(kinds[2].0, "url");
    refused_at(
        json!({ "recipients": ["lilei", "", "ftp://x.example.org/", 7] }),
        &["/recipients/0", "/recipients/1", "/recipients/2", "/recipients/3"],
    );
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
    assert_eq!(
        found,
        [
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
        ]
    );
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
        refused_at(
            json!({ "channels": ["webhook"], "recipients": [{ "url": url }] }),
            &["/recipients/0/url"],
        );
    }
    for url in
        ["https://93.184.216.34/", "http://10.1.2.3/", "https://names.are.checked.when.dialled.example/"]
    {
        good(json!({ "channels": ["webhook"], "recipients": [url] }));
    }
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
    good(
        json!({ "content": { "text": "{{ room | default('-') }}{% for n in range(2) %}{{ n }}{% endfor %}" } }),
    );
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
fn a_repetition_counts_where_it_is_sure_to_be_read() {
    let desk =
        |key: &str, mail: &str| json!({ "key": key, "email": mail, "url": "https://hooks.example.org/1" });
    let skips = |mode: &str, recipients: &serde_json::Value| -> Vec<Vec<String>> {
        let changes = json!({ "channels": ["email", "inbox"], "mode": mode, "recipients": recipients });
        good(changes).recipients.iter().map(|person| person.skips.keys().cloned().collect()).collect()
    };
    let inbox = |key: &str, mail: &str| json!({ "key": key, "email": mail, "ids": { "inbox": "desk" } });
    let shared =
        json!([inbox("a", "a@example.org"), inbox("b", "b@example.org"), inbox("c", "a@example.org")]);
    assert_eq!(
        skips("all", &shared),
        [vec![], vec!["inbox".to_owned()], vec!["email".into(), "inbox".into()]]
    );
    // The first may never need the inbox, so the second keeps it; the third does, for want of a mailbox of their own.
    assert_eq!(skips("first", &shared), [vec![], vec![], vec!["email".to_owned()]]);
    let other = json!([desk("a", "a@example.org"), desk("b", "a@example.org")]);
    assert_eq!(skips("first", &other), [vec![], vec!["email".to_owned()]]);
}
