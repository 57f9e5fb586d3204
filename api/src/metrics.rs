//! The API's metrics, one struct; names in docs and dashboards are these.

use std::time::Instant;

use herald_shared::domain::Lane;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

/// Seconds from 1 ms to 10 s: an accept takes a few ms.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Counters and histograms. No tenant, recipient, URL or id is ever a label.
#[derive(Clone)]
pub struct Metrics {
    /// Answers by route template, method and status.
    requests: IntCounterVec,
    /// Time from the head of a request to the head of its answer, by route template and method.
    duration: HistogramVec,
    /// Plans accepted, replays not counted, by priority.
    accepted: IntCounterVec,
    /// Wait for a database connection.
    pool_wait: Histogram,
    /// Event streams and waiting requests.
    listeners: IntGauge,
    /// Plans they wait for.
    watched: IntGauge,
    /// Time of one look at watched plans.
    looks: Histogram,
    /// Rows written to exports.
    exported: IntCounter,
}

impl Metrics {
    /// Registers everything in `registry`.
    ///
    /// # Errors
    /// When a name is registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let requests = Opts::new(
            "herald_http_requests_total",
            "HTTP requests answered, by route template, method and status.",
        );
        let duration = HistogramOpts::new(
            "herald_http_request_duration_seconds",
            "Time to answer an HTTP request, by route template and method.",
        );
        let accepted = Opts::new("herald_plans_accepted_total", "Plans accepted (202), by priority.");
        let pool_wait = HistogramOpts::new("herald_db_pool_wait_seconds", "Wait for a database connection.");
        let looks = HistogramOpts::new(
            "herald_plan_look_seconds",
            "Time of one look at the plans that listeners wait for; one look serves all of them.",
        );
        let metrics = Metrics {
            listeners: IntGauge::new(
                "herald_plan_listeners",
                "Event streams and waiting requests that are open.",
            )?,
            watched: IntGauge::new("herald_plans_watched", "Plans that listeners wait for.")?,
            looks: Histogram::with_opts(looks.buckets(BUCKETS.to_vec()))?,
            exported: IntCounter::new("herald_exported_rows_total", "Rows written to exports.")?,
            requests: IntCounterVec::new(requests, &["route", "method", "status"])?,
            duration: HistogramVec::new(duration.buckets(BUCKETS.to_vec()), &["route", "method"])?,
            accepted: IntCounterVec::new(accepted, &["priority"])?,
            pool_wait: Histogram::with_opts(pool_wait.buckets(BUCKETS.to_vec()))?,
        };
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.duration.clone()))?;
        registry.register(Box::new(metrics.accepted.clone()))?;
        registry.register(Box::new(metrics.pool_wait.clone()))?;
        registry.register(Box::new(metrics.listeners.clone()))?;
        registry.register(Box::new(metrics.watched.clone()))?;
        registry.register(Box::new(metrics.looks.clone()))?;
        registry.register(Box::new(metrics.exported.clone()))?;
        for lane in Lane::ALL {
            metrics.accepted.with_label_values(&[lane.as_str()]);
        }
        Ok(metrics)
    }

    /// Counts an answer.
    pub fn answered(&self, route: &str, method: &str, status: u16, since: Instant) {
        self.requests.with_label_values(&[route, method, &status.to_string()]).inc();
        self.duration.with_label_values(&[route, method]).observe(since.elapsed().as_secs_f64());
    }

    /// Counts an accepted plan.
    pub fn accepted(&self, lane: Lane) {
        self.accepted.with_label_values(&[lane.as_str()]).inc();
    }

    /// Records a wait for a connection.
    pub fn waited(&self, since: Instant) {
        self.pool_wait.observe(since.elapsed().as_secs_f64());
    }

    /// Tells how many listeners there are, and how many plans they wait for.
    pub fn listening(&self, listeners: usize, plans: usize) {
        self.listeners.set(i64::try_from(listeners).unwrap_or(i64::MAX));
        self.watched.set(i64::try_from(plans).unwrap_or(i64::MAX));
    }

    /// Records a look at watched plans.
    pub fn looked(&self, since: Instant) {
        self.looks.observe(since.elapsed().as_secs_f64());
    }

    /// Counts rows of an export.
    pub fn exported(&self, rows: usize) {
        self.exported.inc_by(rows as u64);
    }
}
