//! What stops, kills and wipes servers. One at a time, and early by name: the others go on beside them.

mod outage;
mod recovery;
