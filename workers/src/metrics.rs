//! The worker's metrics. Labels are closed lists: never a tenant, an id or an address.

use prometheus::core::Collector;
use prometheus::{
    Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry, exponential_buckets,
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
    /// Deliveries that wait because their recipient has had as many messages as the provider lets through.
    pub(crate) held_back: IntCounterVec,
    /// Messages known to have gone out twice.
    pub(crate) duplicates: IntCounter,
    /// Undecodable broker messages.
    pub(crate) parked: IntCounter,
    /// Accounts taken out of use.
    pub(crate) accounts_down: IntCounterVec,
    /// Pauses asked for.
    pub(crate) throttled: IntCounterVec,
    /// Calls that told subscriptions of events.
    pub(crate) subscription_calls: IntCounterVec,
    /// How long the oldest event waits.
    pub(crate) oldest_event: Gauge,
}

impl Metrics {
    /// Registers everything, once per process.
    pub(crate) fn register(registry: &Registry) -> Self {
        let (throttled, held_back) = limits(registry);
        let (subscription_calls, oldest_event) = subscriptions(registry);
        Metrics {
            deliveries: counters(
                registry,
                "herald_deliveries_total",
                "Deliveries that reached a final state.",
                &["channel", "provider", "status"],
            ),
            attempts: counters(
                registry,
                "herald_attempts_total",
                "Provider calls by outcome.",
                &["channel", "provider", "outcome"],
            ),
            attempt_seconds: seconds(
                registry,
                "herald_attempt_duration_seconds",
                "Time a provider call took.",
                &["channel", "provider"],
            ),
            accept_to_send: seconds(
                registry,
                "herald_accept_to_send_seconds",
                "Time from acceptance (or send_at) to the first call.",
                &["channel", "lane"],
            ),
            rate_wait: seconds(
                registry,
                "herald_rate_wait_seconds",
                "Time a job waited for an account's capacity.",
                &["channel"],
            ),
            retries: counters(
                registry,
                "herald_retries_total",
                "Retries scheduled, by error class.",
                &["channel", "class"],
            ),
            held_back,
            duplicates: counter(
                registry,
                "herald_duplicates_total",
                "Messages known to have gone out twice after an unknown outcome.",
            ),
            parked: counter(
                registry,
                "herald_parked_messages_total",
                "Queue messages that could not be decoded.",
            ),
            accounts_down: counters(
                registry,
                "herald_accounts_down_total",
                "Accounts taken out of use after an account error.",
                &["channel", "provider"],
            ),
            throttled,
            subscription_calls,
            oldest_event,
        }
    }
}

/// What limits did.
fn limits(registry: &Registry) -> (IntCounterVec, IntCounterVec) {
    let labels = &["channel", "provider"];
    let throttled = "Calls answered with a request to slow down.";
    let held_back =
        "Deliveries put back because their recipient has had all messages the provider lets through for now.";
    (
        counters(registry, "herald_throttled_total", throttled, labels),
        counters(registry, "herald_recipients_held_back_total", held_back, labels),
    )
}

/// How subscriptions are told of events.
fn subscriptions(registry: &Registry) -> (IntCounterVec, Gauge) {
    let calls = "Calls that told subscriptions of events, by outcome.";
    let oldest = Gauge::new("herald_oldest_event_seconds", "How long the oldest event waits to be told.");
    (
        counters(registry, "herald_subscription_calls_total", calls, &["outcome"]),
        registered(registry, oldest.expect("fixed names are valid")),
    )
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> C {
    registry.register(Box::new(collector.clone())).expect("every name is registered once");
    collector
}

fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    registered(registry, IntCounter::new(name, help).expect("fixed names are valid"))
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    registered(registry, IntCounterVec::new(Opts::new(name, help), labels).expect("fixed names are valid"))
}

/// From half a millisecond to half an hour in steps of two.
fn seconds(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> HistogramVec {
    let buckets = exponential_buckets(0.0005, 2.0, 22).expect("fixed buckets are valid");
    let options = HistogramOpts::new(name, help).buckets(buckets);
    registered(registry, HistogramVec::new(options, labels).expect("fixed names are valid"))
}
