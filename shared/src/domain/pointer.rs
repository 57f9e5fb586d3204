//! The only thing on the wire to workers: pointers to jobs. No content, no addresses, under 1 kB.

use serde::{Deserialize, Serialize};

use super::{Channel, Lane};

/// Jobs a message may point to.
pub const MAX_POINTERS: usize = 32;

/// Units one message of several pointers may carry; a larger job goes alone.
const MESSAGE_UNITS: i32 = 100;

/// One job. `account` and `units` let a worker take rate capacity before it claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointer {
    /// `job.id`.
    pub job: i64,
    /// The account chosen for it.
    pub account: i64,
    /// Deliveries in it.
    pub units: i32,
}

/// A job that became due in the API: a hint to a dispatcher, on the transient wake queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wake {
    /// What to publish.
    #[serde(flatten)]
    pub pointer: Pointer,
    /// Its queue's channel.
    pub channel: Channel,
    /// Its queue's lane.
    pub lane: Lane,
}

/// A queue message, version 1: `{"v":1,"jobs":[{"job":7,"account":1,"units":1}]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    v: u8,
    jobs: Vec<Pointer>,
}

/// Why a queue message cannot be used; it is parked.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Not our JSON.
    #[error("not a job message: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A version this build does not speak.
    #[error("job message version {0}, this build knows 1: finish the rolling update or roll back")]
    Version(u8),
    /// Too many or no jobs.
    #[error("a job message holds 1..={MAX_POINTERS} jobs, this one {0}")]
    Count(usize),
}

impl Envelope {
    /// A message for at most [`MAX_POINTERS`] jobs.
    #[must_use]
    pub fn new(jobs: Vec<Pointer>) -> Self {
        Envelope { v: 1, jobs }
    }

    /// The bytes to publish.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a struct of numbers always serialises")
    }

    /// Reads a queue message.
    ///
    /// # Errors
    /// [`DecodeError`]: permanent, the message must be parked.
    pub fn decode(bytes: &[u8]) -> Result<Vec<Pointer>, DecodeError> {
        let envelope: Envelope = serde_json::from_slice(bytes)?;
        if envelope.v != 1 {
            return Err(DecodeError::Version(envelope.v));
        }
        if envelope.jobs.is_empty() || envelope.jobs.len() > MAX_POINTERS {
            return Err(DecodeError::Count(envelope.jobs.len()));
        }
        Ok(envelope.jobs)
    }
}

/// Splits jobs into messages: at most 32 pointers, and about 100 units unless one job alone is larger.
#[must_use]
pub fn messages(pointers: Vec<Pointer>) -> Vec<Vec<Pointer>> {
    let mut messages: Vec<Vec<Pointer>> = Vec::new();
    let mut units = 0;
    for pointer in pointers {
        match messages.last_mut() {
            Some(last) if last.len() < MAX_POINTERS && units + pointer.units <= MESSAGE_UNITS => {
                units += pointer.units;
                last.push(pointer);
            }
            _ => {
                units = pointer.units;
                messages.push(vec![pointer]);
            }
        }
    }
    messages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pointer(units: i32) -> Pointer {
        Pointer { job: 1, account: 1, units }
    }

    #[test]
    fn small_jobs_travel_together_and_large_ones_alone() {
        let lengths = |units: &[i32]| -> Vec<usize> {
            messages(units.iter().map(|&u| pointer(u)).collect()).iter().map(Vec::len).collect()
        };
        assert!(lengths(&[]).is_empty());
        assert_eq!(lengths(&[1; 40]), [32, 8]);
        assert_eq!(lengths(&[50, 50, 50]), [2, 1]);
        assert_eq!(lengths(&[1000, 1000]), [1, 1]);
        assert_eq!(lengths(&[1, 1000, 1]), [1, 1, 1]);
    }

    #[test]
    fn the_wire_form_is_frozen() {
        let bytes = Envelope::new(vec![Pointer { job: 7, account: 1, units: 3 }]).encode();
        assert_eq!(
            std::str::from_utf8(&bytes).unwrap(),
            r#"{"v":1,"jobs":[{"job":7,"account":1,"units":3}]}"#
        );
        assert_eq!(Envelope::decode(&bytes).unwrap(), [Pointer { job: 7, account: 1, units: 3 }]);
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        for bad in [
            "",
            "{}",
            "[]",
            r#"{"v":2,"jobs":[{"job":1,"account":1,"units":1}]}"#,
            r#"{"v":1,"jobs":[]}"#,
            "\u{0}",
        ] {
            assert!(Envelope::decode(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
