//! `channels` and `tiers`: by which steps a plan goes out.

use std::collections::BTreeMap;
use std::time::Duration;

use herald_shared::db::templates::Template;
use herald_shared::domain::{self, Channel, Lane, Mode, Only, Proof, Slot, Tier, Wait};

use super::choices::Chosen;
use super::library::{self, Asked};
use super::terms::duration;
use super::window;
use crate::json::{Field, Object};
use crate::problems::Problems;

/// Tiers a ladder may have.
const MAX_TIERS: usize = 10;
/// How a tier may use its channels.
const MODES: &[&str] = &["all", "first"];
/// What may end a ladder at a tier.
const UNTIL: &[&str] = &["delivered", "read", "acknowledged"];

/// A template that a tier has for one of its channels.
pub(super) struct Wording<'a> {
    /// The tier's position, from 0.
    pub(super) tier: usize,
    /// The channel.
    pub(super) channel: Channel,
    /// What is said there.
    pub(super) template: &'a Template,
    /// Where it was named.
    pub(super) pointer: String,
}

/// What is known of the steps while problems are still being collected.
pub(super) struct Steps<'a> {
    /// The tiers, each with the channels that are well-formed.
    pub(super) tiers: Vec<Tier>,
    /// How many more times all of them come up.
    pub(super) repeat: u8,
    /// Some channel has no enabled account.
    pub(super) lacks_account: bool,
    /// Templates of the tiers, in order.
    pub(super) wordings: Vec<Wording<'a>>,
}

impl<'a> Steps<'a> {
    /// What is said first, if every channel of every tier has a template, so that a plan needs no content.
    pub(super) fn whole(&self) -> Option<&'a Template> {
        let slots = self.tiers.iter().map(|tier| tier.channels.len()).sum::<usize>();
        self.wordings.first().filter(|_| self.wordings.len() == slots).map(|first| first.template)
    }

    /// Every slot of a plan of this priority with the template it says, if it has one.
    pub(super) fn said(&self, lane: Lane) -> Vec<(Slot, Option<&Wording<'a>>)> {
        let steps = domain::Steps::of(&self.tiers, lane, self.repeat);
        let mut said = Vec::new();
        for (no, tier) in steps.with_places(&self.tiers) {
            for channel in &self.tiers[tier].channels {
                let is_theirs = |wording: &&Wording<'a>| wording.tier == tier && wording.channel == *channel;
                said.push((Slot::new(no, *channel), self.wordings.iter().find(is_theirs)));
            }
        }
        said
    }

    /// The channels of all tiers that have no template of their own.
    pub(super) fn bare_channels(&self) -> impl Iterator<Item = Channel> {
        let bare = |tier: &'_ Tier, channel: &Channel| !tier.template.contains_key(channel);
        self.tiers
            .iter()
            .flat_map(move |tier| tier.channels.iter().copied().filter(move |channel| bare(tier, channel)))
    }

    /// How long a ladder of this priority waits at most.
    pub(super) fn waits(&self, lane: Lane) -> Duration {
        let steps = domain::Steps::of(&self.tiers, lane, self.repeat);
        steps.with(&self.tiers).filter_map(|(_, tier)| tier.wait).map(Wait::duration).sum()
    }

    /// What can only be said once the priority is known: which tiers there are, and how long they take together.
    pub(super) fn check(&self, lane: Lane, problems: &mut Problems) {
        let steps = domain::Steps::of(&self.tiers, lane, self.repeat);
        let count = steps.as_slice().len();
        if count == 0 && !self.tiers.is_empty() {
            let detail =
                format!("none is for priority {lane}: change only.priorities or the plan's priority");
            problems.add("/tiers", detail);
        }
        if let Some((_, first)) = steps.with_places(&self.tiers).next()
            && self.tiers[first].only.as_ref().is_some_and(|only| only.hours.is_some())
        {
            let detail = "the first tier of a plan goes out whatever the time: give hours to a later one, or send_at to the plan";
            problems.add(format!("/tiers/{first}/only/hours"), detail);
        }
        if count > domain::Steps::MAX {
            let detail = format!(
                "come to {count} rounds with all that repeats; at most {} are allowed",
                domain::Steps::MAX
            );
            problems.add("/tiers", detail);
        }
        if self.waits(lane) > Wait::MAX_LADDER.duration() {
            problems.add("/tiers", "wait longer than 90 days together, with all that repeats");
        }
    }

    /// Of a plan that offers no answers: no tier may wait for one.
    pub(super) fn check_answers(&self, problems: &mut Problems) {
        for (i, tier) in self.tiers.iter().enumerate() {
            if tier.until == Some(Proof::Acknowledged) {
                let detail =
                    "until_unprovable: the plan offers no answers; give acknowledgement with options";
                problems.add(format!("/tiers/{i}/until"), detail);
            }
        }
    }
}

