//! A workbook on its way into a draft: kept in a file that has no name, then read by a thread of its own while its rows are written.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use axum::body::BodyDataStream;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use super::upload::{next, soon, unreadable};
use crate::error::{Kind, Problem, Result};
use crate::sheets::{self, Row};

/// Rows handed over at once, and how many such batches may wait.
const BATCH: usize = 200;
const WAITING: usize = 2;

/// The rows of a workbook.
pub(super) struct Sheet {
    rows: mpsc::Receiver<Result<Vec<Row>, String>>,
    first: Option<Vec<Row>>,
}

/// Takes the whole file, and its first rows: of one that cannot be read nothing begins.
pub(super) async fn open(stream: &mut BodyDataStream, begun: Instant) -> Result<Sheet> {
    let file = keep(stream, begun).await?;
    let (sender, rows) = mpsc::channel(WAITING);
    let reading = std::thread::Builder::new().name("workbook".to_owned()).spawn(move || read(file, &sender));
    // The thread ends with the receiver; nobody waits for it.
    drop(reading.map_err(|error| no_room(&error))?);
    let mut sheet = Sheet { rows, first: None };
    sheet.first = sheet.next(begun).await?;
    Ok(sheet)
}

impl Sheet {
    /// Some more rows; `None` at the end.
    pub(super) async fn next(&mut self, begun: Instant) -> Result<Option<Vec<Row>>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        soon(begun, self.rows.recv()).await?.transpose().map_err(unreadable)
    }
}

async fn keep(stream: &mut BodyDataStream, begun: Instant) -> Result<File> {
    let file = tempfile::tempfile().map_err(|error| no_room(&error))?;
    let mut file = tokio::fs::File::from_std(file);
    let mut bytes = 0;
    while let Some(chunk) = next(stream, begun).await? {
        bytes += chunk.len() as u64;
        if bytes > sheets::MAX_BYTES {
            let limit = sheets::MAX_BYTES / 1024 / 1024;
            let detail = format!("A workbook may have {limit} MB; send a larger audience as CSV.");
            return Err(Problem::new(Kind::BodyTooLarge, detail));
        }
        file.write_all(&chunk).await.map_err(|error| no_room(&error))?;
    }
    let kept = async {
        file.flush().await?;
        let mut file = file.into_std().await;
        io::Seek::rewind(&mut file)?;
        Ok(file)
    };
    kept.await.map_err(|error: io::Error| no_room(&error))
}

fn no_room(error: &io::Error) -> Problem {
    tracing::error!(%error, "a workbook cannot be kept: is there room in TMPDIR?");
    Problem::unavailable("The workbook cannot be kept at this moment; try again, or send it as CSV.", 30)
}

fn read(file: File, sender: &mpsc::Sender<Result<Vec<Row>, String>>) {
    let mut batch = Vec::new();
    let read = catch_unwind(AssertUnwindSafe(|| {
        sheets::read(file, &mut |row| {
            batch.push(row);
            if batch.len() == BATCH { hand_over(sender, std::mem::take(&mut batch)) } else { Ok(()) }
        })
    }));
    // Whoever hung up does not want the rest any more.
    drop(match read {
        Ok(Ok(())) if batch.is_empty() => Ok(()),
        Ok(Ok(())) => hand_over(sender, batch),
        Ok(Err(detail)) => sender.blocking_send(Err(detail)).map_err(|_| String::new()),
        // The panic hook has logged it.
        Err(_) => sender.blocking_send(Err("The workbook is damaged.".to_owned())).map_err(|_| String::new()),
    });
}

fn hand_over(sender: &mpsc::Sender<Result<Vec<Row>, String>>, rows: Vec<Row>) -> Result<(), String> {
    sender.blocking_send(Ok(rows)).map_err(|_| String::new())
}
