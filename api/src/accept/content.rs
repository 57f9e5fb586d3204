//! `title` and `content`: what a plan says.

use std::collections::BTreeSet;

use herald_channels::registry;
use herald_shared::db::templates::Template;
use herald_shared::domain::template::{self, Compiled};
use herald_shared::domain::{Channel, Content, Slot};

use super::library::Asked;
use super::parts;
use super::steps::Wording;
use crate::json::Object;
use crate::problems::Problems;

/// Characters of a title or subject.
pub(super) const MAX_TITLE: usize = 200;
/// Bytes of the variables for everybody, as JSON.
const MAX_VARIABLES: usize = 16 * 1024;

/// Functions every template has; the engine lists them among the variables a template uses.
const BUILT_IN: [&str; 4] = ["range", "dict", "debug", "namespace"];

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
    /// Where its parts come from.
    pub(super) origin: Origin,
    /// What is said on some channels instead.
    pub(super) wordings: Vec<Worded>,
    /// Who says the message itself.
    channels: BTreeSet<Channel>,
}

/// Another wording of a message, for some channels.
pub(super) struct Worded {
    /// Its parts, compiled.
    pub(super) compiled: Compiled,
    /// Where its template was named.
    pub(super) pointer: String,
    /// Who says it.
    channels: BTreeSet<Channel>,
}

impl Message {
    /// Everything that anybody is sent of it.
    pub(super) fn all(&self) -> impl Iterator<Item = &Compiled> {
        std::iter::once(&self.compiled).chain(self.wordings.iter().map(|worded| &worded.compiled))
    }

    /// Whether a variable shows in any of it.
    pub(super) fn uses(&self, name: &str) -> bool {
        self.all().any(|compiled| compiled.variables().contains(name))
    }

    /// Channels that say any of it, as far as they were told.
    fn speakers(&self) -> BTreeSet<Channel> {
        let others = self.wordings.iter().flat_map(|worded| &worded.channels);
        self.channels.iter().chain(others).copied().collect()
    }

    /// Whether any of it says the recipient's own link.
    pub(super) fn says_link(&self) -> bool {
        self.all().any(Compiled::says_link)
    }
}

/// Where the parts of a message were given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Origin {
    /// By a template instead of `content`.
    pub(super) template: bool,
    /// The title by the template as well.
    pub(super) title: bool,
}

impl Origin {
    /// Where the part `field` was given: a subject that was not is the title.
    pub(super) fn pointer(self, field: &str, content: &Content) -> String {
        match (field, self.template) {
            ("subject", _) if content.subject.is_none() && !self.title => "/title".to_owned(),
            (_, true) => "/template".to_owned(),
            (_, false) => format!("/content/{field}"),
        }
    }
}

/// Reads title, and content or template; `None` when something was wrong with them or has to be looked up first. Also the template.
///
/// `whole`: what a plan says that has neither, since its tiers have templates for every channel.
pub(super) fn read<'a>(
    plan: &mut Object<'_>,
    asked: &mut Asked<'a>,
    whole: Option<&'a Template>,
    problems: &mut Problems,
) -> (Option<Message>, Option<&'a Template>) {
    let before = problems.count();
    let named = plan.take("template");
    let title = match (plan.take("title"), named.is_some() || whole.is_some()) {
        (Some(field), _) => field.line(MAX_TITLE, problems),
        (None, true) => None,
        (None, false) => {
            problems.add(plan.pointer("title"), "is required");
            None
        }
    };
    let variables = plan.take("variables").and_then(|field| field.free_object(MAX_VARIABLES, problems));
    if variables.as_ref().is_some_and(|given| given.contains_key(template::LINK)) {
        problems.add("/variables/link", "is reserved for the recipient's own page: give it another name");
    }
    let is_link = plan.take("type").and_then(|field| parts::is_link(&field, problems)).unwrap_or(false);
    let (content, template) = match (plan.take("content"), named) {
        (Some(_), Some(template)) => {
            template.refuse(problems, "is given beside content: give one of the two");
            (None, None)
        }
        (Some(content), None) => (parts::read(&content, Some(asked), problems), None),
        (None, Some(template)) => {
            let template = asked.template(&template, problems);
            (template.map(|template| template.content.clone()), template)
        }
        (None, None) => {
            if whole.is_none() {
                let detail = "is required, or template, or a template for every channel of every tier";
                problems.add(plan.pointer("content"), detail);
            }
            (whole.map(|template| template.content.clone()), whole)
        }
    };
    let content = match content {
        Some(content) if is_link => parts::leading_on("/content", content, problems),
        content => content,
    };
    let origin = Origin { template: template.is_some(), title: title.is_none() };
    let title = title.or_else(|| template.map(|template| template.title.clone()));
    let (Some(title), Some(content), true) = (title, content, problems.count() == before) else {
        return (None, template);
    };
    let message = compile(title, Content { variables, ..content }, origin, problems);
    if let Some(message) = &message {
        check_subject(message, problems);
    }
    (message, template)
}

/// Values for everybody that end in a header are one line.
fn check_subject(message: &Message, problems: &mut Problems) {
    let shared = message.compiled.shared();
    for name in &message.in_subject {
        if shared.get(name).is_some_and(super::audience::breaks_lines) {
            let detail =
                format!("{name} is used in the subject: it must be one line without control characters");
            problems.add("/variables", detail);
        }
    }
}

