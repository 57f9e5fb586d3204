//! Accepts connections that can be cut from a handler: how a scripted drop, and the end of the server, look to clients.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::Shared;

/// The client's end of a connection, as handlers see it.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// Closes the connection without another byte.
    pub(super) cut: CancellationToken,
}

impl Connected<IncomingStream<'_, CutListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, CutListener>) -> Self {
        stream.remote_addr().clone()
    }
}

/// Counts connections and hands each its own cut.
pub(super) struct CutListener {
    inner: TcpListener,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

impl CutListener {
    pub(super) fn new(inner: TcpListener, shared: Arc<Shared>, stop: CancellationToken) -> Self {
        Self { inner, shared, stop }
    }
}

impl Listener for CutListener {
    type Io = CutStream;
    type Addr = Peer;

    async fn accept(&mut self) -> (CutStream, Peer) {
        let (stream, _): (TcpStream, SocketAddr) = Listener::accept(&mut self.inner).await;
        // Without it only latency suffers.
        drop(stream.set_nodelay(true));
        let cut = self.stop.child_token();
        self.shared.received.update(|received| received.connections.opened());
        let waiting = Box::pin(cut.clone().cancelled_owned());
        (CutStream { stream, waiting, shared: Arc::clone(&self.shared) }, Peer { cut })
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer { cut: self.stop.clone() })
    }
}

/// A stream that fails once it is cut.
pub(super) struct CutStream {
    stream: TcpStream,
    waiting: Pin<Box<WaitForCancellationFutureOwned>>,
    shared: Arc<Shared>,
}

impl CutStream {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.waiting.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionReset.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl Drop for CutStream {
    fn drop(&mut self) {
        self.shared.received.update(|received| received.connections.closed());
    }
}

impl AsyncRead for CutStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for CutStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
