//! What a witness says of heads that follow one another, and of proofs that are there or not.

use std::borrow::Cow;

use proptest::prelude::*;
use ward_tlog::{TileId, Tiles, Tree, consistency_proof, leaf_hash};

use super::*;

/// Histories of one log that part at an entry.
#[derive(Clone, Debug)]
struct History {
    origin: String,
    leaves: Vec<Hash>,
}

impl History {
    /// Up to 256 entries; from `parted` on they are others than those of another `seed`.
    fn new(origin: &str, parted: usize, seed: u8) -> Self {
        let entry = |index| {
            if index < parted {
                [index as u8, 0]
            } else {
                [index as u8, seed]
            }
        };
        Self {
            origin: origin.to_owned(),
            leaves: (0..256).map(|index| leaf_hash(&entry(index))).collect(),
        }
    }

    fn head(&self, size: u64) -> AuditHead {
        let mut tree = Tree::new();
        self.leaves[..size as usize]
            .iter()
            .for_each(|leaf| tree.push(*leaf));
        AuditHead {
            origin: self.origin.clone(),
            size,
            root: tree.root().0,
        }
    }

    fn proof(&self, asked: &Question) -> Vec<Hash> {
        consistency_proof(asked.held.size, asked.shown.size, self).unwrap()
    }
}

impl Tiles for History {
    type Error = ();

    fn tile(&self, _: TileId) -> Result<Cow<'_, [Hash]>, ()> {
        Ok(self.leaves.as_slice().into())
    }
}

fn log() -> History {
    History::new("ward.example/1", 256, 0)
}

/// What a witness says of a head whose proof is made of `history`.
fn show(witness: &mut Witness, history: &History, size: u64) -> Vec<Finding> {
    let (mut found, question) = witness.see(history.head(size));
    if let Some(asked) = question {
        let proof = history.proof(&asked);
        found.extend(witness.answered(asked, Ok(proof)));
    }
    found
}

fn accusations(found: &[Finding]) -> usize {
    found
        .iter()
        .filter(|finding| matches!(finding, Finding::Rewritten { .. }))
        .count()
}

fn gone() -> Error {
    Error::NoProof(Box::new(tonic::Status::unavailable("going away")))
}

#[test]
fn a_log_that_only_grows_is_held_and_never_accused() {
    let mut witness = Witness::default();
    for size in [0, 0, 1, 2, 2, 7, 64, 200] {
        let before = witness.heads().last().cloned();
        let found = show(&mut witness, &log(), size);
        match found.as_slice() {
            [] => assert_eq!(before, Some(log().head(size))),
            [Finding::Held(held)] => assert_eq!(*held, log().head(size)),
            other => panic!("{size}: {other:?}"),
        }
        assert_eq!(witness.heads(), [log().head(size)]);
    }
}

#[test]
fn what_is_written_anew_is_noticed_told_once_a_head_and_what_was_held_is_kept() {
    let other = History::new("ward.example/1", 5, 9);
    for size in [6, 9, 10, 200] {
        let mut witness = Witness::holding([log().head(9)]);
        let found = show(&mut witness, &other, size);
        let [Finding::Rewritten { held, shown, .. }] = found.as_slice() else {
            panic!("{size}: {found:?}");
        };
        assert_eq!((held, shown), (&log().head(9), &other.head(size)));
        assert_eq!(accusations(&show(&mut witness, &other, size)), 0, "told already");
        assert_eq!(
            accusations(&show(&mut witness, &other, size + 1)),
            1,
            "another head"
        );
        assert_eq!(witness.heads(), [log().head(9)]);
        assert!(matches!(
            show(&mut witness, &log(), 10).as_slice(),
            [Finding::Held(_)]
        ));
    }
}

#[test]
fn a_log_that_is_shorter_is_a_rewritten_one() {
    let mut witness = Witness::holding([log().head(9)]);
    for size in [0, 1, 8] {
        let found = show(&mut witness, &log(), size);
        let [Finding::Rewritten { why, .. }] = found.as_slice() else {
            panic!("{size}: {found:?}");
        };
        assert_eq!(*why, ProofError::Shrunk { old: 9, new: size });
    }
}

