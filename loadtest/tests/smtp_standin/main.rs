//! The SMTP stand-in against a client that speaks raw SMTP: strict where it must be, scripted where it is told.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod client;

use std::time::{Duration, Instant};

use client::Client;
use herald_loadtest::standins::identity::Identity;
use herald_loadtest::standins::smtp::{self, Action, Behaviour, Credentials, Handle, Options, Stage, Tls};
use tokio::io::AsyncWriteExt;

const LIMIT: Duration = Duration::from_secs(10);
const MAIL: &str = "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nFrom: h@example.org\r\nMessage-ID: <1@h>\r\n\
                    MIME-Version: 1.0\r\nSubject: x\r\n y\r\n\r\nhello\r\n..dot\r\n.\r\n";

async fn start() -> Handle {
    smtp::start(Options::default()).await.unwrap()
}

#[tokio::test]
async fn mail_is_recorded_with_counts_and_content() {
    let server = start().await;
    let mut client = Client::connect(&server).await;
    client.send("a@example.org", MAIL, "250").await;
    client.send("b@example.org", MAIL, "250").await;
    client.say("QUIT", "221").await;
    client.closed().await;
    server.wait_for(|received| received.connections.now == 0, LIMIT).await.unwrap();
    let received = server.received();
    assert_eq!((received.mails, received.deliveries), (2, 2));
    assert_eq!(received.by_message_id["<1@h>"].count, 2);
    assert_eq!(received.by_recipient["a@example.org"].count, 1);
    assert_eq!(received.first[0].from, "h@example.org");
    assert_eq!(received.first[1].to, ["b@example.org"]);
    assert_eq!(received.first[0].header("subject").unwrap(), "x y");
    assert_eq!(received.first[0].body(), b"hello\r\n.dot\r\n");
    assert_eq!((received.connections.max, received.connections.total), (1, 1));
    assert_eq!(received.violations, [""; 0]);
}

#[tokio::test]
async fn pipelined_commands_are_answered_in_one_group() {
    let server = start().await;
    let mut client = Client::connect(&server).await;
    server.script_for("gone@b", Behaviour::refuse("550 5.1.1 no such user"));
    client.write("MAIL FROM:<>\r\nRCPT TO:<gone@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n").await;
    for code in ["250", "550 5.1.1", "250", "354"] {
        client.expect(code).await;
    }
    client.write(&format!("{MAIL}RSET\r\nNOOP\r\n")).await;
    for code in ["250 2.0.0 accepted", "250", "250"] {
        client.expect(code).await;
    }
    let received = server.received();
    assert_eq!((received.mails, received.deliveries, received.scripted), (1, 1, 1));
    assert_eq!(received.violations, [""; 0]);
}

#[tokio::test]
async fn wrong_order_is_refused() {
    let server = start().await;
    let mut client = Client::plain(&server).await;
    client.expect("220").await;
    for line in ["MAIL FROM:<a@b>", "RCPT TO:<a@b>", "DATA", "STARTTLS", "AUTH PLAIN AHRlc3QAMTIzNA=="] {
        client.say(line, "503").await;
    }
    client.say("EHLO c", "250").await;
    client.say("RCPT TO:<a@b>", "503").await;
    client.say("MAIL FROM:<a@b>", "250").await;
    client.say("MAIL FROM:<a@b>", "503").await;
    client.say("DATA", "503").await;
    client.say("RCPT TO:<a b@c>", "501").await;
    client.say("DATA", "554").await;
    client.say(&format!("NOOP {}", "x".repeat(13_000)), "500").await;
    client.closed().await;
    assert_eq!(server.received().violations.len(), 10);
}

#[tokio::test]
async fn message_sent_before_354_is_refused() {
    let server = start().await;
    let mut client = Client::connect(&server).await;
    client.write(&format!("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n{MAIL}")).await;
    for code in ["250", "250", "503"] {
        client.expect(code).await;
    }
    client.closed().await;
    assert_eq!(server.received().mails, 0);
}

