//! Who and what was seen, as hashes: an audience of a million takes some tens of megabytes.
//!
//! 64 bits under a random key of this process: that two of a million strangers meet has a chance of one in thirty million, and
//! nobody can make them meet.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use herald_shared::db::accept::NewRecipient;

use super::super::audience::{identity, what_is_read};
use super::super::content::Message;

/// Parts a table is made of. Each grows on its own, so that growing never holds the old and the new of everything, and the blocks
/// are small enough to be used again. The largest audience fills parts of 8192 places well. Measured with a million people on one
/// channel: 89 MB at most in the whole process; with one table, and bodies read in chunks as they came, 171 MB.
const PARTS: usize = 150;
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

/// 64 bits as two halves: a place then takes 12 bytes, not 16.
type Hash = (u32, u32);

/// What was seen.
pub(in super::super) struct Seen {
    keys: RandomState,
    /// Identity to a check of everything.
    people: Vec<HashMap<Hash, u32>>,
    /// Addresses with what is read there.
    read: Vec<HashSet<Hash>>,
    /// How many of those.
    reads: usize,
}

impl Default for Seen {
    fn default() -> Self {
        let (people, read) = (vec![HashMap::new(); PARTS], vec![HashSet::new(); PARTS]);
        Seen { keys: RandomState::new(), people, read, reads: 0 }
    }
}

/// The part of a table a hash belongs to, and its halves.
fn place(hash: u64) -> (usize, Hash) {
    let (high, low) = ((hash >> 32) as u32, hash as u32);
    (high as usize % PARTS, (high, low))
}

impl Seen {
    /// Whether a person was seen; now they are.
    pub(super) fn person(&mut self, person: &NewRecipient) -> Known {
        let variables = person.variables.as_ref().map(|map| serde_json::to_string(map).unwrap_or_default());
        let whole =
            (&person.key, &person.name, &person.addresses, variables, &person.locale, &person.time_zone);
        let check = (self.keys.hash_one(whole) >> 32) as u32;
        let (part, hash) = place(self.keys.hash_one(identity(person)));
        match self.people[part].entry(hash) {
            Entry::Vacant(entry) => {
                entry.insert(check);
                Known::New
            }
            Entry::Occupied(entry) if *entry.get() == check => Known::Same,
            Entry::Occupied(_) => Known::Differs,
        }
    }

    /// Whether somebody has the same to read at the same address already; now somebody has.
    pub(in super::super) fn is_repeated(
        &mut self,
        kind: &str,
        person: &NewRecipient,
        message: &Message,
    ) -> bool {
        let Some(address) = person.addresses.get(kind) else { return false };
        let (part, hash) = place(self.keys.hash_one((kind, what_is_read(kind, address, person, message))));
        if self.reads >= MAX_READ {
            return self.read[part].contains(&hash);
        }
        let fresh = self.read[part].insert(hash);
        self.reads += usize::from(fresh);
        !fresh
    }
}
