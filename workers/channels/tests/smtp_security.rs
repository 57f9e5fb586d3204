//! TLS and credentials of the smtp driver: what is required is never given up.

mod support;

use std::sync::Arc;

use herald_channels::Driver;
use herald_shared::domain::{Channel, Class};
use serde_json::{Value, json};
use support::smtp_server::{Act, Rules, Security, Server};
use support::{CA, Open, assert_sent, call, failed};

const USER: (&str, &str) = ("user@example.com", "p@ss w0rd");

fn rules(security: Security, offers: Vec<&'static str>) -> Rules {
    let user = offers.iter().any(|offer| offer.starts_with("AUTH")).then_some(USER);
    Rules { offers, security, user }
}

fn driver(server: &Server, tls: &str, host: &str, ca: Option<&str>, password: &str) -> Arc<dyn Driver> {
    let settings = json!({"host": host, "port": server.address.port(), "tls": tls, "ca_pem": ca,
        "from": "Herald <herald@example.org>"});
    let secret =
        if password.is_empty() { Value::Null } else { json!({"username": USER.0, "password": password}) };
    support::open("smtp", settings, secret)
}

async fn send(driver: &Arc<dyn Driver>) -> herald_shared::domain::Verdict {
    driver.send(&call(Channel::Email, 1, "li@example.org"), &Open::default()).await
}

#[tokio::test]
async fn mails_go_encrypted_and_authenticated() {
    for (security, tls) in [(Security::StartTls, "starttls"), (Security::Implicit, "implicit")] {
        for offers in [vec!["AUTH PLAIN LOGIN", "PIPELINING"], vec!["AUTH=LOGIN"]] {
            let server = Server::start(rules(security, offers)).await;
            let driver = driver(&server, tls, "mail.test", Some(CA), USER.1);
            driver.verify().await.unwrap();
            for _ in 0..3 {
                assert_sent(&send(&driver).await);
            }
            assert_eq!(server.mails().len(), 3, "{tls}");
            assert_eq!(server.connections(), 2, "one to verify, one to send");
        }
    }
}

#[tokio::test]
async fn starttls_that_is_not_offered_is_the_accounts_fault_and_nothing_is_said() {
    let server = Server::start(rules(Security::None, vec!["AUTH PLAIN"])).await;
    let driver = driver(&server, "starttls", "mail.test", Some(CA), USER.1);
    assert_eq!(failed(send(&driver).await).class, Class::Account);
    assert_eq!(driver.verify().await.unwrap_err().pointer, "/settings/tls");
    assert_eq!(server.saw("MAIL") + server.saw("AUTH"), 0);
}

#[tokio::test]
async fn words_slipped_in_before_the_handshake_end_it() {
    let server = Server::start(rules(Security::StartTls, vec![])).await;
    server.on("STARTTLS", Act::Say("220 go\r\n250-evil.test\r\n250 AUTH PLAIN"));
    let failure = failed(send(&driver(&server, "starttls", "mail.test", Some(CA), "")).await);
    assert_eq!(failure.class, Class::Transient);
    assert_eq!(server.saw("MAIL"), 0);
}

#[tokio::test]
async fn a_refused_starttls_is_told_by_its_digit() {
    let server = Server::start(rules(Security::StartTls, vec![])).await;
    let driver = driver(&server, "starttls", "mail.test", Some(CA), "");
    server.on("STARTTLS", Act::Say("454 4.7.0 TLS not available now"));
    assert_eq!(failed(send(&driver).await).class, Class::Transient);
    server.on("STARTTLS", Act::Say("502 5.5.1 no"));
    assert_eq!(failed(send(&driver).await).class, Class::Account);
    assert_sent(&send(&driver).await);
}

#[tokio::test]
async fn a_certificate_must_hold() {
    let server = Server::start(rules(Security::Implicit, vec![])).await;
    for (host, ca) in [("other.test", Some(CA)), ("127.0.0.1", Some(CA)), ("mail.test", None)] {
        let driver = driver(&server, "implicit", host, ca, "");
        let failure = failed(send(&driver).await);
        assert_eq!((failure.class, failure.code.as_str()), (Class::Account, "certificate"), "{host}");
        assert_eq!(driver.verify().await.unwrap_err().pointer, "/settings/tls");
    }
    let talks_clear = Server::start(rules(Security::None, vec![])).await;
    let failure = failed(send(&driver(&talks_clear, "implicit", "mail.test", Some(CA), "")).await);
    assert_eq!(failure.class, Class::Transient);
    talks_clear.forgive();
}

#[tokio::test]
async fn bad_credentials_are_the_accounts_fault_in_the_servers_words() {
    for offer in ["AUTH PLAIN", "AUTH LOGIN"] {
        let server = Server::start(rules(Security::StartTls, vec![offer])).await;
        let driver = driver(&server, "starttls", "mail.test", Some(CA), "wrong");
        let problem = driver.verify().await.unwrap_err();
        assert_eq!(
            (problem.pointer.as_str(), problem.detail.as_str()),
            ("/secret/password", "535 5.7.8 authentication failed")
        );
        let failure = failed(send(&driver).await);
        assert_eq!((failure.class, failure.code.as_str()), (Class::Account, "535 5.7.8"));
        assert_eq!(server.saw("MAIL"), 0);
    }
}

#[tokio::test]
async fn no_known_mechanism_and_passing_failures_are_told_apart() {
    let odd = Server::start(rules(Security::StartTls, vec!["AUTH GSSAPI"])).await;
    let driver_of_odd = driver(&odd, "starttls", "mail.test", Some(CA), USER.1);
    assert_eq!(driver_of_odd.verify().await.unwrap_err().pointer, "/secret");
    let busy = Server::start(rules(Security::StartTls, vec!["AUTH PLAIN"])).await;
    let driver_of_busy = driver(&busy, "starttls", "mail.test", Some(CA), USER.1);
    busy.on("AUTH", Act::Say("454 4.7.0 temporary"));
    assert_eq!(failed(send(&driver_of_busy).await).class, Class::Transient);
    assert_sent(&send(&driver_of_busy).await);
}

#[tokio::test]
async fn an_account_without_credentials_is_told_that_it_needs_them() {
    let server = Server::start(rules(Security::StartTls, vec!["AUTH PLAIN"])).await;
    let failure = failed(send(&driver(&server, "starttls", "mail.test", Some(CA), "")).await);
    assert_eq!((failure.class, failure.code.as_str()), (Class::Account, "530 5.7.0"));
}

#[tokio::test]
async fn credentials_go_in_clear_text_to_this_machine_only() {
    let server = Server::start(rules(Security::None, vec!["AUTH PLAIN"])).await;
    let driver = driver(&server, "none", "127.0.0.1", None, USER.1);
    driver.verify().await.unwrap();
    assert_sent(&send(&driver).await);
}
