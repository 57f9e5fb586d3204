//! Sensitive plans: masked wherever anybody but the recipient looks, and erased when they have ended.

use herald_tests::tenant::Plan;
use herald_tests::{Options, SOON, System, Tenant, wait_until};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::mailbox::{letter, token};
use crate::support::start_mail;

/// What must not be seen of a payslip.
const SECRETS: [&str; 3] = ["canary-payslip", "canary-8000", "canary-reader"];

fn payslip() -> Value {
    json!({
        "title": "Canary-payslip of {{ name }}", "content": {"text": "canary-payslip: {{ amount }}"}, "sensitive": true,
        "recipients": [{"key": "E1", "name": "Li", "email": "canary-reader@example.org", "ids": {"inbox": "E1"}, "variables": {"amount": "canary-8000"}}],
        "channels": ["email", "inbox"],
    })
}

/// Every answer in which something of the plan could show.
async fn answers(tenant: &Tenant, plan: &Plan) -> Vec<String> {
    let path = plan.path();
    let mut answers = vec![plan.body.to_string()];
    for path in [
        path.clone(),
        format!("{path}/recipients"),
        format!("{path}/deliveries"),
        format!("{path}/recipients.csv"),
        format!("{path}/deliveries.csv"),
        "/v1/plans".to_owned(),
        "/v1/inbox/E1".to_owned(),
    ] {
        answers.push(tenant.http.get(&path).await.expect(200).text);
    }
    answers
}

fn assert_hidden(answers: &[String]) {
    for answer in answers {
        for secret in SECRETS {
            assert!(!answer.to_lowercase().contains(secret), "{secret} shows in {answer}");
        }
    }
}

async fn until_erased(system: &System, plan: &Plan) {
    let sql = format!("SELECT count(*) FROM plan WHERE id = {} AND erased_at IS NOT NULL", plan.internal());
    wait_until("it is erased", SOON, async || system.database.number(&sql).await == 1).await;
    let left = format!(
        "SELECT (SELECT count(*) FROM recipient r WHERE r.plan_id = {id} AND (r.addresses <> '{{}}' OR r.variables IS NOT NULL))
              + (SELECT count(*) FROM plan p WHERE p.id = {id} AND (p.content <> '{{}}' OR p.title <> '***'))",
        id = plan.internal()
    );
    assert_eq!(system.database.number(&left).await, 0, "something is left of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_it_shows_and_nothing_is_left_of_it() {
    let (system, tenant, server) = start_mail(Options::default()).await;
    tenant.inbox().await;
    let plan = tenant.send(&payslip()).await;
    assert_eq!((&plan.body["on_unknown"], &plan.body["title"]), (&json!("hold"), &json!("***")));
    assert!(letter(&server, "canary-reader@example.org", 1).await.contains("canary-payslip: canary-8000"));
    assert_hidden(&answers(&tenant, &plan).await);
    let found = tenant.http.get("/v1/plans?q=payslip").await.expect(200).json();
    assert_eq!(found["items"], json!([]), "its title cannot be guessed by searching");
    tenant.until(&plan, "finished", SOON).await;
    until_erased(&system, &plan).await;
    let after = tenant.plan(&plan).await;
    assert_eq!(
        (&after["deliveries"]["sent"], &after["recipients"]["reached"]),
        (&json!(2), &json!(1)),
        "counts stay"
    );
    assert_hidden(&answers(&tenant, &plan).await);
    let mut resend = payslip();
    resend["on_unknown"] = "resend".into();
    let second = tenant.send(&resend).await;
    assert_eq!(second.body["on_unknown"], "resend", "only the default differs");
    tenant.until(&second, "finished", SOON).await;
    until_erased(&system, &second).await;
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_stays_until_its_plan_expires_and_then_says_so() {
    let (mut system, tenant, server) = start_mail(Options::default()).await;
    let mut body = payslip();
    body["channels"] = json!(["email"]);
    body["acknowledgement"] = json!({"options": ["Seen"]});
    body["expires_at"] = (Timestamp::now() + SignedDuration::from_secs(8)).to_string().into();
    let plan = tenant.send(&body).await;
    let text = letter(&server, "canary-reader@example.org", 1).await;
    let page = format!("/m/{}", token(&text, "https://m.herald.test/m/"));
    let reader = system.client(None).await;
    tenant.until(&plan, "finished", SOON).await;
    assert!(reader.get(&page).await.expect(200).text.contains("canary-8000"), "its reader sees it");
    until_erased(&system, &plan).await;
    let gone = reader.get(&page).await.expect(410).text;
    assert!(
        gone.contains("Message erased") && gone.contains("消息已删除") && !gone.contains("canary"),
        "{gone}"
    );
    let answer = reader.post(&format!("{page}/acknowledge"), &json!({"option": "Seen"})).await.expect(410);
    assert_eq!(answer.json()["type"], "urn:herald:problem:erased");
    // Withdrawn: there is nothing to wait for.
    body["expires_at"] = Value::Null;
    body["send_at"] = (Timestamp::now() + SignedDuration::from_hours(1)).to_string().into();
    let recalled = tenant.send(&body).await;
    drop(tenant.http.post(&format!("{}/recall", recalled.path()), &json!({})).await.expect(200));
    until_erased(&system, &recalled).await;
    system.finish().await;
}
