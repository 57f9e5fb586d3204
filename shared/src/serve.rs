//! Serving HTTP: connections that ask for nothing, or never finish asking, do not stay.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Longest time from a connection's begin, or from its last answer, until a whole request header has arrived. Longer than the 60 s
/// that balancers and proxies keep idle connections, so that none of theirs is closed under a request.
const HEADER: Duration = Duration::from_secs(75);

/// Serves `router` until `stop`, then finishes open requests.
///
/// # Errors
/// Never: a listener that fails for want of resources is tried again.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> anyhow::Result<()> {
    serve_within(HEADER, listener, router, stop).await;
    Ok(())
}

async fn serve_within(header: Duration, mut listener: TcpListener, router: Router, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let io = tokio::select! {
            () = stop.cancelled() => break,
            (io, _) = Listener::accept(&mut listener) => io,
        };
        connections.spawn(carry(io, router.clone(), header, stop.clone()));
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// One connection, until either side ends it.
async fn carry(io: TcpStream, router: Router, header: Duration, stop: CancellationToken) {
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(header);
    let mut connection = pin!(server.serve_connection(TokioIo::new(io), TowerToHyperService::new(router)));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // The client's doing: it went away, spoke no HTTP or was too slow.
        tracing::debug!(%error, "a connection ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::timeout;

    const SHORT: Duration = Duration::from_millis(300);
    const LONG: Duration = Duration::from_secs(10);
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    async fn started(header: Duration) -> (TcpStream, CancellationToken, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let router = Router::new().route("/", get(|| async { "here" }));
        let task = tokio::spawn(serve_within(header, listener, router, stop.clone()));
        (TcpStream::connect(address).await.unwrap(), stop, task)
    }

    /// What the server says until it closes the connection.
    async fn all(stream: &mut TcpStream) -> String {
        let mut text = Vec::new();
        // A reset says no less that it is over.
        drop(timeout(LONG, stream.read_to_end(&mut text)).await.expect("the connection stays open"));
        String::from_utf8_lossy(&text).into_owned()
    }

    #[tokio::test]
    async fn a_client_that_never_finishes_its_header_is_put_out() {
        let (mut stream, ..) = started(SHORT).await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
        assert!(!all(&mut stream).await.contains("200"));
    }

    #[tokio::test]
    async fn a_connection_is_used_again_and_closed_when_it_is_not() {
        let (mut stream, ..) = started(SHORT).await;
        stream.write_all(REQUEST).await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");
        stream.write_all(REQUEST).await.unwrap();
        assert_eq!(all(&mut stream).await.matches("here").count(), 2);
    }

    #[tokio::test]
    async fn stopping_ends_idle_connections_and_the_server() {
        let (mut stream, stop, task) = started(LONG * 6).await;
        stream.write_all(REQUEST).await.unwrap();
        let mut first = [0; 12];
        stream.read_exact(&mut first).await.unwrap();
        stop.cancel();
        assert!(all(&mut stream).await.ends_with("here"));
        timeout(LONG, task).await.unwrap().unwrap();
    }
}