/// Checks the message as it goes out: where it leads to the page, everybody gets a link of their own. `asks`: the plan asks for reading;
/// `published`: pages have an address.
pub(super) fn check_link(message: &mut Message, asks: bool, published: bool, problems: &mut Problems) {
    let leads = message.content.leads_to_page(asks, message.speakers());
    if leads && let Ok(compiled) = template::compile(&message.content.with_link(), &message.title) {
        message.compiled = compiled;
    }
    for (worded, content) in message.wordings.iter_mut().zip(&message.content.wordings) {
        if leads && let Ok(compiled) = template::compile(&content.with_link(), &message.title) {
            worded.compiled = compiled;
        }
    }
    if message.says_link() && !published {
        let pointer = match (asks, &message.content.target, message.origin.template) {
            (true, ..) => "/acknowledgement",
            _ if leads => "/content/attachments",
            (false, Some(_), _) => "/type",
            (false, None, true) => "/template",
            (false, None, false) => "/content",
        };
        problems.add(
            pointer,
            "needs recipients' pages, which have no address here: the operator must set HERALD_PUBLIC_URL",
        );
    }
}

/// Gives a message the templates of its tiers; `slots`: which of them each of the plan's slots says, if any; `own`: the template that
/// the message itself was taken from.
pub(super) fn word(
    message: &mut Message,
    own: Option<&Template>,
    slots: &[(Slot, Option<&Wording<'_>>)],
    problems: &mut Problems,
) {
    let (mut contents, mut given): (Vec<Content>, Vec<(Slot, u16)>) = (Vec::new(), Vec::new());
    let mut known: Vec<i64> = Vec::new();
    for (slot, wording) in slots {
        let other = wording.filter(|wording| own.is_none_or(|own| own.id != wording.template.id));
        let Some(wording) = other else {
            message.channels.insert(slot.channel());
            given.push((*slot, 0));
            continue;
        };
        let template = wording.template;
        let place = known.iter().position(|id| *id == template.id);
        let place = place.or_else(|| {
            // What is said otherwise has the same files.
            let Content { variables, attachments, .. } = &message.content;
            let (variables, attachments) = (variables.clone(), attachments.clone());
            let content = Content { variables, attachments, ..template.content.clone() };
            let origin = Origin { template: true, title: false };
            let worded = compile(message.title.clone(), content, origin, problems)?;
            known.push(template.id);
            message.in_subject.extend(worded.in_subject);
            let (compiled, pointer) = (worded.compiled, wording.pointer.clone());
            message.wordings.push(Worded { compiled, pointer, channels: BTreeSet::new() });
            contents.push(worded.content);
            Some(known.len() - 1)
        });
        let Some(place) = place else { continue };
        message.wordings[place].channels.insert(slot.channel());
        given.push((*slot, u16::try_from(place + 1).unwrap_or(0)));
    }
    if !contents.is_empty() {
        message.content = std::mem::take(&mut message.content).with_wordings(contents, &given);
    }
}

/// A message read before, as stored with its plan. `asks`: what goes out of it leads to the page.
pub(super) fn stored(title: String, content: Content, asks: bool) -> Result<Message, String> {
    let mut problems = Problems::default();
    let message = compile(title, content, Origin::default(), &mut problems).map(|mut message| {
        for content in &message.content.wordings {
            // It compiled when it was accepted.
            let Ok(compiled) = template::compile(content, &message.title) else { continue };
            let (pointer, channels) = ("/content".to_owned(), BTreeSet::new());
            message.wordings.push(Worded { compiled, pointer, channels });
        }
        check_link(&mut message, asks, true, &mut Problems::default());
        message
    });
    message.ok_or_else(|| {
        let problem = problems.into_list().into_iter().next();
        problem.map_or_else(String::new, |problem| format!("The plan's content: {}.", problem.detail))
    })
}

/// Variables a message takes from its recipients: all but those everybody has.
pub(super) fn variables(compiled: &Compiled) -> Vec<String> {
    let given = |name: &str| {
        ["name", template::LINK].contains(&name)
            || BUILT_IN.contains(&name)
            || compiled.shared().contains_key(name)
    };
    compiled.variables().iter().filter(|name| !given(name)).cloned().collect()
}

/// Compiles a message.
pub(super) fn compile(
    title: String,
    content: Content,
    origin: Origin,
    problems: &mut Problems,
) -> Option<Message> {
    let examined = |compiled| template::examine(&content, &title).map(|()| compiled);
    let compiled = match template::compile(&content, &title).and_then(examined) {
        Ok(compiled) => compiled,
        Err(wrong) => {
            for problem in wrong {
                problems.add(
                    origin.pointer(problem.field, &content),
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
    Some(Message {
        title,
        content,
        compiled,
        in_subject,
        origin,
        wordings: Vec::new(),
        channels: BTreeSet::new(),
    })
}

/// Finds channels whose providers cannot carry what they are to say, as far as that can be known before it is rendered for anybody.
pub(super) fn check_fit(message: &Message, problems: &mut Problems) {
    let own = message.origin.pointer("text", &message.content);
    fits(&message.compiled, &message.channels, &own, problems);
    for worded in &message.wordings {
        fits(&worded.compiled, &worded.channels, &worded.pointer, problems);
    }
}

fn fits(compiled: &Compiled, channels: &BTreeSet<Channel>, pointer: &str, problems: &mut Problems) {
    for provider in registry().iter().filter(|provider| channels.contains(&provider.spec().channel)) {
        if let Err(detail) = provider.check_message(compiled) {
            problems.add(pointer, detail);
        }
    }
}
