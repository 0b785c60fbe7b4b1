//! What one client has, and the shares in it that streams hold: each gives back what it took when it is dropped.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use parking_lot::Mutex;
use ward_model::Mono;

use super::{
    ClientLimits,
    bucket::{Bucket, Size},
};
use crate::edge::http::Rate;

/// Updates at once of each instance on a stream.
const UPDATES_EACH: usize = 10;

/// A bound is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in super::super) enum Full {
    #[error("this client has {0} watchers, the most it may have: end one, or try again later")]
    Watchers(usize),
    #[error("{0} watch already, the most there may be: try again later")]
    WatchersInAll(usize),
    #[error("this client reads {0} recordings, the most it may at once: wait for one, or end one")]
    Recordings(usize),
    #[error("{0} answers to this client wait to be read, the most there may be: read them first")]
    Answers(usize),
    #[error("{0} recordings are being read, the most there may be: try again later")]
    RecordingsInAll(usize),
    #[error("this client has {0} report streams, the most it may have: one stream carries many instances")]
    Streams(usize),
    #[error("this client has {0} instances on its streams, half of all there may be: end some first")]
    Instances(usize),
}

impl Full {
    /// Its label in `ward_refused_total`.
    pub(in super::super) fn label(self) -> &'static str {
        match self {
            Self::Watchers(_) => "watchers",
            Self::WatchersInAll(_) => "all_watchers",
            Self::Recordings(_) => "recordings",
            Self::Answers(_) => "answers",
            Self::RecordingsInAll(_) => "all_recordings",
            Self::Streams(_) => "streams",
            Self::Instances(_) => "instances",
        }
    }
}

/// So many of something, for who comes first.
#[derive(Debug)]
pub(super) struct Room {
    most: usize,
    taken: AtomicUsize,
}

impl Room {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            taken: AtomicUsize::new(0),
        }
    }

    /// One of them, while it is held; or how many there are.
    fn take(self: &Arc<Self>) -> Result<Place, usize> {
        let one_more = |taken: usize| (taken < self.most).then_some(taken + 1);
        let taken = self.taken.fetch_update(Relaxed, Relaxed, one_more);
        taken.map(|_| Place(self.clone())).map_err(|_| self.most)
    }

    fn is_empty(&self) -> bool {
        self.taken.load(Relaxed) == 0
    }
}

#[derive(Debug)]
struct Place(Arc<Room>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Relaxed);
    }
}

/// One client's.
#[derive(Debug)]
pub(in super::super) struct Account {
    limits: ClientLimits,
    watchers: Arc<Room>,
    recordings: Arc<Room>,
    answers: Arc<Room>,
    streams: Arc<Room>,
    decided: Mutex<Decided>,
}

/// What its streams have, and what was decided for it lately.
#[derive(Debug)]
struct Decided {
    streams: usize,
    instances: usize,
    /// How often its instances are to be heard, all together: thousandths a second.
    beats: u64,
    updates: Bucket,
    hellos: Bucket,
    questions: Bucket,
}

impl Decided {
    /// Grows with nothing: who has more instances has no more to ask.
    fn questions(&mut self, rate: Rate) -> (&mut Bucket, Size) {
        let size = Size {
            burst: f64::from(rate.burst.get()),
            per_second: f64::from(rate.per_second.get()),
        };
        (&mut self.questions, size)
    }

    fn updates(&mut self, rate: Rate) -> (&mut Bucket, Size) {
        let size = Size {
            burst: f64::from(rate.burst.get()) + (self.instances * UPDATES_EACH) as f64,
            per_second: f64::from(rate.per_second.get()) + 2.0 * self.beats as f64 / 1_000.0,
        };
        (&mut self.updates, size)
    }

    fn hellos(&mut self, rate: Rate) -> (&mut Bucket, Size) {
        let times = (1 + self.streams) as f64;
        let size = Size {
            burst: f64::from(rate.burst.get()) * times,
            per_second: f64::from(rate.per_second.get()) * times,
        };
        (&mut self.hellos, size)
    }
}

impl Account {
    pub(super) fn new(limits: ClientLimits, now: Mono) -> Self {
        Self {
            watchers: Arc::new(Room::new(limits.watchers)),
            recordings: Arc::new(Room::new(limits.recordings)),
            answers: Arc::new(Room::new(limits.answers)),
            streams: Arc::new(Room::new(limits.streams)),
            decided: Mutex::new(Decided {
                streams: 0,
                instances: 0,
                beats: 0,
                updates: Bucket::new(now),
                hellos: Bucket::new(now),
                questions: Bucket::new(now),
            }),
            limits,
        }
    }

    /// It may as well be forgotten: a new one would be the same.
    pub(super) fn is_idle(&self, now: Mono) -> bool {
        let mut decided = self.decided.lock();
        let is_empty = |(bucket, size): (&mut Bucket, Size)| bucket.level(now, size) <= 0.0;
        is_empty(decided.updates(self.limits.updates))
            && is_empty(decided.hellos(self.limits.hellos))
            && is_empty(decided.questions(self.limits.questions))
            && self.watchers.is_empty()
            && self.recordings.is_empty()
            && self.answers.is_empty()
            && self.streams.is_empty()
    }

    /// One report that is no stream's may be decided; or when.
    pub(in super::super) fn once(&self, now: Mono) -> Result<(), Duration> {
        self.update(now)
    }

