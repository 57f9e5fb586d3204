//! What the mail stand-in got, as a reader sees it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use herald_loadtest::standins::smtp;
use herald_tests::{SOON, wait_for};

/// The texts of the mails to an address, in order of arrival.
pub(crate) fn letters(server: &smtp::Handle, to: &str) -> Vec<String> {
    let is_theirs = |mail: &&smtp::Mail| mail.to.iter().any(|address| address.eq_ignore_ascii_case(to));
    server.read(|received| received.first.iter().filter(is_theirs).map(text).collect())
}

/// The text of mail number `no` (from 1) to an address, as soon as it has come.
pub(crate) async fn letter(server: &smtp::Handle, to: &str, no: usize) -> String {
    wait_for(&format!("mail {no} to {to}"), SOON, async || letters(server, to).into_iter().nth(no - 1)).await
}

/// What follows `prefix` in a text, up to the end of the token.
pub(crate) fn token(text: &str, prefix: &str) -> String {
    let (_, rest) = text.split_once(prefix).unwrap_or_else(|| panic!("no {prefix} in {text}"));
    rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect()
}

fn text(mail: &smtp::Mail) -> String {
    let body = mail.body();
    let encoding = mail.header("content-transfer-encoding").unwrap_or_default().to_lowercase();
    let bytes = match encoding.as_str() {
        "base64" => {
            let plain: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            STANDARD.decode(plain).unwrap()
        }
        "quoted-printable" => unquoted(body),
        _ => body.to_vec(),
    };
    String::from_utf8(bytes).unwrap()
}

fn unquoted(body: &[u8]) -> Vec<u8> {
    let (mut plain, mut rest) = (Vec::with_capacity(body.len()), body);
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'=', [b'\r', b'\n', ..]) => rest = &after[2..],
            (b'=', [high, low, ..]) => {
                let hex = [*high, *low];
                plain.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
                rest = &after[2..];
            }
            _ => plain.push(byte),
        }
    }
    plain
}
