//! Natural batching: what is waiting is done together; nobody waits for a timer.

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// The submitting end. Cheap to clone; at most the given number of items wait.
pub struct Batcher<T, R>(mpsc::Sender<(T, oneshot::Sender<R>)>);

impl<T, R> Clone for Batcher<T, R> {
    fn clone(&self) -> Self {
        Batcher(self.0.clone())
    }
}

impl<T: Send + 'static, R: Send + 'static> Batcher<T, R> {
    /// Submits one item and waits for its result; `None` when the batcher has stopped, or gave this item up.
    pub async fn submit(&self, item: T) -> Option<R> {
        self.enqueue(item).await.await.ok()
    }

    /// Submits one item; its result comes later, as an error when the batcher has stopped or gave it up. With `parallel` 1
    /// items are done in the order they were submitted.
    pub async fn enqueue(&self, item: T) -> oneshot::Receiver<R> {
        let (answer, result) = oneshot::channel();
        // When the batcher has stopped, `answer` is dropped with the refused item and the receiver says so.
        drop(self.0.send((item, answer)).await);
        result
    }
}

/// A batcher and the task that must run for it. The task ends when every submitter is gone and all is done.
///
/// - `parallel` batches are in work at a time (each wants a connection of its own), of at most `size` items.
/// - `work` returns a result per item, in order; a missing one gives the item up.
pub fn batcher<T, R, F, W>(
    parallel: usize,
    size: usize,
    work: W,
) -> (Batcher<T, R>, impl Future<Output = anyhow::Result<()>> + Send)
where
    T: Send + 'static,
    R: Send + 'static,
    F: Future<Output = Vec<R>> + Send + 'static,
    W: Fn(Vec<T>) -> F + Send + 'static,
{
    let (sender, mut receiver) = mpsc::channel::<(T, oneshot::Sender<R>)>(size * parallel * 4);
    let run = async move {
        let mut running: JoinSet<()> = JoinSet::new();
        let mut waiting = Vec::with_capacity(size);
        while receiver.recv_many(&mut waiting, size).await > 0 {
            let (items, answers): (Vec<T>, Vec<oneshot::Sender<R>>) = waiting.drain(..).unzip();
            let results = work(items);
            running.spawn(async move {
                for (answer, result) in answers.into_iter().zip(results.await) {
                    // A submitter that is gone no longer wants to know.
                    drop(answer.send(result));
                }
            });
            // The limit comes before the next batch is gathered, so that the batch grows while it waits.
            while running.len() >= parallel {
                running.join_next().await.transpose()?;
            }
        }
        while let Some(done) = running.join_next().await {
            done?;
        }
        Ok(())
    };
    (Batcher(sender), run)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn what_waits_is_done_together_and_each_gets_its_own_answer() {
        let batches = Arc::new(AtomicUsize::new(0));
        let count = batches.clone();
        let (batcher, run) = batcher(1, 16, move |items: Vec<u32>| {
            count.fetch_add(1, Ordering::SeqCst);
            async move { items.into_iter().map(|item| item * 2).collect() }
        });
        let task = tokio::spawn(run);
        let answers = futures_util::future::join_all((0..64).map(|i| batcher.submit(i))).await;
        assert_eq!(answers, (0..64).map(|i| Some(i * 2)).collect::<Vec<_>>());
        assert!(batches.load(Ordering::SeqCst) < 64);
        drop(batcher);
        task.await.unwrap().unwrap();
    }
}
