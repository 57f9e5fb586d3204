//! Every route of `/openapi.json`, one by one: who may call it, and what they may see there.

use herald_tests::{Answer, Client, Options, SOON, System, Tenant};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::start;

/// One method of one path, as documented.
struct Route {
    method: Method,
    path: String,
    /// What a key must be allowed; `None`: open to everybody.
    scope: Option<String>,
}

async fn routes(http: &Client) -> Vec<Route> {
    let document = http.get("/openapi.json").await.expect(200).json();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            if !["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method.as_str()) {
                continue;
            }
            let secured = operation["security"].as_array().is_some_and(|security| !security.is_empty());
            let scope = secured
                .then(|| operation["x-scope"].as_str().expect("a secured route names its scope").to_owned());
            routes.push(Route { method, path: path.clone(), scope });
        }
    }
    assert!(routes.len() > 15, "only {} routes are documented", routes.len());
    routes
}

/// Everything of one tenant that another might ask for.
struct Belongings {
    plan: String,
    delivery: String,
    account: String,
    template: String,
    policy: String,
    key: String,
    subscription: String,
    file: String,
    all: Vec<String>,
}

/// A tenant's accounts, a finished plan and a key; all names hold `mark`.
async fn furnish(tenant: &Tenant, mark: &str) -> Belongings {
    let http = &tenant.http;
    let account = tenant.account(json!({"name": mark, "channel": "inbox", "provider": "inbox"})).await;
    let body = plan_body(mark);
    let made = http.post_with_key("/v1/plans", "the same key", &body).await.expect(202).json();
    let plan = herald_tests::tenant::Plan { id: made["id"].as_str().unwrap().to_owned(), body: made };
    tenant.until(&plan, "finished", SOON).await;
    let deliveries = tenant.deliveries(&plan).await;
    let people = http.all(&format!("{}/recipients", plan.path())).await;
    let key =
        http.post("/v1/keys", &json!({"name": mark, "scopes": ["plans:read"]})).await.expect(201).json();
    let hook = json!({"url": "https://hooks.example.org/canary", "enabled": false});
    let hook = http.post("/v1/subscriptions", &hook).await.expect(201).json();
    let template = http.post("/v1/templates", &template_body(mark)).await.expect(201).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let file = http.call(Method::POST, FILES, &[], Some(PDF.to_vec())).await.expect(201).json();
    let file = text(&file["id"]);
    let policy = http.post("/v1/policies", &policy_body(mark)).await.expect(201).json();
    let (template, policy) = (text(&template["id"]), text(&policy["id"]));
    let (delivery, key, subscription) = (text(&deliveries[0]["id"]), text(&key["id"]), text(&hook["id"]));
    let all = vec![
        plan.id.clone(),
        account.clone(),
        template.clone(),
        policy.clone(),
        delivery.clone(),
        key.clone(),
        subscription.clone(),
        file.clone(),
        text(&people[0]["id"]),
        mark.to_owned(),
    ];
    Belongings { plan: plan.id, delivery, account, template, policy, key, subscription, file, all }
}

fn plan_body(mark: &str) -> Value {
    json!({"title": mark, "content": {"text": mark}, "channels": ["inbox"], "recipients": [{"key": "canary-owner"}], "reference": "canary-reference"})
}

fn template_body(mark: &str) -> Value {
    json!({"name": mark, "kind": "text", "title": mark, "content": {"text": mark}})
}

fn policy_body(mark: &str) -> Value {
    json!({"name": mark, "tiers": [{"channels": ["inbox"]}]})
}

/// Where a file is uploaded under a name.
const FILES: &str = "/v1/files?name=canary.pdf";
const PDF: &[u8] = b"%PDF-canary";

/// The path with another's ids in it. A new path needs a line here, and thought.
fn filled(path: &str, other: &Belongings) -> String {
    let id = match path.split('/').nth(2) {
        Some("plans") => &other.plan,
        Some("deliveries") => &other.delivery,
        Some("accounts") => &other.account,
        Some("templates") => &other.template,
        Some("policies") => &other.policy,
        Some("keys") => &other.key,
        Some("subscriptions") => &other.subscription,
        Some("files") if path == "/v1/files" => return FILES.to_owned(),
        Some("files") => &other.file,
        Some("inbox") => {
            return path.replace("{owner}", "canary-owner").replace("{id}", &other.delivery);
        }
        // Each tenant's own: nothing of another's can be named.
        Some("dead-letters" | "recipients" | "settings") => return path.to_owned(),
        _ => panic!("{path} is new: say here what of another tenant's could be asked for with it"),
    };
    path.replace("{id}", id)
}

