//! `title` and `content`: what a plan says.

use std::collections::BTreeSet;

use herald_channels::registry;
use herald_shared::domain::template::{self, Compiled};
use herald_shared::domain::{Channel, Content, Tier};
use url::Url;

use crate::json::{Field, Object};
use crate::problems::Problems;

/// Characters of a title or subject.
const MAX_TITLE: usize = 200;
/// Characters of a body, as given.
const MAX_BODY: usize = 10_000;
/// Characters of a link.
const MAX_LINK: usize = 200;
/// Characters of a signature.
const MAX_SIGNATURE: usize = 30;

/// A message that compiles.
pub(super) struct Message {
    /// Its title.
    pub(super) title: String,
    /// Its parts as given.
    pub(super) content: Content,
    /// Its parts, compiled.
    pub(super) compiled: Compiled,
    /// Variables its subject uses; their values end in a header.
    pub(super) in_subject: Vec<String>,
}

/// Reads title and content; `None` when something was wrong with them.
pub(super) fn read(plan: &mut Object<'_>, problems: &mut Problems) -> Option<Message> {
    let before = problems.count();
    let title = plan.require("title", problems).and_then(|field| field.line(MAX_TITLE, problems));
    if let Some(field) = plan.take("template") {
        field.refuse(problems, "is not supported yet: give the text in content");
    }
    if let Some(field) = plan.take("variables") {
        field.refuse(problems, "is not supported yet: give variables with each recipient");
    }
    let is_link = plan.take("type").and_then(|field| is_link(&field, problems)).unwrap_or(false);
    let content = plan.require("content", problems).and_then(|field| {
        let content = parts(&field, problems)?;
        if is_link { leading_on(&field, content, problems) } else { Some(content) }
    });
    if problems.count() > before {
        return None;
    }
    compile(title?, content?, problems)
}

/// `content` is the common kind.
fn is_link(field: &Field<'_>, problems: &mut Problems) -> Option<bool> {
    let word = field.string(problems)?;
    if !["content", "link"].contains(&&*word) {
        field.refuse(problems, "is not one of: content, link");
    }
    Some(word == "link")
}

/// The content of a link message: everybody's link is their own page, which leads on and counts who went there.
fn leading_on(field: &Field<'_>, mut content: Content, problems: &mut Problems) -> Option<Content> {
    let before = problems.count();
    let at = |name: &str| format!("{}/{name}", field.pointer());
    for (name, part) in [("signature", &content.signature), ("video", &content.video)] {
        if part.is_some() {
            problems.add(at(name), "a message of type link has none");
        }
    }
    match content.link.replace("{{ link }}".to_owned()) {
        None => problems.add(at("link"), "a message of type link needs one"),
        Some(target) if ["{{", "{%", "{#"].iter().any(|syntax| target.contains(syntax)) => {
            problems.add(
                at("link"),
                "the link of a message of type link is the same for everybody: leave variables out",
            );
        }
        target => content.target = target,
    }
    (problems.count() == before).then_some(content)
}

fn parts(field: &Field<'_>, problems: &mut Problems) -> Option<Content> {
    let mut object = field.object(problems)?;
    let before = problems.count();
    let mut part = |name: &str| object.take(name);
    let (subject, text, html, link) = (part("subject"), part("text"), part("html"), part("link"));
    let (signature, video) = (part("signature"), part("video"));
    let bare = text.is_none() && html.is_none();
    let content = Content {
        subject: subject.and_then(|field| field.line(MAX_TITLE, problems)),
        text: text.and_then(|field| field.text(MAX_BODY, problems)),
        html: html.and_then(|field| field.text(MAX_BODY, problems)),
        link: link.and_then(|field| read_link(&field, problems)),
        signature: signature.and_then(|field| fixed(&field, MAX_SIGNATURE, problems)),
        video: video.and_then(|field| read_video(&field, problems)),
        target: None,
    };
    if bare {
        field.refuse(problems, "must have text or html");
    }
    object.finish(problems);
    (problems.count() == before).then_some(content)
}