/// Reads `channels` (with `mode`) or `tiers`; neither means mail, unless what they are is not known (`unknown`).
pub(super) fn read<'a>(
    plan: &mut Object<'_>,
    (chosen, unknown): (&Chosen, bool),
    asked: &mut Asked<'a>,
    problems: &mut Problems,
) -> Steps<'a> {
    let repeat = plan.take("repeat").and_then(|field| repeat(&field, problems)).unwrap_or(0);
    let mut reader = Reader {
        chosen: Some(chosen),
        repeats: repeat > 0,
        lacks_account: false,
        asked,
        wordings: Vec::new(),
    };
    let (channels, mode) = (plan.take("channels"), plan.take("mode"));
    if let (None, Some(mode)) = (&channels, &mode) {
        mode.refuse(problems, "goes with channels; a tier has a mode of its own");
    }
    let tiers = match (channels, plan.take("tiers")) {
        (Some(_), Some(tiers)) => {
            tiers.refuse(
                problems,
                "is given beside channels: channels is short for one tier, give one of the two",
            );
            Vec::new()
        }
        (Some(channels), None) => {
            let channels = reader.channels(&channels, problems);
            let mode = mode.as_ref().and_then(|mode| mode.word(MODES, problems));
            vec![Tier { channels, mode: mode.unwrap_or(Mode::All), ..Tier::default() }]
        }
        (None, Some(tiers)) => reader.tiers(&tiers, problems),
        (None, None) => {
            if !unknown {
                reader.check_account(Channel::Email, &plan.pointer("channels"), problems);
            }
            vec![Tier { channels: vec![Channel::Email], ..Tier::default() }]
        }
    };
    Steps { tiers, repeat, lacks_account: reader.lacks_account, wordings: reader.wordings }
}

/// Reads `tiers` and `repeat` of a policy: accounts may come later.
pub(super) fn read_bare<'a>(
    policy: &mut Object<'_>,
    asked: &mut Asked<'a>,
    problems: &mut Problems,
) -> Steps<'a> {
    let repeat = policy.take("repeat").and_then(|field| repeat(&field, problems)).unwrap_or(0);
    let mut reader =
        Reader { chosen: None, repeats: repeat > 0, lacks_account: false, asked, wordings: Vec::new() };
    let tiers = policy.require("tiers", problems).map(|field| reader.tiers(&field, problems));
    Steps { tiers: tiers.unwrap_or_default(), repeat, lacks_account: false, wordings: reader.wordings }
}

struct Reader<'r, 'a> {
    /// The tenant's accounts, if they matter.
    chosen: Option<&'r Chosen>,
    /// The whole ladder comes up again.
    repeats: bool,
    /// Where templates are found.
    asked: &'r mut Asked<'a>,
    wordings: Vec<Wording<'a>>,
    lacks_account: bool,
}

