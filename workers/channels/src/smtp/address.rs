//! Mail addresses as lettre and the envelope want them.

use lettre::Address;

/// Who a mail is from and to, as written in MAIL and RCPT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) from: String,
    pub(super) to: String,
    /// A local part is not ASCII: the server must offer SMTPUTF8.
    pub(super) utf8: bool,
}

impl Envelope {
    pub(super) fn new(from: &Address, to: &Address) -> Self {
        let utf8 = !(from.user().is_ascii() && to.user().is_ascii());
        Envelope { from: from.to_string(), to: to.to_string(), utf8 }
    }
}

/// Reads an address; the domain comes out in ASCII (IDNA), so that only local parts can need SMTPUTF8.
pub(super) fn parse(text: &str) -> Option<Address> {
    let (user, domain) = text.rsplit_once('@')?;
    if !crate::wording::is_clean(text) || text.len() > 254 {
        return None;
    }
    // A bracketed literal stays as it is.
    let domain = if domain.starts_with('[') {
        domain.to_owned()
    } else {
        match url::Host::parse(domain).ok()? {
            url::Host::Domain(ascii) => ascii,
            url::Host::Ipv4(_) | url::Host::Ipv6(_) => return None,
        }
    };
    Address::new(user, domain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_their_domains_made_ascii() {
        let cases = [
            ("li@example.org", Some("li@example.org")),
            ("Li.Lei+x@EXAMPLE.org", Some("Li.Lei+x@example.org")),
            ("li@例子.测试", Some("li@xn--fsqu00a.xn--0zwm56d")),
            ("李雷@example.org", Some("李雷@example.org")),
            ("\"a b\"@example.org", Some("\"a b\"@example.org")),
            ("li@[192.0.2.1]", Some("li@[192.0.2.1]")),
            ("li", None),
            ("@example.org", None),
            ("li@", None),
            ("li@192.0.2.1", None),
            ("li@example.org\r\nRCPT TO:<x@y>", None),
            ("li@exa mple.org", None),
            ("li>@example.org", None),
            ("a b@example.org", None),
        ];
        for (given, expected) in cases {
            let read = parse(given).map(|address| address.to_string());
            assert_eq!(read.as_deref(), expected, "{given:?}");
        }
    }

    #[test]
    fn only_local_parts_need_utf8() {
        let from = parse("herald@example.org").unwrap();
        assert!(!Envelope::new(&from, &parse("li@例子.测试").unwrap()).utf8);
        assert!(Envelope::new(&from, &parse("李雷@example.org").unwrap()).utf8);
    }
}
