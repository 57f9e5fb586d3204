//! `enough`: how many answers there need be.

use serde_json::{Value, json};

use crate::{bad, good, refused_at};

fn plan(enough: Value) -> Value {
    json!({ "enough": enough, "acknowledgement": { "options": ["Yes", "No"], "other": true } })
}

#[test]
fn rule_13_enough_counts_the_plans_own_options() {
    let draft = good(plan(json!({ "count": 2, "options": ["Yes"] })));
    let enough = draft.terms.enough.unwrap();
    assert_eq!((enough.count, enough.options), (2, Some(vec!["Yes".to_owned()])));
    assert_eq!(good(plan(json!({ "count": 1 }))).terms.enough.unwrap().options, None);
    refused_at(
        plan(json!({ "count": 1, "options": ["Yes", "Perhaps", "other"] })),
        &["/enough/options/1", "/enough/options/2"],
    );
    refused_at(plan(json!({ "count": 0 })), &["/enough/count"]);
    refused_at(plan(json!({ "options": ["Yes"] })), &["/enough/count"]);
    refused_at(plan(json!({ "count": 1, "options": [] })), &["/enough/options"]);
    refused_at(plan(json!(3)), &["/enough"]);
    let problems = bad(json!({ "enough": { "count": 1 } }));
    assert_eq!(
        problems,
        [("/enough".to_owned(), "counts answers: give acknowledgement with options".to_owned())]
    );
}
