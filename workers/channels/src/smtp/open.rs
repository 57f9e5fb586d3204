//! Opens a connection: name, guard, TCP, greeting, EHLO, TLS, AUTH.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::conversation::{Connection, Offers};
use super::reply::Reply;
use super::settings::{Credentials, Security, Settings};
use super::trouble::{Stage, Trouble};
use super::wire::{Stream, Wire};
use crate::NetPolicy;

/// Opens a connection that is ready for mails. Never falls back from TLS to clear text.
pub(super) async fn open(
    settings: &Settings,
    net: &NetPolicy,
    deadline: Instant,
) -> Result<Connection, Trouble> {
    let (tcp, peer) = connect(settings, net, deadline).await?;
    let name = hello_name(settings, &tcp);
    let mut stream: Box<dyn Stream> = Box::new(tcp);
    if settings.tls == Security::Implicit {
        stream = encrypt(settings, stream, deadline).await?;
    }
    let mut wire = Wire::new(stream, deadline);
    greeting(settings, &mut wire).await?;
    let mut offers = hello(settings, &mut wire, &name).await?;
    if settings.tls == Security::StartTls {
        wire = start_tls(settings, wire, &offers).await?;
        // What was learnt in clear text is forgotten (RFC 3207 4.2).
        offers = hello(settings, &mut wire, &name).await?;
    }
    if let Some(credentials) = &settings.credentials {
        if settings.tls == Security::None && !peer.ip().to_canonical().is_loopback() {
            let detail =
                "credentials go over TLS only, except to this machine: set tls to starttls or implicit";
            return Err(Trouble::Unsuited("/settings/tls", detail.to_owned()));
        }
        authenticate(settings, &mut wire, &offers, credentials).await?;
    }
    Ok(Connection::new(wire, offers, settings.patience))
}

/// Dials the checked addresses in turn.
async fn connect(
    settings: &Settings,
    net: &NetPolicy,
    deadline: Instant,
) -> Result<(TcpStream, SocketAddr), Trouble> {
    let until = deadline.min(Instant::now() + settings.patience.connect);
    let silent = || Trouble::Unreachable("no connection to the server in time".to_owned());
    let found = timeout_at(until, net.resolve(&settings.host, settings.port)).await;
    let mut trouble = silent();
    for address in found.map_err(|_| silent())?? {
        match timeout_at(until, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                // Commands are small writes, each waited for; failing to say so costs speed only.
                drop(tcp.set_nodelay(true));
                return Ok((tcp, address));
            }
            Ok(Err(error)) => {
                trouble = Trouble::Unreachable(format!("no connection to the server: {}", error.kind()))
            }
            Err(_) => return Err(silent()),
        }
    }
    Err(trouble)
}

async fn greeting(settings: &Settings, wire: &mut Wire) -> Result<(), Trouble> {
    let reply = wire.reply(settings.patience.command).await.map_err(Trouble::Lost)?;
    if reply.is_positive() { Ok(()) } else { Err(Trouble::Reply(Stage::Hello, reply)) }
}

async fn hello(settings: &Settings, wire: &mut Wire, name: &str) -> Result<Offers, Trouble> {
    let reply = command(settings, wire, &format!("EHLO {name}\r\n")).await?;
    if reply.is_positive() { Ok(Offers::read(&reply)) } else { Err(Trouble::Reply(Stage::Hello, reply)) }
}

async fn start_tls(settings: &Settings, mut wire: Wire, offers: &Offers) -> Result<Wire, Trouble> {
    if !offers.start_tls {
        let detail = "the server does not offer STARTTLS, which the account requires";
        return Err(Trouble::Unsuited("/settings/tls", detail.to_owned()));
    }
    let reply = command(settings, &mut wire, "STARTTLS\r\n").await?;
    if !reply.is_positive() {
        return Err(Trouble::Reply(Stage::StartTls, reply));
    }
    let deadline = wire.deadline;
    let Some(stream) = wire.into_stream() else {
        return Err(Trouble::Unreachable("the server spoke between STARTTLS and the handshake".to_owned()));
    };
    Ok(Wire::new(encrypt(settings, stream, deadline).await?, deadline))
}

async fn encrypt(
    settings: &Settings,
    stream: Box<dyn Stream>,
    deadline: Instant,
) -> Result<Box<dyn Stream>, Trouble> {
    let name = ServerName::try_from(settings.host.clone())
        .map_err(|_| Trouble::Unsuited("/settings/host", "is not a name that TLS can verify".to_owned()))?;
    let connector = TlsConnector::from(Arc::clone(&settings.tls_client));
    let until = deadline.min(Instant::now() + settings.patience.command);
    match timeout_at(until, connector.connect(name, stream)).await {
        Ok(Ok(stream)) => Ok(Box::new(stream)),
        Ok(Err(error)) => Err(handshake_trouble(&error)),
        Err(_) => Err(Trouble::Unreachable("the TLS handshake did not end in time".to_owned())),
    }
}

/// A certificate that does not hold stays so until somebody acts: the account's fault, not a passing one.
fn handshake_trouble(error: &std::io::Error) -> Trouble {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(_)) => {
            Trouble::Certificate(format!("the TLS handshake failed: {error}"))
        }
        _ => Trouble::Unreachable(format!("the TLS handshake failed: {error}")),
    }
}

async fn authenticate(
    settings: &Settings,
    wire: &mut Wire,
    offers: &Offers,
    credentials: &Credentials,
) -> Result<(), Trouble> {
    let reply = if offers.auth_plain {
        command(settings, wire, &format!("AUTH PLAIN {}\r\n", credentials.plain())).await?
    } else if offers.auth_login {
        login(settings, wire, credentials).await?
    } else {
        let detail = "the server offers neither AUTH PLAIN nor AUTH LOGIN on this connection";
        return Err(Trouble::Unsuited("/secret", detail.to_owned()));
    };
    if reply.is_positive() { Ok(()) } else { Err(Trouble::Reply(Stage::Auth, reply)) }
}

async fn login(settings: &Settings, wire: &mut Wire, credentials: &Credentials) -> Result<Reply, Trouble> {
    let mut reply = command(settings, wire, "AUTH LOGIN\r\n").await?;
    for answer in [&credentials.username, &credentials.password] {
        if reply.code != 334 {
            break;
        }
        reply = command(settings, wire, &format!("{}\r\n", STANDARD.encode(answer))).await?;
    }
    Ok(reply)
}

async fn command(settings: &Settings, wire: &mut Wire, line: &str) -> Result<Reply, Trouble> {
    wire.write(line.as_bytes(), settings.patience.command).await.map_err(Trouble::Lost)?;
    wire.reply(settings.patience.command).await.map_err(Trouble::Lost)
}

/// Our name for EHLO: the account's, else our address as a literal (RFC 5321 4.1.3).
fn hello_name(settings: &Settings, tcp: &TcpStream) -> String {
    if let Some(name) = &settings.helo {
        return name.clone();
    }
    match tcp.local_addr().map(|local| local.ip().to_canonical()) {
        Ok(std::net::IpAddr::V6(ip)) => format!("[IPv6:{ip}]"),
        Ok(std::net::IpAddr::V4(ip)) => format!("[{ip}]"),
        Err(_) => "[127.0.0.1]".to_owned(),
    }
}