/// A good body for a route that takes one.
fn body(route: &Route) -> Option<Value> {
    match (route.method.as_str(), route.path.as_str()) {
        ("POST", "/v1/plans") | ("PUT", "/v1/plans/{id}") => Some(plan_body("canary-mine")),
        ("POST", "/v1/accounts") => {
            Some(json!({"name": "canary-theirs", "channel": "inbox", "provider": "inbox"}))
        }
        ("POST", "/v1/templates") => Some(template_body("canary-theirs")),
        ("PUT", "/v1/templates/{id}") => Some(json!({"title": "canary", "content": {"text": "canary"}})),
        ("POST", "/v1/policies") => Some(policy_body("canary-theirs")),
        ("PUT", "/v1/policies/{id}") => Some(json!({"tiers": [{"channels": ["inbox"]}]})),
        ("POST", "/v1/policies/{id}/copy") => Some(json!({"name": "canary"})),
        ("POST", "/v1/templates/{id}/copy") => Some(json!({"name": "canary"})),
        ("POST", "/v1/templates/{id}/preview") => Some(json!({})),
        ("POST", "/v1/plans/{id}/preview" | "/v1/plans/{id}/render") => {
            Some(json!({"to": {"key": "canary-owner"}}))
        }
        ("POST", "/v1/plans/batch") => {
            Some(json!({"action": "pause", "ids": ["019bd2a2-1f00-7b3c-9a44-0d1e2f3a4b5c"]}))
        }
        ("PATCH", "/v1/accounts/{id}") => Some(json!({"order": 7})),
        ("POST", "/v1/deliveries/{id}/resolve") => Some(json!({"to": "sent"})),
        ("POST", "/v1/plans/{id}/remind") => Some(json!({"who": "unread"})),
        ("POST", "/v1/plans/{id}/copy") => Some(json!({"recipients": true})),
        ("POST", "/v1/plans/{id}/recall") => Some(json!({"edit": true})),
        ("POST", "/v1/dead-letters/redrive") => Some(json!({"reason": "exhausted"})),
        ("POST", "/v1/plans/{id}/reject") => Some(json!({"comment": "no"})),
        ("PUT", "/v1/settings/approval") => Some(json!({})),
        ("PUT", "/v1/settings/quiet-hours") => Some(json!({"time_zone": "Asia/Tokyo", "windows": []})),
        ("POST", "/v1/subscriptions") => {
            Some(json!({"url": "https://hooks.example.org/canary", "enabled": false}))
        }
        ("PATCH", "/v1/subscriptions/{id}") => Some(json!({"enabled": false})),
        ("POST", "/v1/subscriptions/{id}/replay") => Some(json!({"from": "2026-11-21T00:00:00Z"})),
        ("POST", "/v1/keys") => Some(json!({"name": "canary-mine", "scopes": ["plans:read"]})),
        (
            "POST",
            "/v1/accounts/{id}/verify"
            | "/v1/policies/{id}/enable"
            | "/v1/policies/{id}/disable"
            | "/v1/plans/{id}/pause"
            | "/v1/plans/{id}/resume"
            | "/v1/plans/{id}/stop"
            | "/v1/plans/{id}/escalate"
            | "/v1/plans/{id}/send"
            | "/v1/plans/{id}/approve"
            | "/v1/plans/{id}/dry-run"
            | "/v1/plans/{id}/bin"
            | "/v1/plans/{id}/restore"
            | "/v1/plans/{id}/recipients"
            | "/v1/subscriptions/{id}/test"
            | "/v1/inbox/{owner}/{id}/read"
            | "/v1/files",
        )
        | ("GET" | "DELETE", _) => None,
        (method, path) => panic!("{method} {path} is new: give it a good body here"),
    }
}

