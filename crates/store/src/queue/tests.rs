//! What waits is taken once, and what finds no room is told.

use std::{sync::mpsc, time::Duration};

use ward_model::{Epoch, Freshness, Incarnation, Reason, Revision};

use super::{
    in_order::{RECORDS, TRANSITIONS},
    *,
};

fn transition(subject: &str, revision: u64) -> Write {
    Write::Transition(Transition {
        at: Wall(revision.cast_signed()),
        epoch: Epoch(1),
        revision: Revision(revision),
        subject: Some(Name::service(subject).unwrap()),
        status: Status::Healthy,
        reason: Reason::Reported,
        message: "m".into(),
        maintenance: false,
    })
}

fn instance(number: usize) -> Write {
    Write::Instance(KnownInstance {
        id: InstanceId {
            service: Name::service("web").unwrap(),
            instance: Name::instance(&format!("i{number}")).unwrap(),
        },
        incarnation: Incarnation::new("x").unwrap(),
        interval_ms: 5,
        status: Status::Healthy,
        freshness: Freshness::Fresh,
    })
}

fn put(queue: &Queue, write: Write) {
    queue.put(write, || Wall(7));
}

fn drain(queue: &Queue) -> Vec<Batch> {
    std::iter::from_fn(|| Some(queue.take().0).filter(|batch| !batch.is_empty())).collect()
}

#[test]
fn all_that_was_put_is_taken_once() {
    let queue = Queue::new();
    for number in 0..10_000 {
        put(&queue, instance(number));
        put(&queue, instance(number / 2));
    }
    assert_eq!(queue.queued(), 10_000);
    let batches = drain(&queue);
    assert!(batches.len() > 1 && batches.iter().all(|batch| batch.rows() < 2 * AT_ONCE));
    let mut taken: Vec<_> = batches
        .into_iter()
        .flat_map(|batch| batch.instances)
        .map(|(id, _)| id)
        .collect();
    taken.sort();
    taken.dedup();
    assert_eq!((taken.len(), queue.queued()), (10_000, 0));
}

#[test]
fn what_finds_no_room_is_counted_and_its_time_is_unknown() {
    let queue = Queue::new();
    // Five of `a` and one of `b` are too many.
    for revision in 1..=5 {
        put(&queue, transition("a", revision));
    }
    put(&queue, transition("b", 6));
    for revision in 7..7 + TRANSITIONS as u64 {
        put(&queue, transition("c", revision));
    }
    assert_eq!(queue.left_out(), 4, "the last of `a` and the one of `b` are told");
    let taken: Vec<KeptTransition> = drain(&queue)
        .into_iter()
        .flat_map(|batch| batch.transitions)
        .collect();
    let of = |subject: &str| {
        let of = taken
            .iter()
            .filter(|kept| kept.subject.as_ref().unwrap().as_str() == subject);
        of.map(|kept| (kept.revision, kept.reason.as_str()))
            .collect::<Vec<_>>()
    };
    assert_eq!(of("a"), [(1, "NotRecorded"), (5, "Reported")]);
    assert_eq!(of("b"), [(6, "Reported")]);
    assert_eq!(of("c").len(), TRANSITIONS);
    assert!(of("c").is_sorted(), "in their order");
    assert_eq!(queue.queued(), 0);
}

#[test]
fn past_the_bound_of_names_all_is_asked_for_anew() {
    let queue = Queue::new();
    for number in 0..=NAMES {
        put(
            &queue,
            Write::MaintenanceEnded(Name::service(&format!("s{number}")).unwrap()),
        );
    }
    assert_eq!((queue.queued(), queue.left_out()), (NAMES, 1));
    assert!(queue.take().0.forget && !queue.take().0.forget);
}

#[test]
fn a_service_that_is_gone_ends_its_history() {
    let queue = Queue::new();
    put(&queue, Write::ServiceGone(Name::service("web").unwrap()));
    let (batch, _) = queue.take();
    let ends = (batch.transitions[0].at, batch.transitions[0].reason);
    assert_eq!(ends, (Wall(7), SpanReason::Forgotten));
    assert_eq!(batch.services[0].1, None);
}

fn keep(kind: Kept, number: usize, body: Option<&str>) -> Write {
    Write::Keep {
        kind,
        key: number.to_string(),
        body: body.map(str::to_owned),
    }
}

#[test]
fn what_is_kept_finds_room_or_is_asked_for_anew() {
    let queue = Queue::new();
    for number in 0..KEPT {
        put(&queue, keep(Kept::Alert, number, Some("x")));
        put(&queue, keep(Kept::Alert, number, None));
    }
    assert_eq!((queue.queued(), queue.left_out()), (KEPT, 0));
    put(&queue, keep(Kept::Alert, 0, Some("last")));
    put(&queue, keep(Kept::Alert, KEPT, Some("one more")));
    assert_eq!((queue.queued(), queue.left_out()), (KEPT, 1));
    let (batch, _) = queue.take();
    assert!(batch.forget && batch.kept.len() == KEPT);
    let first = (Kept::Alert, "0".to_owned());
    let last = batch.kept.iter().find(|(key, _)| *key == first).unwrap();
    assert_eq!(last.1.as_deref(), Some("last"));
    put(&queue, keep(Kept::Alert, KEPT, Some("there is room again")));
    assert_eq!((queue.queued(), queue.take().0.kept.len()), (1, 1));
}

