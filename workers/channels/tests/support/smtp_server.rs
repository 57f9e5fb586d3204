//! A small strict SMTP server on loopback. It keeps what it received, notes every breach of the protocol, and does at
//! chosen moments what it is told to: refuse, close, or say nothing.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;

use super::tls_acceptor;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}
type Peer = BufStream<Box<dyn Stream>>;

/// What to do instead of the usual answer.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    Say(&'static str),
    SayAndClose(&'static str),
    Close,
    Stall,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    None,
    StartTls,
    Implicit,
}

#[derive(Clone)]
pub struct Rules {
    pub offers: Vec<&'static str>,
    pub security: Security,
    pub user: Option<(&'static str, &'static str)>,
}

impl Default for Rules {
    fn default() -> Self {
        Rules { offers: vec!["PIPELINING", "8BITMIME"], security: Security::None, user: None }
    }
}

#[derive(Debug, Clone)]
pub struct Received {
    pub from: String,
    pub to: String,
    /// As on the wire, without the final dot.
    pub data: String,
}

#[derive(Default)]
struct State {
    mails: Vec<Received>,
    /// Every command line, credentials included.
    commands: Vec<String>,
    breaches: Vec<String>,
    connections: usize,
    open: usize,
    most_open: usize,
    acts: VecDeque<(&'static str, Act)>,
    peers: Vec<AbortHandle>,
}

pub struct Server {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
        self.hang_up();
        if !std::thread::panicking() {
            let breaches = std::mem::take(&mut self.state().breaches);
            assert_eq!(breaches, Vec::<String>::new(), "the client broke the protocol");
        }
    }
}

impl Server {
    pub async fn start(rules: Rules) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let accepting = tokio::spawn(accept(listener, rules, state.clone()));
        Server { address, state, accepting }
    }

    /// The next time `moment` comes (CONNECT, EHLO, STARTTLS, AUTH, RSET, MAIL, RCPT, DATA, DOT), do `act`.
    pub fn on(&self, moment: &'static str, act: Act) {
        self.state().acts.push_back((moment, act));
    }

    pub fn mails(&self) -> Vec<Received> {
        self.state().mails.clone()
    }

    /// Connections made so far.
    pub fn connections(&self) -> usize {
        self.state().connections
    }

    /// Most connections that were open at once.
    pub fn most_open(&self) -> usize {
        self.state().most_open
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Expects a client that does not speak SMTP.
    pub fn forgive(&self) {
        self.state().breaches.clear();
    }

    /// Waits until everything planned has happened.
    pub async fn did_as_told(&self) {
        let done = async {
            while !self.state().acts.is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(30), done).await.expect("the moment never came");
    }

    /// Closes every connection.
    pub fn hang_up(&self) {
        for peer in self.state().peers.drain(..) {
            peer.abort();
        }
    }

    pub fn saw(&self, verb: &str) -> usize {
        self.state().commands.iter().filter(|line| line.to_uppercase().starts_with(verb)).count()
    }
}

async fn accept(listener: TcpListener, rules: Rules, state: Arc<Mutex<State>>) {
    while let Ok((tcp, _)) = listener.accept().await {
        let session = Session { rules: rules.clone(), state: state.clone(), secure: false, trusted: false };
        {
            let mut state = state.lock().unwrap();
            state.connections += 1;
            state.open += 1;
            state.most_open = state.most_open.max(state.open);
        }
        let peer = tokio::spawn(session.serve(tcp));
        state.lock().unwrap().peers.push(peer.abort_handle());
    }
}

struct Session {
    rules: Rules,
    state: Arc<Mutex<State>>,
    secure: bool,
    trusted: bool,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.state.lock().unwrap().open -= 1;
    }
}

impl Session {
    async fn serve(mut self, tcp: tokio::net::TcpStream) {
        tcp.set_nodelay(true).unwrap();
        let mut stream: Box<dyn Stream> = Box::new(tcp);
        if self.rules.security == Security::Implicit {
            let Ok(tls) = tls_acceptor().accept(stream).await else { return };
            stream = Box::new(tls);
            self.secure = true;
        }
        // The client closing at any moment is fine; what matters is what it sent until then.
        let mut peer = BufStream::new(stream);
        if self.answer(&mut peer, "CONNECT", "220 mail.test ESMTP").await.is_none() {
            return;
        }
        while let Some(next) = self.greet_then_mails(peer).await {
            peer = next;
        }
    }

    /// Serves commands until the stream ends (`None`) or goes on encrypted.
    async fn greet_then_mails(&mut self, mut peer: Peer) -> Option<Peer> {
        let (mut from, mut to) = (None, None);
        loop {
            let line = self.line(&mut peer).await?;
            self.state.lock().unwrap().commands.push(line.clone());
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
            match verb.as_str() {
                "EHLO" => self.hello(&mut peer).await?,
                "STARTTLS" => return self.start_tls(peer).await,
                "AUTH" => self.auth(&mut peer, &line).await?,
                "RSET" => {
                    (from, to) = (None, None);
                    self.answer(&mut peer, "RSET", "250 2.0.0 flushed").await?;
                }
                "MAIL" => self.mail(&mut peer, &line, &mut from).await?,
                "RCPT" => self.rcpt(&mut peer, &line, &from, &mut to).await?,
                "DATA" => self.data(&mut peer, &mut from, &mut to).await?,
                "QUIT" => return self.answer(&mut peer, "QUIT", "221 bye").await.and(None),
                _ => self.answer(&mut peer, "OTHER", "500 5.5.2 what?").await.map(drop)?,
            }
        }
    }

