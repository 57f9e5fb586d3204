//! A small HTTP/1.1 server on loopback that keeps what it received and answers as told.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::tls_acceptor;

/// What to do with a request.
#[derive(Clone, Debug)]
pub enum Act {
    /// Status, header lines (each ending in CRLF), body.
    Answer(u16, &'static str, String),
    Close,
    Stall,
}

#[derive(Debug, Clone)]
pub struct Received {
    pub line: String,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

#[derive(Default)]
struct State {
    requests: Vec<Received>,
    connections: usize,
    acts: VecDeque<Act>,
}

pub struct Server {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    pub async fn start(secure: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let accepting = tokio::spawn(accept(listener, secure, state.clone()));
        Server { address, state, accepting }
    }

    /// The next request without a plan gets this; without any plan it gets 200.
    pub fn plan(&self, act: Act) {
        self.state().acts.push_back(act);
    }

    pub fn requests(&self) -> Vec<Received> {
        self.state().requests.clone()
    }

    /// Connections made so far.
    pub fn connections(&self) -> usize {
        self.state().connections
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn url(&self, scheme: &str, host: &str) -> String {
        format!("{scheme}://{host}:{}/hook?x=1", self.address.port())
    }
}

async fn accept(listener: TcpListener, secure: bool, state: Arc<Mutex<State>>) {
    while let Ok((tcp, _)) = listener.accept().await {
        state.lock().unwrap().connections += 1;
        let state = state.clone();
        tokio::spawn(async move {
            if !secure {
                return serve(BufStream::new(tcp), state).await.unwrap_or(());
            }
            if let Ok(tls) = tls_acceptor().accept(tcp).await {
                serve(BufStream::new(tls), state).await.unwrap_or(());
            }
        });
    }
}

/// `None` when the client closed.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut peer: BufStream<S>,
    state: Arc<Mutex<State>>,
) -> Option<()> {
    loop {
        let request = read(&mut peer).await?;
        let act = {
            let mut state = state.lock().unwrap();
            state.requests.push(request);
            state.acts.pop_front()
        };
        let (status, headers, body) = match act.unwrap_or(Act::Answer(200, "", String::new())) {
            Act::Answer(status, headers, body) => (status, headers, body),
            Act::Close => return None,
            Act::Stall => std::future::pending().await,
        };
        let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n{headers}\r\n", body.len());
        peer.write_all(head.as_bytes()).await.ok()?;
        peer.write_all(body.as_bytes()).await.ok()?;
        peer.flush().await.ok()?;
    }
}

async fn read<S: AsyncRead + AsyncWrite + Unpin>(peer: &mut BufStream<S>) -> Option<Received> {
    let line = line(peer).await?;
    let mut headers = HashMap::new();
    loop {
        let header = self::line(peer).await?;
        if header.is_empty() {
            break;
        }
        let (name, value) = header.split_once(": ")?;
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    peer.read_exact(&mut body).await.ok()?;
    Some(Received { line, headers, body })
}

async fn line<S: AsyncRead + AsyncWrite + Unpin>(peer: &mut BufStream<S>) -> Option<String> {
    let mut line = String::new();
    if peer.read_line(&mut line).await.ok()? == 0 {
        return None;
    }
    Some(line.trim_end().to_owned())
}
