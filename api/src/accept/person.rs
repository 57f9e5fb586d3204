//! One entry of `recipients`.

use email_address::{EmailAddress, Options};
use herald_channels::{NetPolicy, is_wecom_user_id};
use herald_shared::db::accept::NewRecipient;
use herald_shared::domain::Channel;
use herald_shared::domain::approval::Person;
use url::Url;

use crate::json::{Field, Object};
use crate::problems::Problems;

/// Characters of a key, name or id.
const MAX_KEY: usize = 128;
const MAX_NAME: usize = 200;
const MAX_ID: usize = 256;
/// RFC 5321 4.5.3.1.3 less the angle brackets.
const MAX_EMAIL: usize = 254;
const MAX_URL: usize = 2_000;
/// Bytes of one person's variables as JSON.
const MAX_VARIABLES: usize = 16 * 1024;

/// Reads a person: an object, or a bare address.
pub(super) fn read(field: &Field<'_>, net: &NetPolicy, problems: &mut Problems) -> Option<NewRecipient> {
    if field.is_string() {
        return bare(field, net, problems);
    }
    let before = problems.count();
    let mut object = field.object(problems)?;
    let mut person = NewRecipient::default();
    addresses(&mut person, &mut object, net, problems);
    person.key = object.take("key").and_then(|field| field.line(MAX_KEY, problems));
    person.name = object.take("name").and_then(|field| field.line(MAX_NAME, problems));
    person.variables = object.take("variables").and_then(|field| field.free_object(MAX_VARIABLES, problems));
    person.locale = object.take("locale").and_then(|field| locale(&field, problems));
    person.time_zone = object.take("time_zone").and_then(|field| time_zone(&field, problems));
    object.finish(problems);
    if problems.count() > before {
        return None;
    }
    if person.key.is_none() && person.addresses.is_empty() {
        field.refuse(problems, "needs a key or an address (email, phone, url, ids)");
        return None;
    }
    Some(person)
}

/// Somebody with an address who is no recipient: an approver, a sender. An object, or a bare mail address.
pub(super) fn contact(field: &Field<'_>, problems: &mut Problems) -> Option<Person> {
    if field.is_string() {
        return Some(Person { email: Some(email(field, problems)?), ..Person::default() });
    }
    let before = problems.count();
    let mut object = field.object(problems)?;
    let mut person = Person {
        name: object.take("name").and_then(|field| field.line(MAX_NAME, problems)),
        email: object.take("email").and_then(|field| email(&field, problems)),
        phone: object.take("phone").and_then(|field| phone(&field, problems)),
        ..Person::default()
    };
    if let Some(mut ids) = object.take("ids").and_then(|field| field.object(problems)) {
        for channel in [
            Channel::Wecom,
            Channel::Dingtalk,
            Channel::Feishu,
            Channel::Welink,
            Channel::Wechat,
            Channel::Inbox,
        ] {
            let Some(field) = ids.take(channel.address_kind()) else { continue };
            let id = if channel == Channel::Wecom {
                wecom(&field, problems)
            } else {
                field.line(MAX_ID, problems)
            };
            person.ids.extend(id.map(|id| (channel.address_kind().to_owned(), id)));
        }
        ids.finish(problems);
    }
    object.finish(problems);
    (problems.count() == before).then_some(person)
}

fn bare(field: &Field<'_>, net: &NetPolicy, problems: &mut Problems) -> Option<NewRecipient> {
    let text = field.string(problems)?;
    let (kind, address) = if text.contains("://") {
        (Channel::Webhook, url(field, net, problems)?)
    } else if text.contains('@') {
        (Channel::Email, email(field, problems)?)
    } else if text.starts_with('+') {
        (Channel::Sms, phone(field, problems)?)
    } else {
        field.refuse(
            problems,
            "is neither an email address, an E.164 phone number (+...) nor an https:// URL",
        );
        return None;
    };
    let mut person = NewRecipient::default();
    person.addresses.insert(kind.address_kind().to_owned(), address);
    Some(person)
}

