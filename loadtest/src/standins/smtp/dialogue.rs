//! What the server answers: one method per command, in the order RFC 5321 allows.

use std::sync::Arc;
use std::time::Duration;

use super::auth::{self, Exchange, Step};
use super::body::Declared;
use super::command::{self, Command};
use super::script::{Action, Stage};
use super::transaction::Transaction;
use super::{Shared, Tls};

/// What the session does after an answer was put into `output`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Reads the next command.
    Go,
    /// Reads a message.
    Message,
    /// Sends the answers, then does the TLS handshake.
    StartTls,
    /// Sends the answers and closes.
    Close,
    /// Closes without sending anything.
    Drop,
}

/// One client's state and the replies not yet written.
pub(super) struct Dialogue {
    pub(super) shared: Arc<Shared>,
    pub(super) output: Vec<u8>,
    pub(super) tls: bool,
    /// A scripted silence the session keeps before it writes or reads anything more.
    pub(super) pause: Option<Duration>,
    greeted: bool,
    pub(super) authenticated: bool,
    exchange: Option<Exchange>,
    pub(super) transaction: Transaction,
}

impl Dialogue {
    pub(super) fn new(shared: Arc<Shared>, tls: bool) -> Self {
        Self {
            shared,
            output: Vec::with_capacity(512),
            tls,
            pause: None,
            greeted: false,
            authenticated: false,
            exchange: None,
            transaction: Transaction::default(),
        }
    }

    pub(super) fn greeting(&mut self) -> Next {
        match self.scripted(Stage::Connect, None) {
            None => self.say("220 standin.localhost ESMTP"),
            Some(Next::Drop) => Next::Drop,
            Some(_) => Next::Close,
        }
    }

    /// After the handshake everything learnt before it is forgotten (RFC 3207 4.2).
    pub(super) fn secured(&mut self) {
        *self = Self::new(Arc::clone(&self.shared), true);
    }

    pub(super) fn say(&mut self, reply: &str) -> Next {
        self.output.extend_from_slice(reply.as_bytes());
        self.output.extend_from_slice(b"\r\n");
        if reply.starts_with("421") { Next::Close } else { Next::Go }
    }

    /// Refuses and records it as the client's fault. Neither addresses nor content go into the record.
    pub(super) fn breach(&mut self, reply: &str) -> Next {
        self.shared.received.update(|received| received.violated(reply));
        self.say(reply)
    }

    /// Answers one line; `alone`: the client has sent nothing after it.
    pub(super) fn line(&mut self, line: &[u8], alone: bool) -> Next {
        if let Some(exchange) = self.exchange.take() {
            return self.auth_line(exchange, line);
        }
        let command = match command::parse(line) {
            Ok(command) => command,
            Err(refusal) => return self.breach(refusal),
        };
        // RFC 2920 3.1: these wait for their answer; without PIPELINING everything does.
        let waits = matches!(
            command,
            Command::Hello { .. } | Command::Data | Command::StartTls | Command::Auth { .. }
        );
        if !alone && (waits || !self.shared.options.pipelining) {
            self.breach("503 5.5.1 sent ahead without waiting for the answer");
            return Next::Close;
        }
        self.command(&command)
    }

    fn command(&mut self, command: &Command<'_>) -> Next {
        match *command {
            Command::Hello { extended } => self.hello(extended),
            Command::StartTls => self.start_tls(),
            Command::Auth { mechanism, initial } => self.auth(mechanism, initial),
            Command::Mail { from, size, eight_bit, smtputf8 } => {
                self.mail(from, size, Declared { eight_bit, smtputf8 })
            }
            Command::Recipient { to } => self.recipient(to),
            Command::Data => self.data(),
            Command::Reset => {
                self.transaction.clear();
                self.say("250 2.0.0 reset")
            }
            Command::Noop => self.say("250 2.0.0 ok"),
            Command::Verify => self.say("252 2.1.5 send some mail, I will try"),
            Command::Help => self.say("214 2.0.0 see RFC 5321"),
            Command::Quit => {
                self.say("221 2.0.0 bye");
                Next::Close
            }
        }
    }

    fn hello(&mut self, extended: bool) -> Next {
        self.greeted = true;
        self.transaction.clear();
        if !extended {
            return self.say("250 standin.localhost");
        }
        let options = &self.shared.options;
        let starttls = matches!(options.tls, Tls::StartTls(_)) && !self.tls;
        let auth = options.auth.is_some() && !starttls;
        let size = format!("250-SIZE {}", options.max_size);
        let lines = [
            (true, "250-standin.localhost"),
            (true, size.as_str()),
            (true, "250-8BITMIME"),
            (options.smtputf8, "250-SMTPUTF8"),
            (options.pipelining, "250-PIPELINING"),
            (starttls, "250-STARTTLS"),
            (auth, "250-AUTH PLAIN LOGIN"),
        ];
        for (_, line) in lines.into_iter().filter(|(offered, _)| *offered) {
            self.say(line);
        }
        self.say("250 ENHANCEDSTATUSCODES")
    }

