//! A Herald of a hundred lines: enough of the HTTP contract for the measuring commands, delivering for real.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::UNIX_EPOCH;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, patch, post as posted};
use axum::{Json, Router};
use herald_loadtest::standins::webhook::{Key, sign};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// What the fake knows, and how it cheats.
#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) accounts: Mutex<BTreeMap<String, Value>>,
    pub(crate) keys: Mutex<u32>,
    pub(crate) plans: Mutex<BTreeMap<String, Value>>,
    /// Sends every webhook and mail twice.
    pub(crate) repeats: bool,
    /// Accepts plans and never finishes them.
    pub(crate) idle: bool,
    /// A plan was accepted.
    pub(crate) accepted: Notify,
}

type App = State<Arc<Fake>>;

/// Serves on a free port; its URL.
pub(crate) async fn serve(fake: Arc<Fake>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new()
        .route("/v1/accounts", get(list_accounts).post(create_account))
        .route("/v1/accounts/{id}", patch(change_account).delete(delete_account))
        .route("/v1/keys", posted(create_key))
        .route("/v1/keys/{id}", delete(revoke_key))
        .route("/v1/plans", get(list_plans).post(create_plan))
        .route("/v1/plans/{id}", get(one_plan))
        .route("/v1/plans/{id}/recipients", posted(upload))
        .route("/v1/plans/{id}/{order}", posted(order))
        .route(
            "/metrics",
            get(|| async { "process_cpu_seconds_total 1\nprocess_resident_memory_bytes 5e7\n" }),
        )
        .with_state(fake);
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

impl Fake {
    pub(crate) fn add_account(&self, id: &str, mut account: Value) -> Value {
        account["id"] = json!(id);
        self.accounts.lock().unwrap().insert(id.to_owned(), account.clone());
        account
    }

    fn account_of(&self, channel: &str) -> Value {
        let accounts = self.accounts.lock().unwrap();
        accounts.values().find(|a| a["channel"] == channel && a["enabled"] == true).unwrap().clone()
    }

    async fn deliver(self: Arc<Self>, id: String, plan: Value) {
        let channel = plan["channels"][0].as_str().unwrap();
        let account = self.account_of(channel);
        let recipients = plan["recipients"].as_array().unwrap();
        for _ in 0..if self.repeats { 2 } else { 1 } {
            match channel {
                "webhook" => post(&id, address(&recipients[0]), &account, &plan).await,
                "email" => mail(recipients, &account).await,
                "wecom" => wecom(recipients, &account).await,
                _ => {}
            }
        }
        let count = recipients.len();
        self.plans.lock().unwrap().insert(
            id.clone(),
            json!({
                "id": id, "status": "finished", "deliveries": {"total": count, "sent": count, "delivered": 0},
            }),
        );
    }
}

/// A webhook's URL, bare or as part of a person.
fn address(recipient: &Value) -> &str {
    recipient.as_str().or_else(|| recipient["url"].as_str()).unwrap()
}

async fn post(id: &str, url: &str, account: &Value, plan: &Value) {
    let key = Key::parse(account["secret"]["signing_key"].as_str().unwrap()).unwrap();
    let body = json!({"id": id, "title": plan["title"]}).to_string();
    let now = i64::try_from(UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    let request = reqwest::Client::new()
        .post(url)
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", now)
        .header("webhook-signature", sign(&key, id, now, body.as_bytes()));
    assert_eq!(request.body(body).send().await.unwrap().status(), 200);
}

async fn mail(recipients: &[Value], account: &Value) {
    let port = u16::try_from(account["settings"]["port"].as_u64().unwrap()).unwrap();
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    let mut said = String::new();
    stream.read_line(&mut said).await.unwrap();
    let mut say = async |text: &str, code: &str| {
        stream.write_all(text.as_bytes()).await.unwrap();
        said.clear();
        stream.read_line(&mut said).await.unwrap();
        assert!(said.starts_with(code), "{said}");
    };
    say("HELO fake.example\r\n", "250").await;
    for recipient in recipients {
        let to = recipient["email"].as_str().unwrap();
        say("MAIL FROM:<herald@example.org>\r\n", "250").await;
        say(&format!("RCPT TO:<{to}>\r\n"), "250").await;
        say("DATA\r\n", "354").await;
        let head = "Date: x\r\nFrom: h@example.org\r\nMIME-Version: 1.0\r\n";
        say(&format!("{head}Message-ID: <{to}>\r\n\r\nhello\r\n.\r\n"), "250").await;
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Value {
    serde_json::from_slice(&request.send().await.unwrap().bytes().await.unwrap()).unwrap()
}

/// A thousand people a call, as the real one would.
async fn wecom(people: &[Value], account: &Value) {
    let (settings, http) = (&account["settings"], reqwest::Client::new());
    let base = settings["base_url"].as_str().unwrap();
    let (corp, secret) =
        (settings["corp_id"].as_str().unwrap(), account["secret"]["corp_secret"].as_str().unwrap());
    let token = format!("{base}/cgi-bin/gettoken?corpid={corp}&corpsecret={secret}");
    let token = answer(http.get(token)).await;
    let send =
        format!("{base}/cgi-bin/message/send?access_token={}", token["access_token"].as_str().unwrap());
    for people in people.chunks(1000) {
        let users: Vec<&str> = people.iter().map(|person| person.as_str().unwrap()).collect();
        let body = json!({
            "touser": users.join("|"), "msgtype": "text", "agentid": settings["agent_id"], "text": {"content": "Water"},
        });
        let request = http.post(&send).header("content-type", "application/json").body(body.to_string());
        let answer = answer(request).await;
        assert_eq!(answer["errcode"], 0, "{answer}");
    }
}

/// The last column of every row is kept as the person.
async fn upload(State(fake): App, Path(id): Path<String>, body: String) -> Json<Value> {
    let people: Vec<&str> = body.lines().skip(1).map(|line| line.rsplit(',').next().unwrap()).collect();
    let added = people.len();
    fake.plans.lock().unwrap().get_mut(&id).unwrap()["recipients_kept"] = json!(people);
    Json(
        json!({"rows": added, "added": added, "duplicates": 0, "refused": 0, "errors": [], "recipients": added}),
    )
}

/// `send` works at once; `recall` finds everybody who is left without a result, at once.
async fn order(State(fake): App, Path((id, order)): Path<(String, String)>) -> Json<Value> {
    let mut plan = fake.plans.lock().unwrap()[&id].clone();
    plan["status"] = json!(if order == "send" { "running" } else { "recalled" });
    fake.plans.lock().unwrap().insert(id.clone(), plan.clone());
    if order == "send" {
        let content = json!({"channels": plan["channels"], "recipients": plan["recipients_kept"]});
        tokio::spawn(Arc::clone(&fake).deliver(id, content));
    }
    plan["recipients"] = json!({"pending": 0});
    Json(plan)
}

async fn list_accounts(State(fake): App) -> Json<Value> {
    Json(json!({"items": fake.accounts.lock().unwrap().values().collect::<Vec<_>>(), "next_cursor": null}))
}

async fn create_account(State(fake): App, Json(account): Json<Value>) -> (StatusCode, Json<Value>) {
    (StatusCode::CREATED, Json(fake.add_account(&uuid::Uuid::now_v7().to_string(), account)))
}

async fn change_account(State(fake): App, Path(id): Path<String>, Json(change): Json<Value>) -> Json<Value> {
    let mut accounts = fake.accounts.lock().unwrap();
    let account = accounts.get_mut(&id).unwrap();
    account["enabled"] = change["enabled"].clone();
    Json(account.clone())
}

async fn delete_account(State(fake): App, Path(id): Path<String>) -> StatusCode {
    fake.accounts.lock().unwrap().remove(&id);
    StatusCode::NO_CONTENT
}

async fn create_key(State(fake): App) -> (StatusCode, Json<Value>) {
    *fake.keys.lock().unwrap() += 1;
    (StatusCode::CREATED, Json(json!({"id": "1", "key": "hk_fast"})))
}

async fn revoke_key(State(fake): App) -> StatusCode {
    *fake.keys.lock().unwrap() -= 1;
    StatusCode::NO_CONTENT
}

async fn create_plan(State(fake): App, Json(plan): Json<Value>) -> (StatusCode, Json<Value>) {
    let id = uuid::Uuid::now_v7().to_string();
    if plan["draft"] == true {
        let draft = json!({
            "id": id, "status": "draft", "channels": plan["channels"],
            "deliveries": {"total": 0, "sent": 0, "delivered": 0},
        });
        fake.plans.lock().unwrap().insert(id, draft.clone());
        return (StatusCode::CREATED, Json(draft));
    }
    let count = plan["recipients"].as_array().unwrap().len();
    let running = json!({
        "id": id, "status": "running", "deliveries": {"total": count, "sent": 0, "delivered": 0},
    });
    fake.plans.lock().unwrap().insert(id.clone(), running.clone());
    fake.accepted.notify_one();
    if !fake.idle {
        tokio::spawn(Arc::clone(&fake).deliver(id, plan));
    }
    (StatusCode::ACCEPTED, Json(running))
}

async fn list_plans(State(fake): App) -> Json<Value> {
    let plans = fake.plans.lock().unwrap();
    let running: Vec<&Value> = plans.values().filter(|plan| plan["status"] == "running").take(1).collect();
    Json(json!({"items": running, "next_cursor": null}))
}

async fn one_plan(State(fake): App, Path(id): Path<String>) -> Json<Value> {
    let mut plan = fake.plans.lock().unwrap()[&id].clone();
    if let Some(plan) = plan.as_object_mut() {
        plan.remove("recipients_kept");
    }
    Json(plan)
}
