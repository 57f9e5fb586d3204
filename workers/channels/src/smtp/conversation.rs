//! One connection to a server that has been greeted and, where asked for, encrypted and authenticated: mails over it.

use super::address::Envelope;
use super::mail::Mail;
use super::reply::Reply;
use super::settings::Patience;
use super::trouble::{Stage, Trouble};
use super::wire::Wire;
use herald_shared::domain::Reason;

/// What the server offers (RFC 5321 4.1.1.1 and the extensions' own).
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Offers {
    /// RFC 2920.
    pub(super) pipelining: bool,
    /// RFC 6531.
    pub(super) smtp_utf8: bool,
    /// RFC 3207.
    pub(super) start_tls: bool,
    /// RFC 4954: AUTH PLAIN.
    pub(super) auth_plain: bool,
    /// AUTH LOGIN.
    pub(super) auth_login: bool,
    /// RFC 1870: offered, with the largest mail it takes in bytes where it names one.
    pub(super) size: Option<Option<usize>>,
}

impl Offers {
    /// Reads the answer to EHLO; its first line is the server's name.
    pub(super) fn read(reply: &Reply) -> Self {
        let mut offers = Offers::default();
        for line in reply.lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            let mut words = line.split([' ', '=']);
            match words.next().unwrap_or_default() {
                "PIPELINING" => offers.pipelining = true,
                "SMTPUTF8" => offers.smtp_utf8 = true,
                "STARTTLS" => offers.start_tls = true,
                "SIZE" => offers.size = Some(words.next().and_then(|n| n.parse().ok()).filter(|n| *n > 0)),
                "AUTH" => words.for_each(|mechanism| match mechanism {
                    "PLAIN" => offers.auth_plain = true,
                    "LOGIN" => offers.auth_login = true,
                    _ => {}
                }),
                _ => {}
            }
        }
        offers
    }
}

/// A connection ready for mails. Owned by whoever sends: dropping it closes it, so a cancelled send cannot leave
/// half a conversation to the next one.
pub(super) struct Connection {
    pub(super) wire: Wire,
    pub(super) offers: Offers,
    pub(super) patience: Patience,
    /// Mails it was used for.
    pub(super) mails: u32,
    /// A refusal left the server within a transaction: RSET comes before the next MAIL.
    unfinished: bool,
    /// The server answered a command of the present mail.
    answered: bool,
    /// The conversation is in step and may go on.
    usable: bool,
}

impl Connection {
    pub(super) fn new(wire: Wire, offers: Offers, patience: Patience) -> Self {
        Connection { wire, offers, patience, mails: 0, unfinished: false, answered: false, usable: true }
    }

    /// Whether another mail may follow.
    pub(super) fn is_usable(&self) -> bool {
        self.usable && self.wire.is_quiet()
    }

    /// Whether the server answered any command of the last mail. If not, it took nothing of it.
    pub(super) fn has_answered(&self) -> bool {
        self.answered
    }

    /// Sends one mail and returns the reply that accepted it. A refusal leaves the connection usable, other trouble does not.
    ///
    /// # Cancel safety
    /// None: drop the connection when the future was dropped.
    pub(super) async fn send(&mut self, mail: &Mail) -> Result<Reply, Trouble> {
        self.answered = false;
        let commands = self.commands(mail)?;
        self.mails += 1;
        // Proven again by a reply that leaves both sides in step.
        self.usable = false;
        self.envelope(&commands).await?;
        self.body(mail).await
    }

    /// Says goodbye without waiting for the answer.
    pub(super) async fn bye(&mut self) {
        if self.usable && self.wire.write(b"QUIT\r\n", self.patience.goodbye).await.is_ok() {
            // The server closes; one that does not is not waited for.
            drop(self.wire.reply(self.patience.goodbye).await);
        }
        self.usable = false;
    }

