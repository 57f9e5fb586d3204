//! One thread that reads long bodies, so that the runtime's threads stay free for other requests.
//!
//! Not `spawn_blocking`: each of its threads would get an allocation arena of its own, and each arena keeps the tens of
//! megabytes that one large body took (measured: 157 instead of 118 MB after some rounds of 16 bodies of 10 MB).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;

use tokio::sync::oneshot;

type Work = Box<dyn FnOnce() + Send>;

/// The submitting end; the thread ends with it. Its queue is bounded by the budget for bodies.
pub struct Reader(mpsc::Sender<Work>);

impl Reader {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the operating system refuses another thread.
    pub fn start() -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel::<Work>();
        std::thread::Builder::new().name("reader".to_owned()).spawn(move || {
            for work in receiver {
                // A panic is one request's failure; the panic hook has logged it.
                drop(catch_unwind(AssertUnwindSafe(work)));
            }
        })?;
        Ok(Reader(sender))
    }

    /// Runs `work` on the thread; `None` when it panicked.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (answer, result) = oneshot::channel();
        // Whoever hung up does not want the result any more.
        let work: Work = Box::new(move || drop(answer.send(work())));
        self.0.send(work).ok()?;
        result.await.ok()
    }
}
