//! Reading what a client says about a subscription.

use herald_channels::NetPolicy;
use herald_shared::db::subscriptions::{Draft, Subscription};
use herald_shared::domain::EventKind;
use jiff::Timestamp;
use url::Url;

use crate::error::{Problem, Result};
use crate::json::{Document, Field, Object};
use crate::problems::Problems;

const MAX_URL: usize = 2000;

/// A new subscription; `events` may be left out, then it is told of everything.
pub(super) fn new(document: &Document<'_>, net: &NetPolicy) -> Result<Draft> {
    let mut problems = Problems::default();
    let draft = document.root().object(&mut problems).and_then(|mut object| {
        let url = object.require("url", &mut problems).and_then(|field| target(&field, net, &mut problems));
        let kinds = match object.take("events") {
            Some(field) => events(&field, &mut problems),
            None => Some(all().collect()),
        };
        let enabled = enabled(&mut object, &mut problems).unwrap_or(true);
        object.finish(&mut problems);
        Some(Draft { url: url?, kinds: kinds?, enabled })
    });
    match draft {
        Some(draft) if problems.is_empty() => Ok(draft),
        _ => Err(Problem::validation(problems)),
    }
}

/// A merge patch; whether it is to be called at once, whatever failed before.
pub(super) fn patch(
    before: &Subscription,
    document: &Document<'_>,
    net: &NetPolicy,
) -> Result<(Draft, bool)> {
    let mut problems = Problems::default();
    let mut draft = Draft { url: before.url.clone(), kinds: before.kinds.clone(), enabled: before.enabled };
    let mut afresh = false;
    if let Some(mut object) = document.root().object(&mut problems) {
        for name in ["url", "events", "enabled"] {
            if object.is_null(name) {
                problems.add(object.pointer(name), "cannot be removed, only changed");
            }
        }
        if let Some(url) = object.take("url").and_then(|field| target(&field, net, &mut problems)) {
            afresh = url != draft.url;
            draft.url = url;
        }
        if let Some(kinds) = object.take("events").and_then(|field| events(&field, &mut problems)) {
            draft.kinds = kinds;
        }
        if let Some(enabled) = enabled(&mut object, &mut problems) {
            afresh |= enabled;
            draft.enabled = enabled;
        }
        object.finish(&mut problems);
    }
    if problems.is_empty() { Ok((draft, afresh)) } else { Err(Problem::validation(problems)) }
}

/// `{"from": time}`.
pub(super) fn replay(document: &Document<'_>) -> Result<Timestamp> {
    let mut problems = Problems::default();
    let from = document.root().object(&mut problems).and_then(|mut object| {
        let from = object.require("from", &mut problems).and_then(|field| field.time(&mut problems));
        object.finish(&mut problems);
        from
    });
    match from {
        Some(from) if problems.is_empty() => Ok(from),
        _ => Err(Problem::validation(problems)),
    }
}

fn all() -> impl Iterator<Item = EventKind> {
    EventKind::ALL.iter().copied().filter(|kind| kind.is_for_asking())
}

fn enabled(object: &mut Object<'_>, problems: &mut Problems) -> Option<bool> {
    object.take("enabled").and_then(|field| field.boolean(problems))
}

fn target(field: &Field<'_>, net: &NetPolicy, problems: &mut Problems) -> Option<String> {
    let text = field.line(MAX_URL, problems)?;
    let read = match Url::parse(&text) {
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            Err("must not hold a user or password: its calls are signed".to_owned())
        }
        Ok(url) => net.check_literal(&url).map_err(|refused| refused.to_string()),
        Err(_) => Err("must be an https:// URL".to_owned()),
    };
    match read {
        Ok(()) => Some(text),
        Err(detail) => {
            field.refuse(problems, detail);
            None
        }
    }
}

fn events(field: &Field<'_>, problems: &mut Problems) -> Option<Vec<EventKind>> {
    let words: Vec<&str> = all().map(EventKind::as_str).collect();
    let before = problems.count();
    let items = field.list(words.len(), problems)?;
    if items.is_empty() {
        field.refuse(problems, format!("must name at least one of: {}", words.join(", ")));
    }
    let mut kinds = Vec::new();
    for item in &items {
        match item.word::<EventKind>(&words, problems) {
            Some(kind) if kind.is_for_asking() => kinds.push(kind),
            Some(_) => item.refuse(problems, "is sent by POST .../test only: leave it out"),
            None => {}
        }
    }
    kinds.sort_unstable();
    kinds.dedup();
    (problems.count() == before).then_some(kinds)
}
