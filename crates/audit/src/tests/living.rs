//! Logs that nothing befalls.

use ward_tlog::{leaf_hash, verify_consistency, verify_inclusion};

use super::support::{draft, number, open, wait};
use crate::{Filter, Kind, OpenError, Reader, Receipt, Source, State};

#[test]
fn what_is_appended_is_read_and_proved_here_and_elsewhere() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("audit");
    let (log, opened) = open(&dir).unwrap();
    assert!(opened.created);
    let mut heads = vec![log.head()];
    let mut receipts = Vec::new();
    for n in 0..700 {
        let receipt = wait(log.append(draft(n))).unwrap();
        assert_eq!(receipt.index, n);
        receipts.push(receipt);
        heads.push(log.head());
        assert_eq!(log.head().size, n + 1);
        if n % 97 == 0 {
            assert_eq!(log.reader().event(n).unwrap().index, n);
        }
    }
    let reader = log.reader();
    for Receipt { index, hash } in &receipts {
        assert_eq!(leaf_hash(&reader.entry(*index).unwrap()), *hash);
        let proof = reader.inclusion(*index, 700).unwrap();
        verify_inclusion(*hash, *index, &heads[700], &proof).unwrap();
    }
    for (old, new) in [(0, 700), (1, 256), (255, 257), (256, 700), (699, 700), (700, 700)] {
        let proof = reader.consistency(old, new).unwrap();
        verify_consistency(&heads[old as usize], &heads[new as usize], &proof).unwrap();
    }
    let checkpoint = wait(log.checkpoint()).unwrap();
    let other = Reader::open(&dir).unwrap();
    assert_eq!(other.checkpoint().unwrap().1, *checkpoint);
    assert_eq!(other.head().unwrap(), heads[700]);
    let proof = other.proof(300).unwrap();
    proof.verify(receipts[300].hash, other.verifier()).unwrap();
    let all: Vec<_> = other.range(0, 1000).unwrap().iter().map(number).collect();
    assert_eq!(all, (0..700).collect::<Vec<_>>());
    log.close().unwrap();
}

#[test]
fn it_goes_on_where_it_ended_and_a_second_one_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let mut origin = String::new();
    for life in 0..4 {
        let (log, opened) = open(home.path()).unwrap();
        assert_eq!(
            (opened.created, opened.size, opened.from_tail, opened.torn),
            (life == 0, life * 300, 0, None)
        );
        if life > 0 {
            assert_eq!(log.origin(), origin);
        }
        origin = log.origin().to_owned();
        assert!(matches!(open(home.path()), Err(OpenError::Held { .. })));
        for n in 0..300 {
            assert!(log.record(draft(life * 300 + n)));
        }
        log.close().unwrap();
        assert_eq!(wait(log.append(draft(0))), Err(crate::AppendError::Closed));
        assert!(!log.record(draft(0)));
    }
    let events = Reader::open(home.path()).unwrap().range(0, 2000).unwrap();
    assert_eq!(
        events.iter().map(number).collect::<Vec<_>>(),
        (0..1200).collect::<Vec<_>>()
    );
}

#[test]
fn the_newest_of_a_kind_come_first() {
    let home = tempfile::tempdir().unwrap();
    let (log, _) = open(home.path()).unwrap();
    for n in 0..600 {
        let mut draft = draft(n);
        draft.now.wall.0 = n as i64;
        if n % 50 == 0 {
            (draft.kind, draft.source) = (Kind::Restart, Source::Liveness);
        }
        if n % 100 == 1 {
            draft.subject = format!("service-1/web-{n}");
        }
        log.record(draft);
    }
    wait(log.append(draft(600))).unwrap();
    let reader = log.reader();
    let asked = |filter: Filter, limit| {
        let found = reader.newest(&filter, limit).unwrap();
        found.iter().map(number).collect::<Vec<_>>()
    };
    let all = Filter::default();
    assert_eq!(asked(all.clone(), 3), [600, 599, 598]);
    assert_eq!(
        asked(
            Filter {
                before: Some(10),
                ..all.clone()
            },
            2
        ),
        [9, 8]
    );
    let restarts = Filter {
        kind: Some(Kind::Restart),
        ..all.clone()
    };
    assert_eq!(asked(restarts.clone(), 2), [550, 500]);
    let since = Some(ward_model::Wall(420));
    assert_eq!(asked(Filter { since, ..restarts }, 100), [550, 500, 450]);
    let until = Some(ward_model::Wall(60));
    let liveness = Filter {
        source: Some(Source::Liveness),
        until,
        ..all.clone()
    };
    assert_eq!(asked(liveness, 100), [50, 0]);
    let subject = Some("service-1".to_owned());
    assert_eq!(asked(Filter { subject, ..all }, 4), [596, 589, 582, 575]);
    assert_eq!(log.standing().state, State::Writing);
    log.close().unwrap();
    assert_eq!(log.reader().newest(&Filter::default(), 1).unwrap().len(), 1);
}