impl<'a> Reader<'_, 'a> {
    fn tiers(&mut self, field: &Field<'_>, problems: &mut Problems) -> Vec<Tier> {
        let Some(items) = field.list(MAX_TIERS, problems) else { return Vec::new() };
        if items.is_empty() {
            field.refuse(problems, "must have at least one tier");
        }
        let last = items.len().saturating_sub(1);
        let before = problems.count();
        let read = |(i, item)| self.tier(item, (i, i == last), problems);
        let tiers: Vec<Tier> = items.iter().enumerate().filter_map(read).collect();
        if let ([only], [Tier { wait: Some(_), until: None, .. }]) = (&items[..], &tiers[..])
            && problems.count() == before
        {
            let at = format!("{}/wait", only.pointer());
            problems.add(at, "waits for nothing: the only tier needs an until, or leave wait out");
        }
        tiers
    }

    fn tier(
        &mut self,
        field: &Field<'_>,
        (place, is_last): (usize, bool),
        problems: &mut Problems,
    ) -> Option<Tier> {
        let mut tier = field.object(problems)?;
        let channels = match tier.require("channels", problems) {
            Some(channels) => self.channels(&channels, problems),
            None => Vec::new(),
        };
        let mode: Option<Mode> = tier.take("mode").and_then(|mode| mode.word(MODES, problems));
        let until = tier.take("until").and_then(|until| provable(&until, &channels, problems));
        let repeat = tier.take("repeat").and_then(|field| {
            if until.is_none() {
                field.refuse(problems, "repeats until something holds: give until");
            }
            repeat(&field, problems)
        });
        let repeat = repeat.unwrap_or(0);
        let wait_at = tier.pointer("wait");
        let wait = match tier.take("wait") {
            Some(field) => duration(&field, Wait::MAX, problems),
            None => {
                if until.is_some() && (!is_last || self.repeats || repeat > 0) {
                    let detail = "is required where until is given and another tier or round follows: for instance 10m";
                    problems.add(wait_at, detail);
                }
                None
            }
        };
        let channel_wait = tier.take("channel_wait").and_then(|field| {
            if mode != Some(Mode::First) {
                field.refuse(problems, "goes with mode first");
            }
            let given = duration(&field, Wait::MAX, problems)?;
            if wait.is_some_and(|wait| given > wait) {
                field.refuse(problems, "must not be longer than wait");
            }
            Some(given)
        });
        let only = tier.take("only").and_then(|field| only(&field, problems));
        let template = match tier.take("template") {
            Some(field) => self.templates(&field, place, &channels, problems),
            None => BTreeMap::new(),
        };
        tier.finish(problems);
        let mode = mode.unwrap_or(Mode::All);
        Some(Tier { channels, mode, wait, until, channel_wait, repeat, only, template })
    }

    /// Reads `template`: a name for all of the tier's channels, or one for some of them each.
    fn templates(
        &mut self,
        field: &Field<'_>,
        tier: usize,
        channels: &[Channel],
        problems: &mut Problems,
    ) -> BTreeMap<Channel, String> {
        let mut named = Vec::new();
        if field.is_string() {
            if let Some(template) = self.asked.template(field, problems) {
                library::check_kind(template, channels.iter().copied(), &field.pointer(), problems);
                named.extend(channels.iter().map(|channel| (*channel, template, field.pointer())));
            }
        } else if let Some(mut object) = field.object(problems) {
            for channel in channels {
                let Some(field) = object.take(channel.as_str()) else { continue };
                let Some(template) = self.asked.template(&field, problems) else { continue };
                library::check_kind(template, [*channel], &field.pointer(), problems);
                named.push((*channel, template, field.pointer()));
            }
            for other in object.rest() {
                other.refuse(problems, "is none of the tier's channels");
            }
        }
        let names = named.iter().map(|(channel, template, _)| (*channel, template.name.clone())).collect();
        let wording = |(channel, template, pointer)| Wording { tier, channel, template, pointer };
        self.wordings.extend(named.into_iter().map(wording));
        names
    }

    fn channels(&mut self, field: &Field<'_>, problems: &mut Problems) -> Vec<Channel> {
        let Some(items) = field.list(Channel::ALL.len(), problems) else { return Vec::new() };
        if items.is_empty() {
            field.refuse(problems, "must name at least one channel");
        }
        let known: Vec<&str> = Channel::ALL.iter().map(|channel| channel.as_str()).collect();
        let mut channels = Vec::with_capacity(items.len());
        for item in items {
            let Some(channel) = item.word(&known, problems) else { continue };
            if channels.contains(&channel) {
                item.refuse(problems, "is named twice");
                continue;
            }
            self.check_account(channel, &item.pointer(), problems);
            channels.push(channel);
        }
        channels
    }

    fn check_account(&mut self, channel: Channel, pointer: &str, problems: &mut Problems) {
        if self.chosen.is_some_and(|chosen| chosen.account(channel).is_none()) {
            self.lacks_account = true;
            let detail =
                format!("there is no enabled account for {channel}: make one with POST /v1/accounts");
            problems.add(pointer, detail);
        }
    }
}

/// Reads `until`, which one of the tier's channels must be able to prove.
fn provable(field: &Field<'_>, channels: &[Channel], problems: &mut Problems) -> Option<Proof> {
    let word: String = field.word(UNTIL, problems)?;
    let Some(until) = UNTIL.contains(&word.as_str()).then(|| word.parse::<Proof>().ok()).flatten() else {
        field.refuse(problems, format!("is not one of: {}", UNTIL.join(", ")));
        return None;
    };
    if !channels.is_empty() && !channels.iter().any(|channel| until.is_provable(*channel)) {
        let able: Vec<&str> = Channel::ALL
            .iter()
            .filter(|channel| until.is_provable(**channel))
            .map(|channel| channel.as_str())
            .collect();
        let detail = format!(
            "until_unprovable: none of the tier's channels can tell that a message was {until}; one of {} can",
            able.join(", ")
        );
        field.refuse(problems, detail);
    }
    Some(until)
}

/// Reads `repeat`.
fn repeat(field: &Field<'_>, problems: &mut Problems) -> Option<u8> {
    field.integer(0, domain::Steps::MAX_REPEAT.into(), problems).and_then(|times| u8::try_from(times).ok())
}

/// Reads `only`.
fn only(field: &Field<'_>, problems: &mut Problems) -> Option<Only> {
    let mut only = field.object(problems)?;
    let priorities = only.take("priorities").and_then(|field| priorities(&field, problems));
    let hours = only.take("hours").and_then(|field| {
        let hours = window::read(&field, problems)?;
        if !hours.channels.is_empty() {
            field.refuse(problems, "hold for all channels of the tier: leave channels out");
        }
        Some(hours)
    });
    only.finish(problems);
    Some(Only { priorities, hours })
}

fn priorities(field: &Field<'_>, problems: &mut Problems) -> Option<Vec<Lane>> {
    let items = field.list(Lane::ALL.len(), problems)?;
    if items.is_empty() {
        field.refuse(problems, "must name at least one priority; leave it out for all");
    }
    let mut lanes: Vec<Lane> = Vec::with_capacity(items.len());
    for item in items {
        let Some(lane) = item.word(&["urgent", "normal", "bulk"], problems) else { continue };
        if lanes.contains(&lane) {
            item.refuse(problems, "is named twice");
            continue;
        }
        lanes.push(lane);
    }
    Some(lanes)
}
