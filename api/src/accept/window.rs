//! Parts of the local day: of quiet hours, and of tiers.

use herald_shared::domain::Channel;
use herald_shared::domain::quiet::Window;

use crate::json::{Field, Object};
use crate::problems::Problems;

/// Reads `{"from": "22:00", "to": "07:00", "channels": [...]}`.
pub(crate) fn read(field: &Field<'_>, problems: &mut Problems) -> Option<Window> {
    let mut object = field.object(problems)?;
    let from = minute(&mut object, "from", problems);
    let to = minute(&mut object, "to", problems);
    let channels = object.take("channels").map(|field| channels(&field, problems)).unwrap_or_default();
    object.finish(problems);
    let window = Window { from: from?, to: to?, channels };
    if window.from == window.to {
        field.refuse(problems, "ends when it begins");
        return None;
    }
    Some(window)
}

fn minute<T: std::str::FromStr<Err: std::fmt::Display>>(
    object: &mut Object<'_>,
    name: &str,
    problems: &mut Problems,
) -> Option<T> {
    let field = object.require(name, problems)?;
    match field.string(problems)?.parse() {
        Ok(minute) => Some(minute),
        Err(error) => {
            field.refuse(problems, error.to_string());
            None
        }
    }
}

fn channels(field: &Field<'_>, problems: &mut Problems) -> Vec<Channel> {
    let known: Vec<&str> = Channel::ALL.iter().map(|channel| channel.as_str()).collect();
    let items = field.list(Channel::ALL.len(), problems).unwrap_or_default();
    if items.is_empty() {
        field.refuse(problems, "must name at least one channel; leave it out for all");
    }
    items.iter().filter_map(|item| item.word(&known, problems)).collect()
}