/// More may be owed than there is room for, and then it is so again when all is put anew.
#[test]
fn of_too_much_that_is_owed_the_newest_is_dropped_and_nothing_asked_for_anew() {
    let queue = Queue::new();
    for number in 0..OWED + 7 {
        put(&queue, keep(Kept::Owed, number, Some("a page")));
    }
    put(&queue, keep(Kept::Alert, 0, Some("fires")));
    put(&queue, keep(Kept::Owed, 0, None));
    assert_eq!((queue.queued(), queue.left_out()), (OWED + 1, 7));
    let (batch, _) = queue.take();
    assert!(!batch.forget && batch.kept.len() == OWED + 1);
    let delivered = ((Kept::Owed, "0".to_owned()), None);
    assert!(batch.kept.contains(&delivered));
    put(&queue, keep(Kept::Owed, OWED, Some("there is room again")));
    assert_eq!((queue.queued(), queue.take().0.kept.len()), (1, 1));
}

#[test]
fn of_too_many_records_the_oldest_are_dropped_and_that_is_told() {
    let queue = Queue::new();
    let record = |at: usize, subject: Option<&str>| {
        let (at, body) = (Wall(at as i64), String::new());
        let subject = subject.map(|name| Name::service(name).unwrap());
        put(&queue, Write::Record { at, subject, body });
    };
    record(0, Some("web"));
    (1..RECORDS + 8).for_each(|at| record(at, None));
    // The last of `web` and the last of those that found no room are there.
    assert_eq!((queue.queued(), queue.records_dropped()), (RECORDS + 2, 6));
    let batches = drain(&queue);
    let holes: Vec<_> = batches.iter().filter_map(|batch| batch.hole).collect();
    assert_eq!(holes, [Wall(7)]);
    let mut taken: Vec<_> = batches.into_iter().flat_map(|batch| batch.records).collect();
    taken.sort_unstable_by_key(|record| record.seq);
    let places = taken.iter().map(|record| (record.at.0, record.seq));
    let expected = std::iter::once(0).chain(7..RECORDS as i64 + 8);
    assert!(places.eq(expected.map(|at| (at, at as u64))));
    assert_eq!((queue.queued(), queue.left_out()), (0, 0));
}

#[test]
fn all_that_was_put_before_somebody_asks_is_taken_up_to_there() {
    let queue = Queue::new();
    let (_, nothing) = queue.take();
    let asked = queue.ask();
    assert!(
        !nothing.reaches(&asked),
        "one that is begun may have passed by what was put"
    );
    assert!(queue.take().1.reaches(&asked));
    for number in 0..3 * AT_ONCE {
        put(&queue, transition("web", number as u64 + 1));
        put(&queue, instance(number));
    }
    let asked = queue.ask();
    put(&queue, transition("later", 1));
    let mut taken = (0, 0);
    loop {
        let (batch, position) = queue.take();
        taken = (taken.0 + batch.transitions.len(), taken.1 + batch.instances.len());
        if position.reaches(&asked) {
            break;
        }
        assert!(queue.is_awaited_behind(&position) && !batch.is_empty());
    }
    assert!(taken.0 >= 3 * AT_ONCE && taken.1 == 3 * AT_ONCE, "{taken:?}");
    assert!(!queue.is_awaited_behind(&queue.take().1));
}

#[tokio::test]
async fn whoever_waits_is_woken_by_the_first_and_loses_none() {
    let queue = std::sync::Arc::new(Queue::new());
    let putting = {
        let queue = std::sync::Arc::clone(&queue);
        std::thread::spawn(move || (0..50_000).for_each(|number| put(&queue, instance(number))))
    };
    let mut taken = 0;
    while taken < 50_000 {
        let waited = tokio::time::timeout(std::time::Duration::from_secs(30), queue.filled()).await;
        assert!(waited.is_ok(), "not woken after {taken}");
        loop {
            let rows = queue.take().0.rows();
            taken += rows;
            if rows == 0 {
                break;
            }
        }
    }
    putting.join().unwrap();
    assert_eq!(queue.queued(), 0);
}

#[test]
fn what_is_put_together_is_taken_together() {
    let queue = Queue::new();
    let (taken, batches) = mpsc::channel();
    std::thread::scope(|threads| {
        queue.together(|| {
            put(&queue, keep(Kept::Owed, 1, Some("owed")));
            threads.spawn(|| taken.send(queue.take().0).unwrap());
            while queue.takes.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            // It has begun, and does not get to the end.
            let apart = batches.recv_timeout(Duration::from_millis(200));
            assert!(apart.is_err(), "{apart:?}");
            put(&queue, keep(Kept::Alert, 1, Some("kept")));
        });
    });
    let kinds = batches.recv().unwrap().kept.into_iter();
    let kinds: Vec<Kept> = kinds.map(|((kind, _), _)| kind).collect();
    assert_eq!(kinds, [Kept::Alert, Kept::Owed]);
}
