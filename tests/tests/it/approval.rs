//! Approval: nothing goes out before the people who were asked have agreed, by their page or by a key; each decides once.

use herald_loadtest::standins::smtp;
use herald_tests::tenant::Plan;
use herald_tests::{Answer, Client, Options, SOON, Tenant, wait_until};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use crate::mailbox::{letter, letters, token};
use crate::support::{assert_correct, start_mail};

const LINK: &str = "https://m.herald.test/a/";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const READER: &str = "canary-reader@example.org";
const SENDER: &str = "canary-author@example.org";

fn approver(name: &str) -> Value {
    json!({"name": format!("Canary {name}"), "email": format!("canary-{name}@example.org")})
}

fn plan() -> Value {
    json!({
        "title": "Canary fire drill", "content": {"text": "Canary: {{ name }}, be at the gate."}, "priority": "urgent",
        "recipients": [{"name": "Li", "email": READER}],
        "sender": {"name": "Canary author", "email": SENDER},
        "approval": {"steps": [{"approvers": [approver("one"), approver("two")]}, {"approvers": [approver("three")]}]},
    })
}

/// An approver's page.
struct Page {
    http: Client,
    path: String,
}

impl Page {
    /// By the link in the newest mail to them.
    async fn of(http: &Client, server: &smtp::Handle, name: &str, mail: usize) -> Page {
        let text = letter(server, &format!("canary-{name}@example.org"), mail).await;
        Page { http: http.clone(), path: format!("/a/{}", token(&text, LINK)) }
    }

    async fn look(&self, language: &str) -> String {
        self.http.call(Method::GET, &self.path, &[("accept-language", language)], None).await.expect(200).text
    }

    async fn decide(&self, form: &str) -> Answer {
        self.http.call(Method::POST, &self.path, &[FORM], Some(form.as_bytes().to_vec())).await
    }
}

async fn history(tenant: &Tenant, plan: &Plan) -> Vec<Value> {
    let answer = tenant.http.get(&format!("{}/approvals", plan.path())).await.expect(200);
    answer.json()["items"].as_array().unwrap().clone()
}

