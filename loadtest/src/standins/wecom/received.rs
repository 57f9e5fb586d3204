//! The record of one WeCom stand-in, in bounded memory: a million people with one message each take some 30 MB.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::time::{Duration, Instant};

use super::super::note;
use super::message::Parsed;

/// Messages and times kept; more only count.
const KEPT_TIMES: usize = 1_000_000;

/// Digests are spread already.
#[derive(Default)]
pub(super) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

type Spread = BuildHasherDefault<AsIs>;

/// What the server was sent.
#[derive(Default)]
pub struct Received {
    /// Messages accepted (one call each), those dropped in silence included.
    pub calls: u64,
    /// When each was complete, the first million.
    pub call_times: Vec<Instant>,
    /// People delivered to, summed over messages.
    pub deliveries: u64,
    /// Deliveries of the same content to the same person again.
    pub duplicates: u64,
    /// People in messages answered like good ones and not delivered to: by script, or beyond a member's limit.
    pub dropped: u64,
    /// People named in `invaliduser` or `unlicenseduser`.
    pub refused_people: u64,
    /// Answers to messages by `errcode`.
    pub answers: HashMap<i64, u64>,
    /// Messages taken back, by number: the first accepted one is 1.
    pub recalled: BTreeSet<u64>,
    /// Token requests that were answered with a token.
    pub tokens_given: u64,
    /// Token requests that were refused.
    pub tokens_refused: u64,
    /// The first messages in full; see `Options::keep`.
    pub first: Vec<Message>,
    /// What a correct client never does, the first thousand.
    pub violations: Vec<String>,
    once: HashSet<u64, Spread>,
    again: HashMap<u64, u32, Spread>,
    keep: usize,
    limits: Vec<(Duration, u32)>,
    recent: HashMap<u64, VecDeque<Instant>, Spread>,
}

/// One accepted message.
#[derive(Clone, Debug)]
pub struct Message {
    /// The app's number.
    pub agent_id: u64,
    /// To whom, as named.
    pub users: Vec<String>,
    /// `text` or `textcard`.
    pub msgtype: String,
    /// What the members see; a card's parts on a line each.
    pub content: String,
    /// When it was complete.
    pub at: Instant,
}

impl Received {
    pub(super) fn new(keep: usize, limits: Vec<(Duration, u32)>) -> Self {
        Self { keep, limits, ..Self::default() }
    }

    pub(super) fn reset(&mut self) {
        *self = Self::new(self.keep, std::mem::take(&mut self.limits));
    }

    /// How often this content was delivered to this user.
    pub fn times(&self, user: &str, content: &str) -> u32 {
        let key = digest(user, content);
        u32::from(self.once.contains(&key)) + self.again.get(&key).copied().unwrap_or(0)
    }

    /// People and contents that met, each counted once.
    pub fn distinct(&self) -> usize {
        self.once.len()
    }

    pub(super) fn answered(&mut self, errcode: i64) {
        *self.answers.entry(errcode).or_default() += 1;
    }

    pub(super) fn violated(&mut self, errcode: i64, what: &str) {
        note(&mut self.violations, format!("{errcode} {what}"));
    }

    /// An accepted message; `users` are those of it who are delivered to.
    pub(super) fn accept(&mut self, agent_id: u64, message: Parsed, users: &[String], dropped: bool) {
        let at = Instant::now();
        self.calls += 1;
        if self.call_times.len() < KEPT_TIMES {
            self.call_times.push(at);
        }
        for user in users {
            if dropped || self.is_over_limit(agent_id, user, at) {
                self.dropped += 1;
                continue;
            }
            self.deliveries += 1;
            let key = digest(user, &message.content);
            if !self.once.insert(key) {
                self.duplicates += 1;
                *self.again.entry(key).or_default() += 1;
            }
        }
        if self.first.len() < self.keep {
            let Parsed { users, msgtype, content } = message;
            self.first.push(Message { agent_id, users, msgtype, content, at });
        }
    }

    /// Counts a message to a member, unless it is one too many.
    fn is_over_limit(&mut self, agent_id: u64, user: &str, at: Instant) -> bool {
        let Some(longest) = self.limits.iter().map(|(span, _)| *span).max() else { return false };
        let recent = self.recent.entry(digest(user, &agent_id.to_string())).or_default();
        while recent.front().is_some_and(|&first| at - first >= longest) {
            recent.pop_front();
        }
        let within = |span: Duration| recent.iter().rev().take_while(|&&then| at - then < span).count();
        let over = self.limits.iter().any(|&(span, most)| within(span) >= most as usize);
        if !over {
            recent.push_back(at);
        }
        over
    }
}

fn digest(user: &str, content: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    user.to_ascii_lowercase().hash(&mut hasher);
    content.hash(&mut hasher);
    hasher.finish()
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} messages to {} people, {} duplicates, {} dropped, {} refused people, {} tokens given, answers {:?}, violations {:?}",
            self.calls,
            self.deliveries,
            self.duplicates,
            self.dropped,
            self.refused_people,
            self.tokens_given,
            self.answers,
            self.violations.iter().take(3).collect::<Vec<_>>(),
        )
    }
}
