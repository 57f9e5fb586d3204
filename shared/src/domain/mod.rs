//! Pure decisions: the words of the product, its state graph, retries, templates. No I/O, no clock, no database.

pub mod account_choice;
pub mod approval;
pub mod backoff;
pub mod channel;
pub mod content;
pub mod events;
pub mod fair;
pub mod first;
pub mod forecast;
pub mod health;
pub mod ids;
pub mod ip_net;
pub mod ladder;
pub mod lease;
pub mod limits;
pub mod local_time;
pub mod outcome;
pub mod pacing;
pub mod pointer;
pub mod price;
pub mod quiet;
pub mod reach;
pub mod recall;
pub mod recipients;
pub mod recurrence;
pub mod reminder;
pub mod sentence;
pub mod settle;
pub mod shares;
pub mod slots;
pub mod sms;
pub mod status;
pub mod steps;
pub mod template;
pub mod template_kind;
pub mod terms;
pub mod throughput;
pub mod turns;

pub use channel::{Channel, Lane, OnUnknown, Slot};
pub use content::{Content, Mode, Only, Tier};
pub use events::EventKind;
pub use first::FirstTiers;
pub use ladder::{Ladder, LadderResult, Proof, Wait};
pub use local_time::{LocalTime, OnClock};
pub use outcome::{Class, Exception, Failure, Reason, Verdict};
pub use quiet::QuietHours;
pub use recurrence::Recurrence;
pub use status::{DeliveryStatus, PlanStatus};
pub use steps::{Rung, Steps};
pub use template_kind::TemplateKind;
pub use terms::{Enough, Kind, PolicyUse, TemplateUse, Terms};

/// A code or word that is none of an enum's: from a newer release, or a damaged row.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("{what} {value} is not known; is this process older than the database?")]
pub struct Unknown {
    /// The enum, in the product's words.
    pub what: &'static str,
    /// The value as found.
    pub value: String,
}

/// Writes `code`, `from_code`, `as_str`, `FromStr`, `Display` and serde (as the word) for an enum of words.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident, $what:literal, { $($(#[$vmeta:meta])* $variant:ident = $code:literal : $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vmeta])* $variant = $code),+ }

        impl $name {
            /// All of them, in order of code.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The smallint stored in the database.
            #[must_use]
            pub const fn code(self) -> i16 { self as i16 }

            /// The word used in the API, queues and metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str { match self { $($name::$variant => $word),+ } }

            /// Reads a stored code.
            ///
            /// # Errors
            /// [`Unknown`](crate::domain::Unknown) for a code this build does not have.
            pub fn from_code(code: i16) -> Result<Self, $crate::domain::Unknown> {
                match code { $($code => Ok($name::$variant),)+ _ => Err($crate::domain::Unknown { what: $what, value: code.to_string() }) }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::domain::Unknown;
            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word { $($word => Ok($name::$variant),)+ _ => Err($crate::domain::Unknown { what: $what, value: word.to_owned() }) }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> { s.serialize_str(self.as_str()) }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let word = std::borrow::Cow::<'de, str>::deserialize(d)?;
                word.parse().map_err(|_| {
                    let known: Vec<&str> = Self::ALL.iter().map(|v| v.as_str()).collect();
                    serde::de::Error::custom(format!("unknown {} \"{word}\": use one of {}", $what, known.join(", ")))
                })
            }
        }
    };
}
pub(crate) use words;