#[tokio::test]
async fn bad_messages_are_refused_and_the_connection_goes_on() {
    let server = start().await;
    let mut client = Client::connect(&server).await;
    let cases = [
        MAIL.replace("MIME-Version: 1.0\r\n", ""),
        MAIL.replace("hello\r\n", "hello\n"),
        MAIL.replace("..dot", ".dot"),
        MAIL.replace("hello", &"x".repeat(999)),
        MAIL.replace("hello", "hällo"),
    ];
    for message in &cases {
        client.send("a@b", message, "554").await;
    }
    client.write("NOOP\n").await;
    client.expect("500").await;
    client.send("a@b", MAIL, "250").await;
    server.set_strict(false);
    client.send("a@b", &cases[0], "250").await;
    let received = server.received();
    assert_eq!((received.mails, received.violations.len()), (2, cases.len() + 1));
}

#[tokio::test]
async fn utf8_and_sizes_are_declared_or_refused() {
    let server = smtp::start(Options { max_size: 400, ..Options::default() }).await.unwrap();
    let mut client = Client::connect(&server).await;
    client.say("MAIL FROM:<a@b> SIZE=401", "552").await;
    client.say("MAIL FROM:<李@b>", "553").await;
    client.say("MAIL FROM:<李@b> SMTPUTF8 BODY=8BITMIME SIZE=400", "250").await;
    client.say("RCPT TO:<雷@b>", "250").await;
    client.say("DATA", "354").await;
    client.write(&MAIL.replace("hello", "你好")).await;
    client.expect("250").await;
    client.up_to_data("a@b").await;
    client.write(&"x\r\n".repeat(200)).await;
    client.expect("552").await;
    client.closed().await;
    assert_eq!(server.received().by_recipient["雷@b"].count, 1);
}

#[tokio::test]
async fn deferral_is_used_up() {
    let server = start().await;
    server.script_for("late@b", Behaviour::defer(2, "451 4.3.0 try later"));
    let mut client = Client::connect(&server).await;
    client.say("MAIL FROM:<a@b>", "250").await;
    client.say("RCPT TO:<late@b>", "451").await;
    client.say("RCPT TO:<late@b>", "451").await;
    client.say("RCPT TO:<late@b>", "250").await;
    client.say("RSET", "250").await;
    server.script(Behaviour::refuse_message("554 5.7.1 spam").times(1));
    client.send("late@b", MAIL, "554 5.7.1").await;
    client.send("late@b", MAIL, "250").await;
    assert_eq!((server.received().mails, server.received().scripted), (1, 3));
}

#[tokio::test]
async fn dropped_connections_leave_what_they_should() {
    let server = start().await;
    for (behaviour, at_data, recorded) in [
        (Behaviour::drop_before_dot(), true, 0),
        (Behaviour::new(Stage::Body, Action::Drop), false, 0),
        (Behaviour::drop_after_dot(false), false, 0),
        (Behaviour::drop_after_dot(true), false, 1),
    ] {
        server.clear_scripts();
        server.reset();
        let mut client = Client::connect(&server).await;
        server.script(behaviour.clone());
        client.say("MAIL FROM:<a@b>", "250").await;
        client.say("RCPT TO:<c@d>", "250").await;
        client.write("DATA\r\n").await;
        if !at_data {
            client.expect("354").await;
            // The server may be gone before all is written.
            drop(client.0.write_all(MAIL.as_bytes()).await);
        }
        client.closed().await;
        assert_eq!(server.received().mails, recorded, "{behaviour:?}");
    }
}

#[tokio::test]
async fn stalls_hold_the_answer_back() {
    let server = start().await;
    let silence = Duration::from_millis(80);
    let mut client = Client::connect(&server).await;
    server.script(Behaviour::stall_before_dot(silence).times(1));
    let before = Instant::now();
    client.up_to_data("a@b").await;
    assert!(before.elapsed() >= silence);
    server.script(Behaviour::stall_after_dot(silence).times(1));
    client.write(MAIL).await;
    let written = Instant::now();
    server.wait_for(|received| received.mails == 1, LIMIT).await.unwrap();
    client.expect("250").await;
    assert!(written.elapsed() >= silence);
}

