//! Reading pages and writing the file, at the pace of whoever takes it.

use std::time::Duration;

use axum::body::Bytes;
use futures_util::stream::{self, Stream};
use herald_shared::db;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{self, Sender};
use tokio::time::timeout;

use super::Rows;
use crate::App;
use crate::export::{Cell, Writer};

/// Pieces that wait to be taken.
const AHEAD: usize = 2;
/// A client that takes nothing for this long does not keep another from its turn.
const STANDSTILL: Duration = Duration::from_secs(60);
/// Looks at a page while the database is away, and the wait between two.
const TRIES: u32 = 10;
const AGAIN: Duration = Duration::from_secs(1);

enum Part {
    Piece(Vec<u8>),
    /// Nothing is missing.
    Whole,
}

/// Starts the work; what it gives is the body. A file that could not be written to its end breaks off, so that nobody takes it for whole.
pub(super) fn start(
    app: App,
    rows: Rows,
    writer: Writer,
    turn: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        if produce(&app, rows, writer, &sender).await.is_none() {
            tracing::warn!("an export broke off");
        }
        drop(turn);
    });
    stream::unfold(Some(receiver), async |receiver| {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Part::Piece(bytes)) => Some((Ok(bytes.into()), Some(receiver))),
            Some(Part::Whole) => None,
            None => Some((Err(std::io::Error::other("the export broke off")), None)),
        }
    })
}

/// `None`: the client went away or stands still, or the database does.
async fn produce(app: &App, mut rows: Rows, mut writer: Writer, out: &Sender<Part>) -> Option<()> {
    while let Some(page) = next(app, &mut rows).await? {
        for row in &page {
            writer.row(row);
        }
        app.metrics.exported(page.len());
        give(out, Part::Piece(writer.take())).await?;
    }
    give(out, Part::Piece(writer.finish())).await?;
    give(out, Part::Whole).await
}

async fn give(out: &Sender<Part>, part: Part) -> Option<()> {
    if matches!(&part, Part::Piece(bytes) if bytes.is_empty()) {
        return Some(());
    }
    timeout(STANDSTILL, out.send(part)).await.ok()?.ok()
}

/// The next page, with a connection for as long as it takes; the outer `None`: it cannot be had.
async fn next(app: &App, rows: &mut Rows) -> Option<Option<Vec<Vec<Cell>>>> {
    for _ in 0..TRIES {
        let asked = async { rows.next(&app.pool.get().await?).await };
        match timeout(app.deadline, asked).await.unwrap_or(Err(db::Error::Deadline)) {
            Ok(page) => return Some(page),
            Err(error) if error.is_unavailable() => {
                tracing::warn!(error = error.chain(), "an export waits for the database");
                tokio::time::sleep(AGAIN).await;
            }
            Err(error) => {
                tracing::error!(error = error.chain(), "a page of an export could not be read");
                return None;
            }
        }
    }
    None
}
