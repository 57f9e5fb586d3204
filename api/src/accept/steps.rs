//! `channels` and `tiers`: by which steps a plan goes out.

use herald_shared::domain::{Channel, Mode, Tier};

use super::choices::Chosen;
use crate::json::{Field, Object};
use crate::problems::Problems;

/// Tiers a ladder may have.
const MAX_TIERS: usize = 10;
/// How a tier may use its channels.
const MODES: &[&str] = &["all", "first"];

/// What is known of the steps while problems are still being collected.
pub(super) struct Steps {
    /// The tiers, each with the channels that are well-formed.
    pub(super) tiers: Vec<Tier>,
    /// Some channel has no enabled account.
    pub(super) lacks_account: bool,
}

/// Reads `channels` (with `mode`) or `tiers`; neither means mail.
pub(super) fn read(plan: &mut Object<'_>, chosen: &Chosen, problems: &mut Problems) -> Steps {
    let mut reader = Reader { chosen, lacks_account: false };
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
            vec![Tier { channels, mode: mode.unwrap_or(Mode::All) }]
        }
        (None, Some(tiers)) => reader.tiers(&tiers, problems),
        (None, None) => {
            reader.check_account(Channel::Email, &plan.pointer("channels"), problems);
            vec![Tier { channels: vec![Channel::Email], mode: Mode::All }]
        }
    };
    Steps { tiers, lacks_account: reader.lacks_account }
}

struct Reader<'a> {
    chosen: &'a Chosen,
    lacks_account: bool,
}

impl Reader<'_> {
    fn tiers(&mut self, field: &Field<'_>, problems: &mut Problems) -> Vec<Tier> {
        let Some(items) = field.list(MAX_TIERS, problems) else { return Vec::new() };
        if items.is_empty() {
            field.refuse(problems, "must have at least one tier");
        }
        if items.len() > 1 {
            field.refuse(problems, "more than one tier is not supported yet: give one, or use channels");
        }
        items.iter().filter_map(|item| self.tier(item, problems)).collect()
    }

    fn tier(&mut self, field: &Field<'_>, problems: &mut Problems) -> Option<Tier> {
        let mut tier = field.object(problems)?;
        let channels = match tier.require("channels", problems) {
            Some(channels) => self.channels(&channels, problems),
            None => Vec::new(),
        };
        let mode = tier.take("mode").and_then(|mode| mode.word(MODES, problems));
        for name in ["wait", "until"] {
            if let Some(field) = tier.take(name) {
                field.refuse(problems, "is not supported yet: plans have one tier, which waits for nothing");
            }
        }
        tier.finish(problems);
        Some(Tier { channels, mode: mode.unwrap_or(Mode::All) })
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
        if self.chosen.account(channel).is_none() {
            self.lacks_account = true;
            let detail =
                format!("there is no enabled account for {channel}: make one with POST /v1/accounts");
            problems.add(pointer, detail);
        }
    }
}
