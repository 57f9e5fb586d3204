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
    /// Deliveries waiting in the broker.
    pub(crate) in_flight: IntGaugeVec,
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
        let confirm = HistogramOpts::new(
            "herald_publish_confirm_seconds",
            "Time from publishing pointers to the broker's confirm.",
        )
        .buckets(prometheus::exponential_buckets(0.0005, 2.0, 14).expect("fixed buckets are valid"));
        let metrics = Metrics {
            jobs_due: IntGaugeVec::new(
                Opts::new("herald_jobs_due", "Jobs due and not claimed, counted up to 10,000."),
                lane,
            )
            .expect("fixed"),
            oldest_due: GaugeVec::new(
                Opts::new("herald_oldest_due_seconds", "Age of the oldest due job."),
                lane,
            )
            .expect("fixed"),
            in_flight: IntGaugeVec::new(
                Opts::new("herald_jobs_in_flight", "Deliveries waiting in the broker's queue, estimated."),
                queue,
            )
            .expect("fixed"),
            confirm: Histogram::with_opts(confirm).expect("fixed"),
            publish_failures: IntCounter::new(
                "herald_publish_failures_total",
                "Publishes that failed; their jobs come back by their visibility time.",
            )
            .expect("fixed"),
            reclaimed: IntCounter::new("herald_reclaimed_jobs_total", "Jobs taken over from dead workers.")
                .expect("fixed"),
            unknown: IntCounter::new(
                "herald_unknown_outcomes_total",
                "Deliveries whose outcome was lost with their worker.",
            )
            .expect("fixed"),
            parked: IntCounter::new(
                "herald_parked_deliveries_total",
                "Deliveries failed after more than 5 claims without an outcome.",
            )
            .expect("fixed"),
            expanded: IntCounterVec::new(
                Opts::new("herald_recipients_expanded_total", "Recipients turned into deliveries."),
                lane,
            )
            .expect("fixed"),
            queues_lost: IntCounter::new(
                "herald_queues_lost_total",
                "Broker queues that were missing and were declared again.",
            )
            .expect("fixed"),
            pool_wait: Gauge::new("herald_db_pool_waiting", "Tasks waiting for a database connection.")
                .expect("fixed"),
        };
        metrics.add_to(registry);
        metrics
    }

    fn add_to(&self, registry: &Registry) {
        let all: [Box<dyn prometheus::core::Collector>; 11] = [
            Box::new(self.jobs_due.clone()),
            Box::new(self.oldest_due.clone()),
            Box::new(self.in_flight.clone()),
            Box::new(self.confirm.clone()),
            Box::new(self.publish_failures.clone()),
            Box::new(self.reclaimed.clone()),
            Box::new(self.unknown.clone()),
            Box::new(self.parked.clone()),
            Box::new(self.expanded.clone()),
            Box::new(self.queues_lost.clone()),
            Box::new(self.pool_wait.clone()),
        ];
        for collector in all {
            registry.register(collector).expect("every name is registered once");
        }
    }
}
