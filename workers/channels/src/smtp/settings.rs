//! An SMTP account's settings and credentials.
//!
//! Settings: `host`, `port`, `tls` (`none`, `starttls`, `implicit`), `from` (`Name <address>`), optional `reply_to`,
//! `helo` (our name; default: our address), `ca_pem` (authorities trusted besides the system's) and `timeout_ms`.
//! Secret: none, or `username` and `password`.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lettre::message::Mailbox;
use rustls::ClientConfig;
use serde_json::Value;

use super::address;
use crate::fields::Fields;
use crate::net::{literal, parse_host};
use crate::{Account, FieldProblem, NetPolicy, tls};

/// How the connection is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Security {
    /// Clear text.
    None,
    /// STARTTLS, required.
    StartTls,
    /// TLS from the first byte.
    Implicit,
}

/// How long each step may take; the call's deadline bounds them all. Source: RFC 5321 4.5.3.2, its five minutes for
/// commands cut to one because a slow server holds a place in the pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Name look-up and TCP.
    pub(super) connect: Duration,
    /// Answers to greeting, EHLO, AUTH, MAIL, RCPT; the TLS handshake.
    pub(super) command: Duration,
    /// The answer to DATA.
    pub(super) data: Duration,
    /// Writing the body.
    pub(super) body: Duration,
    /// The answer to the final dot. Ten minutes by default: giving up earlier makes duplicates.
    pub(super) dot: Duration,
    /// The answer to QUIT.
    pub(super) goodbye: Duration,
}

impl Patience {
    /// With `timeout` as the longest wait.
    fn new(timeout: Duration) -> Self {
        let at_most = |seconds| timeout.min(Duration::from_secs(seconds));
        Patience {
            connect: at_most(10),
            command: at_most(60),
            data: at_most(120),
            body: at_most(180),
            dot: timeout,
            goodbye: at_most(2),
        }
    }
}

/// SASL user and password.
pub(super) struct Credentials {
    pub(super) username: String,
    pub(super) password: String,
}

impl Credentials {
    /// The initial response of AUTH PLAIN (RFC 4616).
    pub(super) fn plain(&self) -> String {
        STANDARD.encode(format!("\0{}\0{}", self.username, self.password))
    }
}

/// A checked account.
pub(super) struct Settings {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Security,
    pub(super) tls_client: Arc<ClientConfig>,
    pub(super) from: Mailbox,
    pub(super) reply_to: Option<Mailbox>,
    pub(super) helo: Option<String>,
    pub(super) credentials: Option<Credentials>,
    pub(super) patience: Patience,
}

const DEFAULT_TIMEOUT_MS: u64 = 600_000;

impl Settings {
    /// Reads settings and secret.
    ///
    /// # Errors
    /// Every problem, at least one.
    pub(super) fn read(account: &Account, net: &NetPolicy) -> Result<Self, Vec<FieldProblem>> {
        let mut fields = Fields::new("/settings", &account.settings);
        let host = read_host(&mut fields, net);
        let port = fields.integer("port", 1..=65_535);
        if account.settings.get("port").is_none_or(Value::is_null) {
            fields.problem("port", "is required: usually 587 (starttls), 465 (implicit) or 25");
        }
        let tls = read_tls(&mut fields);
        let from_text = fields.text("from");
        let from = read_mailbox(&mut fields, "from", from_text);
        let reply_to_text = fields.optional_text("reply_to");
        let reply_to = reply_to_text.and_then(|text| read_mailbox(&mut fields, "reply_to", text));
        let helo = fields.optional_text("helo");
        if helo.is_some_and(|name| name.contains(|c: char| !c.is_ascii_graphic()) || name.len() > 255) {
            fields.problem("helo", "must be a host name");
        }
        let timeout = fields.integer("timeout_ms", 1_000..=DEFAULT_TIMEOUT_MS).unwrap_or(DEFAULT_TIMEOUT_MS);
        let tls_client =
            tls::client(fields.pem("ca_pem")).map_err(|detail| fields.problem("ca_pem", detail)).ok();
        let (credentials, secret_problems) = read_credentials(&account.secret);
        if credentials.is_some() && tls == Some(Security::None) && !may_be_this_machine(&host) {
            fields.problem(
                "tls",
                "must be starttls or implicit: credentials go over clear text only to this machine",
            );
        }
        let mut problems = fields.finish();
        problems.extend(secret_problems);
        let (Some(tls), Some(from), Some(port), Some(tls_client), true) =
            (tls, from, port, tls_client, problems.is_empty())
        else {
            return Err(problems);
        };
        Ok(Settings {
            host,
            port: u16::try_from(port).expect("read within 1..=65535"),
            tls,
            tls_client: Arc::new(tls_client),
            from,
            reply_to,
            helo: helo.map(str::to_owned),
            credentials,
            patience: Patience::new(Duration::from_millis(timeout)),
        })
    }
}

/// The host in its plain form: a name in ASCII, an address as usually written. Empty when it is wrong (then reported).
fn read_host(fields: &mut Fields<'_>, net: &NetPolicy) -> String {
    let given = fields.text("host");
    if given.is_empty() {
        return String::new();
    }
    let Some(host) = parse_host(given) else {
        fields.problem("host", "must be a host name or an address, without port");
        return String::new();
    };
    if let Err(refused) = net.check_host(given) {
        fields.problem("host", refused.to_string());
    }
    literal(&host).map_or_else(|| host.to_string(), |ip| ip.to_string())
}

fn read_tls(fields: &mut Fields<'_>) -> Option<Security> {
    match fields.text("tls") {
        "none" => Some(Security::None),
        "starttls" => Some(Security::StartTls),
        "implicit" => Some(Security::Implicit),
        "" => None,
        _ => {
            fields.problem("tls", "must be starttls (port 587), implicit (port 465) or none");
            None
        }
    }
}

/// `Name <address>` or a bare address.
fn read_mailbox(fields: &mut Fields<'_>, name: &'static str, text: &str) -> Option<Mailbox> {
    if text.is_empty() {
        return None;
    }
    let (label, address) = match text.trim().strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((label, address)) => {
            (Some(label.trim().trim_matches('"')).filter(|label| !label.is_empty()), address)
        }
        None => (None, text.trim()),
    };
    let read = address::parse(address).map(|address| Mailbox::new(label.map(str::to_owned), address));
    if read.is_none() {
        fields.problem(name, "must be a mail address, alone or like: Herald <herald@example.org>");
    }
    read
}

fn read_credentials(secret: &Value) -> (Option<Credentials>, Vec<FieldProblem>) {
    let mut fields = Fields::new("/secret", secret);
    if secret.is_null() {
        return (None, fields.finish());
    }
    let username = fields.text("username").to_owned();
    let password = fields.text("password").to_owned();
    (Some(Credentials { username, password }), fields.finish())
}

/// Whether a host is this machine by its name or address. Dialling checks the address again.
fn may_be_this_machine(host: &str) -> bool {
    match parse_host(host) {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(host) => literal(&host).is_some_and(|ip| ip.to_canonical().is_loopback()),
        None => false,
    }
}

#[cfg(test)]
mod tests;
