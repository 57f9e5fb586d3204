use proptest::prelude::*;

use super::*;

const PURPOSES: [Purpose; 6] =
    [Purpose::Page, Purpose::Pixel, Purpose::Unsubscribe, Purpose::Visit, Purpose::Approve, Purpose::Pass];

fn key(seed: u8) -> LinkKey {
    LinkKey::new(&[seed; 32])
}

fn anybody() -> impl Strategy<Value = Holder> {
    let channel = prop_oneof![Just(None), proptest::sample::select(Channel::ALL).prop_map(Some)];
    (1i64..1 << 40, 1i32..1 << 26, channel).prop_map(|(plan_id, no, channel)| Holder { plan_id, no, channel })
}

proptest! {
    #[test]
    fn a_token_opens_what_it_was_made_for_and_nothing_else(holder in anybody(), purpose in proptest::sample::select(&PURPOSES[..])) {
        let token = key(1).token(purpose, holder);
        prop_assert_eq!(token.len(), TOKEN_LENGTH);
        prop_assert!(token.ends_with(|last: char| last.is_ascii_alphanumeric()), "{}", token);
        for other in PURPOSES {
            prop_assert_eq!(key(1).open(other, &token), (other == purpose).then_some(holder));
        }
        prop_assert_eq!(key(2).open(purpose, &token), None, "another installation's");
    }

    #[test]
    fn a_token_changed_anywhere_opens_nothing(holder in anybody(), at in 0usize..2 * HALF, bit in 0u8..8) {
        let token = key(1).token(Purpose::Page, holder);
        let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        bytes[at] ^= 1 << bit;
        for purpose in PURPOSES {
            prop_assert_eq!(key(1).open(purpose, &URL_SAFE_NO_PAD.encode(&bytes)), None);
        }
    }

    #[test]
    fn nothing_that_somebody_makes_up_opens(token in "[A-Za-z0-9_-]{24}") {
        for purpose in PURPOSES {
            prop_assert_eq!(key(1).open(purpose, &token), None);
        }
    }

    #[test]
    fn odd_words_are_no_tokens(token in ".{0,40}") {
        prop_assert_eq!(key(1).open(Purpose::Page, &token), None);
    }
}

#[test]
fn neighbours_have_nothing_in_common() {
    let token = |no| key(1).token(Purpose::Page, Holder { plan_id: 7, no, channel: None });
    let (one, two) = (token(1), token(2));
    let alike = one.bytes().zip(two.bytes()).filter(|(a, b)| a == b).count();
    assert!(alike < 8, "{one} {two}");
    assert_eq!(one, token(1), "the same link in every message");
}

#[test]
fn an_address_that_would_need_escaping_is_refused() {
    for good in
        ["https://m.example.org", "https://example.org/herald/", "http://127.0.0.1:8080", "http://[::1]:8080"]
    {
        assert!(good.parse::<PublicUrl>().is_ok(), "{good}");
    }
    for bad in [
        "",
        "m.example.org",
        "ftp://x.org",
        "https://x.org/?a=1",
        "https://x.org/#a",
        "https://x.org/\"",
        "https://a b",
        "https://u@x.org",
    ] {
        assert_eq!(bad.parse::<PublicUrl>(), Err(()), "{bad}");
    }
    let below: PublicUrl = "https://example.org/herald/".parse().unwrap();
    assert_eq!((below.as_str(), below.path()), ("https://example.org/herald", "/herald"));
    assert_eq!("https://example.org".parse::<PublicUrl>().unwrap().path(), "");
}

#[test]
fn a_code_s_hash_is_one_recipient_s_and_one_installation_s() {
    let hash = key(1).code_hash(7, 1, "123456");
    assert_eq!(hash, key(1).code_hash(7, 1, "123456"));
    for other in
        [key(1).code_hash(7, 1, "123457"), key(1).code_hash(7, 2, "123456"), key(2).code_hash(7, 1, "123456")]
    {
        assert_ne!(hash, other);
    }
}
