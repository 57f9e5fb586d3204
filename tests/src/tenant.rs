//! A tenant and what it does: accounts, plans, looking at them.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Client, wait_for};

/// A tenant with a key that may do everything.
pub struct Tenant {
    /// Its name.
    pub name: String,
    /// Its way to the API.
    pub http: Client,
}

/// A plan that was accepted.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Public id.
    pub id: String,
    /// The answer to POST.
    pub body: Value,
}

impl Plan {
    /// `/v1/plans/{id}`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/v1/plans/{}", self.id)
    }

    /// Its internal id, for looking into the database.
    ///
    /// # Panics
    /// When the public id is not of our making.
    #[must_use]
    pub fn internal(&self) -> i64 {
        let uuid: Uuid = self.id.parse().expect("a plan's id is a UUID");
        herald_shared::domain::ids::parse(uuid).expect("a plan's id reads back").plan.id
    }
}

impl Tenant {
    pub(crate) fn new(name: &str, http: Client) -> Self {
        Tenant { name: name.to_owned(), http }
    }

    /// Makes an account; its id.
    ///
    /// # Panics
    /// When the API refuses.
    pub async fn account(&self, body: Value) -> String {
        let made = self.http.post("/v1/accounts", &body).await.expect(201).json();
        made["id"].as_str().expect("an account has an id").to_owned()
    }

    /// An account at an SMTP server in clear text.
    pub async fn smtp(&self, server: SocketAddr) -> String {
        self.account(smtp_account("mail", server, 10)).await
    }

    /// An account for webhooks signed with this key.
    pub async fn webhook(&self, signing_key: &str) -> String {
        let settings = json!({"timeout_ms": 5000});
        let secret = json!({"signing_key": signing_key});
        self.account(json!({"name": "hooks", "channel": "webhook", "provider": "webhook", "settings": settings, "secret": secret}))
            .await
    }

    /// An account for the in-app inbox.
    pub async fn inbox(&self) -> String {
        self.account(json!({"name": "inbox", "channel": "inbox", "provider": "inbox"})).await
    }

    /// Sends a plan.
    ///
    /// # Panics
    /// When the API refuses.
    pub async fn send(&self, body: &Value) -> Plan {
        let body = self.http.post("/v1/plans", body).await.expect(202).json();
        Plan { id: body["id"].as_str().expect("a plan has an id").to_owned(), body }
    }

    /// A plan as it is now.
    ///
    /// # Panics
    /// When the API refuses.
    pub async fn plan(&self, plan: &Plan) -> Value {
        self.http.get(&plan.path()).await.expect(200).json()
    }

    /// Waits for a status.
    ///
    /// # Panics
    /// When it does not come within `limit`.
    pub async fn until(&self, plan: &Plan, status: &str, limit: Duration) -> Value {
        wait_for(&format!("the plan is {status}"), limit, || async {
            let answer = self.http.try_call(reqwest::Method::GET, &plan.path(), &[], None).await.ok()?;
            Some(answer.json()).filter(|body| body["status"] == status)
        })
        .await
    }

    /// Its deliveries, all of them.
    pub async fn deliveries(&self, plan: &Plan) -> Vec<Value> {
        self.http.all(&format!("{}/deliveries", plan.path())).await
    }

    /// Its one delivery, with attempts.
    ///
    /// # Panics
    /// When it has not exactly one.
    pub async fn delivery(&self, plan: &Plan) -> Value {
        let deliveries = self.deliveries(plan).await;
        let [only] = deliveries.as_slice() else { panic!("not one delivery: {deliveries:?}") };
        let id = only["id"].as_str().expect("a delivery has an id");
        self.http.get(&format!("/v1/deliveries/{id}")).await.expect(200).json()
    }
}

/// The body of an account at an SMTP server in clear text, with so many calls at once.
#[must_use]
pub fn smtp_account(name: &str, server: SocketAddr, concurrency: u32) -> Value {
    json!({
        "name": name, "channel": "email", "provider": "smtp",
        "settings": {"host": server.ip().to_string(), "port": server.port(), "tls": "none", "from": "Herald <canary-sender@example.org>"},
        "limits": {"concurrency": concurrency},
    })
}
