//! The load: tenants that send, repeat what had no answer, and remember what they were told.

mod bodies;
mod log;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use herald_tests::Client;
use reqwest::Method;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::world::{Tenancy, World};
pub(crate) use bodies::Sort;
pub(crate) use log::{Entry, Log};

/// A client's patience with one request: a frozen API must not hold up the load.
const PATIENCE: Duration = Duration::from_secs(3);
/// Requests under way at once; beyond it the load waits, as a busy client would.
const UNDER_WAY: usize = 60;

/// What all senders share.
pub(crate) struct Load {
    pub(crate) log: Log,
    under_way: AtomicUsize,
    stop: watch::Sender<bool>,
}

impl Load {
    pub(crate) fn new() -> Arc<Load> {
        Arc::new(Load {
            log: Log::default(),
            under_way: AtomicUsize::new(0),
            stop: watch::Sender::new(false),
        })
    }

    /// Requests that have no answer at this moment.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    /// No more plans; those without an answer are still repeated.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Sends for every tenant until [`Load::stop`], then until every request has its answer.
    pub(crate) async fn run(self: Arc<Self>, world: Arc<World>, seed: u64) {
        let mut senders = JoinSet::new();
        for tenant in 0..world.tenants.len() {
            for (number, sort) in Sort::ALL.into_iter().enumerate() {
                let rng = fastrand::Rng::with_seed(seed ^ ((tenant as u64) << 32) ^ ((number as u64) << 40));
                senders.spawn(self.clone().sender(world.clone(), tenant, sort, rng));
            }
        }
        while let Some(ended) = senders.join_next().await {
            ended.unwrap();
        }
    }

    async fn sender(self: Arc<Self>, world: Arc<World>, tenant: usize, sort: Sort, mut rng: fastrand::Rng) {
        let mut stop = self.stop.subscribe();
        let mut requests = JoinSet::new();
        loop {
            let pause = sort.pause().mul_f64(0.5 + rng.f64());
            tokio::select! { _ = stop.wait_for(|stop| *stop) => break, () = tokio::time::sleep(pause) => {} }
            while let Some(ended) = requests.try_join_next() {
                ended.unwrap();
            }
            if self.under_way() < UNDER_WAY {
                let (load, world, rng) = (self.clone(), world.clone(), rng.fork());
                requests.spawn(async move { load.send(&world, tenant, sort, rng).await });
            }
        }
        while let Some(ended) = requests.join_next().await {
            ended.unwrap();
        }
    }

    /// One plan, asked for until there is an answer; some clients give up after the first silence.
    pub(crate) async fn send(
        &self,
        world: &World,
        tenant: usize,
        sort: Sort,
        mut rng: fastrand::Rng,
    ) -> Option<usize> {
        let who = &world.tenants[tenant];
        let number = self.log.begin(tenant, sort, &mut rng);
        let body = sort.body(who, number, self.log.people(number), &mut rng);
        let gives_up = rng.u8(..20) == 0;
        self.under_way.fetch_add(1, Ordering::Relaxed);
        let answered = self.until_answered(who, number, &body, gives_up, &mut rng).await;
        self.under_way.fetch_sub(1, Ordering::Relaxed);
        // A client that lost its notes asks again: the same key is the same plan, at every API.
        if answered && rng.u8(..20) == 0 {
            self.until_answered(who, number, &body, true, &mut rng).await;
        }
        answered.then_some(number)
    }

    async fn until_answered(
        &self,
        who: &Tenancy,
        number: usize,
        body: &str,
        gives_up: bool,
        rng: &mut fastrand::Rng,
    ) -> bool {
        let begun = Instant::now();
        loop {
            let client = &who.clients[rng.usize(..who.clients.len())];
            match ask(client, number, body).await {
                Some((202, id, _)) if id.is_some() => {
                    self.log.answered(number, id.expect("just looked"));
                    return true;
                }
                // Away, in progress, too many: all say "try again".
                Some((409 | 429 | 503, _, _)) => self.log.put_off(number),
                None => self.log.silent(number),
                Some((status, _, text)) => {
                    self.log.problem(format!("request {number} was answered {status}: {text}"));
                    return false;
                }
            }
            if gives_up || begun.elapsed() > Duration::from_secs(120) {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(rng.u64(100..600))).await;
        }
    }
}

/// Status, plan and words; none: there was no answer.
async fn ask(client: &Client, number: usize, body: &str) -> Option<(u16, Option<uuid::Uuid>, String)> {
    let key = format!("canary-key-{number}");
    let headers = [("idempotency-key", key.as_str())];
    let call = client.try_call(Method::POST, "/v1/plans", &headers, Some(body.as_bytes().to_vec()));
    let answer = tokio::time::timeout(PATIENCE, call).await.ok()?.ok()?;
    let id = answer.json()["id"].as_str().and_then(|id| id.parse().ok());
    Some((answer.status, id, answer.text))
}
