//! Further channels for a plan that went out already.

use herald_channels::registry;
use herald_shared::domain::{Channel, Content};

use super::choices::Chosen;
use super::content;
use crate::problems::Problems;

/// Finds channels that have no account, or that cannot carry the message as far as can be told before it is rendered for anybody.
pub(crate) fn check_channels(
    channels: &[Channel],
    chosen: &Chosen,
    (title, content, asks): (String, Content, bool),
    problems: &mut Problems,
) {
    for (i, channel) in channels.iter().enumerate() {
        if chosen.account(*channel).is_none() {
            let detail =
                format!("there is no enabled account for {channel}: make one with POST /v1/accounts");
            problems.add(format!("/channels/{i}"), detail);
        }
    }
    let Ok(message) = content::stored(title, content, asks) else { return };
    for (i, channel) in channels.iter().enumerate() {
        for provider in registry().iter().filter(|provider| provider.spec().channel == *channel) {
            if let Err(detail) = provider.check_message(&message.compiled) {
                problems.add(format!("/channels/{i}"), format!("cannot carry the message: {detail}"));
            }
        }
    }
}