    fn start_tls(&mut self) -> Next {
        if !matches!(self.shared.options.tls, Tls::StartTls(_)) || self.tls {
            return self.breach("503 5.5.1 STARTTLS is not offered");
        }
        self.say("220 2.0.0 go ahead");
        Next::StartTls
    }

    fn needs_tls(&self) -> bool {
        matches!(self.shared.options.tls, Tls::StartTls(_)) && !self.tls
    }

    fn auth(&mut self, mechanism: &str, initial: Option<&str>) -> Next {
        let shared = Arc::clone(&self.shared);
        let Some(expected) = &shared.options.auth else {
            return self.breach("503 5.5.1 AUTH is not offered");
        };
        if !self.greeted || self.authenticated || self.transaction.open {
            return self.breach("503 5.5.1 AUTH not now");
        }
        if self.needs_tls() {
            return self.breach("538 5.7.11 encryption required for AUTH");
        }
        if let Some(next) = self.scripted(Stage::Auth, None) {
            return next;
        }
        match auth::begin(mechanism, initial, expected) {
            None => self.breach("504 5.5.4 unknown mechanism"),
            Some((exchange, step)) => self.auth_step(exchange, step),
        }
    }

    fn auth_line(&mut self, exchange: Exchange, line: &[u8]) -> Next {
        let shared = Arc::clone(&self.shared);
        let Some(expected) = &shared.options.auth else { return self.breach("503 5.5.1 AUTH not now") };
        let (exchange, step) = auth::go_on(exchange, line, expected);
        self.auth_step(exchange, step)
    }

    fn auth_step(&mut self, exchange: Option<Exchange>, step: Step) -> Next {
        self.exchange = exchange;
        match step {
            Step::Ask(prompt) => self.say(prompt),
            Step::In => {
                self.authenticated = true;
                self.say("235 2.7.0 authenticated")
            }
            Step::Wrong => {
                self.shared.received.update(|received| received.auth_failures += 1);
                self.say("535 5.7.8 authentication failed")
            }
            Step::Malformed => self.breach("501 5.5.2 that is no base64 of credentials"),
        }
    }

    fn mail(&mut self, from: &str, size: Option<usize>, declared: Declared) -> Next {
        if !self.greeted || self.transaction.open {
            return self.breach("503 5.5.1 MAIL not now");
        }
        if self.needs_tls() {
            return self.breach("530 5.7.0 STARTTLS first");
        }
        if self.shared.options.auth.is_some() && !self.authenticated {
            return self.breach("530 5.7.0 authentication required");
        }
        if declared.smtputf8 && !self.shared.options.smtputf8 {
            return self.breach("555 5.5.4 SMTPUTF8 is not offered");
        }
        if size.is_some_and(|size| size > self.shared.options.max_size) {
            return self.say("552 5.3.4 message too big");
        }
        if let Some(next) = self.scripted(Stage::Mail, None) {
            return next;
        }
        self.transaction.begin(from, declared);
        self.say("250 2.1.0 sender ok")
    }

    fn recipient(&mut self, to: &str) -> Next {
        if !self.transaction.open {
            return self.breach("503 5.5.1 MAIL first");
        }
        self.transaction.asked += 1;
        if let Err(refusal) = command::check_recipient(to, self.transaction.declared.smtputf8) {
            return self.breach(refusal);
        }
        if self.transaction.count() >= self.shared.options.max_recipients {
            return self.say("452 4.5.3 too many recipients");
        }
        if let Some(next) = self.scripted(Stage::Recipient, Some(to)) {
            return next;
        }
        self.transaction.add(to);
        self.say("250 2.1.5 recipient ok")
    }

    fn data(&mut self) -> Next {
        if !self.transaction.open || self.transaction.asked == 0 {
            return self.breach("503 5.5.1 RCPT first");
        }
        if self.transaction.count() == 0 {
            return self.say("554 5.5.1 no valid recipients");
        }
        if let Some(next) = self.scripted(Stage::Data, None) {
            self.transaction.clear();
            return next;
        }
        self.say("354 end with a dot");
        Next::Message
    }

    /// Acts out a script for `recipient`, or for everybody in the transaction; `Some`: it has answered.
    pub(super) fn scripted(&mut self, stage: Stage, recipient: Option<&str>) -> Option<Next> {
        let scripts = &self.shared.scripts;
        let action = match recipient {
            Some(address) => scripts.take(stage, std::iter::once(address)),
            None => scripts.take(stage, self.transaction.recipients()),
        }?;
        self.shared.received.update(|received| received.scripted += 1);
        match action {
            Action::Reply(reply) => Some(self.say(&reply)),
            Action::Drop | Action::RecordAndDrop => Some(Next::Drop),
            Action::Stall(silence) => {
                self.pause = Some(silence);
                None
            }
        }
    }
}
