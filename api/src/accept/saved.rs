//! Templates as their owners write them: the same parts and limits as a plan's content, and what their kind asks for.

use herald_shared::domain::template::{Compiled, compile};
use herald_shared::domain::{Content, TemplateKind};
use uuid::Uuid;

use super::content::{self, MAX_TITLE, Message, Origin};
use super::parts;
use crate::json::{Document, Object};
use crate::problems::Problems;

/// Characters of a name.
pub(crate) const MAX_NAME: usize = 100;
/// The kinds, in words.
const KINDS: &[&str] = &["text", "rich", "voice"];

/// A template that compiles and has what its kind needs.
#[derive(Debug)]
pub struct Saved {
    /// Its name; of a change: none, or the one it has.
    pub name: String,
    /// Its kind.
    pub kind: TemplateKind,
    /// Title of a plan that names none.
    pub title: String,
    /// What it says.
    pub content: Content,
    /// The version a change was made of, where the caller says so.
    pub version: Option<i32>,
}

/// Reads a template; `before`: name and kind of the one that is changed, which stay.
///
/// # Errors
/// All problems.
pub fn saved(document: &Document<'_>, before: Option<(&str, TemplateKind)>) -> Result<Saved, Problems> {
    let mut problems = Problems::default();
    let saved = document.root().object(&mut problems).and_then(|object| read(object, before, &mut problems));
    match saved {
        Some(saved) if problems.is_empty() => Ok(saved),
        _ => Err(problems),
    }
}

fn read(
    mut object: Object<'_>,
    before: Option<(&str, TemplateKind)>,
    problems: &mut Problems,
) -> Option<Saved> {
    let name = match before {
        None => name(&mut object, problems),
        Some((before, _)) => Some(before.to_owned()),
    };
    let kind = match before {
        None => object.require("kind", problems).and_then(|field| field.word(KINDS, problems)),
        Some((_, kind)) => Some(kind),
    };
    let version = before.and_then(|_| object.take("version")?.integer(1, i32::MAX, problems));
    if let Some((before, kind)) = before {
        stays(&mut object, "name", before, problems);
        stays(&mut object, "kind", kind.as_str(), problems);
    }
    let title = object.require("title", problems).and_then(|field| field.line(MAX_TITLE, problems));
    let parts = object.require("content", problems).and_then(|field| parts::read(&field, None, problems));
    object.finish(problems);
    let Message { title, content, compiled, .. } =
        content::compile(title?, parts?, Origin::default(), problems)?;
    let kind = kind?;
    fit(kind, &content, &compiled, problems);
    Some(Saved { name: name?, kind, title, content, version })
}

/// Reads a body that is a new name and nothing else.
///
/// # Errors
/// All problems.
pub fn new_name(document: &Document<'_>) -> Result<String, Problems> {
    let mut problems = Problems::default();
    let name = document.root().object(&mut problems).and_then(|mut object| {
        let name = name(&mut object, &mut problems);
        object.finish(&mut problems);
        name
    });
    match name {
        Some(name) if problems.is_empty() => Ok(name),
        _ => Err(problems),
    }
}

/// Reads the name of something new. Ids are names too, so a name is none.
pub(crate) fn name(object: &mut Object<'_>, problems: &mut Problems) -> Option<String> {
    let field = object.require("name", problems)?;
    let name = field.line(MAX_NAME, problems)?;
    if Uuid::try_parse(&name).is_ok() {
        field.refuse(problems, "looks like an id: give it a name people can read");
    }
    Some(name)
}

/// Refuses another value for what was settled when it was made.
pub(crate) fn stays(object: &mut Object<'_>, name: &str, before: &str, problems: &mut Problems) {
    let Some(field) = object.take(name) else { return };
    if field.string(problems).is_some_and(|given| given != before) {
        field.refuse(
            problems,
            format!("stays {before}, since it is written with that elsewhere: make a copy"),
        );
    }
}

/// What a kind needs and what it has no place for.
fn fit(kind: TemplateKind, content: &Content, compiled: &Compiled, problems: &mut Problems) {
    let parts = [
        ("text", &content.text),
        ("html", &content.html),
        ("subject", &content.subject),
        ("link", &content.link),
    ];
    let (needed, unwanted): (&[&str], &[&str]) = match kind {
        TemplateKind::Text => (&["text"], &["html"]),
        TemplateKind::Rich => (&["text", "html"], &[]),
        TemplateKind::Voice => (&["text"], &["html", "subject", "link"]),
    };
    for (part, given) in parts {
        let pointer = format!("/content/{part}");
        match given {
            None if needed.contains(&part) => {
                problems.add(pointer, format!("is required in a {kind} template"));
            }
            Some(_) if unwanted.contains(&part) => {
                problems.add(
                    pointer,
                    format!("has no place in a {kind} template: leave it out, or make another kind"),
                );
            }
            _ => {}
        }
    }
    if kind == TemplateKind::Voice && compiled.says_link() {
        problems.add("/content/text", "says {{ link }}, which nobody can follow by ear");
    }
}

/// The variables a template takes from a plan or its recipients.
#[must_use]
pub fn variables(title: &str, content: &Content) -> Vec<String> {
    compile(content, title).map(|compiled| content::variables(&compiled)).unwrap_or_default()
}