/// One line that is no template: it is put into text and HTML as it is.
fn fixed(field: &Field<'_>, max: usize, problems: &mut Problems) -> Option<String> {
    let line = field.line(max, problems)?;
    let is_template = ["{{", "{%", "{#"].iter().any(|syntax| line.contains(syntax));
    if is_template {
        field.refuse(problems, "must not hold template syntax ({{, {%, {#)");
    }
    (!is_template).then_some(line)
}

fn read_video(field: &Field<'_>, problems: &mut Problems) -> Option<String> {
    let video = fixed(field, MAX_LINK, problems)?;
    let good = video.starts_with("https://") && Url::parse(&video).is_ok();
    if !good {
        field.refuse(problems, "must be an absolute https URL");
    }
    good.then_some(video)
}

/// A link may hold variables, which only have values later; what can be checked before that is its beginning.
fn read_link(field: &Field<'_>, problems: &mut Problems) -> Option<String> {
    let link = field.line(MAX_LINK, problems)?;
    let absolute = link.starts_with("https://") || link.starts_with("http://");
    let good = absolute && (link.contains("{{") || Url::parse(&link).is_ok());
    if !good {
        field.refuse(problems, "must be an absolute http(s) URL");
    }
    good.then_some(link)
}

/// Checks the message as it goes out: where the plan asks for reading, everybody gets a link of their own. `published`: pages have
/// an address.
pub(super) fn check_link(message: &mut Message, asks: bool, published: bool, problems: &mut Problems) {
    if asks && let Ok(compiled) = template::compile(&message.content.with_link(), &message.title) {
        message.compiled = compiled;
    }
    if message.compiled.says_link() && !published {
        let pointer = match (asks, &message.content.target) {
            (true, _) => "/acknowledgement",
            (false, Some(_)) => "/type",
            (false, None) => "/content",
        };
        problems.add(
            pointer,
            "needs recipients' pages, which have no address here: the operator must set HERALD_PUBLIC_URL",
        );
    }
}

/// A message read before, as stored with its plan.
pub(super) fn stored(title: String, content: Content, asks: bool) -> Result<Message, String> {
    let mut problems = Problems::default();
    let message = compile(title, content, &mut problems).map(|mut message| {
        check_link(&mut message, asks, true, &mut Problems::default());
        message
    });
    message.ok_or_else(|| {
        let problem = problems.into_list().into_iter().next();
        problem.map_or_else(String::new, |problem| format!("The plan's content: {}.", problem.detail))
    })
}

fn compile(title: String, content: Content, problems: &mut Problems) -> Option<Message> {
    let compiled = match template::compile(&content, &title) {
        Ok(compiled) => compiled,
        Err(wrong) => {
            for problem in wrong {
                problems.add(
                    pointer(problem.field, &content),
                    format!("the template is wrong: {}", problem.detail),
                );
            }
            return None;
        }
    };
    let subject = Content { subject: content.subject.clone(), ..Content::default() };
    let in_subject = template::compile(&subject, &title)
        .map(|compiled| compiled.variables().iter().cloned().collect())
        .unwrap_or_default();
    Some(Message { title, content, compiled, in_subject })
}

/// Finds channels whose providers cannot carry the message, as far as that can be known before it is rendered for anybody.
pub(super) fn check_fit(message: &Message, tiers: &[Tier], problems: &mut Problems) {
    // Each once: several tiers may use the same.
    let channels: BTreeSet<Channel> = tiers.iter().flat_map(|tier| tier.channels.iter().copied()).collect();
    for provider in channels
        .into_iter()
        .flat_map(|channel| registry().iter().filter(move |provider| provider.spec().channel == channel))
    {
        if let Err(detail) = provider.check_message(&message.compiled) {
            problems.add("/content/text", detail);
        }
    }
}

/// Where the part `field` was given: a subject that was not is the title.
pub(super) fn pointer(field: &str, content: &Content) -> String {
    if field == "subject" && content.subject.is_none() {
        "/title".to_owned()
    } else {
        format!("/content/{field}")
    }
}
