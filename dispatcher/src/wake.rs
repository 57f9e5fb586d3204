//! Admission by wake: jobs born published go straight to their queue, without touching the database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use herald_shared::amqp::{self, Delivery};
use herald_shared::db::{self, ANSWER, admit};
use herald_shared::domain::account_choice::Candidate;
use herald_shared::domain::pacing::Pacing;
use herald_shared::domain::pointer::{Pointer, Wake};
use herald_shared::domain::{Channel, Lane};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{CHANNELS, Shared, window};

/// Publishes that may wait for their confirm at once.
const IN_FLIGHT: usize = 16;

/// What hints may use of accounts with a limit, as far as the scan has met them.
pub(crate) struct Wakes {
    started: Instant,
    pacing: Mutex<Pacing>,
}

impl Default for Wakes {
    fn default() -> Self {
        Wakes { started: Instant::now(), pacing: Mutex::default() }
    }
}

impl Wakes {
    /// Takes note of an account's limit.
    pub(crate) fn limit(&self, account: &Candidate) {
        let mut pacing = self.pacing.lock().unwrap_or_else(PoisonError::into_inner);
        pacing.limit(account.id, account.per_second, self.started.elapsed());
    }

    /// Whether a job may go to its account now.
    fn take(&self, channel: Channel, pointer: &Pointer) -> bool {
        let (now, mut pacing) =
            (self.started.elapsed(), self.pacing.lock().unwrap_or_else(PoisonError::into_inner));
        let free = pacing.wait(pointer.account, now).is_zero();
        if free {
            pacing.take(pointer.account, channel.calls(pointer.units), now);
        }
        free
    }
}

/// Publishes what the API says is due, until `stop`.
pub(crate) async fn run(
    shared: Arc<Shared>,
    mut hints: mpsc::Receiver<Delivery>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut publishing: JoinSet<()> = JoinSet::new();
    loop {
        let first = tokio::select! {
            () = stop.cancelled() => break,
            first = hints.recv() => match first { Some(first) => first, None => break },
        };
        let mut jobs: HashMap<(Channel, Lane), Vec<Pointer>> = HashMap::new();
        take(&mut jobs, &first);
        let mut last = first;
        // While publishes wait for their confirms, hints pile up and travel together: load makes messages larger.
        while publishing.len() >= IN_FLIGHT {
            publishing.join_next().await.transpose()?;
        }
        while let Ok(more) = hints.try_recv() {
            take(&mut jobs, &more);
            last = more;
        }
        while let Some(done) = publishing.try_join_next() {
            done?;
        }
        for ((channel, lane), pointers) in jobs {
            let shared = shared.clone();
            publishing.spawn(async move { send(&shared, channel, lane, pointers).await });
        }
        // After the publishes have started: an ack takes a trip to the connection's thread.
        last.ack_up_to_here().await;
    }
    while let Some(done) = publishing.join_next().await {
        done?;
    }
    Ok(())
}

fn take(jobs: &mut HashMap<(Channel, Lane), Vec<Pointer>>, hint: &Delivery) {
    for Wake { pointer, channel, lane } in amqp::wakes(hint) {
        if CHANNELS.contains(&channel) {
            jobs.entry((channel, lane)).or_default().push(pointer);
        }
    }
}

async fn send(shared: &Shared, channel: Channel, lane: Lane, pointers: Vec<Pointer>) {
    let mut room = shared.windows.room(channel, lane);
    let (now, later): (Vec<Pointer>, Vec<Pointer>) = pointers.into_iter().partition(|pointer| {
        let fits = room > 0 && (lane == Lane::Urgent || shared.wakes.take(channel, pointer));
        room -= if fits { i64::from(pointer.units) } else { 0 };
        fits
    });
    if !later.is_empty() {
        put_back(shared, lane, &later).await;
    }
    if !now.is_empty() {
        window::publish(shared, channel, lane, now).await;
    }
}

/// Their window is full, or their account: they wait their turn with the others.
async fn put_back(shared: &Shared, lane: Lane, pointers: &[Pointer]) {
    let ids: Vec<i64> = pointers.iter().map(|pointer| pointer.job).collect();
    let put_back = db::ask(shared.pool(lane), ANSWER, async |client| admit::put_back(client, &ids).await);
    if let Err(error) = put_back.await {
        tracing::warn!(
            error = error.chain(),
            "could not put jobs back: they come back by their visibility time"
        );
    }
}
