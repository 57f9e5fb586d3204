//! The form of a body.

use herald_api::json::Document;
use serde_json::json;

use crate::{bad, refused_at, try_read};

#[test]
fn unknown_fields_are_refused_where_they_are() {
    refused_at(
        json!({
            "titel": "x", "audience": {}, "category": "x",
            "content": { "text": "x", "sms": "y" },
            "recipients": [{ "email": "a@example.org", "mail": "b" }],
            "tiers": [{ "channels": ["email"], "template": 2 }],
            "acknowledgement": { "options": ["Yes"], "max": 1 },
        }),
        &[
            "/content/sms",
            "/tiers/0/template",
            "/recipients/0/mail",
            "/acknowledgement/max",
            "/audience",
            "/category",
            "/titel",
        ],
    );
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
fn problems_are_listed_up_to_a_hundred_and_counted_beyond() {
    let people: Vec<String> = (0..250).map(|n| format!("not an address {n}")).collect();
    assert_eq!(bad(json!({ "recipients": people })).len(), 100);
}

#[test]
fn a_field_given_twice_is_refused() {
    let body = r#"{"title":"x","title":"y","content":{"text":"x"},"recipients":["a@example.org"]}"#;
    assert_eq!(try_read(body).unwrap_err(), [("/title".to_owned(), "is given twice".to_owned())]);
}

#[test]
fn deep_and_wide_bodies_are_refused_not_followed() {
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let body = format!(
        r#"{{"title":"x","content":{{"text":"x"}},"recipients":["a@example.org"],"metadata":{{"a":{deep}}}}}"#
    );
    assert_eq!(try_read(&body).unwrap_err()[0].0, "/metadata");
    let wide: Vec<String> = (0..1_000).map(|n| format!(r#""f{n}":1"#)).collect();
    assert_eq!(try_read(&format!("{{{}}}", wide.join(","))).unwrap_err()[0].0, "");
}

#[test]
fn malformed_json_says_where() {
    for (text, words) in
        [("{\"a\":}", "line 1"), ("", "EOF"), ("{} {}", "trailing"), ("{\"a\":\"\u{1}\"}", "control")]
    {
        let detail = Document::parse(text.as_bytes()).err().unwrap_or_else(|| panic!("{text} is JSON"));
        assert!(detail.contains(words), "{text}: {detail}");
    }
    assert!(Document::parse(b"{\"a\":\"\xff\"}").err().unwrap().contains("UTF-8"));
}
