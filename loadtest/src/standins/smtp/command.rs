//! One SMTP command line, parsed without copying. Order of commands is not judged here.

use super::address::{self, Bad};

/// A well-formed command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Hello {
        extended: bool,
    },
    StartTls,
    Auth {
        mechanism: &'a str,
        initial: Option<&'a str>,
    },
    Mail {
        from: &'a str,
        size: Option<usize>,
        eight_bit: bool,
        smtputf8: bool,
    },
    /// The address is checked later: what is allowed depends on the transaction.
    Recipient {
        to: &'a str,
    },
    Data,
    Reset,
    Noop,
    Verify,
    Help,
    Quit,
}

/// The reply to a line that is no well-formed command.
pub(super) type Refusal = &'static str;

const SYNTAX: Refusal = "501 5.5.4 syntax error in parameters";
const BAD_SENDER: Refusal = "501 5.1.7 bad sender address syntax";
const BAD_RECIPIENT: Refusal = "501 5.1.3 bad recipient address syntax";
const UNKNOWN_PARAMETER: Refusal = "555 5.5.4 unsupported parameter";

/// Parses one line without its CRLF.
pub(super) fn parse(line: &[u8]) -> Result<Command<'_>, Refusal> {
    let line = std::str::from_utf8(line).map_err(|_| "500 5.5.2 command is not UTF-8")?;
    if line.contains('\0') {
        return Err("500 5.5.2 NUL in command");
    }
    let (verb, rest) = line.split_once(' ').map_or((line, None), |(verb, rest)| (verb, Some(rest)));
    let is = |name: &str| verb.eq_ignore_ascii_case(name);
    match rest {
        Some(name) if is("EHLO") || is("HELO") => hello(name, is("EHLO")),
        Some(path) if is("MAIL") => mail(path),
        Some(path) if is("RCPT") => recipient(path),
        Some(rest) if is("AUTH") => auth(rest),
        Some(_) if is("VRFY") || is("EXPN") => Ok(Command::Verify),
        Some(_) if is("NOOP") => Ok(Command::Noop),
        None if is("DATA") => Ok(Command::Data),
        None if is("RSET") => Ok(Command::Reset),
        None if is("NOOP") => Ok(Command::Noop),
        None if is("QUIT") => Ok(Command::Quit),
        None if is("STARTTLS") => Ok(Command::StartTls),
        _ if is("HELP") => Ok(Command::Help),
        _ if known(verb) => Err(SYNTAX),
        _ => Err("500 5.5.2 unknown command"),
    }
}

fn known(verb: &str) -> bool {
    const VERBS: [&str; 10] =
        ["EHLO", "HELO", "MAIL", "RCPT", "AUTH", "VRFY", "DATA", "RSET", "QUIT", "STARTTLS"];
    VERBS.iter().any(|name| verb.eq_ignore_ascii_case(name))
}

fn hello(name: &str, extended: bool) -> Result<Command<'_>, Refusal> {
    if address::domain_part(name) { Ok(Command::Hello { extended }) } else { Err(SYNTAX) }
}

fn auth(rest: &str) -> Result<Command<'_>, Refusal> {
    let (mechanism, initial) = rest.split_once(' ').map_or((rest, None), |(name, data)| (name, Some(data)));
    if mechanism.is_empty() || initial.is_some_and(|data| data.is_empty() || data.contains(' ')) {
        return Err(SYNTAX);
    }
    Ok(Command::Auth { mechanism, initial })
}

/// Cuts `FROM:`/`TO:` off, without regard to case; no space may follow the colon (RFC 5321 3.3).
fn after_keyword<'a>(text: &'a str, keyword: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(keyword.len())?;
    head.eq_ignore_ascii_case(keyword).then_some(tail)
}

