//! Shipping: to a directory, and to a store in memory.

use object_store::{local::LocalFileSystem, memory::InMemory};

use super::*;
use crate::{
    Log,
    tests::support::{draft, open, wait},
    verify::verify,
};

fn grow(log: &Log, count: u64) {
    let from = log.head().size;
    (from..from + count).for_each(|n| assert!(wait(log.append(draft(n))).is_ok()));
    wait(log.checkpoint()).unwrap();
}

fn shipped(dir: &Path, store: &dyn ObjectStore, prefix: &Key) -> Result<Shipped, ShipError> {
    let mut last = (0, 0);
    let shipped = wait(ship(dir, store, prefix, &mut |done, total| last = (done, total)));
    assert!(shipped.is_err() || last.0 == last.1, "{last:?}");
    shipped
}

#[test]
fn only_what_is_new_is_copied_and_the_copy_is_a_log() {
    let home = tempfile::tempdir().unwrap();
    let there = tempfile::tempdir().unwrap();
    let store = LocalFileSystem::new_with_prefix(there.path()).unwrap();
    let dir = home.path().join("audit");
    let (log, _) = open(&dir).unwrap();
    let here = Key::default();
    for (count, before) in [(0, 0), (600, 0), (0, 512), (3, 512), (700, 512), (1, 1280)] {
        grow(&log, count);
        let done = shipped(&dir, &store, &here).unwrap();
        assert_eq!((done.before, done.size), (before, log.head().size));
        if count == 0 && before > 0 {
            assert_eq!(done.written, 1, "the checkpoint, and nothing else");
        }
        let report = verify(there.path(), None, None, &mut |_, _| {});
        assert!(report.is_sound(), "{report:?}");
        assert_eq!(report.verified, log.head().size);
    }
    // A private key is nobody's but the writer's.
    assert!(!there.path().join("key").exists() && there.path().join("key.pub").exists());
    log.close().unwrap();
}

#[test]
fn nothing_is_written_over() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("audit");
    let (log, _) = open(&dir).unwrap();
    grow(&log, 300);
    let prefix = Key::parse("a/b").unwrap();
    // Another object in the place of a tile.
    let store = InMemory::new();
    let place = Key::parse("a/b/tile/0/000").unwrap();
    wait(store.put(&place, "something else".into())).unwrap();
    let refused = shipped(&dir, &store, &prefix).unwrap_err();
    assert!(
        matches!(&refused, ShipError::Other { key } if *key == place),
        "{refused}"
    );
    let kept = wait(async { store.get(&place).await.unwrap().bytes().await.unwrap() });
    assert_eq!(kept, "something else");
    assert!(
        wait(store.head(&Key::parse("a/b/checkpoint").unwrap())).is_err(),
        "no checkpoint of what is not there"
    );
    // Another log.
    let store = InMemory::new();
    shipped(&dir, &store, &prefix).unwrap();
    let other = home.path().join("other");
    let (another, _) = open(&other).unwrap();
    grow(&another, 400);
    let refused = shipped(&other, &store, &prefix).unwrap_err();
    assert!(refused.to_string().contains("another key"), "{refused}");
    another.close().unwrap();
    log.close().unwrap();
    // The same one, rolled back to before it was shipped.
    let older = tempfile::tempdir().unwrap();
    for name in ["format", "key", "key.pub"] {
        std::fs::copy(dir.join(name), older.path().join(name)).unwrap();
    }
    std::fs::remove_file(older.path().join("format")).unwrap();
    let (log, _) = open(older.path()).unwrap();
    grow(&log, 10);
    let refused = shipped(older.path(), &store, &prefix).unwrap_err();
    assert!(
        matches!(refused, ShipError::NotOurs { here: 10, .. }),
        "{refused}"
    );
    wait(log.append(draft(1000))).unwrap();
    grow(&log, 400);
    assert!(
        shipped(older.path(), &store, &prefix).is_err(),
        "as long, and with another history"
    );
    log.close().unwrap();
}

#[test]
fn what_is_damaged_here_is_not_shipped() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("audit");
    let (log, _) = open(&dir).unwrap();
    grow(&log, 600);
    let prefix = Key::default();
    let store = InMemory::new();
    shipped(&dir, &store, &prefix).unwrap();
    grow(&log, 300);
    for name in [
        "tile/entries/002",
        "tile/entries/003.p/132",
        "tile/0/002",
        "tile/0/003.p/132",
        "tile/1/000.p/3",
    ] {
        let path = dir.join(name);
        let right = std::fs::read(&path).unwrap();
        for (what, wrong) in [
            ("flipped", {
                let mut wrong = right.clone();
                wrong[right.len() - 1] ^= 1;
                wrong
            }),
            ("longer", [right.as_slice(), &[0]].concat()),
        ] {
            std::fs::write(&path, wrong).unwrap();
            let refused = shipped(&dir, &store, &prefix).unwrap_err();
            let told = matches!(
                &refused,
                ShipError::Damaged { .. } | ShipError::Read(ReadError::Broken { .. })
            );
            assert!(told, "{name} {what}: {refused}");
            let there = wait(async { store.get(&Key::parse(name).unwrap()).await?.bytes().await });
            assert!(there.is_err() || there.unwrap() == right, "{name} {what}");
        }
        std::fs::write(&path, right).unwrap();
    }
    assert_eq!(shipped(&dir, &store, &prefix).unwrap().size, 900);
    log.close().unwrap();
}

#[test]
fn a_checkpoint_that_came_meanwhile_is_not_written_over() {
    let home = tempfile::tempdir().unwrap();
    let there = tempfile::tempdir().unwrap();
    let dir = home.path().join("audit");
    let (log, _) = open(&dir).unwrap();
    let local: Arc<dyn ObjectStore> = Arc::new(LocalFileSystem::new_with_prefix(there.path()).unwrap());
    let place = Key::parse(CHECKPOINT).unwrap();
    for store in [local, Arc::new(InMemory::new())] {
        // The first one there, and a later one.
        for came in ["somebody's", "another's"] {
            grow(&log, 10);
            let mut last = |done, total| {
                if done + 1 == total {
                    let (store, place) = (store.clone(), place.clone());
                    let put = async move { store.put(&place, came.into()).await.unwrap() };
                    std::thread::spawn(|| wait(put)).join().unwrap();
                }
            };
            let refused = wait(ship(&dir, &*store, &Key::default(), &mut last)).unwrap_err();
            assert!(matches!(refused, ShipError::Raced { .. }), "{refused}");
            let kept = wait(async { store.get(&place).await.unwrap().bytes().await.unwrap() });
            assert_eq!(kept, came);
            wait(store.delete(&place)).unwrap();
            shipped(&dir, &*store, &Key::default()).unwrap();
        }
    }
    log.close().unwrap();
}