#[test]
fn no_proof_is_no_accusation_and_is_told_once_until_there_is_one() {
    let mut witness = Witness::holding([log().head(9)]);
    let other = History::new("ward.example/1", 5, 9);
    for (size, told) in [(10, true), (11, false), (12, false)] {
        let (found, question) = witness.see(other.head(size));
        assert!(found.is_empty(), "{found:?}");
        let found = witness.answered(question.unwrap(), Err(gone()));
        assert_eq!(
            matches!(found, Some(Finding::Unverified { .. })),
            told,
            "{found:?}"
        );
        assert_eq!(found.is_some(), told);
    }
    assert_eq!(
        witness.heads(),
        [log().head(9)],
        "what was not proven is not held"
    );
    assert!(matches!(
        show(&mut witness, &log(), 13).as_slice(),
        [Finding::Held(_)]
    ));
    let (_, question) = witness.see(log().head(14));
    let found = witness.answered(question.unwrap(), Err(gone()));
    assert!(matches!(found, Some(Finding::Unverified { .. })), "{found:?}");
}

#[test]
fn another_log_is_told_with_the_one_before_and_both_are_held() {
    let restored = History::new("ward.example/2", 3, 7);
    let mut witness = Witness::default();
    show(&mut witness, &log(), 9);
    let found = show(&mut witness, &restored, 4);
    let [Finding::Another { before, now }] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!((before, now), (&log().head(9), &restored.head(4)));
    assert_eq!(witness.heads(), [log().head(9), restored.head(4)]);
    // A log that comes back has to be what it was: another name is no way to make a witness forget.
    let found = show(&mut witness, &History::new("ward.example/1", 5, 9), 20);
    assert!(
        matches!(
            found.as_slice(),
            [Finding::Another { .. }, Finding::Rewritten { .. }]
        ),
        "{found:?}"
    );
    assert_eq!(witness.heads(), [restored.head(4), log().head(9)]);
    let found = show(&mut witness, &restored, 5);
    assert!(
        matches!(found.as_slice(), [Finding::Another { .. }, Finding::Held(_)]),
        "{found:?}"
    );
}

#[test]
fn logs_without_room_are_told_of_and_push_none_out() {
    let mut witness = Witness::default();
    show(&mut witness, &log(), 9);
    for number in 1..HEADS {
        show(&mut witness, &History::new(&format!("log {number}"), 0, 0), 1);
    }
    let held = witness.heads().to_vec();
    assert_eq!(held.len(), HEADS);
    for number in 0..HEADS {
        let beyond = History::new(&format!("beyond {number}"), 0, 0);
        let found = show(&mut witness, &beyond, 1);
        let [Finding::Another { before, now }] = found.as_slice() else {
            panic!("{found:?}");
        };
        assert_eq!((Some(before), now), (held.last(), &beyond.head(1)));
        assert!(show(&mut witness, &beyond, 2).is_empty(), "told already");
        assert_eq!(witness.heads(), held);
    }
    let found = show(&mut witness, &History::new("ward.example/1", 5, 9), 20);
    assert_eq!(accusations(&found), 1, "{found:?}");
}

#[test]
fn an_answer_that_something_else_has_overtaken_says_nothing() {
    let mut witness = Witness::holding([log().head(9)]);
    let (_, question) = witness.see(log().head(12));
    let late = question.unwrap();
    show(&mut witness, &log(), 15);
    let proof = log().proof(&late);
    assert!(witness.answered(late, Ok(proof)).is_none());
    assert_eq!(witness.heads(), [log().head(15)]);
}

#[test]
fn who_is_no_witness_says_nothing() {
    let mut witness = Witness::blind();
    assert!(show(&mut witness, &log(), 9).is_empty());
    assert!(show(&mut witness, &History::new("ward.example/1", 0, 1), 2).is_empty());
    assert!(witness.heads().is_empty());
}

proptest! {
    /// Whatever an aggregator shows of two histories: it is accused when what it shows is not the history that is held, and
    /// only then.
    #[test]
    fn accused_is_who_shows_another_history_than_before(
        parted in 0..40_usize,
        shown in prop::collection::vec((0..60_u64, any::<bool>()), 1..12),
    ) {
        let histories = [log(), History::new("ward.example/1", parted, 1)];
        let mut witness = Witness::default();
        let mut told = None;
        for (size, other) in shown {
            let history = &histories[usize::from(other)];
            let now = history.head(size);
            let begins_as_held = witness.heads().last().is_none_or(|held| {
                held.size <= size && history.head(held.size).root == held.root
            });
            let found = show(&mut witness, history, size);
            let news = !begins_as_held && told.as_ref() != Some(&now);
            prop_assert_eq!(accusations(&found), usize::from(news), "{:?} {:?}", now, found);
            match accusations(&found) {
                0 if begins_as_held => {
                    if matches!(found.as_slice(), [Finding::Held(_)]) {
                        told = None;
                    }
                    prop_assert_eq!(witness.heads(), std::slice::from_ref(&now));
                }
                _ => told = Some(now),
            }
        }
    }
}
