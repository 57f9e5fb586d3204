//! The worker's metrics. Labels are closed lists: never a tenant, an id or an address.

use prometheus::core::Collector;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, exponential_buckets,
};

/// Every metric this process has.
pub(crate) struct Metrics {
    /// Final states.
    pub(crate) deliveries: IntCounterVec,
    /// Calls.
    pub(crate) attempts: IntCounterVec,
    /// Time of a call.
    pub(crate) attempt_seconds: HistogramVec,
    /// Time from acceptance (or `send_at`) to the first call.
    pub(crate) accept_to_send: HistogramVec,
    /// Time a job waited for an account's capacity.
    pub(crate) rate_wait: HistogramVec,
    /// Retries scheduled.
    pub(crate) retries: IntCounterVec,
    /// Messages known to have gone out twice.
    pub(crate) duplicates: IntCounter,
    /// Undecodable broker messages.
    pub(crate) parked: IntCounter,
    /// Accounts taken out of use.
    pub(crate) accounts_down: IntCounterVec,
    /// Pauses asked for.
    pub(crate) throttled: IntCounterVec,
}

impl Metrics {
    /// Registers everything, once per process.
    pub(crate) fn register(registry: &Registry) -> Self {
        let metrics = Metrics {
            deliveries: counters(
                "herald_deliveries_total",
                "Deliveries that reached a final state.",
                &["channel", "provider", "status"],
            ),
            attempts: counters(
                "herald_attempts_total",
                "Provider calls by outcome.",
                &["channel", "provider", "outcome"],
            ),
            attempt_seconds: seconds(
                "herald_attempt_duration_seconds",
                "Time a provider call took.",
                &["channel", "provider"],
            ),
            accept_to_send: seconds(
                "herald_accept_to_send_seconds",
                "Time from acceptance (or send_at) to the first call.",
                &["channel", "lane"],
            ),
            rate_wait: seconds(
                "herald_rate_wait_seconds",
                "Time a job waited for an account's capacity.",
                &["channel"],
            ),
            retries: counters(
                "herald_retries_total",
                "Retries scheduled, by error class.",
                &["channel", "class"],
            ),
            duplicates: counter(
                "herald_duplicates_total",
                "Messages known to have gone out twice after an unknown outcome.",
            ),
            parked: counter("herald_parked_messages_total", "Queue messages that could not be decoded."),
            accounts_down: counters(
                "herald_accounts_down_total",
                "Accounts taken out of use after an account error.",
                &["channel", "provider"],
            ),
            throttled: counters(
                "herald_throttled_total",
                "Calls answered with a request to slow down.",
                &["channel", "provider"],
            ),
        };
        let all: [Box<dyn Collector>; 10] = [
            Box::new(metrics.deliveries.clone()),
            Box::new(metrics.attempts.clone()),
            Box::new(metrics.attempt_seconds.clone()),
            Box::new(metrics.accept_to_send.clone()),
            Box::new(metrics.rate_wait.clone()),
            Box::new(metrics.retries.clone()),
            Box::new(metrics.duplicates.clone()),
            Box::new(metrics.parked.clone()),
            Box::new(metrics.accounts_down.clone()),
            Box::new(metrics.throttled.clone()),
        ];
        for collector in all {
            registry.register(collector).expect("every name is registered once");
        }
        metrics
    }
}

fn counter(name: &str, help: &str) -> IntCounter {
    IntCounter::new(name, help).expect("fixed names are valid")
}

fn counters(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name, help), labels).expect("fixed names are valid")
}

/// From half a millisecond to half an hour in steps of two.
fn seconds(name: &str, help: &str, labels: &[&str]) -> HistogramVec {
    let buckets = exponential_buckets(0.0005, 2.0, 22).expect("fixed buckets are valid");
    HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets), labels).expect("fixed names are valid")
}
