//! What the tests of all drivers share: accounts, calls, gates, and a resolver of our own.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "compiled into each test binary, which uses its part of it; a test fails by panicking"
)]

pub mod http_server;
pub mod smtp_server;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use herald_channels::{
    Account, Attachments, Call, Deps, Driver, Gate, Message, NetPolicy, OwnTokens, Resolve, Target, provider,
};
use herald_shared::domain::ids::PlanRef;
use herald_shared::domain::{Channel, Class, Content, Failure, Lane, Slot, Steps, Verdict, template};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

pub const CA: &str = include_str!("../tls/ca.pem");

/// `*.test` is this machine, `inside.test` and `metadata.test` are private, `public.test` is not; others do not exist.
struct Names;

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
        let ip = match host {
            "inside.test" => "10.0.0.1",
            "metadata.test" => "169.254.169.254",
            "public.test" => "1.1.1.1",
            host if host.ends_with(".test") => "127.0.0.1",
            _ => return Err(std::io::ErrorKind::NotFound.into()),
        };
        Ok(vec![ip.parse().unwrap()])
    }
}

/// Loopback is allowed.
pub fn net() -> NetPolicy {
    NetPolicy::with_resolver(vec!["127.0.0.0/8".parse().unwrap()], Arc::new(Names))
}

/// A database that is not there.
pub fn deps(net: NetPolicy) -> Deps {
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(1).user("nobody");
    let manager = deadpool_postgres::Manager::new(config, tokio_postgres::NoTls);
    let pool = deadpool_postgres::Pool::builder(manager).build().unwrap();
    Deps {
        attachments: Arc::new(Attachments::new(pool.clone())),
        pool,
        net: Arc::new(net),
        tokens: Arc::new(OwnTokens::default()),
    }
}

pub fn account(settings: Value, secret: Value) -> Account {
    Account {
        id: 1,
        version: 1,
        tenant_id: 1,
        name: "account".to_owned(),
        settings,
        secret,
        concurrency: Some(4),
    }
}

pub fn open(name: &str, settings: Value, secret: Value) -> Arc<dyn Driver> {
    open_with(name, account(settings, secret), net())
}

pub fn open_with(name: &str, account: Account, net: NetPolicy) -> Arc<dyn Driver> {
    let provider = provider(name).unwrap();
    assert_eq!(provider.check(&account, &net), [], "the settings pass");
    provider.open(account, &deps(net)).ok().unwrap()
}

pub fn message(content: Content) -> Arc<Message> {
    Arc::new(Message {
        plan: PlanRef { created_ms: 1_795_000_000_000, id: 42 },
        tenant_id: 1,
        title: "停水通知".to_owned(),
        content: template::compile(&content, "停水通知").unwrap(),
        lane: Lane::Urgent,
        steps: Steps::default(),
        metadata: Some(json!({"ticket": "42"})),
        acknowledgement: Some(json!({"options": ["Received"], "other": true})),
        attachments: Vec::new(),
        asks: false,
        protected: false,
        links: None,
    })
}

pub fn text(text: &str) -> Content {
    Content { text: Some(text.to_owned()), ..Content::default() }
}

pub fn target(no: i32, address: &str) -> Target {
    let variables = json!({"room": "301"}).as_object().cloned();
    Target {
        no,
        key: Some(format!("E{no}")),
        name: Some("李雷".to_owned()),
        address: address.to_owned(),
        variables,
    }
}

pub fn call(channel: Channel, no: i32, address: &str) -> Call {
    let message = message(text("Hello {{ name }}, room {{ room }}."));
    Call { message, slot: Slot::new(1, channel), attempt: 1, to: vec![target(no, address)] }
}

/// Lets everybody in and counts.
#[derive(Default)]
pub struct Open(pub AtomicUsize);

#[async_trait]
impl Gate for Open {
    async fn enter(&self) -> bool {
        self.0.fetch_add(1, Ordering::SeqCst);
        true
    }
}

pub struct Shut;

#[async_trait]
impl Gate for Shut {
    async fn enter(&self) -> bool {
        false
    }
}

pub fn failed(verdict: Verdict) -> Failure {
    match verdict {
        Verdict::Failed(failure) => failure,
        other => panic!("expected a failure, not {other:?}"),
    }
}

pub fn class(verdict: Verdict) -> Class {
    failed(verdict).class
}

pub fn assert_sent(verdict: &Verdict) {
    assert!(matches!(verdict, Verdict::Sent { .. }), "{verdict:?}");
}

pub fn tls_acceptor() -> TlsAcceptor {
    let chain =
        CertificateDer::pem_slice_iter(include_bytes!("../tls/server.pem")).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../tls/server.key")).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
    TlsAcceptor::from(Arc::new(config))
}
