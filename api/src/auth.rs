//! Who is asking: API keys, their scopes and their rate.

mod cache;
mod guard;
mod key;
mod limit;
mod scope;

pub use cache::KeyCache;
pub use guard::{Caller, CallerRef, guard};
pub use key::{FreshKey, Secret};
pub use limit::Limiters;
pub use scope::Scope;
