//! Envelope addresses, strictly: RFC 5321 4.1.2 with the lengths of 4.5.3.1, RFC 6531 where SMTPUTF8 was asked for.

/// Why a path was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bad {
    /// Not of the form `<local@domain>`.
    Syntax,
    /// Non-ASCII without SMTPUTF8.
    NeedsUtf8,
}

/// Splits `<address>` and what follows it; the address is empty for `<>`.
pub(super) fn path(text: &str) -> Result<(&str, &str), Bad> {
    let inner = text.strip_prefix('<').ok_or(Bad::Syntax)?;
    let mut quoted = false;
    let mut escaped = false;
    for (at, letter) in inner.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => return Ok((&inner[..at], &inner[at + 1..])),
            _ => {}
        }
    }
    Err(Bad::Syntax)
}

/// Checks one address that is not empty.
pub(super) fn check(address: &str, utf8: bool) -> Result<(), Bad> {
    let (local, domain) = address.rsplit_once('@').ok_or(Bad::Syntax)?;
    if !address.is_ascii() && !utf8 {
        return Err(Bad::NeedsUtf8);
    }
    let lengths =
        (1..=64).contains(&local.len()) && (1..=255).contains(&domain.len()) && address.len() <= 254;
    if lengths && local_part(local) && domain_part(domain) { Ok(()) } else { Err(Bad::Syntax) }
}

fn local_part(local: &str) -> bool {
    if let Some(inner) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        return !inner.is_empty() && inner.chars().all(|letter| !letter.is_control());
    }
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(atom_letter))
}

/// `atext` of RFC 5322 3.2.3.
fn atom_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(letter) || !letter.is_ascii()
}

/// A host name by labels, or an address literal in brackets.
pub(super) fn domain_part(domain: &str) -> bool {
    if let Some(literal) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let v6 = literal.strip_prefix("IPv6:").is_some_and(|v6| v6.parse::<std::net::Ipv6Addr>().is_ok());
        return v6 || literal.parse::<std::net::Ipv4Addr>().is_ok();
    }
    domain.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || letter == '-' || !letter.is_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cut_outside_quotes() {
        assert_eq!(path("<a@b> SIZE=3"), Ok(("a@b", " SIZE=3")));
        assert_eq!(path("<>"), Ok(("", "")));
        assert_eq!(path("<\"a>\\\"b\"@c>"), Ok(("\"a>\\\"b\"@c", "")));
        assert_eq!(path("a@b"), Err(Bad::Syntax));
        assert_eq!(path("<a@b"), Err(Bad::Syntax));
    }

    #[test]
    fn addresses_are_checked() {
        for good in ["a@b", "li.lei+x@example.org", "\"a b\"@c.d", "a@[127.0.0.1]", "a@[IPv6:::1]"] {
            assert_eq!(check(good, false), Ok(()), "{good}");
        }
        for bad in ["a", "@b", "a@", "a..b@c", ".a@c", "a b@c", "a@b..c", "a@-b", "a@b_c", "<a@b", "a@[1.2]"]
        {
            assert_eq!(check(bad, true), Err(Bad::Syntax), "{bad}");
        }
        assert_eq!(check(&format!("{}@b", "x".repeat(65)), false), Err(Bad::Syntax));
        assert_eq!(check("李雷@例子.广告", false), Err(Bad::NeedsUtf8));
        assert_eq!(check("李雷@例子.广告", true), Ok(()));
    }
}
