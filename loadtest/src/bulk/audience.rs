//! An audience as CSV, made while it is streamed.

use futures_util::stream;
use reqwest::Body;

/// Lines of one piece of the stream.
const PIECE: u64 = 2000;

/// `people` lines of `key,name,wecom` with their head; person `n` is the member `person-n`.
pub(crate) fn csv(people: u64) -> Body {
    let pieces = (0..people.div_ceil(PIECE)).map(move |piece| {
        let (from, to) = (piece * PIECE, people.min((piece + 1) * PIECE));
        Ok::<_, std::io::Error>(lines(from, to))
    });
    Body::wrap_stream(stream::iter(pieces))
}

fn lines(from: u64, to: u64) -> String {
    let mut text = String::with_capacity(48 * PIECE as usize);
    if from == 0 {
        text.push_str("key,name,wecom\n");
    }
    for person in from..to {
        text.push_str(&format!("E{person},Person {person},person-{person}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_comes_once() {
        assert_eq!(lines(0, 1), "key,name,wecom\nE0,Person 0,person-0\n");
        assert_eq!(lines(1, 2), "E1,Person 1,person-1\n");
    }
}
