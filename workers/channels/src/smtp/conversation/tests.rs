use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::Instant;

use super::*;

const LIMIT: Duration = Duration::from_secs(5);

/// A connection whose server end takes `room` bytes before it has to read.
fn connection(room: usize) -> (Connection, DuplexStream) {
    let (ours, theirs) = duplex(room);
    let patience =
        Patience { connect: LIMIT, command: LIMIT, data: LIMIT, body: LIMIT, dot: LIMIT, goodbye: LIMIT };
    let offers = Offers { pipelining: true, ..Offers::default() };
    (Connection::new(Wire::new(Box::new(ours), Instant::now() + LIMIT), offers, patience), theirs)
}

/// Takes the commands and asks for the body.
async fn ask_for_body(server: &mut DuplexStream) {
    let mut commands = Vec::new();
    while !commands.ends_with(b"DATA\r\n") {
        server.read_buf(&mut commands).await.unwrap();
    }
    server.write_all(b"250 ok\r\n250 ok\r\n354 go\r\n").await.unwrap();
}

#[tokio::test]
async fn a_connection_lost_within_the_body_is_transient() {
    let (mut connection, mut server) = connection(1024);
    let mail = Mail::of_size(100_000);
    let serve = async {
        ask_for_body(&mut server).await;
        let mut some = [0; 2000];
        server.read_exact(&mut some).await.unwrap();
        drop(server);
    };
    let (sent, ()) = tokio::join!(connection.send(&mail), serve);
    assert!(matches!(sent, Err(Trouble::Lost(_))), "{sent:?}");
    assert!(!connection.is_usable());
}

#[tokio::test]
async fn a_connection_lost_after_the_last_byte_of_the_body_is_unknown() {
    let (mut connection, mut server) = connection(1024);
    let mail = Mail::of_size(100_000);
    let serve = async {
        ask_for_body(&mut server).await;
        let mut all = vec![0; mail.data.len()];
        server.read_exact(&mut all).await.unwrap();
        assert!(all.ends_with(b"\r\n.\r\n"));
        drop(server);
    };
    let (sent, ()) = tokio::join!(connection.send(&mail), serve);
    assert!(matches!(sent, Err(Trouble::Unanswered(_))), "{sent:?}");
    assert!(!connection.is_usable());
}

#[tokio::test]
async fn an_unasked_word_makes_a_connection_unusable() {
    let (mut connection, mut server) = connection(1_000_000);
    let mail = Mail::of_size(100);
    let serve = async {
        ask_for_body(&mut server).await;
        let mut all = vec![0; mail.data.len()];
        server.read_exact(&mut all).await.unwrap();
        server.write_all(b"250 ok\r\n250 again\r\n").await.unwrap();
    };
    let (sent, ()) = tokio::join!(connection.send(&mail), serve);
    assert!(sent.is_ok());
    assert!(!connection.is_usable(), "the next mail must not read the second answer");
}

#[test]
fn offers_are_read_in_all_their_spellings() {
    let lines =
        "250-mx.test hi\n250-PIPELINING\n250-size 1000\n250-AUTH=LOGIN\n250-AUTH PLAIN X\n250 StartTLS";
    let offers = Offers::read(&Reply::of(lines));
    assert!(offers.pipelining && offers.start_tls && offers.auth_login && offers.auth_plain);
    assert_eq!(offers.size, Some(Some(1000)));
    assert!(!offers.smtp_utf8);
    assert_eq!(Offers::read(&Reply::of("250-x\n250 SIZE")).size, Some(None));
    assert_eq!(Offers::read(&Reply::of("250 PIPELINING")), Offers::default(), "the first line is a name");
}
