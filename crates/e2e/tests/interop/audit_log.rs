//! The verifier for others, `deploy/verify-audit.py`: it knows the published specifications and nothing of Ward, and agrees
//! with `ward-tlog` on logs that are good and on logs that are not.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;
use ward_audit::{Draft, Kind, Options, Source, Start, boot_id};
use ward_chassis::Clock;
use ward_model::{Epoch, Now};
use ward_tlog::{Checkpoint, Hash, Signer, Tree, entries_path, leaf_hash, node_hash, tiles_between};

use crate::outside::{find, not_run};

const ORIGIN: &str = "ward.example/audit";

/// A log on disk, as the specifications have it.
struct Log {
    home: TempDir,
    vkey: String,
}

fn entry(index: u64) -> Vec<u8> {
    format!("{{\"event\":{index}}}").into_bytes()
}

impl Log {
    fn write(size: u64, entry: impl Fn(u64) -> Vec<u8>) -> Self {
        let signer = Signer::new(ORIGIN, &[7; 32]).unwrap();
        let log = Self {
            home: tempfile::tempdir().unwrap(),
            vkey: signer.vkey(),
        };
        let levels = levels((0..size).map(|index| leaf_hash(&entry(index))).collect());
        for tile in tiles_between(0, size) {
            let level = &levels[usize::from(tile.level)];
            let hashes = level.chunks(256).nth(tile.index as usize).unwrap();
            assert_eq!(hashes.len(), usize::from(tile.width));
            log.put(
                &tile.path(),
                &hashes.iter().flat_map(|hash| hash.0).collect::<Vec<_>>(),
            );
            if tile.level == 0 {
                let first = tile.index * 256;
                let bundle = (first..first + u64::from(tile.width)).flat_map(|index| {
                    let entry = entry(index);
                    let length = u16::try_from(entry.len()).unwrap().to_be_bytes();
                    [length.to_vec(), entry].concat()
                });
                log.put(&entries_path(tile.index, tile.width), &bundle.collect::<Vec<_>>());
            }
        }
        let mut tree = Tree::new();
        levels[0].iter().for_each(|leaf| tree.push(*leaf));
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            head: tree.head(),
        };
        log.put("checkpoint", checkpoint.sign(&signer).unwrap().as_bytes());
        log
    }

    fn path(&self) -> &Path {
        self.home.path()
    }

    fn put(&self, path: &str, bytes: &[u8]) {
        let file = self.path().join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }

    /// All of its files.
    fn files(&self) -> Vec<PathBuf> {
        fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
            for file in fs::read_dir(folder)? {
                let path = file?.path();
                match path.is_dir() {
                    true => walk(&path, found)?,
                    false => found.push(path),
                }
            }
            Ok(())
        }
        let mut found = Vec::new();
        walk(self.path(), &mut found).unwrap();
        found.sort();
        found
    }
}

/// The hashes of each level of tiles.
fn levels(leaves: Vec<Hash>) -> Vec<Vec<Hash>> {
    let full = |tile: &[Hash]| {
        let mut row = tile.to_vec();
        while row.len() > 1 {
            row = row.chunks(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
        }
        row[0]
    };
    let mut levels = vec![leaves];
    while let Some(below) = levels.last().filter(|below| below.len() >= 256) {
        levels.push(below.chunks_exact(256).map(full).collect());
    }
    levels
}

struct Verifier(PathBuf);

impl Verifier {
    fn find(what: &str) -> Option<Self> {
        let python = find("PYTHON", &["python3"]);
        if python.is_none() {
            not_run(what, "python3 on PATH or as $PYTHON");
        }
        if find("OPENSSL", &["openssl"]).is_none() {
            not_run(what, "openssl on PATH or as $OPENSSL");
            return None;
        }
        python.map(Self)
    }

    fn judge(&self, log: &Log, held: Option<&OsStr>) -> (bool, String) {
        self.verify(log.path(), OsStr::new(&log.vkey), held)
    }

    /// Whether it finds nothing wrong, and what it says.
    fn verify(&self, log: &Path, key: &OsStr, held: Option<&OsStr>) -> (bool, String) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/verify-audit.py");
        let done = Command::new(&self.0)
            .arg(script)
            .arg(log)
            .arg(key)
            .args(held)
            .output()
            .unwrap();
        let said = String::from_utf8(done.stdout).unwrap();
        let (good, word) = match done.status.code() {
            Some(0) => (true, "ok: "),
            Some(1) => (false, "wrong: "),
            code => panic!("{code:?}: {said} {}", String::from_utf8_lossy(&done.stderr)),
        };
        assert!(
            said.starts_with(word),
            "{said} {}",
            String::from_utf8_lossy(&done.stderr)
        );
        (good, said)
    }
}

