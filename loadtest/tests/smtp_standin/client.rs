//! A client that speaks raw SMTP, one line at a time, and asserts what comes back.

use std::io;
use std::sync::Arc;

use herald_loadtest::standins::identity::LOCALHOST_CA_PEM;
use herald_loadtest::standins::smtp::Handle;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub(crate) trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

pub(crate) struct Client(pub(crate) BufReader<Box<dyn Wire>>);

impl Client {
    pub(crate) async fn connect(server: &Handle) -> Self {
        let mut client = Self::plain(server).await;
        client.expect("220").await;
        client.say("EHLO client.example", "250").await;
        client
    }

    pub(crate) async fn plain(server: &Handle) -> Self {
        Self(BufReader::new(Box::new(TcpStream::connect(server.addr()).await.unwrap())))
    }

    pub(crate) async fn secure(self) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(LOCALHOST_CA_PEM.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, self.0.into_inner()).await.unwrap();
        Self(BufReader::new(Box::new(stream)))
    }

    pub(crate) async fn write(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Reads one reply, all its lines.
    pub(crate) async fn reply(&mut self) -> io::Result<String> {
        let mut whole = String::new();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            whole.push_str(&line);
            if line.as_bytes().get(3) == Some(&b' ') {
                return Ok(whole);
            }
        }
    }

    pub(crate) async fn expect(&mut self, code: &str) -> String {
        let reply = self.reply().await.unwrap();
        assert!(reply.starts_with(code), "expected {code}, got {reply:?}");
        reply
    }

    pub(crate) async fn say(&mut self, line: &str, code: &str) -> String {
        self.write(&format!("{line}\r\n")).await;
        self.expect(code).await
    }

    pub(crate) async fn up_to_data(&mut self, to: &str) {
        self.say("MAIL FROM:<h@example.org>", "250").await;
        self.say(&format!("RCPT TO:<{to}>"), "250").await;
        self.say("DATA", "354").await;
    }

    pub(crate) async fn send(&mut self, to: &str, message: &str, code: &str) -> String {
        self.up_to_data(to).await;
        self.write(message).await;
        self.expect(code).await
    }

    pub(crate) async fn closed(&mut self) {
        let reply = self.reply().await;
        assert!(reply.is_err(), "expected the connection to be closed, got {reply:?}");
    }
}
