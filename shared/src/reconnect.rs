//! Delays between attempts to reach a server that is away: jittered, capped, endless.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;

/// The delays of one reconnect loop: 100 ms growing to 5 s, half of it jitter, without end.
pub struct Delays(ExponentialBackoff);

impl Default for Delays {
    fn default() -> Self {
        Delays(ExponentialBackoff {
            initial_interval: Duration::from_millis(100),
            max_interval: Duration::from_secs(5),
            multiplier: 2.0,
            // The crate's default is 15 minutes, after which it would say "give up".
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        })
    }
}

impl Delays {
    /// The next delay.
    pub fn next_delay(&mut self) -> Duration {
        self.0.next_backoff().unwrap_or(Duration::from_secs(5))
    }

    /// Starts again from the shortest; call it after a success.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}
