//! One owner per queue: this run's sign of life, who else lives, and which queues it admits.
//!
//! No clock but this process's own decides: another run is dead when its beat stood still for [`LEASE`] here, and this one stops
//! admitting [`OWN`] after it began its last beat, which is sooner. Two owners for a moment would only fill a window twice.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use herald_shared::db::turns::{self, Look, Turn};
use herald_shared::db::{self, Client, Error, Pool};
use herald_shared::domain::lease::Watch;
use herald_shared::domain::turns::rightful;
use herald_shared::domain::{Channel, Lane};
use tokio_util::sync::CancellationToken;

use crate::{CHANNELS, Shared};

/// A run whose beat stands still this long is dead.
const LEASE: Duration = Duration::from_secs(3);
/// How long a beat is good for, from its beginning.
const OWN: Duration = Duration::from_millis(2500);
/// Between two beats.
const BEAT: Duration = Duration::from_millis(500);
/// Longest wait for the answers to one: on a connection that has fallen silent it is given up so soon that the next beat, on a new
/// one, still comes in time.
const ANSWER: Duration = Duration::from_secs(1);

/// The lanes with owners: anyone admits urgent jobs.
const OWNED: [Lane; 2] = [Lane::Normal, Lane::Bulk];

/// Every queue with an owner.
fn owned() -> impl Iterator<Item = (Channel, Lane)> {
    CHANNELS.into_iter().flat_map(|channel| OWNED.map(|lane| (channel, lane)))
}

/// The queues this process admits.
#[derive(Default)]
pub(crate) struct Turns(Mutex<Option<Held>>);

struct Held {
    queues: HashSet<(Channel, Lane)>,
    until: Instant,
}

impl Turns {
    /// Whether this process admits the jobs of a queue now.
    pub(crate) fn mine(&self, channel: Channel, lane: Lane) -> bool {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has = |held: &Held| held.until > Instant::now() && held.queues.contains(&(channel, lane));
        lane == Lane::Urgent || held.as_ref().is_some_and(has)
    }

    fn set(&self, held: Option<Held>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = held;
    }
}

/// Keeps this run alive and its turns taken until `stop`, on a connection of its own: a beat must not wait behind a chunk.
pub(crate) async fn run(shared: Arc<Shared>, pool: Pool, stop: CancellationToken) -> anyhow::Result<()> {
    let mut keeper = Keeper { run: None, watch: Watch::new(LEASE), looked: Instant::now() };
    while !stop.is_cancelled() {
        let step = async |client: &mut Client| keeper.step(&shared, client).await;
        if let Err(error) = db::ask(&pool, ANSWER, step).await {
            tracing::warn!(
                error = error.chain(),
                "cannot renew this dispatcher's turns: others take them over"
            );
            show(&shared, &HashSet::new());
        }
        tokio::select! { () = stop.cancelled() => {}, () = tokio::time::sleep(BEAT) => {} }
    }
    shared.turns.set(None);
    if let Some(run) = keeper.run
        && let Err(error) = db::ask(&pool, ANSWER, async |client| turns::end(client, &[run]).await).await
    {
        tracing::info!(
            error = error.chain(),
            "cannot give up this dispatcher's turns: others wait 3 s for them"
        );
    }
    Ok(())
}

fn show(shared: &Shared, mine: &HashSet<(Channel, Lane)>) {
    for (channel, lane) in owned() {
        let labels = [channel.as_str(), lane.as_str()];
        shared.metrics.turns.with_label_values(&labels).set(i64::from(mine.contains(&(channel, lane))));
    }
}

struct Keeper {
    run: Option<i64>,
    watch: Watch,
    looked: Instant,
}

impl Keeper {
    async fn step(&mut self, shared: &Shared, client: &Client) -> Result<(), Error> {
        let begun = Instant::now();
        let me = self.beat(client).await?;
        let look = turns::look(client).await?;
        let living = self.living(client, me, &look).await?;
        let seen = |channel, lane| {
            let turn = look.turns.iter().find(|turn| turn.channel == channel && turn.lane == lane);
            turn.copied().unwrap_or(Turn { channel, lane, owner: None, epoch: 0 })
        };
        let (mut queues, mut spare) = (HashSet::new(), Vec::new());
        for (channel, lane) in owned() {
            let turn = seen(channel, lane);
            let rightful = rightful(channel, lane, &living) == Some(me);
            let free = turn.owner.is_none_or(|owner| !living.contains(&owner));
            if turn.owner == Some(me) && !rightful {
                spare.push((channel, lane));
            } else if rightful && (turn.owner == Some(me) || free && turns::take(client, me, &turn).await?) {
                queues.insert((channel, lane));
            }
        }
        show(shared, &queues);
        shared.turns.set(Some(Held { queues, until: begun + OWN }));
        if !spare.is_empty() {
            turns::release(client, me, &spare).await?;
        }
        Ok(())
    }

    /// Shows a sign of life; this run's number, a new one when the old was declared dead.
    async fn beat(&mut self, client: &Client) -> Result<i64, Error> {
        if let Some(run) = self.run
            && turns::beat(client, run).await?
        {
            return Ok(run);
        }
        let run = turns::begin(client).await?;
        self.run = Some(run);
        Ok(run)
    }

    /// Everybody alive, me included; the dead are ended.
    async fn living(&mut self, client: &Client, me: i64, look: &Look) -> Result<Vec<i64>, Error> {
        let others: Vec<(i64, i64)> = look.runs.iter().copied().filter(|(run, _)| *run != me).collect();
        let dead: Vec<i64> =
            self.watch.look(self.looked.elapsed(), &others).into_iter().map(|(run, _)| run).collect();
        self.looked = Instant::now();
        if !dead.is_empty() {
            turns::end(client, &dead).await?;
            tracing::info!(?dead, "dispatchers have ended without a word: their turns are taken over");
        }
        Ok(others.into_iter().map(|(run, _)| run).filter(|run| !dead.contains(run)).chain([me]).collect())
    }
}
