//! A database that stops answering without closing its connections: a pooler or balancer in between that hangs.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::plans::plan;
use crate::server::{Answer, Server, json_body, send};

const DEADLINE: Duration = Duration::from_secs(1);

/// A way to `server`; its connections fall silent with [`Way::hang`], later ones are as they should be.
struct Way {
    port: u16,
    silent: watch::Sender<u32>,
}

impl Way {
    async fn to(server: String) -> Way {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (silent, look) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server.clone(), look.clone()));
            }
        });
        Way { port, silent }
    }

    fn hang(&self) {
        self.silent.send_modify(|times| *times += 1);
    }
}

async fn carry(mut client: TcpStream, server: String, mut silent: watch::Receiver<u32>) {
    silent.mark_unchanged();
    let mut server = TcpStream::connect(server).await.unwrap();
    tokio::select! {
        ended = tokio::io::copy_bidirectional(&mut client, &mut server) => drop(ended),
        // Both ends stay open and hear nothing more.
        _ = silent.changed() => std::future::pending().await,
    }
}

#[tokio::test]
async fn a_silent_database_is_a_503_and_its_connections_are_not_used_again() {
    let server = Server::start().await;
    server.inbox_account().await;
    let way = Way::to(server.database_address()).await;
    let url = server.by_way_of(way.port, DEADLINE).await;
    let call = async |method: Method, path: &str| -> Answer {
        let request = server.client.request(method.clone(), format!("{url}{path}")).bearer_auth(&server.key);
        let plan = plan(json!({ "recipients": [{ "key": "a" }], "channels": ["inbox"] }));
        send(if method == Method::POST { json_body(request, &plan) } else { request }).await
    };
    for (method, good) in [(Method::GET, 200), (Method::POST, 202)] {
        assert_eq!(call(method.clone(), "/v1/plans").await.status, good);
        way.hang();
        let begun = Instant::now();
        let answer = call(method.clone(), "/v1/plans").await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (503, "unavailable"), "{method}");
        assert_ne!(answer.header("retry-after"), "", "{method}");
        assert!(begun.elapsed() < DEADLINE * 5, "{method}: {:?}", begun.elapsed());
        // At once: what fell silent was thrown away.
        let answer = call(method.clone(), "/v1/plans").await;
        assert_eq!(answer.status, good, "{method}: {}", answer.text);
    }
}