fn mail(text: &str) -> Result<Command<'_>, Refusal> {
    let path = after_keyword(text, "FROM:").ok_or(SYNTAX)?;
    let (from, parameters) = address::path(path).map_err(|_| BAD_SENDER)?;
    let (mut size, mut eight_bit, mut smtputf8) = (None, false, false);
    for parameter in split_parameters(parameters)? {
        let (name, value) = parameter.split_once('=').map_or((parameter, None), |(n, v)| (n, Some(v)));
        match (name.to_ascii_uppercase().as_str(), value) {
            ("SIZE", Some(value)) => size = Some(value.parse().map_err(|_| SYNTAX)?),
            ("BODY", Some(value)) if value.eq_ignore_ascii_case("8BITMIME") => eight_bit = true,
            ("BODY", Some(value)) if value.eq_ignore_ascii_case("7BIT") => {}
            ("SMTPUTF8", None) => smtputf8 = true,
            ("AUTH", Some(_)) => {}
            _ => return Err(UNKNOWN_PARAMETER),
        }
    }
    if !from.is_empty() {
        address::check(from, smtputf8).map_err(|bad| match bad {
            Bad::Syntax => BAD_SENDER,
            Bad::NeedsUtf8 => "553 5.6.7 non-ASCII sender needs SMTPUTF8",
        })?;
    }
    Ok(Command::Mail { from, size, eight_bit, smtputf8 })
}

fn recipient(text: &str) -> Result<Command<'_>, Refusal> {
    let path = after_keyword(text, "TO:").ok_or(SYNTAX)?;
    let (to, parameters) = address::path(path).map_err(|_| BAD_RECIPIENT)?;
    if split_parameters(parameters)?.next().is_some() {
        return Err(UNKNOWN_PARAMETER);
    }
    if to.is_empty() { Err(BAD_RECIPIENT) } else { Ok(Command::Recipient { to }) }
}

/// The reply to a recipient that is no address.
pub(super) fn check_recipient(to: &str, smtputf8: bool) -> Result<(), Refusal> {
    address::check(to, smtputf8).map_err(|bad| match bad {
        Bad::Syntax => BAD_RECIPIENT,
        Bad::NeedsUtf8 => "553 5.6.7 non-ASCII recipient needs SMTPUTF8",
    })
}

fn split_parameters(text: &str) -> Result<impl Iterator<Item = &str>, Refusal> {
    if !text.is_empty() && (!text.starts_with(' ') || text.ends_with(' ')) {
        return Err(SYNTAX);
    }
    Ok(text.split(' ').filter(|parameter| !parameter.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_without_regard_to_case() {
        assert_eq!(parse(b"ehlo host.example"), Ok(Command::Hello { extended: true }));
        assert_eq!(parse(b"HELO [127.0.0.1]"), Ok(Command::Hello { extended: false }));
        assert_eq!(
            parse(b"mail from:<a@b> SIZE=12 body=8bitmime SMTPUTF8"),
            Ok(Command::Mail { from: "a@b", size: Some(12), eight_bit: true, smtputf8: true })
        );
        assert_eq!(parse(b"RCPT TO:<c@d>"), Ok(Command::Recipient { to: "c@d" }));
        assert_eq!(
            parse(b"AUTH PLAIN AHRlc3QAMTIzNA=="),
            Ok(Command::Auth { mechanism: "PLAIN", initial: Some("AHRlc3QAMTIzNA==") })
        );
    }

    #[test]
    fn malformed_lines_are_refused_with_the_right_code() {
        let cases: [(&[u8], &str); 14] = [
            (b"MAIL FROM: <a@b>", "501"),
            (b"MAIL FROM:a@b", "501"),
            (b"MAIL FROM:<a@b>x", "501"),
            (b"MAIL FROM:<a b@c>", "501"),
            (b"MAIL FROM:<a@b> SIZE=x", "501"),
            (b"MAIL FROM:<a@b> RET=HDRS", "555"),
            ("MAIL FROM:<ü@b>".as_bytes(), "553"),
            (b"RCPT TO:<>", "501"),
            (b"RCPT TO:<a@b> NOTIFY=NEVER", "555"),
            (b"EHLO", "501"),
            (b"EHLO a b", "501"),
            (b"DATA now", "501"),
            (b"BOGUS", "500"),
            (b"\xff", "500"),
        ];
        for (line, code) in cases {
            let refusal = parse(line).unwrap_err();
            assert!(refusal.starts_with(code), "{refusal} is not {code}");
        }
    }
}
