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
use crate::standins::wecom::{self, App};

/// Time between two lines about what was received.
const TELL: Duration = Duration::from_secs(5);

/// Which stand-in.
#[derive(Debug, Subcommand)]
pub(crate) enum Standin {
    /// A strict SMTP server that accepts everything well-formed and keeps nothing.
    Smtp(SmtpArgs),
    /// A strict webhook receiver that answers 200 to every well-formed, well-signed request.
    Webhook(WebhookArgs),
    /// A strict WeCom with one app that accepts every well-formed message.
    Wecom(WecomArgs),
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

/// Options of `standin wecom`.
#[derive(Debug, Args)]
pub(crate) struct WecomArgs {
    /// Where to listen; port 0 takes a free one, which is printed.
    #[arg(long, default_value = "127.0.0.1:0")]
    addr: SocketAddr,
    /// The corporation's id.
    #[arg(long, default_value = "ww-standin")]
    corp_id: String,
    /// The app's secret.
    #[arg(long, default_value = "standin-secret")]
    secret: String,
    /// The app's number.
    #[arg(long, default_value_t = 1_000_002)]
    agent_id: u64,
    /// Seconds a token lives.
    #[arg(long, default_value_t = 7200, value_name = "SECONDS")]
    token_life: u64,
    /// Drop in silence what is beyond 30 messages a minute and 1000 an hour to one member, as the real one does.
    #[arg(long)]
    member_limits: bool,
    /// A user who is no member; repeatable.
    #[arg(long = "invalid", value_name = "USER")]
    invalid: Vec<String>,
    /// Print the first N messages in full at the end.
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
        Standin::Wecom(args) => serve_wecom(args).await?,
    }
    Ok(())
}

async fn serve_wecom(args: WecomArgs) -> anyhow::Result<()> {
    let WecomArgs { addr, corp_id, secret, agent_id, token_life, member_limits, invalid, show } = args;
    let limits = [(Duration::from_secs(60), 30), (Duration::from_secs(3600), 1000)];
    let options = wecom::Options {
        addr,
        apps: vec![App { corp_id, secret, agent_id }],
        token_life: Duration::from_secs(token_life),
        member_limits: if member_limits { limits.to_vec() } else { Vec::new() },
        keep: show,
    };
    let server = wecom::start(options).await?;
    invalid.iter().for_each(|user| server.invalid_user(user));
    println!("WeCom on {}", server.url());
    tell_until_stopped(|| server.read(ToString::to_string)).await?;
    server.read(|received| {
        for message in &received.first {
            println!("\n{} to {}\n{}", message.msgtype, message.users.join("|"), message.content);
        }
    });
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