    /// One question may be answered; or when.
    pub(in super::super) fn ask(&self, now: Mono) -> Result<(), Duration> {
        let mut decided = self.decided.lock();
        let (bucket, size) = decided.questions(self.limits.questions);
        bucket.take(now, size)
    }

    /// A place for its answer.
    pub(in super::super) fn answer(self: &Arc<Self>) -> Result<Share, Full> {
        Ok(Share {
            _own: self.answers.take().map_err(Full::Answers)?,
            _all: None,
            _account: self.clone(),
        })
    }

    fn update(&self, now: Mono) -> Result<(), Duration> {
        let mut decided = self.decided.lock();
        let (bucket, size) = decided.updates(self.limits.updates);
        bucket.take(now, size)
    }

    /// One more report stream.
    pub(in super::super) fn report(self: &Arc<Self>) -> Result<Reporting, Full> {
        let place = self.streams.take().map_err(Full::Streams)?;
        self.decided.lock().streams += 1;
        Ok(Reporting {
            account: self.clone(),
            instances: 0,
            beats: 0,
            _place: place,
        })
    }
}

/// One more watcher of this client, and of all.
pub(super) fn watch(account: Arc<Account>, all: &Arc<Room>) -> Result<Share, Full> {
    Ok(Share {
        _own: account.watchers.take().map_err(Full::Watchers)?,
        _all: Some(all.take().map_err(Full::WatchersInAll)?),
        _account: account,
    })
}

/// One more who reads the recording, of this client and of all.
pub(super) fn read_recording(account: Arc<Account>, all: &Arc<Room>) -> Result<Share, Full> {
    Ok(Share {
        _own: account.recordings.take().map_err(Full::Recordings)?,
        _all: Some(all.take().map_err(Full::RecordingsInAll)?),
        _account: account,
    })
}

/// The share of a watcher, of one who reads the recording, or of an answer.
#[derive(Debug)]
pub(in super::super) struct Share {
    _own: Place,
    _all: Option<Place>,
    /// Kept, or its client would have another one beside it.
    _account: Arc<Account>,
}

/// A report stream's share: what it holds of its client's.
#[derive(Debug)]
pub(in super::super) struct Reporting {
    account: Arc<Account>,
    instances: usize,
    beats: u64,
    _place: Place,
}

impl Reporting {
    /// So many instances are on the stream now, to be heard so often together: in thousandths a second.
    pub(in super::super) fn hold(&mut self, instances: usize, beats: u64) {
        let mut decided = self.account.decided.lock();
        decided.instances = decided.instances - self.instances + instances;
        decided.beats = decided.beats - self.beats + beats;
        (self.instances, self.beats) = (instances, beats);
    }

    /// One more update may be decided; or when.
    pub(in super::super) fn update(&self, now: Mono) -> Result<(), Duration> {
        self.account.update(now)
    }

    /// One more hello may be decided; or when.
    pub(in super::super) fn hello(&self, now: Mono) -> Result<(), Duration> {
        let mut decided = self.account.decided.lock();
        let (bucket, size) = decided.hellos(self.account.limits.hellos);
        bucket.take(now, size)
    }

    /// There is room for one more instance.
    pub(in super::super) fn has_room(&self) -> Result<(), Full> {
        let most = self.account.limits.instances;
        if self.account.decided.lock().instances < most {
            Ok(())
        } else {
            Err(Full::Instances(most))
        }
    }
}

impl Drop for Reporting {
    fn drop(&mut self) {
        self.hold(0, 0);
        self.account.decided.lock().streams -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(mut take: impl FnMut() -> Result<(), Duration>) -> usize {
        (0..1_000_000).take_while(|_| take().is_ok()).count()
    }

    fn account() -> Arc<Account> {
        let limits = ClientLimits {
            updates: Rate::new(5, 1),
            hellos: Rate::new(7, 1),
            ..ClientLimits::default()
        };
        Arc::new(Account::new(limits, Mono::default()))
    }

    #[test]
    fn what_may_be_decided_grows_with_what_is_held() {
        let (account, now) = (account(), Mono::default());
        let mut stream = account.report().unwrap();
        stream.hold(100, 20_000);
        let other = account.report().unwrap();
        assert_eq!(taken(|| stream.update(now)), 5 + 100 * UPDATES_EACH);
        assert!(other.update(now).is_err(), "all streams of a client share it");
        let later = now + Duration::from_secs(1);
        assert_eq!(taken(|| other.update(later)), 1 + 2 * 20);
        assert_eq!(taken(|| other.hello(now)), 3 * 7, "its own and of each stream");
        drop(stream);
        assert!(account.once(later).is_err(), "what was taken stays taken");
        let all = later + Duration::from_secs(2_000);
        assert_eq!(taken(|| account.once(all)), 5);
    }

    #[test]
    fn what_a_stream_held_is_given_back() {
        let account = Arc::new(Account::new(
            ClientLimits {
                streams: 1,
                instances: 3,
                ..ClientLimits::default()
            },
            Mono::default(),
        ));
        let mut stream = account.report().unwrap();
        assert_eq!(account.report().unwrap_err(), Full::Streams(1));
        stream.hold(2, 400);
        assert_eq!(stream.has_room(), Ok(()));
        stream.hold(3, 600);
        assert_eq!(stream.has_room(), Err(Full::Instances(3)));
        drop(stream);
        assert_eq!(account.report().unwrap().has_room(), Ok(()));
        assert!(account.is_idle(Mono::default()));
    }
}
