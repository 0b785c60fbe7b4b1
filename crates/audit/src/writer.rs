//! The one thread that appends, and the one that publishes.
//!
//! Append: a place for what others have encoded, hash, one write, one sync for all that waited, then the answers. Whatever else
//! can be done elsewhere is: events are encoded by those who have them written, and a file of the tail is published while the
//! other is filled. A second thread that syncs while this one hashes was not taken: hashing 64 entries takes far less
//! than a sync, and each would have to be taken back when the sync before it fails. An error of a write or a sync ends the
//! writer for good: after a failed sync the system may call pages clean that never reached the disk, so that a second try
//! succeeds and writes nothing. A full disk is the exception, since there the write itself is refused: a reserve is given
//! back to the system, the log says that it is full, and goes on when there is room.

use std::sync::Arc;

use tracing::{error, warn};
use ward_chassis::Clock;
use ward_model::{Epoch, Revision};
use ward_tlog::{Hash, Tree};

use crate::{
    event::{Draft, Kind, Prefix, Source},
    files::{FileError, Files, ROOT},
    layout::{Entry, RESERVE, TAILS},
    press::Press,
    queue::{AppendError, Body, Gap, Item, Receipt, State, Work},
    shared::Shared,
    tail::{Room, Tail},
};

/// What is kept for the words that the disk is full: more than a tail may grow by for them.
const RESERVE_BYTES: usize = 1 << 20;

/// Appends.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) tail: Tail,
    pub(crate) tree: Tree,
    /// The hash of the last entry.
    pub(crate) last: Hash,
    pub(crate) boot: String,
    /// Where an entry is put together.
    pub(crate) buffer: Vec<u8>,
    pub(crate) clock: Clock,
    /// Where the order of changes is.
    pub(crate) place: (Epoch, Revision),
}

/// Why a batch was not written.
#[derive(Debug)]
enum Stop {
    Full,
    Failed(String),
}

impl From<FileError> for Stop {
    fn from(error: FileError) -> Self {
        match error.is_full() {
            true => Self::Full,
            false => Self::Failed(format!("{error}: {}", error.source)),
        }
    }
}

impl Writer {
    /// Until the log is closed or cannot be written.
    pub(crate) fn run(mut self) {
        if let Err(stop) = reserve(&*self.files) {
            self.stop(stop.into());
        }
        loop {
            match self.shared.queue.take() {
                Work::Write(items) => {
                    // A disk that hangs says nothing by itself: whoever asks how the log stands sees for how long.
                    self.shared.writes(self.clock.mono());
                    self.write(items);
                    self.shared.rests();
                }
                Work::Full => self.say_full(),
                Work::Retry => self.retry(),
                Work::Close => break,
            }
        }
        self.shared.close();
    }

    fn write(&mut self, mut items: Vec<Item>) {
        let mut bodies = Vec::with_capacity(items.len());
        for item in &mut items {
            match item {
                Item::Event(place, body, _) => {
                    self.place = *place;
                    bodies.push(std::mem::take(body));
                }
                Item::Gap(gap) => bodies.push(self.gap(gap).body(&self.boot)),
            }
        }
        match self.commit(&bodies) {
            Ok(receipts) => {
                for (item, receipt) in items.into_iter().zip(receipts) {
                    if let Item::Event(_, _, Some(answer)) = item {
                        // Who does not wait any longer needs no answer.
                        drop(answer.send(Ok(receipt)));
                    }
                }
            }
            Err(stop) => {
                // Before anybody is told: whoever then asks how the log stands must hear the same. If the press failed
                // meanwhile, that is why.
                self.stop(stop);
                let error = match self.shared.queue.state() {
                    State::Failed(why) => AppendError::Failed(why),
                    State::Full | State::Writing => AppendError::Full,
                };
                self.shared.queue.give_up(items, &error);
            }
        }
    }

    /// Gives what was written its place, and makes it durable.
    fn commit(&mut self, bodies: &[Body]) -> Result<Vec<Receipt>, Stop> {
        self.room()?;
        let (first, mut tree, mut last) = (self.tree.size(), self.tree.clone(), self.last);
        let mut entries = Vec::with_capacity(bodies.len());
        for body in bodies {
            let entry = self.entry(tree.size(), &last, body);
            last = entry.leaf;
            tree.push(last);
            entries.push(entry);
        }
        self.tail.append(first, &entries)?;
        let place = |(n, entry): (usize, &Entry)| Receipt {
            index: first + n as u64,
            hash: entry.leaf,
        };
        let receipts = entries.iter().enumerate().map(place).collect();
        self.shared.durable(entries, tree.head());
        (self.tree, self.last) = (tree, last);
        Ok(receipts)
    }

    fn entry(&mut self, index: u64, last: &Hash, body: &Body) -> Entry {
        self.buffer.clear();
        self.buffer.extend_from_slice(Prefix::of(index, last).as_bytes());
        self.buffer.extend_from_slice(body);
        Entry::new(&self.buffer)
    }

    /// Waits for the press if the tail is full.
    fn room(&mut self) -> Result<(), Stop> {
        loop {
            let (published, stuck) = self.shared.first();
            match self.tail.make_room(published)? {
                Room::Here => return Ok(()),
                Room::Turned => {
                    // What the full file holds is published while the other is filled, so that nobody waits for it then.
                    self.shared.ask();
                    return Ok(());
                }
                Room::None => {}
            }
            if stuck || !self.shared.wait_published(published + 1) {
                return match self.shared.queue.state() {
                    State::Failed(why) => Err(Stop::Failed(why)),
                    _ => Err(Stop::Full),
                };
            }
        }
    }

    fn stop(&mut self, stop: Stop) {
        match stop {
            Stop::Full => self.say_full(),
            Stop::Failed(why) => fail(&self.shared, &why),
        }
    }

