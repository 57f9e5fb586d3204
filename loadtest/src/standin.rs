//! The stand-ins as commands, for work by hand: each prints what it received, every few seconds and at the end.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};

use crate::interrupt::interrupted;
use crate::standins::identity::Identity;
use crate::standins::smtp::{self, Credentials, Tls};
use crate::standins::webhook::{self, Key};

/// Time between two lines about what was received.
const TELL: Duration = Duration::from_secs(5);

/// Which stand-in.
#[derive(Debug, Subcommand)]
pub(crate) enum Standin {
    /// A strict SMTP server that accepts everything well-formed and keeps nothing.
    Smtp(SmtpArgs),
    /// A strict webhook receiver that answers 200 to every well-formed, well-signed request.
    Webhook(WebhookArgs),
}

/// How to speak TLS.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum TlsMode {
    /// Not at all.
    None,
    /// Offer STARTTLS and insist on it.
    Starttls,
    /// From the first byte.
    Implicit,
}

/// Options of `standin smtp`.
#[derive(Debug, Args)]
pub(crate) struct SmtpArgs {
    /// Where to listen; port 0 takes a free one, which is printed.
    #[arg(long, default_value = "127.0.0.1:0")]
    addr: SocketAddr,
    /// TLS of the connection.
    #[arg(long, value_enum, default_value = "none")]
    tls: TlsMode,
    /// Certificate chain, PEM. Default: a built-in one for localhost.
    #[arg(long, requires = "key", value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Private key of the certificate, PEM.
    #[arg(long, requires = "certificate", value_name = "FILE")]
    key: Option<PathBuf>,
    /// Insist on AUTH as this user.
    #[arg(long, requires = "password")]
    user: Option<String>,
    /// The user's password.
    #[arg(long, requires = "user")]
    password: Option<String>,
    /// Accept messages that lack Date, From, Message-ID or MIME-Version.
    #[arg(long)]
    lenient: bool,
    /// Print the first N messages in full at the end.
    #[arg(long, value_name = "N", default_value_t = 0)]
    show: usize,
}

/// Options of `standin webhook`.
#[derive(Debug, Args)]
pub(crate) struct WebhookArgs {
    /// Where to listen; port 0 takes a free one, which is printed.
    #[arg(long, default_value = "127.0.0.1:0")]
    addr: SocketAddr,
    /// Signing key (whsec_...); repeatable. Without one signatures are not checked.
    #[arg(long = "key", value_name = "WHSEC", value_parser = Key::parse)]
    keys: Vec<Key>,
    /// Print the first N requests in full at the end.
    #[arg(long, value_name = "N", default_value_t = 0)]
    show: usize,
}

/// Serves until Ctrl-C.
pub(crate) async fn run(standin: Standin) -> anyhow::Result<()> {
    match standin {
        Standin::Smtp(args) => {
            let server = smtp::start(args.options()?).await?;
            println!("SMTP on {}", server.addr());
            tell_until_stopped(|| server.read(ToString::to_string)).await?;
            for mail in server.received().first {
                println!("\nfrom {} to {:?}\n{}", mail.from, mail.to, String::from_utf8_lossy(&mail.data));
            }
        }
        Standin::Webhook(args) => {
            let options =
                webhook::Options { addr: args.addr, keys: args.keys, keep: args.show, observer: None };
            let server = webhook::start(options).await?;
            println!("webhooks on {}", server.url("/"));
            tell_until_stopped(|| server.read(ToString::to_string)).await?;
            for request in server.received().first {
                println!("\nPOST {}\n{}", request.path, String::from_utf8_lossy(&request.body));
            }
        }
    }
    Ok(())
}

impl SmtpArgs {
    fn options(self) -> anyhow::Result<smtp::Options> {
        let identity = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Identity {
                certificate_pem: std::fs::read_to_string(certificate).context("cannot read --certificate")?,
                key_pem: std::fs::read_to_string(key).context("cannot read --key")?,
            },
            _ => Identity::localhost(),
        };
        Ok(smtp::Options {
            addr: self.addr,
            tls: match self.tls {
                TlsMode::None => Tls::None,
                TlsMode::Starttls => Tls::StartTls(identity),
                TlsMode::Implicit => Tls::Implicit(identity),
            },
            auth: self.user.zip(self.password).map(|(username, password)| Credentials { username, password }),
            strict: !self.lenient,
            keep: self.show,
            ..smtp::Options::default()
        })
    }
}

async fn tell_until_stopped<T: Display + PartialEq>(state: impl Fn() -> T) -> anyhow::Result<()> {
    let mut told = None;
    let mut interrupted = std::pin::pin!(interrupted()?);
    loop {
        tokio::select! {
            () = &mut interrupted => break,
            () = tokio::time::sleep(TELL) => {}
        }
        let now = Some(state());
        if let (Some(now), true) = (&now, now != told) {
            println!("{now}");
        }
        told = now;
    }
    println!("{}", state());
    Ok(())
}
