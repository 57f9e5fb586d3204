//! How `serde_json` is made to cut one level of a body into raw slices.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;
use std::fmt;

use serde::Deserializer;
use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Fields one object may have; what has more is refused unread. Ours have at most 20.
const MAX_FIELDS: usize = 200;

/// A string, borrowed where it has no escapes.
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de> de::Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor).map(Text)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Cow<'de, str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }
    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

impl<'de> DeserializeSeed<'de> for TextVisitor {
    type Value = Cow<'de, str>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

/// The entries of one object, values unread.
pub(super) struct Entries;

pub(super) struct Entry<'a> {
    pub(super) fields: BTreeMap<Cow<'a, str>, &'a RawValue>,
    pub(super) repeated: Option<String>,
}

impl<'de> Visitor<'de> for Entries {
    type Value = Entry<'de>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry<'de>, A::Error> {
        let mut entry = Entry { fields: BTreeMap::new(), repeated: None };
        while let Some(name) = map.next_key_seed(TextVisitor)? {
            let raw: &'de RawValue = map.next_value()?;
            if entry.fields.len() == MAX_FIELDS {
                return Err(de::Error::custom(format!("it has more than {MAX_FIELDS} fields")));
            }
            match entry.fields.entry(name) {
                Slot::Occupied(twice) => entry.repeated = Some(twice.key().clone().into_owned()),
                Slot::Vacant(free) => {
                    free.insert(raw);
                }
            }
        }
        Ok(entry)
    }
}

/// The first items of a list, unread, and how many there are.
pub(super) struct Items {
    pub(super) max: usize,
}

impl<'de> Visitor<'de> for Items {
    type Value = (Vec<&'de RawValue>, usize);
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while items.len() < self.max {
            let Some(raw) = seq.next_element::<&'de RawValue>()? else { break };
            items.push(raw);
        }
        let mut count = items.len();
        while seq.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok((items, count))
    }
}
