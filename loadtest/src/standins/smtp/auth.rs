//! AUTH PLAIN and LOGIN (RFC 4954, RFC 4616; LOGIN as everybody does it).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Credentials;

/// Where a login stands; a line that comes now belongs to it.
#[derive(Debug)]
pub(super) enum Exchange {
    Plain,
    LoginUser,
    LoginPassword(String),
}

/// What to answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Send this and wait for the next line.
    Ask(&'static str),
    /// The credentials were right.
    In,
    /// They were wrong.
    Wrong,
    /// The client gave up or sent no base64.
    Malformed,
}

/// `Username:` and `Password:` in base64.
const ASK_USER: &str = "334 VXNlcm5hbWU6";
const ASK_PASSWORD: &str = "334 UGFzc3dvcmQ6";

/// Begins a login; `None` when the mechanism is not known.
pub(super) fn begin(
    mechanism: &str,
    initial: Option<&str>,
    expected: &Credentials,
) -> Option<(Option<Exchange>, Step)> {
    let (exchange, ask) = if mechanism.eq_ignore_ascii_case("PLAIN") {
        (Exchange::Plain, "334 ")
    } else if mechanism.eq_ignore_ascii_case("LOGIN") {
        (Exchange::LoginUser, ASK_USER)
    } else {
        return None;
    };
    Some(match initial {
        None => (Some(exchange), Step::Ask(ask)),
        Some(data) => go_on(exchange, data.as_bytes(), expected),
    })
}

/// Takes the client's next line.
pub(super) fn go_on(exchange: Exchange, line: &[u8], expected: &Credentials) -> (Option<Exchange>, Step) {
    let Some(text) = STANDARD.decode(line).ok().and_then(|bytes| String::from_utf8(bytes).ok()) else {
        return (None, Step::Malformed);
    };
    match exchange {
        Exchange::Plain => {
            let mut parts = text.split('\0').skip(1);
            (None, judge(parts.next(), parts.next(), expected))
        }
        Exchange::LoginUser => (Some(Exchange::LoginPassword(text)), Step::Ask(ASK_PASSWORD)),
        Exchange::LoginPassword(user) => (None, judge(Some(&user), Some(&text), expected)),
    }
}

fn judge(user: Option<&str>, password: Option<&str>, expected: &Credentials) -> Step {
    match (user, password) {
        (Some(user), Some(password)) if user == expected.username && password == expected.password => {
            Step::In
        }
        (Some(_), Some(_)) => Step::Wrong,
        _ => Step::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected() -> Credentials {
        Credentials { username: "test".to_owned(), password: "1234".to_owned() }
    }

    #[test]
    fn plain_with_the_published_vector() {
        let (_, step) = begin("plain", Some("AHRlc3QAMTIzNA=="), &expected()).unwrap();
        assert_eq!(step, Step::In);
        let (_, step) = begin("PLAIN", Some("AHRlc3QAMTIzNQ=="), &expected()).unwrap();
        assert_eq!(step, Step::Wrong);
        let (_, step) = begin("PLAIN", Some("!"), &expected()).unwrap();
        assert_eq!(step, Step::Malformed);
    }

    #[test]
    fn login_asks_twice() {
        let (exchange, step) = begin("LOGIN", None, &expected()).unwrap();
        assert_eq!(step, Step::Ask(ASK_USER));
        let (exchange, step) = go_on(exchange.unwrap(), b"dGVzdA==", &expected());
        assert_eq!(step, Step::Ask(ASK_PASSWORD));
        assert_eq!(go_on(exchange.unwrap(), b"MTIzNA==", &expected()).1, Step::In);
    }
}
