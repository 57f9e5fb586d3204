//! Reading what a client says about an account.

use herald_channels::{provider, registry};
use herald_shared::db::accounts::Account;
use herald_shared::domain::Channel;
use herald_shared::domain::limits::Per;
use serde_json::{Map, Value};

use crate::error::{Problem, Result};
use crate::json::{Document, Field, Object};
use crate::problems::Problems;

const MAX_NAME: usize = 100;
/// Bytes of settings, and of a secret (a certificate chain with its key), as JSON.
const MAX_SETTINGS: usize = 64 * 1024;

/// An account as its owner wants it, secret in clear. No `Debug`: it must not end in a log.
pub(super) struct Form {
    pub(super) name: String,
    pub(super) channel: Channel,
    pub(super) provider: &'static str,
    pub(super) settings: Value,
    pub(super) secret: Option<Value>,
    pub(super) limits: Value,
    pub(super) order: i32,
    pub(super) weight: i32,
    pub(super) enabled: bool,
    pub(super) price: String,
}

impl Form {
    /// Reads a new account.
    pub(super) fn read(document: &Document<'_>) -> Result<Form> {
        let mut problems = Problems::default();
        let form = document.root().object(&mut problems).and_then(|object| new(object, &mut problems));
        match form {
            Some(form) if problems.is_empty() => Ok(form),
            _ => Err(Problem::validation(problems)),
        }
    }

    /// An account as it is.
    pub(super) fn of(account: &Account, secret: Option<Value>) -> Form {
        let draft = &account.draft;
        Form {
            name: draft.name.clone(),
            channel: account.channel,
            // A provider that a later build dropped is found missing by the check.
            provider: provider(&account.provider).map_or("", |provider| provider.spec().provider),
            settings: draft.settings.clone(),
            secret,
            limits: draft.limits.clone(),
            order: draft.order,
            weight: draft.weight,
            enabled: draft.enabled,
            price: draft.price.clone(),
        }
    }

    /// Applies a merge patch; `true` when what the provider sees of the account changes, so that it must be verified.
    pub(super) fn patch(
        before: &Account,
        secret: Option<Value>,
        document: &Document<'_>,
    ) -> Result<(Form, bool)> {
        let mut problems = Problems::default();
        let mut form = Form::of(before, secret);
        let old = (form.settings.clone(), form.secret.clone(), form.enabled);
        if let Some(mut object) = document.root().object(&mut problems) {
            for name in ["channel", "provider"] {
                if let Some(field) = object.take(name) {
                    field.refuse(&mut problems, "cannot be changed: make a new account");
                }
            }
            form.take_common(&mut object, &mut problems);
            form.take_parts(&mut object, &mut problems);
            object.finish(&mut problems);
        }
        if !problems.is_empty() {
            return Err(Problem::validation(problems));
        }
        let touched = form.settings != old.0 || form.secret != old.1 || (form.enabled && !old.2);
        Ok((form, touched))
    }

    fn take_common(&mut self, object: &mut Object<'_>, problems: &mut Problems) {
        if let Some(name) = object.take("name").and_then(|field| field.line(MAX_NAME, problems)) {
            self.name = name;
        }
        if let Some(order) = object.take("order").and_then(|field| field.integer(1, 1000, problems)) {
            self.order = order;
        }
        if let Some(weight) = object.take("weight").and_then(|field| field.integer(1, 1000, problems)) {
            self.weight = weight;
        }
        if let Some(enabled) = object.take("enabled").and_then(|field| field.boolean(problems)) {
            self.enabled = enabled;
        }
        if let Some(price) = object.take("price").and_then(|field| price(&field, problems)) {
            self.price = price;
        }
    }

    fn take_parts(&mut self, object: &mut Object<'_>, problems: &mut Problems) {
        if let Some(patch) =
            object.take("settings").and_then(|field| field.free_object(MAX_SETTINGS, problems))
        {
            merge(&mut self.settings, patch);
        }
        if object.is_null("secret") {
            self.secret = None;
        }
        if let Some(patch) = object.take("secret").and_then(|field| field.free_object(MAX_SETTINGS, problems))
        {
            merge(self.secret.get_or_insert_with(|| Value::Object(Map::new())), patch);
        }
        if let Some(patch) = object.take("limits").and_then(|field| limits(&field, problems)) {
            merge(&mut self.limits, patch);
        }
    }
}

fn new(mut object: Object<'_>, problems: &mut Problems) -> Option<Form> {
    let name = object.require("name", problems).and_then(|field| field.line(MAX_NAME, problems));
    let known: Vec<&str> = Channel::ALL.iter().map(|channel| channel.as_str()).collect();
    let channel = object.require("channel", problems).and_then(|field| field.word(&known, problems));
    let provider =
        object.require("provider", problems).and_then(|field| read_provider(&field, channel, problems));
    let mut form = Form {
        name: name.unwrap_or_default(),
        channel: channel.unwrap_or(Channel::Email),
        provider: provider.unwrap_or_default(),
        settings: Value::Object(Map::new()),
        secret: None,
        limits: Value::Object(Map::new()),
        order: 1,
        weight: 1,
        enabled: true,
        price: "0.00".to_owned(),
    };
    form.take_common(&mut object, problems);
    form.take_parts(&mut object, problems);
    object.finish(problems);
    Some(form)
}

fn read_provider(
    field: &Field<'_>,
    channel: Option<Channel>,
    problems: &mut Problems,
) -> Option<&'static str> {
    let name = field.string(problems)?;
    let Some(spec) = provider(&name).map(|provider| provider.spec()) else {
        let known: Vec<&str> = registry().iter().map(|provider| provider.spec().provider).collect();
        field.refuse(problems, format!("is not one of: {}", known.join(", ")));
        return None;
    };
    if channel.is_some_and(|channel| channel != spec.channel) {
        field.refuse(problems, format!("serves the channel {}", spec.channel));
    }
    Some(spec.provider)
}

/// Each limit is optional; `null` removes it.
fn limits(field: &Field<'_>, problems: &mut Problems) -> Option<Map<String, Value>> {
    let mut object = field.object(problems)?;
    let mut limits = Map::new();
    if object.is_null("per") {
        limits.insert("per".to_owned(), Value::Null);
    }
    if let Some(per) =
        object.take("per").and_then(|field| field.word::<Per>(&["call", "recipient"], problems))
    {
        limits.insert("per".to_owned(), per.as_str().into());
    }
    for (name, most) in [
        ("per_second", 100_000),
        ("per_minute", 10_000_000),
        ("per_day", 1_000_000_000),
        ("concurrency", 1_000),
    ] {
        if object.is_null(name) {
            limits.insert(name.to_owned(), Value::Null);
        }
        if let Some(number) = object.take(name).and_then(|field| field.integer(1, most, problems)) {
            limits.insert(name.to_owned(), number.into());
        }
    }
    object.finish(problems);
    Some(limits)
}

/// A decimal without exponent, so that sums stay exact.
fn price(field: &Field<'_>, problems: &mut Problems) -> Option<String> {
    let text = field.line(20, problems)?;
    let (whole, part) = text.split_once('.').unwrap_or((&text, "0"));
    let digits = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    let good = digits(whole, 9) && digits(part, 6);
    if !good {
        field.refuse(problems, "must be a decimal in a string, such as \"0.045\"");
    }
    good.then_some(text)
}

/// RFC 7396, one level: what drivers take is flat.
fn merge(target: &mut Value, patch: Map<String, Value>) {
    let Value::Object(target) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(&name);
        } else {
            target.insert(name, value);
        }
    }
}