async fn call(http: &Client, route: &Route, path: &str) -> Answer {
    let body = match (route.method.as_str(), route.path.as_str()) {
        ("POST", "/v1/files") => Some(PDF.to_vec()),
        _ => body(route).map(|body| body.to_string().into_bytes()),
    };
    let headers: &[(&str, &str)] = match (route.method.as_str(), route.path.as_str()) {
        (_, "/v1/plans") => &[("idempotency-key", "the same key")],
        ("POST", "/v1/plans/{id}/recipients") => &[("content-type", "text/csv")],
        _ => &[],
    };
    http.call(route.method.clone(), path, headers, body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_never_see_each_other() {
    let (mut system, theirs) = start(Options::default()).await;
    let other = furnish(&theirs, "canary-theirs").await;
    let me = system.tenant("canary-second").await;
    me.account(json!({"name": "canary-own", "channel": "inbox", "provider": "inbox"})).await;
    for route in routes(&me.http).await.iter().filter(|route| route.scope.is_some()) {
        let path = filled(&route.path, &other);
        let answer = call(&me.http, route, &path).await;
        let named = route.path.contains("{id}");
        let expected: &[u16] = if named { &[404] } else { &[200, 201, 202] };
        let place = format!("{} {path}", route.method);
        assert!(expected.contains(&answer.status), "{place}: {} {}", answer.status, answer.text);
        assert_eq!(answer.header("idempotent-replayed"), "", "{place}: another's answer was repeated");
        let own = route.method == Method::POST
            && ["/v1/accounts", "/v1/templates", "/v1/policies"].contains(&route.path.as_str());
        for thing in other.all.iter().filter(|thing| !own || *thing != "canary-theirs") {
            assert!(
                !answer.text.contains(thing.as_str()),
                "{place} shows another tenant's {thing}: {}",
                answer.text
            );
        }
    }
    // My message to an owner of the same name is mine, theirs is theirs, and nothing of theirs was touched.
    let mine = me.http.all("/v1/plans").await;
    assert_eq!(mine.len(), 1, "same reference, same Idempotency-Key, another tenant: a plan of its own");
    let plan =
        herald_tests::tenant::Plan { id: mine[0]["id"].as_str().unwrap().to_owned(), body: mine[0].clone() };
    me.until(&plan, "finished", SOON).await;
    for (tenant, title) in [(&me, "canary-mine"), (&theirs, "canary-theirs")] {
        let inbox = tenant.http.all("/v1/inbox/canary-owner").await;
        assert_eq!((inbox.len(), &inbox[0]["title"]), (1, &json!(title)));
    }
    let account = theirs.http.get(&format!("/v1/accounts/{}", other.account)).await.expect(200).json();
    assert_eq!((&account["order"], &account["enabled"]), (&json!(1), &json!(true)));
    let quiet = theirs.http.get("/v1/settings/quiet-hours").await.expect(200).json();
    assert_eq!(quiet["time_zone"], "UTC", "my setting is mine");
    let keys = theirs.http.all("/v1/keys").await;
    assert!(keys.iter().all(|key| key["revoked_at"].is_null()), "{keys:?}");
    system.finish().await;
}

async fn key_with(http: &Client, scopes: &[&str]) -> Client {
    let made = http.post("/v1/keys", &json!({"name": "canary", "scopes": scopes})).await.expect(201).json();
    http.with_key(made["key"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_asks_for_a_key_with_its_scope() {
    let (mut system, tenant) = start(Options::default()).await;
    let own = furnish(&tenant, "canary-own").await;
    let routes = routes(&tenant.http).await;
    let mut scopes: Vec<&str> = routes.iter().filter_map(|route| route.scope.as_deref()).collect();
    scopes.sort_unstable();
    scopes.dedup();
    let nobody = system.client(None).await;
    let strangers =
        [nobody.with_key("hk_nonsense"), nobody.with_key(&format!("hk_{}", "A".repeat(43))), nobody.clone()];
    for route in &routes {
        let Some(scope) = &route.scope else {
            // What a token opens is looked at in reading.rs.
            if route.path.contains('{') {
                continue;
            }
            assert_eq!(nobody.get(&route.path).await.status, 200, "{}", route.path);
            continue;
        };
        let (path, place) = (filled(&route.path, &own), format!("{} {}", route.method, route.path));
        for stranger in &strangers {
            let answer = call(stranger, route, &path).await;
            assert_eq!(answer.status, 401, "{place}: {}", answer.text);
            assert!(answer.header("www-authenticate").starts_with("Bearer"), "{place}");
        }
        let others: Vec<&str> = scopes.iter().copied().filter(|other| other != scope).collect();
        let answer = call(&key_with(&tenant.http, &others).await, route, &path).await;
        assert_eq!(answer.status, 403, "{place}: {}", answer.text);
        assert!(answer.text.contains(scope.as_str()), "{place}: {}", answer.text);
    }
    only_what_is_scoped(&tenant, &system).await;
    system.finish().await;
}

/// A key that may only read plans reads plans, and changes nothing.
async fn only_what_is_scoped(tenant: &Tenant, system: &System) {
    let reader = key_with(&tenant.http, &["plans:read"]).await;
    assert_eq!(reader.get("/v1/plans").await.status, 200);
    assert_eq!(reader.post("/v1/plans", &plan_body("canary")).await.status, 403);
    let beyond = key_with(&tenant.http, &["keys:write"])
        .await
        .post("/v1/keys", &json!({"name": "x", "scopes": ["plans:write"]}))
        .await;
    assert_eq!(beyond.status, 403, "nobody gives away what they do not have: {}", beyond.text);
    assert_eq!(system.database.number("SELECT count(*) FROM plan").await, 1);
}
