//! The API log: what the clients were told, kept by the clients.

use std::sync::Mutex;

use uuid::Uuid;

use super::Sort;

/// One request with all its repetitions.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) tenant: usize,
    pub(crate) sort: Sort,
    pub(crate) people: usize,
    /// The plan of the 202.
    pub(crate) answer: Option<Uuid>,
    /// At least one try had no answer at all: it may have been accepted then.
    pub(crate) silent: bool,
    /// Tries that were told to come again.
    pub(crate) put_off: u32,
}

/// All requests, by number.
#[derive(Default)]
pub(crate) struct Log {
    entries: Mutex<Vec<Entry>>,
    problems: Mutex<Vec<String>>,
}

impl Log {
    pub(super) fn begin(&self, tenant: usize, sort: Sort, rng: &mut fastrand::Rng) -> usize {
        let people = sort.people(rng);
        let mut entries = self.entries.lock().unwrap();
        entries.push(Entry { tenant, sort, people, answer: None, silent: false, put_off: 0 });
        entries.len() - 1
    }

    pub(super) fn people(&self, number: usize) -> usize {
        self.entries.lock().unwrap()[number].people
    }

    /// A 202. Another plan than before for the same key is a broken promise.
    pub(super) fn answered(&self, number: usize, id: Uuid) {
        let before = self.entries.lock().unwrap()[number].answer.replace(id);
        if let Some(before) = before.filter(|before| *before != id) {
            self.problem(format!("request {number} got plan {id}, and {before} before, under one key"));
        }
    }

    pub(super) fn put_off(&self, number: usize) {
        self.entries.lock().unwrap()[number].put_off += 1;
    }

    pub(super) fn silent(&self, number: usize) {
        self.entries.lock().unwrap()[number].silent = true;
    }

    pub(super) fn problem(&self, what: String) {
        eprintln!("! {what}");
        self.problems.lock().unwrap().push(what);
    }

    /// What was asked for.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        self.entries.lock().unwrap().clone()
    }

    /// Answers nobody should get.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.problems.lock().unwrap().clone()
    }
}
