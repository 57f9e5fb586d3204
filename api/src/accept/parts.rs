//! The fields of `content`, and what a message of type `link` makes of them.

use herald_shared::domain::Content;
use url::Url;
use uuid::Uuid;

use super::content::MAX_TITLE;
use super::library::Asked;
use crate::files::{MAX_FILES, MAX_TOGETHER};
use crate::json::Field;
use crate::problems::Problems;

/// Characters of a body, as given.
const MAX_BODY: usize = 10_000;
/// Characters of a link.
const MAX_LINK: usize = 200;
/// Characters of a signature.
const MAX_SIGNATURE: usize = 30;

/// `content` is the common kind.
pub(super) fn is_link(field: &Field<'_>, problems: &mut Problems) -> Option<bool> {
    let word = field.string(problems)?;
    if !["content", "link"].contains(&&*word) {
        field.refuse(problems, "is not one of: content, link");
    }
    Some(word == "link")
}

/// The content of a link message: everybody's link is their own page, which leads on and counts who went there.
pub(super) fn leading_on(base: &str, mut content: Content, problems: &mut Problems) -> Option<Content> {
    let before = problems.count();
    let at = |name: &str| format!("{base}/{name}");
    for (name, is_there) in [
        ("signature", content.signature.is_some()),
        ("video", content.video.is_some()),
        ("attachments", !content.attachments.is_empty()),
    ] {
        if is_there {
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

/// Reads `content`. `asked`: where files are looked up; `None`: it is a template's, which has none.
pub(super) fn read(
    field: &Field<'_>,
    asked: Option<&mut Asked<'_>>,
    problems: &mut Problems,
) -> Option<Content> {
    let mut object = field.object(problems)?;
    let before = problems.count();
    let mut part = |name: &str| object.take(name);
    let (subject, text, html, link) = (part("subject"), part("text"), part("html"), part("link"));
    let (signature, video, attachments) = (part("signature"), part("video"), part("attachments"));
    let bare = text.is_none() && html.is_none();
    let content = Content {
        subject: subject.and_then(|field| field.line(MAX_TITLE, problems)),
        text: text.and_then(|field| field.text(MAX_BODY, problems)),
        html: html.and_then(|field| field.text(MAX_BODY, problems)),
        link: link.and_then(|field| read_link(&field, problems)),
        signature: signature.and_then(|field| fixed(&field, MAX_SIGNATURE, problems)),
        video: video.and_then(|field| read_video(&field, problems)),
        attachments: attachments.map(|field| files(&field, asked, problems)).unwrap_or_default(),
        ..Content::default()
    };
    if bare {
        field.refuse(problems, "must have text or html");
    }
    object.finish(problems);
    (problems.count() == before).then_some(content)
}

/// Reads `attachments`: ids of files, each once.
fn files(field: &Field<'_>, asked: Option<&mut Asked<'_>>, problems: &mut Problems) -> Vec<Uuid> {
    let Some(asked) = asked else {
        field.refuse(problems, "a template has none: a plan names its files in content");
        return Vec::new();
    };
    let (mut ids, mut together): (Vec<Uuid>, usize) = (Vec::new(), 0);
    for item in field.list(MAX_FILES, problems).unwrap_or_default() {
        let Some((id, bytes)) = asked.file(&item, problems) else { continue };
        if ids.contains(&id) {
            item.refuse(problems, "is given twice");
            continue;
        }
        ids.push(id);
        together += bytes;
    }
    if together > MAX_TOGETHER {
        let most = MAX_TOGETHER / 1024 / 1024;
        field.refuse(
            problems,
            format!("has more than {most} MB together, which few mail servers take: send a link"),
        );
    }
    ids
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
