//! The dispatcher's metrics. Labels are closed lists: never a tenant, an id or an address.

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
};

/// Every metric this process has.
pub(crate) struct Metrics {
    /// Jobs due and not yet claimed.
    pub(crate) jobs_due: IntGaugeVec,
    /// Age of the oldest due job.
    pub(crate) oldest_due: GaugeVec,
    /// Age of the oldest step of a ladder that fired last; 0 when none is due.
    pub(crate) oldest_escalation: GaugeVec,
    /// Deliveries waiting in the broker.
    pub(crate) in_flight: IntGaugeVec,
    /// Deliveries that may wait in the broker.
    pub(crate) window: IntGaugeVec,
    /// Deliveries a second a queue's workers take.
    pub(crate) rate: GaugeVec,
    /// Queues this process admits.
    pub(crate) turns: IntGaugeVec,
    /// Time until the broker confirms.
    pub(crate) confirm: Histogram,
    /// Publishes that failed.
    pub(crate) publish_failures: IntCounter,
    /// Jobs taken over.
    pub(crate) reclaimed: IntCounter,
    /// Deliveries whose outcome was lost.
    pub(crate) unknown: IntCounter,
    /// Deliveries given up after repeated crashes.
    pub(crate) parked: IntCounter,
    /// Recipients expanded.
    pub(crate) expanded: IntCounterVec,
    /// Occurrences of plans that recur.
    pub(crate) occurrences: IntCounterVec,
    /// Broker queues that were found missing.
    pub(crate) queues_lost: IntCounter,
    /// Waits for a database connection.
    pub(crate) pool_wait: Gauge,
}

impl Metrics {
    /// Registers everything, once per process.
    pub(crate) fn register(registry: &Registry) -> Self {
        let lane = &["lane"];
        let queue = &["channel", "lane"];
        let metrics = Metrics {
            jobs_due: numbers("herald_jobs_due", "Jobs due and not claimed, counted up to 10,000.", lane),
            oldest_due: gauges("herald_oldest_due_seconds", "Age of the oldest due job.", lane),
            oldest_escalation: gauges(
                "herald_oldest_escalation_seconds",
                "For how long the oldest step of a ladder is due; 0: none is.",
                lane,
            ),
            in_flight: numbers(
                "herald_jobs_in_flight",
                "Deliveries waiting in the broker's queue, estimated.",
                queue,
            ),
            window: numbers("herald_window_units", "Deliveries that may wait in the broker's queue.", queue),
            rate: gauges(
                "herald_queue_rate",
                "Deliveries a second the queue's workers take, as last seen while some waited.",
                queue,
            ),
            turns: numbers(
                "herald_admission_turn",
                "1: this dispatcher admits the jobs of the queue.",
                queue,
            ),
            confirm: confirm(),
            publish_failures: counter(
                "herald_publish_failures_total",
                "Publishes that failed; their jobs come back by their visibility time.",
            ),
            reclaimed: counter("herald_reclaimed_jobs_total", "Jobs taken over from dead workers."),
            unknown: counter(
                "herald_unknown_outcomes_total",
                "Deliveries whose outcome was lost with their worker.",
            ),
            parked: counter(
                "herald_parked_deliveries_total",
                "Deliveries failed after more than 5 claims without an outcome.",
            ),
            occurrences: counters(
                "herald_occurrences_total",
                "Occurrences of plans that recur: started, or left out because they came up too late or in a pause.",
                &["outcome"],
            ),
            expanded: counters(
                "herald_recipients_expanded_total",
                "Recipients turned into deliveries.",
                lane,
            ),
            queues_lost: counter(
                "herald_queues_lost_total",
                "Broker queues that were missing and were declared again.",
            ),
            pool_wait: Gauge::new("herald_db_pool_waiting", "Tasks waiting for a database connection.")
                .expect("fixed"),
        };
        metrics.add_to(registry);
        metrics
    }

    fn add_to(&self, registry: &Registry) {
        let all: [Box<dyn prometheus::core::Collector>; 16] = [
            Box::new(self.jobs_due.clone()),
            Box::new(self.oldest_due.clone()),
            Box::new(self.oldest_escalation.clone()),
            Box::new(self.in_flight.clone()),
            Box::new(self.window.clone()),
            Box::new(self.rate.clone()),
            Box::new(self.turns.clone()),
            Box::new(self.confirm.clone()),
            Box::new(self.publish_failures.clone()),
            Box::new(self.reclaimed.clone()),
            Box::new(self.unknown.clone()),
            Box::new(self.parked.clone()),
            Box::new(self.expanded.clone()),
            Box::new(self.occurrences.clone()),
            Box::new(self.queues_lost.clone()),
            Box::new(self.pool_wait.clone()),
        ];
        for collector in all {
            registry.register(collector).expect("every name is registered once");
        }
    }
}

fn confirm() -> Histogram {
    let options = HistogramOpts::new(
        "herald_publish_confirm_seconds",
        "Time from publishing pointers to the broker's confirm.",
    );
    let buckets = prometheus::exponential_buckets(0.0005, 2.0, 14).expect("fixed buckets are valid");
    Histogram::with_opts(options.buckets(buckets)).expect("fixed")
}

fn numbers(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    IntGaugeVec::new(Opts::new(name, help), labels).expect("fixed names and labels are valid")
}

fn gauges(name: &str, help: &str, labels: &[&str]) -> GaugeVec {
    GaugeVec::new(Opts::new(name, help), labels).expect("fixed names and labels are valid")
}

fn counters(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name, help), labels).expect("fixed names and labels are valid")
}

fn counter(name: &str, help: &str) -> IntCounter {
    IntCounter::new(name, help).expect("a fixed name is valid")
}
