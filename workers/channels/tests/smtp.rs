//! The smtp driver against a strict server: what arrives, what each refusal means, and how connections are used.

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use herald_channels::Driver;
use herald_shared::domain::{Channel, Class, Content, Reason, Verdict};
use serde_json::{Value, json};
use support::smtp_server::{Act, Rules, Server};
use support::{Open, Shut, assert_sent, call, class, failed};

fn driver(server: &Server) -> Arc<dyn Driver> {
    driver_that_waits(server, 30_000)
}

fn driver_that_waits(server: &Server, timeout_ms: u64) -> Arc<dyn Driver> {
    let settings = json!({"host": "127.0.0.1", "port": server.address.port(), "tls": "none",
        "timeout_ms": timeout_ms, "from": "Herald <herald@example.org>"});
    support::open("smtp", settings, Value::Null)
}

async fn send(driver: &Arc<dyn Driver>, no: i32) -> Verdict {
    driver.send(&call(Channel::Email, no, &format!("li{no}@example.org")), &Open::default()).await
}

fn without_pipelining() -> Rules {
    Rules { offers: vec!["8BITMIME"], ..Rules::default() }
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_meant() {
    let server = Server::start(Rules::default()).await;
    let html = Content { html: Some("<p>{{ name }}</p>".to_owned()), ..support::text(".dot {{ room }}") };
    let mut call = call(Channel::Email, 1, "li@例子.test");
    call.message = support::message(html);
    let sent = driver(&server).send(&call, &Open::default()).await;
    assert_eq!(sent, Verdict::sent(Some("queued as A1B2".to_owned())));
    let mail = server.mails()[0].clone();
    assert_eq!((mail.from.as_str(), mail.to.as_str()), ("herald@example.org", "li@xn--fsqu00a.test"));
    assert!(mail.data.contains(&format!("Message-ID: <{}@example.org>\r\n", call.delivery(&call.to[0]))));
    assert!(mail.data.contains("\r\n..dot 301\r\n"), "stuffed on the wire: {}", mail.data);
    assert!(mail.data.contains("multipart/alternative"));
}

#[tokio::test]
async fn one_connection_serves_many_mails_in_one_write_each() {
    let server = Server::start(Rules::default()).await;
    let driver = driver(&server);
    for no in 1..=20 {
        assert_sent(&send(&driver, no).await);
    }
    assert_eq!(server.connections(), 1);
    assert_eq!(server.mails().len(), 20);
    assert_eq!(server.saw("RSET") + server.saw("NOOP"), 0, "no needless round trips");
}

#[tokio::test]
async fn a_worn_connection_is_replaced() {
    let server = Server::start(Rules::default()).await;
    let driver = driver(&server);
    for no in 1..=201 {
        assert_sent(&send(&driver, no).await);
    }
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn refusals_mean_what_they_say_and_the_next_mail_passes_on_the_same_connection() {
    let cases = [
        ("MAIL", "451 4.3.0 later", Class::Transient),
        ("MAIL", "550 5.1.8 bad sender", Class::Account),
        ("RCPT", "550 5.1.1 no such user", Class::PermanentRecipient),
        ("RCPT", "452 4.5.3 too many", Class::Transient),
        ("RCPT", "450-4.2.0 grey\r\n450 4.2.0 listed", Class::Transient),
        ("DATA", "451 4.3.2 busy", Class::Transient),
        ("DOT", "550 5.7.1 spam", Class::PermanentRequest),
        ("DOT", "552 5.3.4 too big", Class::PermanentRequest),
        ("DOT", "452 4.3.1 full", Class::Transient),
    ];
    for rules in [Rules::default(), without_pipelining()] {
        let server = Server::start(rules).await;
        let driver = driver(&server);
        for (moment, answer, expected) in cases {
            server.on(moment, Act::Say(answer));
            assert_eq!(class(send(&driver, 1).await), expected, "{moment} {answer}");
            assert_sent(&send(&driver, 2).await);
        }
        assert_eq!(server.connections(), 1);
        assert_eq!(server.mails().len(), cases.len());
    }
}

#[tokio::test]
async fn data_taken_although_nobody_was_is_ended_with_an_empty_mail() {
    let server = Server::start(Rules::default()).await;
    let driver = driver(&server);
    server.on("RCPT", Act::Say("550 5.1.1 no"));
    server.on("DATA", Act::Say("354 go on anyway"));
    assert_eq!(class(send(&driver, 1).await), Class::PermanentRecipient);
    assert_sent(&send(&driver, 2).await);
    assert_eq!((server.connections(), server.mails().len()), (1, 1));
}

#[tokio::test]
async fn a_421_is_transient_and_ends_the_connection() {
    let server = Server::start(Rules::default()).await;
    let driver = driver(&server);
    for (n, moment) in ["MAIL", "RCPT", "DATA", "DOT"].into_iter().enumerate() {
        server.on(moment, Act::SayAndClose("421 4.3.2 closing"));
        let failure = failed(send(&driver, 1).await);
        assert_eq!((failure.class, failure.code.as_str()), (Class::Transient, "421 4.3.2"), "{moment}");
        assert_eq!(server.connections(), n + 1, "{moment}");
    }
}

#[tokio::test]
async fn a_connection_lost_before_the_body_is_transient_after_the_dot_unknown() {
    for rules in [Rules::default(), without_pipelining()] {
        let server = Server::start(rules).await;
        let driver = driver(&server);
        for (moment, expected) in [
            ("MAIL", Class::Transient),
            ("RCPT", Class::Transient),
            ("DATA", Class::Transient),
            ("DOT", Class::Unknown),
        ] {
            server.on(moment, Act::Close);
            assert_eq!(class(send(&driver, 1).await), expected, "{moment}");
        }
        assert_sent(&send(&driver, 2).await);
        assert_eq!(server.mails().len(), 1);
    }
}

#[tokio::test]
async fn silence_is_transient_before_the_dot_and_unknown_after_it() {
    let server = Server::start(Rules::default()).await;
    let driver = driver_that_waits(&server, 1000);
    for (moment, expected) in [
        ("CONNECT", Class::Transient),
        ("EHLO", Class::Transient),
        ("RCPT", Class::Transient),
        ("DOT", Class::Unknown),
    ] {
        server.on(moment, Act::Stall);
        let failure = failed(send(&driver, 1).await);
        assert_eq!((failure.class, failure.reason), (expected, Reason::Timeout), "{moment}");
    }
    assert_sent(&send(&driver, 2).await);
}

#[tokio::test]
async fn an_answer_that_is_not_smtp_drops_the_connection() {
    let server = Server::start(Rules::default()).await;
    let driver = driver(&server);
    for (moment, answer, expected) in [
        ("CONNECT", "HTTP/1.1 400 Bad Request", Class::Transient),
        ("RCPT", "hello", Class::Transient),
        ("DATA", "250 ok", Class::Transient),
        ("DOT", "354 more?", Class::Unknown),
    ] {
        server.on(moment, Act::Say(answer));
        assert_eq!(class(send(&driver, 1).await), expected, "{moment}");
    }
    assert_sent(&send(&driver, 2).await);
    assert_eq!(server.connections(), 5);
}

#[tokio::test]
async fn an_idle_connection_that_died_is_replaced_within_the_call() {
    let server = Server::start(Rules::default()).await;
    let driver = driver(&server);
    assert_sent(&send(&driver, 1).await);
    server.hang_up();
    let gate = Open::default();
    assert_sent(&driver.send(&call(Channel::Email, 2, "li@example.org"), &gate).await);
    assert_eq!(gate.0.load(Ordering::SeqCst), 1, "the gate is entered once");
    server.on("MAIL", Act::SayAndClose("421 4.4.2 idle too long"));
    assert_sent(&send(&driver, 3).await);
    assert_eq!((server.connections(), server.mails().len()), (3, 3));
}

#[tokio::test]
async fn a_cancelled_send_does_not_disturb_the_next() {
    let server = Server::start(Rules::default()).await;
    let driver = driver(&server);
    for moment in ["RCPT", "DATA", "DOT"] {
        assert_sent(&send(&driver, 1).await);
        server.on(moment, Act::Stall);
        let cancelled = tokio::spawn({
            let driver = driver.clone();
            async move { send(&driver, 2).await }
        });
        server.did_as_told().await;
        cancelled.abort();
        assert!(cancelled.await.unwrap_err().is_cancelled(), "{moment}");
        assert_sent(&send(&driver, 3).await);
    }
    let to: Vec<String> = server.mails().into_iter().map(|mail| mail.to).collect();
    assert_eq!(to, ["li1@example.org", "li3@example.org"].repeat(3));
}

#[tokio::test]
async fn a_shut_gate_means_that_nothing_was_said_of_the_mail() {
    let server = Server::start(Rules::default()).await;
    let driver = driver(&server);
    let verdict = driver.send(&call(Channel::Email, 1, "li@example.org"), &Shut).await;
    assert_eq!(verdict, Verdict::NotStarted);
    assert_sent(&send(&driver, 2).await);
    assert_eq!((server.connections(), server.saw("MAIL")), (1, 1), "the connection was kept");
}

#[tokio::test]
async fn no_more_connections_than_the_account_allows() {
    let server = Server::start(Rules::default()).await;
    let driver = driver(&server);
    let sends = (1..=40).map(|no| {
        let driver = driver.clone();
        tokio::spawn(async move { send(&driver, no).await })
    });
    for sent in sends.collect::<Vec<_>>() {
        assert_sent(&sent.await.unwrap());
    }
    assert_eq!(server.mails().len(), 40);
    assert!(server.most_open() <= 4, "{}", server.most_open());
}

#[tokio::test]
async fn addresses_beyond_ascii_need_smtputf8() {
    let server = Server::start(Rules::default()).await;
    let to_li = call(Channel::Email, 1, "李雷@example.org");
    let failure = failed(driver(&server).send(&to_li, &Open::default()).await);
    assert_eq!((failure.class, failure.reason), (Class::PermanentRecipient, Reason::InvalidAddress));
    let able = Server::start(Rules { offers: vec!["SMTPUTF8"], ..Rules::default() }).await;
    assert_sent(&driver(&able).send(&to_li, &Open::default()).await);
    assert_eq!(able.saw("MAIL FROM:<HERALD@EXAMPLE.ORG> SMTPUTF8"), 1);
    assert_sent(&send(&driver(&able), 2).await);
    assert_eq!(able.saw("MAIL FROM:<HERALD@EXAMPLE.ORG> SMTPUTF8"), 1, "only where needed");
}

#[tokio::test]
async fn a_mail_beyond_the_servers_size_is_not_tried() {
    let server = Server::start(Rules { offers: vec!["SIZE 100"], ..Rules::default() }).await;
    assert_eq!(class(send(&driver(&server), 1).await), Class::PermanentRequest);
    assert_eq!(server.saw("MAIL"), 0);
}

#[tokio::test]
async fn nobody_listening_is_transient_and_a_private_name_is_refused() {
    // Port 1 (tcpmux) is not in use on any machine of this century.
    let settings = json!({"host": "127.0.0.1", "port": 1, "tls": "none", "from": "herald@example.org"});
    let nobody = support::open("smtp", settings, Value::Null);
    let failure = failed(send(&nobody, 1).await);
    assert_eq!((failure.class, failure.code.as_str()), (Class::Transient, "connect"));
    assert_eq!(nobody.verify().await.unwrap_err().pointer, "/settings/host");
    for host in ["inside.test", "metadata.test"] {
        let settings = json!({"host": host, "port": 25, "tls": "none", "from": "herald@example.org"});
        let driver = support::open("smtp", settings, Value::Null);
        let failure = failed(send(&driver, 1).await);
        assert_eq!((failure.class, failure.reason), (Class::Account, Reason::TargetRefused), "{host}");
        assert_eq!(driver.verify().await.unwrap_err().pointer, "/settings/host");
    }
}