async fn key(tenant: &Tenant, scopes: &[&str]) -> Client {
    let body = json!({"name": "canary key", "scopes": scopes});
    let made = tenant.http.post("/v1/keys", &body).await.expect(201).json();
    tenant.http.with_key(made["key"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_goes_out_when_each_step_was_approved_on_a_page() {
    let (mut system, tenant, server) = start_mail(Options::default()).await;
    let nobody = system.client(None).await;
    let plan = tenant.send(&plan()).await;
    assert_eq!(plan.body["status"], "awaiting_approval");
    let shown = &plan.body["approval"]["steps"][0]["approvers"][0];
    assert_eq!(shown, &json!({"name": "Canary one", "email": "c***@example.org"}));
    let one = Page::of(&nobody, &server, "one", 1).await;
    let two = Page::of(&nobody, &server, "two", 1).await;
    assert_ne!(one.path, two.path);
    // Scanners look, in whatever way: nothing is decided.
    for (language, words) in
        [("zh-CN", ["批准", "驳回", "收件人数"]), ("en", ["Approve", "Reject", "Recipients"])]
    {
        let text = one.look(language).await;
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        assert!(text.contains("Canary: Li, be at the gate.") && text.contains("Canary author"), "{text}");
        assert!(!text.contains("<script"), "{text}");
    }
    drop(nobody.call(Method::HEAD, &one.path, &[], None).await.expect(200));
    drop(nobody.get(&one.path.to_lowercase()).await.expect(404));
    assert_eq!(history(&tenant, &plan).await[0]["state"], "open");
    assert_eq!(tenant.plan(&plan).await["deliveries"]["total"], 0);
    // Both click at once: one decides.
    let (a, b) = tokio::join!(
        one.decide("decision=approve&comment=Good"),
        two.decide("decision=approve&comment=Good")
    );
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409], "{} {}", a.text, b.text);
    assert!(one.look("en").await.contains("Approved.") && two.look("en").await.contains("Approved."));
    let three = Page::of(&nobody, &server, "three", 1).await;
    assert_eq!(tenant.plan(&plan).await["status"], "awaiting_approval");
    assert!(three.decide("decision=reject&comment=").await.expect(422).text.contains("say why"));
    drop(three.decide("decision=approve").await.expect(200));
    tenant.until(&plan, "finished", SOON).await;
    assert!(
        three.decide("decision=reject&comment=No").await.expect(409).text.contains("Nothing was changed")
    );
    let told = letter(&server, SENDER, 1).await;
    assert!(told.contains("已获批准") && told.contains("was approved by Canary three"), "{told}");
    let said = history(&tenant, &plan).await;
    let states: Vec<(&Value, &Value)> = said.iter().map(|item| (&item["step"], &item["state"])).collect();
    assert_eq!(states, [(&json!(2), &json!("approved")), (&json!(1), &json!("approved"))], "{said:?}");
    assert_eq!((&said[1]["comment"], &said[0]["by"]["name"]), (&json!("Good"), &json!("Canary three")));
    assert_eq!(letters(&server, READER).len(), 1);
    // What Herald wrote itself is not among the tenant's plans, unless asked for.
    assert_eq!(tenant.http.all("/v1/plans").await.len(), 1);
    let all = tenant.http.get("/v1/plans?internal=true&limit=100").await.expect(200).json();
    let kinds: Vec<&Value> = all["items"].as_array().unwrap().iter().map(|plan| &plan["internal"]).collect();
    assert_eq!(kinds, [&json!("result"), &json!("approval"), &json!("approval"), &Value::Null]);
    assert_correct(&server);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_s_rule_asks_and_keys_decide_but_never_an_author_s() {
    let (mut system, tenant, server) = start_mail(Options::default()).await;
    let rule =
        json!({"recipients_over": 2, "priorities": ["urgent"], "steps": [{"approvers": [approver("one")]}]});
    let call = |body: Value| {
        let body = body.to_string().into_bytes();
        tenant.http.call(Method::PUT, "/v1/settings/approval", &[], Some(body))
    };
    assert_eq!(call(json!({"recipients_over": 2})).await.expect(422).pointers(), ["/steps"]);
    drop(call(rule).await.expect(200));
    assert_eq!(tenant.http.get("/v1/settings/approval").await.expect(200).json()["recipients_over"], 2);
    let mut body = plan();
    body["approval"] = Value::Null;
    body["priority"] = "normal".into();
    // One person by no rule; three by number, found when the draft is sent.
    let free = tenant.send(&body).await;
    tenant.until(&free, "finished", SOON).await;
    body["draft"] = true.into();
    let made = tenant.http.post("/v1/plans", &body).await.expect(201).json();
    let draft = Plan { id: made["id"].as_str().unwrap().to_owned(), body: made };
    let rows = b"email\ncanary-2@example.org\ncanary-3@example.org\n".to_vec();
    let path = format!("{}/recipients", draft.path());
    drop(
        tenant.http.call(Method::POST, &path, &[("content-type", "text/csv")], Some(rows)).await.expect(200),
    );
    let sender = key(&tenant, &["plans:write", "plans:approve"]).await;
    let sent = sender.post(&format!("{}/send", draft.path()), &json!({})).await.expect(202).json();
    assert_eq!(sent["status"], "awaiting_approval");
    let approve = format!("{}/approve", draft.path());
    for author in [&tenant.http, &sender] {
        drop(author.post(&approve, &json!({})).await.expect(403));
    }
    drop(key(&tenant, &["plans:write"]).await.post(&approve, &json!({})).await.expect(403));
    let mut keys = Vec::new();
    for _ in 0..4 {
        keys.push(key(&tenant, &["plans:approve"]).await);
    }
    drop(letter(&server, "canary-one@example.org", 1).await);
    let body = json!({"comment": "Fine"});
    let answers = tokio::join!(
        keys[0].post(&approve, &body),
        keys[1].post(&approve, &body),
        keys[2].post(&approve, &body),
        keys[3].post(&approve, &body)
    );
    let mut statuses: Vec<u16> =
        [answers.0, answers.1, answers.2, answers.3].iter().map(|one| one.status).collect();
    let winner = statuses.iter().position(|status| *status == 200).unwrap();
    drop(keys[winner].post(&approve, &body).await.expect(200));
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409, 409, 409]);
    let done = tenant.until(&draft, "finished", SOON).await;
    assert_eq!((&done["deliveries"]["total"], &done["deliveries"]["sent"]), (&json!(3), &json!(3)));
    assert_eq!(letters(&server, "canary-3@example.org").len(), 1);
    let page = Page::of(&system.client(None).await, &server, "one", 1).await;
    assert!(page.decide("decision=reject&comment=late").await.expect(409).text.contains("Approved."));
    assert_correct(&server);
    system.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rejected_withdrawn_or_over_time_never_goes_out() {
    let (mut system, tenant, server) = start_mail(Options::default()).await;
    let nobody = system.client(None).await;
    let mut body = plan();
    body["approval"]["steps"] = json!([{"approvers": [approver("one")]}]);
    let rejected = tenant.send(&body).await;
    drop(letter(&server, "canary-one@example.org", 1).await);
    let judge = key(&tenant, &["plans:approve"]).await;
    let path = format!("{}/reject", rejected.path());
    assert_eq!(judge.post(&path, &json!({})).await.expect(422).pointers(), ["/comment"]);
    assert_eq!(
        judge.post(&path, &json!({"comment": "Wrong day"})).await.expect(200).json()["status"],
        "rejected"
    );
    drop(judge.post(&format!("{}/approve", rejected.path()), &json!({})).await.expect(409));
    let told = letter(&server, SENDER, 1).await;
    assert!(told.contains("was rejected") && told.contains("Wrong day"), "{told}");
    let recalled = tenant.send(&body).await;
    let page = Page::of(&nobody, &server, "one", 2).await;
    let withdrawn =
        tenant.http.post(&format!("{}/recall", recalled.path()), &json!({})).await.expect(200).json();
    assert_eq!(
        (&withdrawn["status"], &withdrawn["recipients"]["cancelled"]),
        (&json!("recalled"), &json!(1))
    );
    assert!(page.decide("decision=approve").await.expect(409).text.contains("withdrawn"));
    let soon = Timestamp::now() + SignedDuration::from_secs(3);
    body["expires_at"] = soon.to_string().into();
    let late = tenant.send(&body).await;
    tenant.until(&late, "expired", SOON).await;
    assert!(letter(&server, SENDER, 2).await.contains("expired before it was approved"));
    // A time that has passed meanwhile: it starts when it is approved.
    body["expires_at"] = Value::Null;
    body["send_at"] = (Timestamp::now() + SignedDuration::from_secs(2)).to_string().into();
    let planned = tenant.send(&body).await;
    wait_until("its time has passed", SOON, async || {
        system.database.number("SELECT count(*) FROM plan WHERE status = 1 AND send_at < now()").await == 1
    })
    .await;
    drop(judge.post(&format!("{}/approve", planned.path()), &json!({})).await.expect(200));
    tenant.until(&planned, "finished", SOON).await;
    assert_eq!(letters(&server, READER).len(), 1);
    system.finish().await;
}
