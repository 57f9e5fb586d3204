//! Who must agree before a plan goes out.

use herald_api::accept::{Chosen, Given, Library, read};
use herald_api::json::Document;
use herald_channels::NetPolicy;
use herald_shared::domain::approval::{ApprovalRules, ApprovalStep, Person};
use herald_shared::domain::{Channel, OnUnknown};
use serde_json::{Value, json};

use super::{good, now, plan, refused_at};

fn steps(approver: Value) -> Value {
    json!({ "approval": { "steps": [{ "approvers": [approver] }] } })
}

#[test]
fn steps_are_read_and_a_plan_without_them_has_none() {
    let plan = good(steps(json!({ "name": "Wang", "email": "wang@Example.org" })));
    let step = &plan.terms.approval.unwrap().steps[0];
    assert_eq!(step.channels, [Channel::Email]);
    assert_eq!(step.approvers[0].email.as_deref(), Some("wang@example.org"));
    assert_eq!(good(json!({})).terms.approval, None);
    assert_eq!(
        good(json!({ "sender": "li@example.org" })).terms.sender.unwrap().label(),
        Some("li@example.org")
    );
}

#[test]
fn nobody_is_asked_who_cannot_be() {
    refused_at(json!({ "approval": "required" }), &["/approval"]);
    refused_at(json!({ "approval": "wanted" }), &["/approval", "/approval"]);
    refused_at(json!({ "approval": { "steps": [] } }), &["/approval/steps", "/approval"]);
    refused_at(steps(json!({ "phone": "+8613800138000" })), &["/approval/steps/0/approvers/0"]);
    refused_at(json!({ "sender": { "name": "Li" } }), &["/sender"]);
    let mut own = steps(json!("li@example.org"));
    own["sender"] = json!({ "email": "Li@example.org" });
    refused_at(own, &["/approval"]);
    let by_voice = json!({ "approval": { "steps": [{ "approvers": [{ "phone": "+8613800138000" }], "channels": ["voice"] }] } });
    refused_at(by_voice, &["/approval"]);
}

#[test]
fn a_tenant_s_rule_holds_whatever_the_plan_says() {
    let mut chosen = Chosen::new(vec![(Channel::Email, 1)]);
    let approver = Person { email: Some("boss@example.org".to_owned()), ..Person::default() };
    let step = ApprovalStep { approvers: vec![approver], channels: vec![Channel::Email] };
    let rules =
        ApprovalRules { recipients_over: Some(1), steps: vec![step.clone()], ..ApprovalRules::default() };
    chosen.approval = Some(rules);
    let net = NetPolicy::new(Vec::new());
    let steps = |changes: Value| {
        let text = plan(changes).to_string();
        let document = Document::parse(text.as_bytes()).unwrap();
        let given =
            Given { chosen: &chosen, known: &Library::default(), published: true, net: &net, now: now() };
        let draft = read(&document, &given).unwrap_or_else(|refused| panic!("{:?}", refused.problems));
        draft.terms.approval.map_or(0, |approval| approval.steps.len())
    };
    let two = json!(["a@example.org", "b@example.org"]);
    assert_eq!(steps(json!({})), 0);
    assert_eq!(steps(json!({ "recipients": two })), 1);
    assert_eq!(steps(json!({ "approval": "required" })), 1);
    assert_eq!(steps(json!({ "recipients": two, "draft": true })), 0, "asked when it is sent");
    let own = json!({ "steps": [{ "approvers": ["c@example.org"] }] });
    assert_eq!(steps(json!({ "recipients": two, "approval": own })), 2);
}

#[test]
fn nobody_gets_what_is_sensitive_twice_by_default() {
    assert_eq!(good(json!({ "sensitive": true })).on_unknown, OnUnknown::Hold);
    assert_eq!(good(json!({ "sensitive": true, "on_unknown": "resend" })).on_unknown, OnUnknown::Resend);
    assert_eq!(good(json!({})).on_unknown, OnUnknown::Resend);
    refused_at(json!({ "sensitive": 1, "protected": "yes" }), &["/sensitive", "/protected"]);
}
