//! The service's own word: a status and why, written from anywhere in the service, the hottest loops included.
//!
//! Writing neither allocates nor waits, whoever reads or writes meanwhile; a reader that was overtaken reads again. It is
//! a sequence lock over atomics (Boehm, "Can seqlocks get along with programming language memory models?", MSPC 2012).
//! A mutex was not taken: whoever holds it may lose its core, and then the service waits for a reader of its health. An
//! `ArcSwap` was not taken either: it waits for nobody, but allocates with each word.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};

use ward_model::{Status, bounds::MESSAGE_BYTES};
use ward_proto::message;

/// Bytes of a cell.
const WIDTH: usize = size_of::<u64>();
/// The status stands in the lowest bits of the head, the length of the text above them.
const STATUS_BITS: u32 = 2;

/// See the module. Unknown, with nothing said, before the first word.
#[derive(Debug)]
pub(crate) struct Word {
    /// Twice the number of words written; odd while one is being written.
    version: AtomicU64,
    head: AtomicU64,
    text: [AtomicU64; MESSAGE_BYTES / WIDTH],
}

/// What a new word changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// It is the first, or of another status than the one before.
    News,
    /// At most the text is another.
    Nothing,
}

impl Default for Word {
    fn default() -> Self {
        Self {
            version: AtomicU64::new(0),
            head: AtomicU64::new(head(Status::Unknown, 0)),
            text: [const { AtomicU64::new(0) }; MESSAGE_BYTES / WIDTH],
        }
    }
}

impl Word {
    /// Says it; of the text at most [`MESSAGE_BYTES`] are kept.
    pub(crate) fn say(&self, status: Status, text: &str) -> Said {
        let text = cut(text);
        let version = self.version.load(Acquire);
        let (before, after) = (self.head.load(Relaxed), head(status, text.len()));
        let same =
            version != 0 && before == after && cells(text).zip(&self.text).all(|(a, b)| a == b.load(Relaxed));
        if same && self.is_still(version) {
            return Said::Nothing;
        }
        let is_free = version.is_multiple_of(2);
        if !is_free
            || self
                .version
                .compare_exchange(version, version + 1, Acquire, Relaxed)
                .is_err()
        {
            // Another thread is saying something at this moment, and it may well be that it has the last word.
            return Said::Nothing;
        }
        // No reader sees what is written below without seeing that it is being written.
        fence(Release);
        self.head.store(after, Relaxed);
        cells(text)
            .zip(&self.text)
            .for_each(|(cell, place)| place.store(cell, Relaxed));
        self.version.store(version + 2, Release);
        let moved = version == 0 || status_of(before) != status;
        if moved { Said::News } else { Said::Nothing }
    }

    /// The last word, made harmless for people; `None` before the first.
    pub(crate) fn get(&self) -> Option<(Status, String)> {
        loop {
            let version = self.version.load(Acquire);
            if version == 0 {
                return None;
            }
            let head = self.head.load(Relaxed);
            let text = self.text(head);
            if self.is_still(version) {
                let text = String::from_utf8(text).expect("a text that nobody wrote to is whole");
                return Some((status_of(head), message(text)));
            }
            // Whoever is writing may be without a core.
            std::thread::yield_now();
        }
    }

    fn text(&self, head: u64) -> Vec<u8> {
        let length = usize::try_from(head >> STATUS_BITS)
            .unwrap_or(usize::MAX)
            .min(MESSAGE_BYTES);
        let cells = self.text.iter().take(length.div_ceil(WIDTH));
        let mut text: Vec<u8> = cells.flat_map(|cell| cell.load(Relaxed).to_le_bytes()).collect();
        text.truncate(length);
        text
    }

    /// Nothing was written since `version`, nor was then.
    fn is_still(&self, version: u64) -> bool {
        fence(Acquire);
        version.is_multiple_of(2) && self.version.load(Relaxed) == version
    }
}

fn head(status: Status, length: usize) -> u64 {
    (length as u64) << STATUS_BITS | status as u64
}

fn status_of(head: u64) -> Status {
    Status::ALL[(head & ((1 << STATUS_BITS) - 1)) as usize]
}

/// What of the text is kept, whole characters.
fn cut(text: &str) -> &[u8] {
    let most = MESSAGE_BYTES.min(text.len());
    let boundary = (0..=most).rev().find(|&at| text.is_char_boundary(at));
    &text.as_bytes()[..boundary.unwrap_or_default()]
}

/// The text in cells, the last one filled up with zeros.
fn cells(text: &[u8]) -> impl Iterator<Item = u64> + '_ {
    let (whole, rest) = text.as_chunks::<WIDTH>();
    let last = (!rest.is_empty()).then(|| {
        let mut cell = [0; WIDTH];
        cell[..rest.len()].copy_from_slice(rest);
        cell
    });
    whole.iter().copied().chain(last).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_word_is_news_if_its_status_is() {
        let word = Word::default();
        assert_eq!(word.get(), None);
        let said = [
            (Status::Unknown, "", Said::News),
            (Status::Unknown, "starting", Said::Nothing),
            (Status::Degraded, "starting", Said::News),
            (Status::Degraded, "starting", Said::Nothing),
            (Status::Degraded, "short", Said::Nothing),
        ];
        for (status, text, expected) in said {
            assert_eq!(word.say(status, text), expected, "{status} {text}");
            assert_eq!(word.get(), Some((status, text.into())));
        }
    }

    #[test]
    fn a_text_is_cut_and_made_harmless() {
        let word = Word::default();
        for text in [
            "\u{1b}[31mred\n",
            &"ä".repeat(MESSAGE_BYTES),
            &format!("x{}", "ä".repeat(MESSAGE_BYTES)),
        ] {
            word.say(Status::Degraded, text);
            assert_eq!(word.get(), Some((Status::Degraded, message(text.into()))));
        }
    }

    #[test]
    fn nobody_reads_half_a_word() {
        const WORDS: u32 = 20_000;
        let word = Word::default();
        let text = |status: Status| status.as_str().repeat(1 + 7 * status as usize);
        thread::scope(|scope| {
            for writer in 0..2 {
                let word = &word;
                scope.spawn(move || {
                    for number in 0..WORDS {
                        let status = Status::ALL[((number + writer) % 4) as usize];
                        word.say(status, &text(status));
                    }
                });
            }
            for _ in 0..WORDS {
                if let Some((status, said)) = word.get() {
                    assert_eq!(said, text(status));
                }
            }
        });
    }
}
