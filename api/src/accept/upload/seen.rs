//! Who and what was seen, as hashes: an audience of a million takes some tens of megabytes.
//!
//! 64 bits under a random key of this process: that two of a million strangers meet has a chance of one in thirty million, and
//! nobody can make them meet.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use herald_shared::db::accept::NewRecipient;

use super::super::audience::{identity, what_is_read};
use super::super::content::Message;

/// Repetitions remembered: three channels of the largest audience. Of more, what repeats goes out.
const MAX_READ: usize = 3_500_000;

/// Whether a person was seen.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// No.
    New,
    /// Just so.
    Same,
    /// With other data.
    Differs,
}

/// What was seen.
#[derive(Default)]
pub(super) struct Seen {
    keys: RandomState,
    /// Identity to a check of everything.
    people: HashMap<u64, u32>,
    /// Addresses with what is read there.
    read: HashSet<u64>,
}

impl Seen {
    /// Whether a person was seen; now they are.
    pub(super) fn person(&mut self, person: &NewRecipient) -> Known {
        let variables = person.variables.as_ref().map(|map| serde_json::to_string(map).unwrap_or_default());
        let whole =
            (&person.key, &person.name, &person.addresses, variables, &person.locale, &person.time_zone);
        let check = (self.keys.hash_one(whole) >> 32) as u32;
        match self.people.insert(self.keys.hash_one(identity(person)), check) {
            None => Known::New,
            Some(before) if before == check => Known::Same,
            Some(before) => {
                self.people.insert(self.keys.hash_one(identity(person)), before);
                Known::Differs
            }
        }
    }

    /// Whether somebody has the same to read at the same address already; now somebody has.
    pub(super) fn is_repeated(&mut self, kind: &str, person: &NewRecipient, message: &Message) -> bool {
        let Some(address) = person.addresses.get(kind) else { return false };
        let hash = self.keys.hash_one((kind, what_is_read(kind, address, person, message)));
        if self.read.len() >= MAX_READ {
            return self.read.contains(&hash);
        }
        !self.read.insert(hash)
    }
}
