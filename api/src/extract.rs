//! What handlers take out of a request; every refusal is a `Problem`.

mod body;
mod idempotency;
mod if_match;
mod language;
mod params;
mod prefer;

pub use body::{Body, Budget, MAX_BODY_BYTES, Most, Room, drain, parse, whole};
pub use idempotency::{IdempotencyKey, replay};
pub use if_match::{entity_tag, may_change};
pub use language::Language;
pub use params::{Id, Name, Params};
pub use prefer::preferred_wait;