#[tokio::test]
async fn unavailable_server_says_421_and_closes() {
    let server = start().await;
    let mut client = Client::connect(&server).await;
    server.script(Behaviour::unavailable().times(1));
    client.say("MAIL FROM:<a@b>", "421").await;
    client.closed().await;
    server.script(Behaviour::new(Stage::Connect, Action::Reply("421 4.3.2 busy".to_owned())).times(1));
    let mut client = Client::plain(&server).await;
    client.expect("421").await;
    client.closed().await;
    let mut client = Client::connect(&server).await;
    server.cut_connections();
    client.closed().await;
    Client::connect(&server).await.send("a@b", MAIL, "250").await;
}

#[tokio::test]
async fn credentials_are_asked_for_and_checked() {
    let auth = Some(Credentials { username: "test".to_owned(), password: "1234".to_owned() });
    let server = smtp::start(Options { auth, ..Options::default() }).await.unwrap();
    let mut client = Client::connect(&server).await;
    client.say("MAIL FROM:<a@b>", "530").await;
    client.say("AUTH PLAIN AHRlc3QAMTIzNQ==", "535 5.7.8").await;
    client.say("AUTH CRAM-MD5", "504").await;
    client.say("AUTH LOGIN", "334 VXNlcm5hbWU6").await;
    client.say("dGVzdA==", "334 UGFzc3dvcmQ6").await;
    client.say("MTIzNA==", "235").await;
    client.say("AUTH PLAIN AHRlc3QAMTIzNA==", "503").await;
    client.send("a@b", MAIL, "250").await;
    let received = server.received();
    assert_eq!(received.auth_failures, 1);
    assert!(received.first[0].authenticated);
}

#[tokio::test]
async fn starttls_comes_before_mail_and_forgets_what_was_before() {
    let tls = Tls::StartTls(Identity::localhost());
    let auth = Some(Credentials { username: "test".to_owned(), password: "1234".to_owned() });
    let server = smtp::start(Options { tls, auth, ..Options::default() }).await.unwrap();
    let mut client = Client::plain(&server).await;
    client.expect("220").await;
    let offered = client.say("EHLO c", "250").await;
    assert!(offered.contains("STARTTLS") && !offered.contains("AUTH"));
    client.say("MAIL FROM:<a@b>", "530").await;
    client.say("AUTH PLAIN AHRlc3QAMTIzNA==", "538").await;
    client.say("STARTTLS", "220").await;
    let mut client = client.secure().await;
    client.say("MAIL FROM:<a@b>", "503").await;
    let offered = client.say("EHLO c", "250").await;
    assert!(!offered.contains("STARTTLS") && offered.contains("AUTH"));
    client.say("AUTH PLAIN AHRlc3QAMTIzNA==", "235").await;
    client.send("a@b", MAIL, "250").await;
    assert!(server.received().first[0].tls);
}

#[tokio::test]
async fn implicit_tls_from_the_first_byte() {
    let tls = Tls::Implicit(Identity::localhost());
    let server = smtp::start(Options { tls, ..Options::default() }).await.unwrap();
    let mut client = Client::plain(&server).await.secure().await;
    client.expect("220").await;
    client.say("EHLO c", "250").await;
    client.send("a@b", MAIL, "250").await;
    assert!(server.received().first[0].tls);
}

#[tokio::test]
async fn waiting_for_what_never_comes_ends_with_a_summary() {
    let server = start().await;
    let limit = Duration::from_millis(10);
    let timed_out = server.wait_for(|received| received.mails == 1, limit).await.unwrap_err();
    assert!(timed_out.to_string().contains("0 mails"), "{timed_out}");
}
