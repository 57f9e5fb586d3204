//! From the body of `POST /v1/plans` to a [`Draft`]: pure, all problems at once.

use herald_channels::NetPolicy;
use herald_shared::db::templates::Template;
use herald_shared::domain::approval::{Approval, Lack};
use herald_shared::domain::content::asks_for_reading;
use herald_shared::domain::{
    self, Channel, FirstTiers, Kind, Lane, OnUnknown, Slot, TemplateUse, Terms, Tier,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::audience::{self, Audience};
use super::choices::Chosen;
use super::content::{self, Message};
use super::draft::Draft;
use super::library::{self, Library, Wanted};
use super::schedule::{self, Schedule};
use super::steps::Steps;
use super::{approval, policy, terms};
use crate::json::{Document, Field, Object};
use crate::problems::Problems;

const MAX_REFERENCE: usize = 128;
/// Bytes of metadata as JSON.
const MAX_METADATA: usize = 16 * 1024;
/// Answers a recipient may choose from, and characters of each.
const MAX_OPTIONS: usize = 10;
const MAX_OPTION: usize = 50;

/// What a body is read against.
pub struct Given<'a> {
    /// The tenant's accounts.
    pub chosen: &'a Chosen,
    /// What was looked up of what the body names.
    pub known: &'a Library,
    /// Recipients' pages have an address.
    pub published: bool,
    /// Which webhook targets may be named.
    pub net: &'a NetPolicy,
    /// The time.
    pub now: Timestamp,
}

/// Why there is no draft.
#[derive(Debug)]
pub struct Refused {
    /// Everything that is wrong.
    pub problems: Problems,
    /// A channel had no enabled account; perhaps what is known of the accounts is out of date.
    pub lacks_account: bool,
    /// What has to be looked up before anything can be said of the body.
    pub wanted: Wanted,
}

impl Refused {
    pub(super) fn wants(wanted: Wanted) -> Self {
        Refused { problems: Problems::default(), lacks_account: false, wanted }
    }
}

/// Reads a plan.
///
/// # Errors
/// [`Refused`] with all problems.
pub fn read(document: &Document<'_>, given: &Given<'_>) -> Result<Draft, Refused> {
    read_as(document, given, false)
}

/// Reads what a draft is to be from now on. Without `recipients` its people stay, and are not looked at here.
///
/// # Errors
/// [`Refused`] with all problems.
pub fn read_edit(document: &Document<'_>, given: &Given<'_>) -> Result<Draft, Refused> {
    read_as(document, given, true)
}

fn read_as(document: &Document<'_>, given: &Given<'_>, edits: bool) -> Result<Draft, Refused> {
    let mut problems = Problems::default();
    let root = document.root();
    let Some(mut plan) = root.object(&mut problems) else {
        return Err(Refused { problems, ..Refused::wants(Wanted::default()) });
    };
    let mut asked = given.known.ask();
    let names_policy = plan.has("policy");
    let policy = policy::apply(&mut plan, &mut asked, &mut problems);
    // Read first, since tiers may have words; told after them.
    let mut later = Problems::default();
    let chosen = (given.chosen, names_policy && policy.is_none());
    let steps = super::steps::read(&mut plan, chosen, &mut asked, &mut later);
    let (mut message, template) = content::read(&mut plan, &mut asked, steps.whole(), &mut problems);
    problems.append(later);
    if !asked.wanted.is_empty() {
        return Err(Refused::wants(asked.wanted));
    }
    let is_draft = is_draft(&mut plan, edits, &mut problems);
    let audience = people(&mut plan, is_draft, given.net, &mut problems);
    let frame = frame(&mut plan, given.now, (is_draft, &steps), &mut problems);
    let mut terms = terms::read(&mut plan, &mut problems);
    terms.policy = policy;
    terms.templates = templates(template, &steps, &mut problems);
    if let Some(frame) = &frame {
        terms::check(&terms, frame.acknowledgement.as_ref(), &mut problems);
    }
    if frame.as_ref().is_none_or(|frame| frame.acknowledgement.is_none()) {
        steps.check_answers(&mut problems);
    }
    let mut lacks_approver = false;
    plan.finish(&mut problems);
    if let Some(message) = &mut message {
        let acknowledgement = frame.as_ref().and_then(|frame| frame.acknowledgement.as_ref());
        let asks = terms.protected || asks_for_reading(&steps.tiers, acknowledgement);
        let lane = frame.as_ref().map_or(Lane::Normal, |frame| frame.lane);
        content::word(message, template, &steps.said(lane), &mut problems);
        check_message(message, (asks, given.published), &audience, &mut problems);
        terms.kind = kind(message, acknowledgement, &mut problems);
    }
    if terms.policy.is_some() {
        policy::point_at_policy(&mut problems);
    }
    if let Some(frame) = frame.as_ref().filter(|frame| !frame.draft) {
        let people = audience.people.len();
        lacks_approver = approve(&mut terms, (people, &steps.tiers, frame.lane), given, &mut problems);
    }
    match (message, frame) {
        (Some(message), Some(frame)) if problems.is_empty() => {
            Ok(draft(message, steps, given.chosen, audience, (frame, terms)))
        }
        _ => {
            let lacks_account = steps.lacks_account || lacks_approver;
            Err(Refused { problems, lacks_account, wanted: Wanted::default() })
        }
    }
}

