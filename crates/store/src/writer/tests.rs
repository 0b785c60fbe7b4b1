//! One turn of the writer at a time.

use ward_model::{Day, Epoch, Name, Reason, Revision, Status};

use super::*;
use crate::write::{Transition, Write};

const DAY: Duration = Duration::from_secs(24 * 3_600);

struct Desk {
    writer: Writer,
    work: Work,
    _folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::start();
        let started = Wall(clock.wall().0 - 5 * Day::MS);
        let retention = Retention {
            transitions: DAY,
            days: 30 * DAY,
            recorded: DAY,
        };
        let writer = Writer {
            place: Place::Sqlite(folder.path().join("ward.db"), None),
            queue: Arc::new(Queue::new()),
            told: Arc::new(Told::new()),
            clock: clock.clone(),
            life: ThisLife { id: 7, started },
            retention,
        };
        let work = Work {
            session: None,
            batch: Batch::default(),
            behind: Vec::new(),
            position: Position::default(),
            batches: 0,
            retry: RETRY.0,
            rolled: clock.mono(),
            patience: PATIENCE,
        };
        Self {
            writer,
            work,
            _folder: folder,
        }
    }

    /// A turn with something to write.
    async fn busy(&mut self, revision: u64) {
        let write = Write::Transition(Transition {
            at: self.writer.life.started,
            epoch: Epoch(1),
            revision: Revision(revision),
            subject: Some(Name::service("web").unwrap()),
            status: Status::Healthy,
            reason: Reason::Reported,
            message: String::new(),
            maintenance: false,
        });
        self.writer.queue.put(write, || unreachable!("it says when"));
        self.writer.turn(&mut self.work).await;
    }

    async fn days(&mut self) -> i64 {
        let session = self.work.session.as_mut().unwrap();
        let days = session.connection.number("SELECT count(*) FROM day", vec![]);
        days.await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn what_is_past_its_time_goes_though_there_is_always_something_to_write() {
    let mut desk = Desk::new();
    desk.busy(1).await;
    desk.busy(2).await;
    assert_eq!(desk.days().await, 0, "it waits for a moment of rest");
    desk.work.patience = Duration::ZERO;
    for revision in 3..9 {
        desk.busy(revision).await;
    }
    assert!(desk.days().await > 0);
}