#[test]
fn logs_of_every_shape_are_found_to_be_as_signed() {
    let Some(verifier) = Verifier::find("good audit logs by a verifier in Python") else {
        return;
    };
    for size in [0, 1, 2, 3, 255, 256, 257, 511, 600, 66_049] {
        let (good, said) = verifier.judge(&Log::write(size, entry), None);
        assert!(good, "{size}: {said}");
        assert!(
            said.starts_with(&format!("ok: {size} entries, as signed")),
            "{said}"
        );
    }
    // Entries of any bytes and of all lengths that there are.
    let lengths = [0, 1, 55, 56, 64, 1022, 1023, 1024, 65_535];
    let log = Log::write(lengths.len() as u64, |index| vec![0xff; lengths[index as usize]]);
    assert!(verifier.judge(&log, None).0);
}

#[test]
fn a_log_in_which_anything_was_changed_is_found_to_be_wrong() {
    let Some(verifier) = Verifier::find("bad audit logs by a verifier in Python") else {
        return;
    };
    let log = Log::write(600, entry);
    let files = log.files();
    assert_eq!(files.len(), 8, "{files:?}");
    for file in &files {
        let right = fs::read(file).unwrap();
        let expect_wrong = |what: &str, bytes: Option<Vec<u8>>| {
            match bytes {
                Some(bytes) => fs::write(file, bytes).unwrap(),
                None => fs::remove_file(file).unwrap(),
            }
            let (good, said) = verifier.judge(&log, None);
            assert!(!good, "{file:?}, {what}: {said}");
        };
        for at in [0, right.len() / 2, right.len() - 1] {
            let mut flipped = right.clone();
            flipped[at] ^= 1 << (at % 8);
            expect_wrong("flipped", Some(flipped));
            expect_wrong("cut", Some(right[..at].to_vec()));
        }
        expect_wrong("longer", Some([right.as_slice(), b"\n"].concat()));
        expect_wrong("gone", None);
        fs::write(file, &right).unwrap();
    }
    assert!(verifier.judge(&log, None).0, "as it was");
}

/// Through three lives of a log: what each one has signed is what the next begins with.
#[test]
fn the_log_of_an_aggregator_is_as_others_expect_it() {
    let Some(verifier) = Verifier::find("the audit log of Ward by a verifier in Python") else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let (dir, held) = (home.path().join("audit"), home.path().join("held"));
    for life in 1..=3 {
        let start = Start {
            clock: Clock::start(),
            boot_id: boot_id(),
            epoch: Epoch(life),
        };
        let (log, _) = ward_audit::Log::open(&dir, Options::default(), start).unwrap();
        for number in 0..333 {
            let subject = format!("service-{}", number % 7);
            assert!(log.record(Draft::new(
                Kind::Transition,
                Source::Engine,
                subject,
                Now::default()
            )));
        }
        log.close().unwrap();
        let size = life * 333;
        assert_eq!(log.head().size, size);
        let key = dir.join("key.pub");
        let before = held.exists().then_some(held.as_os_str());
        let (good, said) = verifier.verify(&dir, key.as_os_str(), before);
        assert!(
            good && said.contains(&format!("{size} entries, as signed")),
            "{said}"
        );
        fs::copy(dir.join("checkpoint"), &held).unwrap();
    }
}

/// Signed by the right key, and not what was there before.
#[test]
fn a_log_that_was_cut_or_written_anew_is_found_out_by_a_held_checkpoint() {
    let Some(verifier) = Verifier::find("rewritten audit logs by a verifier in Python") else {
        return;
    };
    let held = Log::write(300, entry);
    let held = held.path().join("checkpoint").into_os_string();
    let judge = |log: &Log| verifier.judge(log, Some(&held));
    for size in [300, 301, 512, 600] {
        let (good, said) = judge(&Log::write(size, entry));
        assert!(
            good && said.contains("and the first 300 are those of"),
            "{size}: {said}"
        );
    }
    let (good, said) = judge(&Log::write(299, entry));
    assert!(!good && said.contains("it was cut"), "{said}");
    let rewritten = |index| entry(if index == 17 { 18 } else { index });
    let (good, said) = judge(&Log::write(600, rewritten));
    assert!(!good && said.contains("does not begin with"), "{said}");
    // What the key has signed, over something else.
    let forged = Log::write(600, rewritten);
    let (checkpoint, signed) = (
        forged.path().join("checkpoint"),
        fs::read_to_string(&held).unwrap(),
    );
    let text = fs::read_to_string(&checkpoint).unwrap();
    let (text, _) = text.split_once("\n\n").unwrap();
    let (_, signatures) = signed.split_once("\n\n").unwrap();
    fs::write(&checkpoint, format!("{text}\n\n{signatures}")).unwrap();
    let (good, said) = verifier.judge(&forged, None);
    assert!(
        !good && said.contains("is not what ward.example/audit signed"),
        "{said}"
    );
    let mut stranger = Log::write(300, entry);
    stranger.vkey = Signer::new(ORIGIN, &[8; 32]).unwrap().vkey();
    let (good, said) = verifier.judge(&stranger, None);
    assert!(!good && said.contains("is not signed by"), "{said}");
}