fn addresses(person: &mut NewRecipient, object: &mut Object<'_>, net: &NetPolicy, problems: &mut Problems) {
    let mut add = |channel: Channel, address: Option<String>| {
        if let Some(address) = address {
            person.addresses.insert(channel.address_kind().to_owned(), address);
        }
    };
    add(Channel::Email, object.take("email").and_then(|field| email(&field, problems)));
    add(Channel::Sms, object.take("phone").and_then(|field| phone(&field, problems)));
    add(Channel::Webhook, object.take("url").and_then(|field| url(&field, net, problems)));
    let Some(mut ids) = object.take("ids").and_then(|field| field.object(problems)) else { return };
    add(Channel::Wecom, ids.take(Channel::Wecom.address_kind()).and_then(|field| wecom(&field, problems)));
    for channel in [Channel::Dingtalk, Channel::Feishu, Channel::Welink, Channel::Wechat, Channel::Inbox] {
        add(channel, ids.take(channel.address_kind()).and_then(|field| field.line(MAX_ID, problems)));
    }
    ids.finish(problems);
}

/// A WeCom user id; whatever could name more than one person is refused.
fn wecom(field: &Field<'_>, problems: &mut Problems) -> Option<String> {
    let text = field.line(MAX_ID, problems)?;
    let good = is_wecom_user_id(&text);
    if !good {
        field.refuse(
            problems,
            "is not a WeCom user id: letters, digits and _-@. only, at most 64, a letter or digit first",
        );
    }
    good.then_some(text)
}

/// An address as mail servers take it, its domain in lower case so that equal ones are seen to be equal.
fn email(field: &Field<'_>, problems: &mut Problems) -> Option<String> {
    let text = field.line(MAX_EMAIL, problems)?;
    let options = Options::default().without_display_text().without_domain_literal().with_required_tld();
    match EmailAddress::parse_with_options(&text, options) {
        Ok(address) => Some(format!("{}@{}", address.local_part(), address.domain().to_lowercase())),
        Err(error) => {
            field.refuse(problems, format!("is not an email address: {error}"));
            None
        }
    }
}

/// E.164: a plus sign and 7 to 15 digits, the first not zero.
fn phone(field: &Field<'_>, problems: &mut Problems) -> Option<String> {
    let text = field.line(MAX_ID, problems)?;
    let digits = text.strip_prefix('+').unwrap_or_default();
    let good = (7..=15).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    if !good {
        field.refuse(problems, "is not an E.164 phone number: + and 7 to 15 digits, such as +8613800138000");
    }
    good.then_some(text)
}

/// A webhook target. Literal addresses are checked here, names when they are dialled.
fn url(field: &Field<'_>, net: &NetPolicy, problems: &mut Problems) -> Option<String> {
    let text = field.line(MAX_URL, problems)?;
    let checked = match Url::parse(&text) {
        Ok(url) => net.check_literal(&url).map_err(|refused| refused.to_string()),
        Err(error) => Err(format!("is not a URL: {error}")),
    };
    match checked {
        Ok(()) => Some(text),
        Err(detail) => {
            field.refuse(problems, detail);
            None
        }
    }
}

/// The shape of a BCP 47 tag, such as zh-Hans-CN.
fn locale(field: &Field<'_>, problems: &mut Problems) -> Option<String> {
    let text = field.line(35, problems)?;
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    let good = (2..=8).contains(&language.len())
        && language.bytes().all(|b| b.is_ascii_alphabetic())
        && parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()));
    if !good {
        field.refuse(problems, "is not a language tag such as zh or en-GB");
    }
    good.then_some(text)
}

/// An IANA zone. Where the machine has no zone data only its shape is checked.
fn time_zone(field: &Field<'_>, problems: &mut Problems) -> Option<String> {
    let text = field.line(64, problems)?;
    let zones = jiff::tz::db();
    let shaped = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+-".contains(&b));
    let good = shaped && (zones.is_definitively_empty() || zones.get(&text).is_ok());
    if !good {
        field.refuse(problems, "is not an IANA time zone such as Asia/Shanghai");
    }
    good.then_some(text)
}