    async fn hello(&mut self, peer: &mut Peer) -> Option<()> {
        let mut offers = self.rules.offers.clone();
        if self.rules.security == Security::StartTls && !self.secure {
            offers.push("STARTTLS");
        }
        let mut lines = vec!["mail.test".to_owned()];
        lines.extend(offers.into_iter().map(str::to_owned));
        let last = lines.len() - 1;
        let text = lines
            .iter()
            .enumerate()
            .map(|(i, line)| format!("250{}{line}", if i == last { ' ' } else { '-' }));
        let text = text.collect::<Vec<_>>().join("\r\n");
        self.answer(peer, "EHLO", &text).await.map(drop)
    }

    async fn start_tls(&mut self, mut peer: Peer) -> Option<Peer> {
        if !self.answer(&mut peer, "STARTTLS", "220 2.0.0 go").await? {
            return Some(peer);
        }
        let tls = tls_acceptor().accept(peer.into_inner()).await.ok()?;
        self.secure = true;
        Some(BufStream::new(Box::new(tls)))
    }

    async fn auth(&mut self, peer: &mut Peer, line: &str) -> Option<()> {
        let (user, password) = self.rules.user.unwrap_or_default();
        let good = if let Some(given) = line.strip_prefix("AUTH PLAIN ") {
            given == STANDARD.encode(format!("\0{user}\0{password}"))
        } else {
            say(peer, "334 VXNlcm5hbWU6").await?;
            let name = self.line(peer).await?;
            say(peer, "334 UGFzc3dvcmQ6").await?;
            let word = self.line(peer).await?;
            (name, word) == (STANDARD.encode(user), STANDARD.encode(password))
        };
        self.trusted = good;
        let usual = if good { "235 2.7.0 ok" } else { "535 5.7.8 authentication failed" };
        self.answer(peer, "AUTH", usual).await.map(drop)
    }

    async fn mail(&mut self, peer: &mut Peer, line: &str, from: &mut Option<String>) -> Option<()> {
        if self.rules.user.is_some() && !self.trusted {
            return say(peer, "530 5.7.0 authentication required").await;
        }
        if from.is_some() {
            self.breach("nested MAIL");
            return say(peer, "503 5.5.1 nested MAIL").await;
        }
        if self.answer(peer, "MAIL", "250 2.1.0 ok").await? {
            *from = path(line);
        }
        Some(())
    }

    async fn rcpt(
        &mut self,
        peer: &mut Peer,
        line: &str,
        from: &Option<String>,
        to: &mut Option<String>,
    ) -> Option<()> {
        if from.is_none() {
            return say(peer, "503 5.5.1 need MAIL").await;
        }
        if self.answer(peer, "RCPT", "250 2.1.5 ok").await? {
            *to = path(line);
        }
        Some(())
    }

    async fn data(
        &mut self,
        peer: &mut Peer,
        from: &mut Option<String>,
        to: &mut Option<String>,
    ) -> Option<()> {
        if to.is_none() && !self.state.lock().unwrap().acts.iter().any(|(moment, _)| *moment == "DATA") {
            return say(peer, "554 5.5.1 no valid recipients").await;
        }
        if !self.answer(peer, "DATA", "354 go ahead").await? {
            return Some(());
        }
        let mut data = String::new();
        loop {
            let line = self.line(peer).await?;
            if line == "." {
                break;
            }
            data.push_str(&line);
            data.push_str("\r\n");
        }
        let (from, to) = (from.take().unwrap_or_default(), to.take());
        let Some(to) = to else { return say(peer, "554 5.5.1 no valid recipients").await };
        if self.answer(peer, "DOT", "250 2.0.0 queued as A1B2").await? {
            self.state.lock().unwrap().mails.push(Received { from, to, data });
        }
        Some(())
    }

    /// Gives the usual answer, or does what was planned for this moment. `Some(true)`: the usual or another 2xx/354.
    async fn answer(&mut self, peer: &mut Peer, moment: &str, usual: &str) -> Option<bool> {
        let act = {
            let mut state = self.state.lock().unwrap();
            let planned = state.acts.iter().position(|(when, _)| *when == moment);
            planned.and_then(|at| state.acts.remove(at)).map(|(_, act)| act)
        };
        match act {
            None => say(peer, usual).await.map(|()| true),
            Some(Act::Say(text)) => say(peer, text).await.map(|()| text.starts_with(['2', '3'])),
            Some(Act::SayAndClose(text)) => say(peer, text).await.and(None),
            Some(Act::Close) => None,
            Some(Act::Stall) => std::future::pending().await,
        }
    }

    /// One line; its end must be CRLF and its length lawful.
    async fn line(&mut self, peer: &mut Peer) -> Option<String> {
        let mut line = Vec::new();
        if peer.read_until(b'\n', &mut line).await.ok()? == 0 {
            return None;
        }
        if !line.ends_with(b"\n") {
            return None;
        }
        if !line.ends_with(b"\r\n") || line[..line.len() - 2].contains(&b'\r') || line.len() > 1000 {
            self.breach("a line is not CRLF-terminated or too long");
        }
        let line = String::from_utf8_lossy(&line).into_owned();
        Some(line.trim_end_matches(['\r', '\n']).to_owned())
    }

    fn breach(&self, what: &str) {
        self.state.lock().unwrap().breaches.push(what.to_owned());
    }
}

async fn say(peer: &mut Peer, text: &str) -> Option<()> {
    peer.write_all(format!("{text}\r\n").as_bytes()).await.ok()?;
    peer.flush().await.ok()
}

fn path(line: &str) -> Option<String> {
    Some(line.split_once('<')?.1.split_once('>')?.0.to_owned())
}
