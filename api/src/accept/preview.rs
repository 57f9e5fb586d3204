//! What one person would get of a plan: shown, or sent to somebody else beforehand.

use herald_channels::NetPolicy;
use herald_shared::db::accept::NewRecipient;
use herald_shared::db::plans::View;
use herald_shared::domain::content::asks_for_reading;
use herald_shared::domain::template::Rendered;
use herald_shared::domain::{Channel, Content, Lane, Mode, Slot, Terms, Tier};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use super::Draft;
use super::audience::{self, Needs};
use super::choices::Chosen;
use super::content::{self, Message};
use super::person;
use crate::json::{Document, Field};
use crate::problems::Problems;

/// A preview that has not gone out by then is given up: nobody waits for it any more.
const LIFE: SignedDuration = SignedDuration::from_hours(24);

/// Whose message is wanted.
#[derive(Debug, Default)]
pub struct Asked {
    /// Somebody given with the request.
    pub to: Option<NewRecipient>,
    /// Public id of a recipient of the plan.
    pub recipient: Option<Uuid>,
}

impl Asked {
    /// Reads `{"to": recipient, "…": id}`; `name` is what the id is called.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn read(document: &Document<'_>, name: &str, net: &NetPolicy) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let mut asked = Asked::default();
        if let Some(mut body) = document.root().object(&mut problems) {
            asked.to = body.take("to").and_then(|field| person::read(&field, net, &mut problems));
            asked.recipient = body.take(name).and_then(|field| id(&field, &mut problems));
            body.finish(&mut problems);
        }
        if problems.is_empty() { Ok(asked) } else { Err(problems) }
    }
}

fn id(field: &Field<'_>, problems: &mut Problems) -> Option<Uuid> {
    let id = field.string(problems)?.parse().ok();
    if id.is_none() {
        field.refuse(problems, "must be the id of a recipient of this plan, a UUID");
    }
    id
}

/// A message on one channel; parts that the channel does not carry are left out.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// The medium.
    pub channel: Channel,
    /// The tiers that use it, from 1.
    pub tiers: Vec<usize>,
    /// Subject or title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Plain text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// HTML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// A plan as it is stored, ready to be rendered.
pub struct Original<'a> {
    view: &'a View,
    message: Message,
    asks: bool,
}

impl<'a> Original<'a> {
    /// Of a plan and what it says.
    ///
    /// # Errors
    /// When its content does not compile in this build.
    pub fn new(view: &'a View, content: Content) -> Result<Self, String> {
        let asks = view.terms.protected || asks_for_reading(&view.tiers, view.acknowledgement.as_ref());
        let channels = view.tiers.iter().flat_map(|tier| tier.channels.iter().copied());
        let leads = content.leads_to_page(asks, channels);
        let message = content::stored(view.title.clone(), content, leads)?;
        Ok(Original { view, message, asks })
    }

    /// Whether everybody gets the same.
    #[must_use]
    pub fn is_general(&self) -> bool {
        self.message.compiled.is_general()
    }

    /// What `person` would get, channel by channel in the plan's order. `link` stands where their own would.
    ///
    /// # Errors
    /// What of the content cannot be rendered for them.
    pub fn parts(&self, person: &NewRecipient, link: &str) -> Result<Vec<Part>, Problems> {
        let rendered =
            self.message.compiled.render(person.name.as_deref(), person.variables.as_ref(), Some(link));
        let rendered = rendered.map_err(|problem| {
            let mut problems = Problems::default();
            let at = self.message.origin.pointer(problem.field, &self.message.content);
            problems.add(at, format!("cannot be rendered for this person: {}", problem.detail));
            problems
        })?;
        Ok(self.channels().into_iter().map(|(channel, tiers)| part(channel, tiers, &rendered)).collect())
    }

    /// Its channels, each once, with the tiers that use them.
    fn channels(&self) -> Vec<(Channel, Vec<usize>)> {
        let mut channels: Vec<(Channel, Vec<usize>)> = Vec::new();
        for (no, tier) in (1..).zip(&self.view.tiers) {
            for channel in &tier.channels {
                match channels.iter_mut().find(|(own, _)| own == channel) {
                    Some((_, tiers)) => tiers.push(no),
                    None => channels.push((*channel, vec![no])),
                }
            }
        }
        channels
    }

    /// A plan of its own that shows `to` what `of` would get (else what they would get themselves), at once on every channel of this
    /// plan that reaches them. It says that it is a preview.
    ///
    /// # Errors
    /// What is wrong with the one it is to go to.
    pub fn preview(
        &self,
        mut to: NewRecipient,
        of: Option<NewRecipient>,
        chosen: &Chosen,
        now: Timestamp,
    ) -> Result<Draft, Problems> {
        let mut problems = Problems::default();
        let at = if of.is_some() { "/as" } else { "/to" };
        if let Some(of) = of {
            (to.name, to.variables) = (of.name, of.variables);
        }
        for (below, detail) in Needs::of(&self.message).problems(&self.message, &to) {
            problems.add(format!("{at}{below}"), detail);
        }
        audience::give_inbox(&mut to);
        let wanted: Vec<Channel> = self.channels().into_iter().map(|(channel, _)| channel).collect();
        let reached =
            wanted.iter().copied().filter(|channel| to.addresses.contains_key(channel.address_kind()));
        let slots: Vec<(Slot, i64)> =
            reached.filter_map(|channel| Some((Slot::new(1, channel), chosen.account(channel)?))).collect();
        if slots.is_empty() {
            let words: Vec<&str> = wanted.iter().map(|channel| channel.as_str()).collect();
            problems.add(
                "/to",
                format!("has no address that the plan would use: it goes out by {}", words.join(", ")),
            );
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(self.marked(to, slots, now))
    }

    fn marked(&self, to: NewRecipient, slots: Vec<(Slot, i64)>, now: Timestamp) -> Draft {
        let mark = match to.locale.as_deref() {
            Some(locale) if locale.starts_with("zh") => "【预览】",
            _ => "[Preview] ",
        };
        let marked = |text: &String| format!("{mark}{text}");
        let content = &self.message.content;
        let content = if self.asks { content.with_link() } else { content.clone() };
        let lane = if self.view.lane == Lane::Urgent { Lane::Urgent } else { Lane::Normal };
        let channels = slots.iter().map(|(slot, _)| slot.channel()).collect();
        Draft {
            held: false,
            quiet: false,
            lane,
            on_unknown: self.view.on_unknown,
            slots,
            send_at: None,
            expires_at: now.checked_add(LIFE).unwrap_or(now),
            title: marked(&self.view.title),
            reference: None,
            content: Content { subject: content.subject.as_ref().map(marked), ..content },
            tiers: vec![Tier { channels, mode: Mode::All, ..Tier::default() }],
            acknowledgement: self.view.acknowledgement.clone(),
            metadata: self.view.metadata.clone(),
            terms: Terms { preview_of: Some(self.view.plan.uuid()), ..Terms::default() },
            duplicates: 0,
            recipients: vec![to],
        }
    }
}

/// What of a message a channel carries.
fn part(channel: Channel, tiers: Vec<usize>, rendered: &Rendered) -> Part {
    let Rendered { subject, text, html, link } = rendered.clone();
    let only_text = matches!(channel, Channel::Sms | Channel::Voice);
    let has_html = matches!(channel, Channel::Email | Channel::Webhook | Channel::Inbox);
    Part {
        channel,
        tiers,
        subject: Some(subject).filter(|_| !only_text),
        text,
        html: html.filter(|_| has_html),
        link: link.filter(|_| !only_text),
    }
}
