//! What several tests use.

use herald_loadtest::standins::smtp;
use herald_tests::{Options, System, Tenant};
use serde_json::{Value, json};

/// A system with one tenant.
pub(crate) async fn start(options: Options) -> (System, Tenant) {
    let mut system = System::start(options).await;
    let tenant = system.tenant("canary-tenant").await;
    (system, tenant)
}

/// A system with one tenant that mails through a stand-in.
pub(crate) async fn start_mail(options: Options) -> (System, Tenant, smtp::Handle) {
    let server = smtp::start(smtp::Options::default()).await.unwrap();
    let (system, tenant) = start(options).await;
    tenant.smtp(server.addr()).await;
    (system, tenant, server)
}

/// A plan to these recipients by mail.
pub(crate) fn mail(to: impl Into<Value>) -> Value {
    let recipients: Value = to.into();
    json!({"title": "Canary title", "content": {"text": "Canary text for {{ name }}."}, "recipients": recipients, "priority": "urgent"})
}

/// A plan to `count` people with an address each.
pub(crate) fn mail_to_many(count: usize) -> Value {
    let people: Vec<String> = (1..=count).map(|no| format!("canary-{no}@example.org")).collect();
    let mut body = mail(people);
    body["priority"] = "normal".into();
    body
}

/// How often the stand-in took a message it had taken before.
pub(crate) fn duplicates(server: &smtp::Handle) -> u64 {
    server.read(|received| received.by_message_id.values().map(|tally| u64::from(tally.count) - 1).sum())
}

/// The stand-in found nothing wrong with how it was spoken to.
pub(crate) fn assert_correct(server: &smtp::Handle) {
    server.read(|received| assert_eq!(received.violations, Vec::<String>::new()));
}
