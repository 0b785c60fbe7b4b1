//! Real processes in a seat: a shell script that writes down what it is told.

use std::path::Path;

use tokio::{task::JoinHandle, time::timeout};

use super::*;

const SOON: Duration = Duration::from_secs(10);

struct Filled {
    orders: mpsc::Sender<Order>,
    fell: mpsc::Receiver<Fell>,
    tending: JoinHandle<()>,
    directory: tempfile::TempDir,
}

impl Filled {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let seat = Seat {
            member: Member::find("bank").unwrap(),
            binary: Path::new(env!("CARGO_MANIFEST_DIR")).join("src/seat/stand-in.sh"),
            server: SocketAddr::from(([127, 0, 0, 1], 1)),
            registry: directory.path().into(),
            log: directory.path().join("log"),
        };
        let (orders, ordered) = mpsc::channel(1);
        let (falling, fell) = mpsc::channel(1);
        Self {
            orders,
            fell,
            tending: tokio::spawn(tend(seat, ordered, falling)),
            directory,
        }
    }

    async fn order(&self, fault: Option<How>) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.orders.send(Order::Fault(fault, answer)).await.unwrap();
        answered.await.unwrap()
    }

    /// Waits until the stand-in has written down `count` lines that end in `order`; the process of the last.
    async fn heard(&self, order: &str, count: usize) -> i32 {
        let heard = async {
            loop {
                let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                let lines: Vec<_> = log.lines().filter_map(|line| line.split_once(' ')).collect();
                let mut of_it = lines.iter().filter(|(_, heard)| *heard == order);
                if let Some((pid, _)) = of_it.nth(count - 1) {
                    return pid.parse().unwrap();
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, heard).await.unwrap()
    }

    async fn empty(self) {
        drop(self.orders);
        timeout(SOON, self.tending).await.unwrap().unwrap();
    }
}

fn gone(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None).is_err()
}

#[tokio::test]
async fn orders_arrive_in_turn_and_the_end_of_the_leash_ends_it() {
    let seat = Filled::new();
    let pid = seat.heard("mend", 1).await;
    assert_eq!(seat.order(None).await, Err(Refusal::Whole("bank".into())));
    seat.order(Some(How::Errors)).await.unwrap();
    seat.heard("errors", 1).await;
    let again = seat.order(Some(How::Slow)).await;
    assert_eq!(again, Err(Refusal::Broken("bank".into(), How::Errors)));
    seat.order(None).await.unwrap();
    assert_eq!(seat.heard("mend", 2).await, pid);
    seat.empty().await;
    assert!(gone(pid));
}

#[tokio::test]
async fn one_that_crashed_is_started_again_as_soon_as_it_is_mended() {
    let mut seat = Filled::new();
    let pid = seat.heard("mend", 1).await;
    seat.order(Some(How::Crash)).await.unwrap();
    let fell = timeout(SOON, seat.fell.recv()).await.unwrap().unwrap();
    assert!(fell.told && fell.how.contains('7'), "{fell:?}");
    let mended = seat.order(None);
    // Well before the pause is over.
    timeout(FIRST_PAUSE / 2, mended).await.unwrap().unwrap();
    assert_ne!(seat.heard("mend", 2).await, pid);
    seat.empty().await;
}

#[tokio::test]
async fn one_that_stays_broken_crashes_again_at_each_start() {
    let mut seat = Filled::new();
    seat.order(Some(How::Crash)).await.unwrap();
    seat.heard("crash", 2).await;
    let first = seat.fell.recv().await.unwrap();
    let second = seat.fell.recv().await.unwrap();
    assert!(second.pause > first.pause);
    seat.empty().await;
}

#[tokio::test]
async fn a_frozen_one_goes_on_when_mended_and_ends_with_the_seat() {
    let seat = Filled::new();
    let pid = seat.heard("mend", 1).await;
    seat.order(Some(How::Freeze)).await.unwrap();
    seat.order(None).await.unwrap();
    seat.order(Some(How::Errors)).await.unwrap();
    assert_eq!(seat.heard("errors", 1).await, pid);
    seat.order(None).await.unwrap();
    seat.order(Some(How::Freeze)).await.unwrap();
    seat.empty().await;
    assert!(gone(pid));
}

#[tokio::test]
async fn a_deaf_one_is_killed_after_its_time_for_goodbye() {
    let seat = Filled::new();
    let pid = seat.heard("mend", 1).await;
    seat.order(Some(How::Hang)).await.unwrap();
    seat.heard("hang", 1).await;
    seat.empty().await;
    assert!(gone(pid));
}

#[tokio::test]
async fn a_seat_that_is_dropped_kills_its_process() {
    let seat = Filled::new();
    let pid = seat.heard("mend", 1).await;
    seat.tending.abort();
    let ended = async {
        while !gone(pid) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, ended).await.unwrap();
}
