//! Opaque cursors: the key of the last row given out, so that a page costs the same wherever it is.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::problems::Problems;

/// Items of a page when `limit` is not given.
pub const DEFAULT_LIMIT: i64 = 50;
/// Most items of a page.
pub const MAX_LIMIT: i64 = 500;

/// One page of a list.
#[derive(Debug, Serialize)]
pub struct Page<T> {
    /// What there is.
    pub items: Vec<T>,
    /// Give it as `cursor` to go on; `null` at the end.
    pub next_cursor: Option<String>,
}

/// Writes a position of `N` numbers.
#[must_use]
pub fn write<const N: usize>(position: [i64; N]) -> String {
    let bytes: Vec<u8> = position.iter().flat_map(|number| number.to_be_bytes()).collect();
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads what [`write()`] wrote.
#[must_use]
pub fn read<const N: usize>(text: &str) -> Option<[i64; N]> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    if bytes.len() != N * 8 {
        return None;
    }
    let mut position = [0; N];
    for (number, chunk) in position.iter_mut().zip(bytes.chunks_exact(8)) {
        *number = i64::from_be_bytes(chunk.try_into().ok()?);
    }
    Some(position)
}

/// Cuts a list that was read one longer than `limit`; whether there was more.
pub fn cut<T>(items: &mut Vec<T>, limit: i64) -> bool {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    more
}

/// What every list can be asked for.
#[derive(Debug, Clone, Copy)]
pub struct Window<const N: usize> {
    /// Where to go on; `None` at the start.
    pub after: Option<[i64; N]>,
    /// Items wanted, 1..=[`MAX_LIMIT`].
    pub limit: i64,
}

impl<const N: usize> Window<N> {
    /// Reads `limit` and `cursor`.
    pub fn parse(limit: Option<&str>, cursor: Option<&str>, problems: &mut Problems) -> Self {
        let limit = limit.map_or(Some(DEFAULT_LIMIT), |text| {
            text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit))
        });
        if limit.is_none() {
            problems.parameter("limit", format!("must be a whole number from 1 to {MAX_LIMIT}"));
        }
        let after = cursor.map(read);
        if matches!(after, Some(None)) {
            problems.parameter("cursor", "is not a cursor of this list; take next_cursor as it is");
        }
        Window { after: after.flatten(), limit: limit.unwrap_or(DEFAULT_LIMIT) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_strangers_are_refused() {
        assert_eq!(read(&write([1, -2, i64::MAX])), Some([1, -2, i64::MAX]));
        assert_eq!(read::<2>(&write([1])), None);
        assert_eq!(read::<1>("not a cursor!"), None);
    }

    #[test]
    fn limits_are_1_to_500() {
        for (text, good) in
            [("1", true), ("500", true), ("0", false), ("501", false), ("x", false), ("-1", false)]
        {
            let mut problems = Problems::default();
            Window::<1>::parse(Some(text), None, &mut problems);
            assert_eq!(problems.is_empty(), good, "{text}");
        }
    }
}