/// Who is written to. People may come later into a draft.
fn people(plan: &mut Object<'_>, is_draft: bool, net: &NetPolicy, problems: &mut Problems) -> Audience {
    let people = match is_draft {
        true => plan.take("recipients"),
        false => plan.require("recipients", problems),
    };
    people
        .map_or(Audience { people: Vec::new(), duplicates: 0 }, |field| audience::read(&field, net, problems))
}

/// A message of type link has a page that leads on, so nobody can answer there.
fn kind(message: &Message, acknowledgement: Option<&Value>, problems: &mut Problems) -> Option<Kind> {
    message.content.target.as_ref()?;
    if acknowledgement.is_some() {
        problems.add("/acknowledgement", "a message of type link asks for no answer: its page leads on");
    }
    Some(Kind::Link)
}

/// Checks what is said: its links, its variables, and whether its channels can carry it.
fn check_message(
    message: &mut Message,
    (asks, published): (bool, bool),
    audience: &Audience,
    problems: &mut Problems,
) {
    content::check_link(message, asks, published, problems);
    audience.check_variables(message, problems);
    content::check_fit(message, problems);
}

/// What the plan notes of its templates: the message's own, and those of its tiers.
fn templates(own: Option<&Template>, steps: &Steps<'_>, problems: &mut Problems) -> Vec<TemplateUse> {
    if let Some(own) = own {
        library::check_kind(own, steps.bare_channels(), "/template", problems);
    }
    library::used(own.into_iter().chain(steps.wordings.iter().map(|wording| wording.template)))
}

/// Settles who must agree before the plan goes out. `true`: what the tenant has set may be known too late.
fn approve(
    terms: &mut Terms,
    (people, tiers, lane): (usize, &[Tier], Lane),
    given: &Given<'_>,
    problems: &mut Problems,
) -> bool {
    let rules = given.chosen.approval.as_ref();
    let channels = || tiers.iter().flat_map(|tier| tier.channels.iter().copied());
    let asked = rules.is_some_and(|rules| rules.asks(people, channels(), lane));
    match Approval::needed(terms.approval.as_ref(), rules, terms.sender.as_ref(), asked) {
        Ok(needed) => {
            terms.approval = needed;
            let wanted = terms.approval.as_ref();
            wanted.is_some_and(|wanted| approval::check(wanted, (given.chosen, given.published), problems))
        }
        Err(lack) => {
            problems.add("/approval", approval::say(lack));
            lack == Lack::Approvers
        }
    }
}

/// Whether the plan is to be held back. An edit leaves a draft what it is.
fn is_draft(plan: &mut Object<'_>, edits: bool, problems: &mut Problems) -> bool {
    let Some(field) = plan.take("draft") else { return edits };
    let said = field.boolean(problems).unwrap_or(edits);
    if edits && !said {
        field.refuse(problems, "cannot be changed by an edit: POST /v1/plans/{id}/send lets a draft go out");
    }
    said || edits
}

