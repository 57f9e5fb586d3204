//! Intake: queue messages become running jobs; a message is acked when all its jobs are recorded.

use std::sync::Arc;

use herald_shared::amqp::Delivery;
use herald_shared::db::{self, ANSWER, Client, parked};
use herald_shared::domain::pointer::{Envelope, Pointer};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::DropGuard;

use crate::{LaneContext, runner};

/// Takes messages of one queue until its consumer ends, then finishes what is in hand.
pub(crate) async fn run(
    context: Arc<LaneContext>,
    mut messages: mpsc::Receiver<Delivery>,
    in_hand: Arc<DropGuard>,
) -> anyhow::Result<()> {
    let stop = context.shared.stop.clone();
    let mut running: JoinSet<()> = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(done) = running.join_next() => done?,
            message = messages.recv() => match message {
                Some(message) => { running.spawn(handle(context.clone(), message)); }
                None => break,
            },
        }
    }
    while let Some(done) = running.join_next().await {
        done?;
    }
    drop(in_hand);
    Ok(())
}

/// One message: its jobs side by side, then the ack.
async fn handle(context: Arc<LaneContext>, message: Delivery) {
    let pointers = match Envelope::decode(&message.body) {
        Ok(pointers) => pointers,
        Err(reason) => return park(&context, message, &reason.to_string()).await,
    };
    let jobs = pointers.into_iter().map(|pointer| job(context.clone(), pointer));
    futures_util::future::join_all(jobs).await;
    // Acked even if something could not be recorded: the job is still claimed then, and the lease's end gives it back.
    message.ack().await;
}

async fn job(context: Arc<LaneContext>, pointer: Pointer) {
    let running = &context.shared.running;
    // A second pointer to a job in work here says nothing new.
    if !running.lock().expect("nothing panics while it is held").insert(pointer.job) {
        return;
    }
    if !runner::run(&context, pointer).await {
        // It stays in the set: calls of it may have gone out unrecorded, so this run must not take it again.
        return;
    }
    running.lock().expect("nothing panics while it is held").remove(&pointer.job);
}

/// Keeps a message that cannot be decoded for the operator; the others are not affected.
async fn park(context: &LaneContext, message: Delivery, reason: &str) {
    let keep = async |client: &mut Client| parked::park(client, &message.queue, reason, &message.body).await;
    match db::ask(&context.pool, ANSWER, keep).await {
        Ok(()) => {
            context.shared.metrics.parked.inc();
            tracing::error!(queue = %message.queue, reason, "parked a broken queue message: see table parked_message");
            message.ack().await;
        }
        // Not acked: it comes again.
        Err(error) => tracing::warn!(error = error.chain(), "could not park a broken queue message"),
    }
}
