//! Files of plans on their way into mails: read and encoded once, shared by the mails of everybody, within a bound.
//!
//! A part keeps its share of the room as long as anybody holds it, whether it is kept here for the next mail or being written into one. One
//! caller at a time loads, and takes all that its mail needs before it lets go: nobody waits for room with a part in hand, so nobody waits for
//! ever.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::Pool;
use herald_shared::db::{self, files};
use herald_shared::domain::{Class, Failure, Reason};
use lettre::message::header::{ContentTransferEncoding, ContentType};
use lettre::message::{Attachment, Body};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use uuid::Uuid;

use crate::wording::tidy;

/// Bytes of encoded files in memory at once; the files of one plan may have 20 MB, which are 28 MB encoded.
const ROOM: usize = 64 * 1024 * 1024;
/// Permits are whole kilobytes.
const UNIT: usize = 1024;
/// Longest wait for room: mails that hold it may wait for their server for minutes.
const ROOM_WAIT: Duration = Duration::from_secs(30);
/// For the database's answer.
const STEP: Duration = Duration::from_secs(12);
/// Bytes a line of base64 stands for, and has with its line end (RFC 2045 6.8).
const LINE: (usize, usize) = (57, 78);
/// Bytes of a part's headers, at most; a name of 150 characters has 1350 encoded.
const HEADERS: usize = 4096;

/// A file as it stands in a mail: content headers and base64, ending in a line end.
pub(crate) struct Part {
    bytes: Vec<u8>,
    #[expect(dead_code, reason = "held, never read")]
    room: Option<OwnedSemaphorePermit>,
}

impl Part {
    /// The part of a file with this name and media type.
    pub(crate) fn of(
        name: &str,
        media_type: &str,
        bytes: Vec<u8>,
        room: Option<OwnedSemaphorePermit>,
    ) -> Self {
        let kind = ContentType::parse(media_type).unwrap_or_else(|_| octets());
        // Whatever the bytes look like: lines of a text would be changed otherwise.
        let body = Body::new_with_encoding(bytes, ContentTransferEncoding::Base64);
        let body = body.unwrap_or_else(Body::new);
        Part { bytes: Attachment::new(name.to_owned()).body(body, kind).formatted(), room }
    }

    /// Its bytes; no line of them begins with a dot.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl std::fmt::Debug for Part {
    /// Shows nothing of the file.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

fn octets() -> ContentType {
    ContentType::parse("application/octet-stream").expect("it is a media type")
}

/// Files by tenant and public id, least recently used first.
type Kept = VecDeque<((i64, Uuid), Arc<Part>)>;

/// Where drivers have the files of plans from.
pub struct Attachments {
    pool: Pool,
    room: Arc<Semaphore>,
    kept: Mutex<Kept>,
    turn: tokio::sync::Mutex<()>,
}

impl Attachments {
    /// None yet; they come from the database behind `pool`.
    #[must_use]
    pub fn new(pool: Pool) -> Self {
        let room = Arc::new(Semaphore::new(ROOM / UNIT));
        Attachments { pool, room, kept: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// The parts of a tenant's files, in this order.
    ///
    /// # Errors
    /// Transient when the database does not answer, or mails that are being written hold all room; permanent when a file is gone.
    pub(crate) async fn parts(&self, tenant_id: i64, uids: &[Uuid]) -> Result<Vec<Arc<Part>>, Failure> {
        let all = || uids.iter().map(|uid| self.known((tenant_id, *uid))).collect::<Option<Vec<_>>>();
        if let Some(parts) = all() {
            return Ok(parts);
        }
        let _turn = self.turn.lock().await;
        let mut parts = Vec::with_capacity(uids.len());
        for uid in uids {
            let key = (tenant_id, *uid);
            parts.push(match self.known(key) {
                Some(part) => part,
                None => self.load(key).await?,
            });
        }
        Ok(parts)
    }

    /// A part that is kept; it becomes the most recently used.
    fn known(&self, key: (i64, Uuid)) -> Option<Arc<Part>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|(known, _)| *known == key)?;
        let entry = kept.remove(place)?;
        let part = entry.1.clone();
        kept.push_back(entry);
        Some(part)
    }

    async fn load(&self, key: (i64, Uuid)) -> Result<Arc<Part>, Failure> {
        let (tenant_id, uid) = key;
        let described =
            db::ask(&self.pool, STEP, async |client| files::named(client, tenant_id, &[uid]).await).await;
        let file = described.map_err(|error| transient("database", &error.to_string()))?.pop();
        let file = file.ok_or_else(gone)?;
        let room = self.room(file.size).await?;
        let read = async |client: &mut db::Client| files::piece(client, file.id, 0, file.size).await;
        let bytes = db::ask(&self.pool, STEP, read).await;
        let bytes = bytes.map_err(|error| transient("database", &error.to_string()))?.ok_or_else(gone)?;
        let part = Arc::new(Part::of(&file.name, &file.media_type, bytes, Some(room)));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((key, part.clone()));
        Ok(part)
    }

    /// Room for a file of `size` bytes, encoded: what is kept gives way, then mails that are being written are waited for.
    async fn room(&self, size: usize) -> Result<OwnedSemaphorePermit, Failure> {
        let bytes = (size / LINE.0 + 1) * LINE.1 + HEADERS;
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        loop {
            if let Ok(room) = self.room.clone().try_acquire_many_owned(units) {
                return Ok(room);
            }
            let oldest = self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            if oldest.is_none() {
                break;
            }
        }
        match timeout(ROOM_WAIT, self.room.clone().acquire_many_owned(units)).await {
            Ok(Ok(room)) => Ok(room),
            _ => Err(transient("memory", "mails that are being written hold all room for attachments")),
        }
    }
}

fn transient(code: &str, detail: &str) -> Failure {
    failure(Class::Transient, code, detail, Reason::Timeout)
}

fn gone() -> Failure {
    failure(
        Class::PermanentRequest,
        "attachment",
        "a file of the plan is not there any more",
        Reason::Rejected,
    )
}

fn failure(class: Class, code: &str, detail: &str, reason: Reason) -> Failure {
    Failure { class, code: code.to_owned(), detail: tidy(detail), reason, retry_after: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_its_name_and_what_it_stands_for_fits_the_room_it_takes() {
        let bytes: Vec<u8> = (0..5000u16).flat_map(u16::to_be_bytes).collect();
        for name in ["plan.pdf".to_owned(), format!("{}.pdf", "水".repeat(146))] {
            let part = Part::of(&name, "application/pdf", bytes.clone(), None);
            let text = std::str::from_utf8(part.bytes()).unwrap();
            assert!(text.is_ascii() && text.ends_with("\r\n"), "{name}");
            assert!(text.contains("Content-Type: application/pdf\r\n"), "{text}");
            assert!(text.contains("Content-Transfer-Encoding: base64\r\n"), "{text}");
            assert!(text.split("\r\n").all(|line| line.len() <= 78 && !line.starts_with('.')), "{text}");
            assert!(part.bytes().len() <= (bytes.len() / LINE.0 + 1) * LINE.1 + HEADERS);
        }
    }

    #[test]
    fn what_looks_like_a_text_is_not_changed() {
        let part = Part::of("a.pdf", "application/pdf", b"%PDF-1.4\n.\n".to_vec(), None);
        assert!(part.bytes().ends_with(b"\r\n\r\nJVBERi0xLjQKLgo=\r\n"), "{:?}", part.bytes().len());
    }
}
