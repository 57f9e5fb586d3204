//! What `POST /v1/plans` makes of a body: every bad input gets its pointer, every good one its plan. No servers needed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod approval;
mod content;
mod enough;
mod ladder;
mod people;
mod schedule;
mod shape;
mod templates;
mod terms;

use herald_api::accept::{Chosen, Draft, Given, Library, read};
use herald_api::json::Document;
use herald_api::problems::Place;
use herald_channels::NetPolicy;
use herald_shared::domain::Channel;
use jiff::Timestamp;
use serde_json::{Value, json};

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

/// The draft, or every pointer with its detail.
fn try_read(text: &str) -> Result<Draft, Vec<(String, String)>> {
    let chosen = Chosen::new(vec![(Channel::Email, 1), (Channel::Webhook, 2), (Channel::Inbox, 3)]);
    let net = NetPolicy::new(vec!["10.1.0.0/16".parse().unwrap()]);
    let document = Document::parse(text.as_bytes()).expect("JSON");
    read(
        &document,
        &Given { chosen: &chosen, known: &Library::default(), published: true, net: &net, now: now() },
    )
    .map_err(|refused| {
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
    let mut plan =
        json!({ "title": "Water", "content": { "text": "Hello" }, "recipients": ["han@example.org"] });
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