/// The fields that are neither words nor people.
struct Frame {
    draft: bool,
    lane: Lane,
    on_unknown: Option<OnUnknown>,
    schedule: Schedule,
    reference: Option<String>,
    acknowledgement: Option<Value>,
    metadata: Option<Value>,
}

fn frame(
    plan: &mut Object<'_>,
    now: Timestamp,
    (draft, steps): (bool, &Steps),
    problems: &mut Problems,
) -> Option<Frame> {
    let lane = plan
        .take("priority")
        .map_or(Some(Lane::Normal), |field| field.word(&["urgent", "normal", "bulk"], problems));
    let on_unknown =
        plan.take("on_unknown").and_then(|field| field.word(&["resend", "hold", "ask"], problems));
    if let Some(lane) = lane {
        steps.check(lane, problems);
    }
    let lane_or = lane.unwrap_or(Lane::Normal);
    let around = schedule::Frame { now, lane: lane_or, waits: steps.waits(lane_or), draft };
    let schedule = schedule::read(plan, &around, problems);
    let reference = plan.take("reference").and_then(|field| field.line(MAX_REFERENCE, problems));
    let acknowledgement = plan.take("acknowledgement").and_then(|field| acknowledgement(&field, problems));
    let metadata = plan.take("metadata").and_then(|field| field.free_object(MAX_METADATA, problems));
    Some(Frame {
        draft,
        lane: lane?,
        on_unknown,
        schedule: schedule?,
        reference,
        acknowledgement,
        metadata: metadata.map(Value::Object),
    })
}

fn acknowledgement(field: &Field<'_>, problems: &mut Problems) -> Option<Value> {
    let mut object = field.object(problems)?;
    let mut options: Vec<String> = Vec::new();
    let other = object.take("other").and_then(|field| field.boolean(problems)).unwrap_or(false);
    if let Some(list) = object.take("options") {
        for item in list.list(MAX_OPTIONS, problems).unwrap_or_default() {
            let Some(option) = item.line(MAX_OPTION, problems) else { continue };
            if options.contains(&option) || option == "other" {
                item.refuse(problems, "is given twice, or is the word other, which counts free answers");
                continue;
            }
            options.push(option);
        }
    }
    if options.is_empty() && !other {
        field.refuse(problems, "must have at least one option, or other: true");
    }
    object.finish(problems);
    Some(json!({ "options": options, "other": other }))
}

fn draft(
    message: Message,
    given: Steps,
    chosen: &Chosen,
    mut audience: Audience,
    (frame, mut terms): (Frame, Terms),
) -> Draft {
    frame.schedule.note(&mut terms);
    let Steps { tiers, repeat, .. } = given;
    let terms = Terms { repeat: Some(repeat).filter(|times| *times > 0), ..terms };
    let steps = domain::Steps::of(&tiers, frame.lane, repeat);
    let in_order = steps.slots(&tiers);
    if in_order.iter().any(|slot| slot.channel() == Channel::Inbox) {
        audience.give_inboxes();
    }
    let with_account = |slot: &Slot| Some((*slot, chosen.account(slot.channel())?));
    let slots: Vec<(Slot, i64)> = in_order.iter().filter_map(with_account).collect();
    audience.mark_repetitions(&in_order, FirstTiers::of(&tiers, &steps), &message);
    // Nobody gets a payslip or a code twice.
    let usual = if terms.sensitive { OnUnknown::Hold } else { OnUnknown::Resend };
    Draft {
        held: frame.draft,
        lane: frame.lane,
        on_unknown: frame.on_unknown.unwrap_or(usual),
        slots,
        send_at: frame.schedule.send_at,
        expires_at: frame.schedule.expires_at,
        title: message.title,
        reference: frame.reference,
        content: message.content,
        tiers,
        acknowledgement: frame.acknowledgement,
        metadata: frame.metadata,
        quiet: chosen.is_quiet() && frame.lane != Lane::Urgent && terms.quiet.is_none(),
        terms,
        duplicates: audience.duplicates,
        recipients: audience.people.into_iter().map(|(_, person)| person).collect(),
    }
}
