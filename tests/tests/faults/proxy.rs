//! A network that can be cut, stalled and slowed: one listener between a process and a server.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// How the network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// As it should be.
    Pass,
    /// Connections are cut, new ones closed at once.
    Cut,
    /// Nothing passes; nobody is told.
    Stall,
    /// Small pieces, each late.
    Slow,
}

/// Bytes and delay of a piece when it is slow.
const PIECE: usize = 1024;
const LATE: Duration = Duration::from_millis(15);

/// A way from one process to one server.
pub(crate) struct Proxy {
    addr: SocketAddr,
    mode: watch::Sender<Mode>,
    /// Connections of earlier counts are silent for ever.
    silenced: watch::Sender<u64>,
    last_silence: Mutex<Option<Instant>>,
}

impl Proxy {
    /// Opens the way to `server`.
    pub(crate) async fn start(server: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (mode, look) = watch::channel(Mode::Pass);
        let (silenced, count) = watch::channel(0);
        tokio::spawn(async move {
            loop {
                // A connection that died in the backlog is the client's affair.
                let Ok((client, _)) = listener.accept().await else { continue };
                let line = Line { mode: look.clone(), silenced: count.clone(), opened: *count.borrow() };
                tokio::spawn(carry(client, server, line));
            }
        });
        Proxy { addr, mode, silenced, last_silence: Mutex::default() }
    }

    /// Where the process is to connect.
    pub(crate) fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Changes the network for connections that are open and those to come.
    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// From now on nothing comes through connections that are open, in either direction, and nobody is told: what hangs in between
    /// acknowledges every packet. New ones are as they should be.
    pub(crate) fn silence(&self) {
        self.silenced.send_modify(|count| *count += 1);
        *self.last_silence.lock().unwrap() = Some(Instant::now());
    }

    /// Whether connections fell silent so lately.
    pub(crate) fn was_silenced_within(&self, time: Duration) -> bool {
        self.last_silence.lock().unwrap().is_some_and(|at| at.elapsed() < time)
    }
}

/// What a connection must know.
#[derive(Clone)]
struct Line {
    mode: watch::Receiver<Mode>,
    silenced: watch::Receiver<u64>,
    opened: u64,
}

impl Line {
    fn is_silent(&self) -> bool {
        *self.silenced.borrow() > self.opened
    }
}

/// One connection, until either side ends it or it is cut. Dropped sockets are how the peers learn of it.
async fn carry(client: TcpStream, server: SocketAddr, line: Line) {
    let (mut mode, mut cut) = (line.mode.clone(), line.mode.clone());
    let both = async {
        // A stalled network lets a connection begin and then says nothing.
        drop(mode.wait_for(|mode| *mode != Mode::Stall).await);
        let Ok(upstream) = TcpStream::connect(server).await else { return };
        drop((client.set_nodelay(true), upstream.set_nodelay(true)));
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = upstream.into_split();
        let answers = async {
            pump(&mut from_server, &mut to_client, line.clone()).await;
            // Of a silent connection the client does not even hear its end.
            if line.is_silent() {
                std::future::pending::<()>().await;
            }
        };
        let asks = pump(&mut from_client, &mut to_server, line.clone());
        tokio::select! { () = asks => {}, () = answers => {} }
    };
    tokio::select! {
        () = both => {}
        _ = cut.wait_for(|mode| *mode == Mode::Cut) => {}
    }
}

/// One direction.
async fn pump(from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf, mut line: Line) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let now = line.mode.wait_for(|mode| *mode != Mode::Stall).await.map(|now| *now);
        let Ok(now) = now else { return };
        if line.is_silent() {
            continue;
        }
        let written = if now == Mode::Slow {
            slowly(to, &buffer[..length]).await
        } else {
            to.write_all(&buffer[..length]).await
        };
        if written.is_err() {
            return;
        }
    }
}

async fn slowly(to: &mut OwnedWriteHalf, bytes: &[u8]) -> std::io::Result<()> {
    for piece in bytes.chunks(PIECE) {
        tokio::time::sleep(LATE).await;
        to.write_all(piece).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    const MOMENT: Duration = Duration::from_millis(200);
    const LONG: Duration = Duration::from_secs(10);

    /// A server that says what it hears.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    drop(tokio::io::copy(&mut read, &mut write).await);
                });
            }
        });
        addr
    }

    async fn said(stream: &mut TcpStream) -> Option<u8> {
        stream.write_all(b"x").await.ok()?;
        stream.read_u8().await.ok()
    }

    #[tokio::test]
    async fn it_passes_stalls_goes_on_falls_silent_and_cuts() {
        let proxy = Proxy::start(echo().await).await;
        let address = ("127.0.0.1", proxy.port());
        let mut open = TcpStream::connect(address).await.unwrap();
        assert_eq!(timeout(LONG, said(&mut open)).await.unwrap(), Some(b'x'));
        proxy.set(Mode::Stall);
        assert!(timeout(MOMENT, said(&mut open)).await.is_err(), "a stalled way lets nothing through");
        let mut fresh = TcpStream::connect(address).await.unwrap();
        assert!(timeout(MOMENT, said(&mut fresh)).await.is_err(), "nor for a new connection");
        proxy.set(Mode::Pass);
        assert_eq!(timeout(LONG, open.read_u8()).await.unwrap().unwrap(), b'x', "what waited goes on");
        proxy.silence();
        assert!(timeout(MOMENT, said(&mut open)).await.is_err(), "a silent connection says nothing");
        let mut open = TcpStream::connect(address).await.unwrap();
        assert_eq!(timeout(LONG, said(&mut open)).await.unwrap(), Some(b'x'), "a new one does");
        proxy.set(Mode::Slow);
        assert_eq!(timeout(LONG, said(&mut open)).await.unwrap(), Some(b'x'));
        proxy.set(Mode::Cut);
        assert!(timeout(LONG, open.read_u8()).await.unwrap().is_err());
        let mut refused = TcpStream::connect(address).await.unwrap();
        assert_eq!(timeout(LONG, said(&mut refused)).await.unwrap(), None);
    }
}