    fn commands(&self, mail: &Mail) -> Result<Vec<(Stage, String)>, Trouble> {
        let Envelope { from, to, utf8 } = &mail.envelope;
        let mut options = String::new();
        if *utf8 {
            if !self.offers.smtp_utf8 {
                let detail = "the address needs SMTPUTF8, which the server does not offer";
                return Err(Trouble::Unsendable(Reason::InvalidAddress, detail.to_owned()));
            }
            options.push_str(" SMTPUTF8");
        }
        if let Some(limit) = self.offers.size {
            let size = mail.size();
            if limit.is_some_and(|limit| size > limit) {
                let detail =
                    format!("the mail has {size} bytes, the server takes at most {}", limit.unwrap_or(0));
                return Err(Trouble::Unsendable(Reason::Rejected, detail));
            }
            options.push_str(&format!(" SIZE={size}"));
        }
        let mut commands = Vec::with_capacity(4);
        if self.unfinished {
            commands.push((Stage::Reset, "RSET\r\n".to_owned()));
        }
        commands.push((Stage::Mail, format!("MAIL FROM:<{from}>{options}\r\n")));
        commands.push((Stage::Rcpt, format!("RCPT TO:<{to}>\r\n")));
        commands.push((Stage::Data, "DATA\r\n".to_owned()));
        Ok(commands)
    }

    /// Gets to the point where the server asks for the body: one round trip with PIPELINING, else three.
    async fn envelope(&mut self, commands: &[(Stage, String)]) -> Result<(), Trouble> {
        let pipelining = self.offers.pipelining;
        if pipelining {
            let all: String = commands.iter().map(|(_, command)| command.as_str()).collect();
            self.wire.write(all.as_bytes(), self.patience.command).await.map_err(Trouble::Lost)?;
        }
        let mut refusal = None;
        let mut wants_body = false;
        for (stage, command) in commands {
            if !pipelining {
                self.wire.write(command.as_bytes(), self.patience.command).await.map_err(Trouble::Lost)?;
            }
            match self.answer(*stage).await {
                Ok(_) => wants_body = *stage == Stage::Data,
                Err(Trouble::Reply(stage, reply)) if reply.code != 421 && reply.code >= 400 => {
                    refusal = refusal.or(Some(Trouble::Reply(stage, reply)));
                    if !pipelining {
                        break;
                    }
                }
                // Out of step or hung up; a refusal that came before it is still the better answer.
                Err(trouble) => return Err(refusal.unwrap_or(trouble)),
            }
        }
        self.unfinished = refusal.is_some();
        let Some(refusal) = refusal else { return Ok(()) };
        // RFC 2920 3.1: where DATA was taken although nobody was, an empty mail ends it, and is refused.
        self.usable = !wants_body || self.end_empty().await.is_ok();
        Err(refusal)
    }

    /// Reads the answer to one command: what was asked for, or [`Trouble`].
    async fn answer(&mut self, stage: Stage) -> Result<Reply, Trouble> {
        let limit = if stage == Stage::Data { self.patience.data } else { self.patience.command };
        let reply = self.wire.reply(limit).await.map_err(Trouble::Lost)?;
        self.answered |= reply.code != 421;
        match (stage, reply.code) {
            (Stage::Data, 354) => Ok(reply),
            (Stage::Data, _) => Err(Trouble::Reply(stage, reply)),
            (_, 200..300) => Ok(reply),
            (Stage::Reset, code) if code != 421 => Err(Trouble::Lost("the server refused RSET".to_owned())),
            _ => Err(Trouble::Reply(stage, reply)),
        }
    }

    async fn end_empty(&mut self) -> Result<Reply, String> {
        self.wire.write(b".\r\n", self.patience.command).await?;
        self.wire.reply(self.patience.data).await
    }

    /// Writes body and final dot, in one piece but for attachments. Before the last byte has left, nothing is accepted; after it, only the
    /// reply can tell.
    async fn body(&mut self, mail: &Mail) -> Result<Reply, Trouble> {
        for piece in mail.pieces() {
            self.wire.write(piece, self.patience.body).await.map_err(Trouble::Lost)?;
        }
        let reply = self.wire.reply(self.patience.dot).await.map_err(Trouble::Unanswered)?;
        self.usable = reply.code != 421;
        match reply.code {
            200..300 => Ok(reply),
            400.. => Err(Trouble::Reply(Stage::End, reply)),
            code => {
                self.usable = false;
                Err(Trouble::Unanswered(format!("the server answered {code}, which is no answer to a mail")))
            }
        }
    }
}

#[cfg(test)]
mod tests;
