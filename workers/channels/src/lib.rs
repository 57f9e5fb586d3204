//! Provider drivers: one folder or file per provider, and the seam that the rest of Herald sees.
//!
//! A driver turns one [`Call`] into one provider call and one `Verdict`. It knows its protocol, its deadlines
//! and what its provider's answers mean. It does not retry, pace, count or touch jobs: the worker does.
//! The API uses the same drivers to check settings and to verify credentials.
//!
//! A new provider is one new file here and one line in `registry`.

mod attachments;
mod call;
mod fields;
mod hook;
mod http;
mod inbox;
mod net;
mod registry;
mod smtp;
mod spec;
mod tls;
mod token;
mod webhook;
mod wecom;
mod wording;

pub use attachments::Attachments;
pub use call::{Call, Gate, Message, Target};
pub use hook::{Hooks, NotTaken};
pub use net::{NetPolicy, Refused, Resolve, ResolveError, SystemResolver};
pub use registry::{provider, registry};
pub use spec::{Account, Deps, Driver, FieldProblem, Proves, Provider, Recalled, Spec};
pub use token::{FleetTokens, OwnTokens, Taken, Token, TokenSlot, Tokens};
pub use wecom::is_user_id as is_wecom_user_id;