    /// With the room that was kept for it.
    fn say_full(&mut self) {
        self.shared.queue.full();
        warn!(log = ?self.files.path(ROOT), "the disk of the audit log is full: events are left out until there is room");
        drop(self.files.remove(RESERVE));
        drop(self.files.sync_dir(ROOT));
        let draft = self.own(Kind::LogFull).with(
            "message",
            "events are missing from here on, until a log_gap counts them",
        );
        match self.commit(&[draft.body(&self.boot)]) {
            // What is full says so by its state.
            Ok(_) | Err(Stop::Full) => {}
            Err(Stop::Failed(why)) => fail(&self.shared, &why),
        }
    }

    /// What could not be published first, then the reserve: with both there is room again.
    fn retry(&mut self) {
        if !self.shared.unstick() {
            return;
        }
        match reserve(&*self.files).map_err(Stop::from) {
            Ok(()) => self.shared.queue.resume(),
            Err(Stop::Full) => drop(self.files.remove(RESERVE)),
            Err(Stop::Failed(why)) => fail(&self.shared, &why),
        }
    }

    fn gap(&self, gap: &Gap) -> Draft {
        let ((epoch, first), (last_epoch, last)) = (gap.first, gap.last);
        self.own(Kind::LogGap)
            .with("count", gap.count.to_string())
            .with("from_epoch", format!("{:016x}", epoch.0))
            .with("from_revision", first.0.to_string())
            .with("to_epoch", format!("{:016x}", last_epoch.0))
            .with("to_revision", last.0.to_string())
    }

    fn own(&self, kind: Kind) -> Draft {
        Draft::new(kind, Source::Audit, "aggregator", self.clock.now()).at(self.place.0, self.place.1)
    }

    /// Makes one event durable before anybody else is heard.
    pub(crate) fn first(&mut self, kind: Kind, evidence: &[(&str, String)]) -> Result<(), FileError> {
        let mut draft = self.own(kind);
        for (key, value) in evidence {
            draft = draft.with(key, value.clone());
        }
        let (index, last) = (self.tree.size(), self.last);
        let entry = self.entry(index, &last, &draft.body(&self.boot));
        self.tail.append(index, std::slice::from_ref(&entry))?;
        self.last = entry.leaf;
        self.tree.push(entry.leaf);
        self.shared.durable(vec![entry], self.tree.head());
        Ok(())
    }
}

/// Answers those who wait if a thread ends as it never should.
#[derive(Debug)]
pub(crate) struct Guard(pub(crate) Arc<Shared>);

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            fail(&self.0, "its thread panicked");
            self.0.close();
            self.0.ended();
        }
    }
}

/// Publishes until the log is closed.
pub(crate) fn publish(mut press: Press, shared: &Shared, files: &dyn Files) {
    while let Some(pending) = shared.pending() {
        let fresh = pending.head.size - press.head().size;
        debug_assert_eq!(
            fresh,
            pending.entries.len() as u64,
            "what is in memory goes on from what is published"
        );
        match press.publish(&pending.entries, pending.head) {
            Ok(text) => shared.published(pending.head.size, text),
            Err(error) if error.is_full() && !shared.is_closing() => {
                shared.queue.no_room();
                shared.stick();
            }
            Err(error) => {
                fail(shared, &format!("{error}: {}", error.source));
                break;
            }
        }
    }
    if shared.first().0 == shared.head().size {
        // All of it is published: nobody needs the tail, and those who verify need not read it.
        TAILS.iter().for_each(|name| drop(files.remove(name)));
        drop(files.sync_dir(ROOT));
    }
    shared.ended();
}

fn fail(shared: &Shared, why: &str) {
    error!(why, "the audit log cannot be written, and no more in this life");
    shared.queue.fail(why);
}

/// Keeps room for the words that there is none.
fn reserve(files: &dyn Files) -> Result<(), FileError> {
    match files.read(RESERVE, RESERVE_BYTES as u64) {
        Ok(there) if there.len() == RESERVE_BYTES => Ok(()),
        _ => files.replace(RESERVE, &vec![0; RESERVE_BYTES]),
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::{
        files::simulated::{Fault, Simulated},
        log::Begun,
        shared::PRESS_AFTER,
        tests::support::{draft, small, start},
    };

    fn writer(disk: &Simulated) -> Writer {
        let files = disk.files();
        files.create_dir(ROOT).unwrap();
        Begun::new(&files, small(), &start()).unwrap().writer
    }

    /// Both threads meet the same broken disk; one word of it is enough.
    #[test]
    fn whoever_waits_hears_why_it_ended_though_the_press_was_first() {
        let disk = Simulated::new();
        let mut writer = writer(&disk);
        for fault in [Fault::Io, Fault::SyncFull] {
            writer.shared.queue.fail("the press failed");
            disk.fail(Some(fault));
            let (answer, mut answered) = oneshot::channel();
            writer.write(vec![Item::Event(
                writer.place,
                draft(0).body("boot"),
                Some(answer),
            )]);
            let refused = answered.try_recv().unwrap();
            assert_eq!(refused, Err(AppendError::Failed("the press failed".to_owned())));
        }
    }

    #[test]
    fn a_full_file_is_published_at_once() {
        let mut writer = writer(&Simulated::new());
        let full = small().sizes.full as usize / crate::tail::PAGE;
        for n in 0..=full as u64 {
            writer.commit(&[draft(n).body("boot")]).unwrap();
        }
        let clock = Clock::start();
        let begun = clock.mono();
        let pending = writer.shared.pending().unwrap();
        assert!(clock.mono().since(begun) < PRESS_AFTER, "it was asked for");
        assert_eq!(pending.entries.len(), full + 1);
    }
}
