//! The tokens of an installation, in a file of its data directory.
//!
//! A file and not a call to the aggregator, so that the first token can be made before anybody may call. It is replaced
//! as a whole: whoever reads it sees all of one state. Changes by several at once wait for each other, by a lock beside
//! it; the lock of the directory is the aggregator's, which holds it as long as it runs. Both files belong to the owner of
//! the directory, also where an administrator changes them. An existing lock is not given away: whoever may write to the
//! directory could have put a link to another file in its place.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use ward_model::Wall;

use crate::{Grants, Token, TokenId, token::SecretHash};

/// Most tokens. Each is some 300 bytes; the aggregator reads all of them when one changes.
pub const TOKENS: usize = 10_000;
const FILE: &str = "tokens.json";
const LOCK: &str = "tokens.lock";
const VERSION: u32 = 1;
/// More than the most tokens there may be take with the longest notes.
const FILE_BYTES: u64 = 16 << 20;
/// Longest note, in characters.
const NOTE: usize = 128;

/// One token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Which one.
    pub id: TokenId,
    /// By which it is recognised.
    pub hash: SecretHash,
    /// What its owner may do.
    pub grants: Grants,
    /// When it was made.
    pub created: Wall,
    /// From when on it is good for nothing; `None` never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Wall>,
    /// For people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl Record {
    /// Whether it is still good for something.
    pub fn is_live(&self, now: Wall) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

/// Why tokens could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused.
    #[error("{doing} {path:?}")]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It would be a file that the owner of the directory cannot read.
    #[error("make {path:?} a file of user {owner}, whose directory it is in; run this as that user")]
    Owner {
        /// The file.
        path: PathBuf,
        /// Whose it has to be.
        owner: u32,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not one of ours.
    #[error("read {path:?}: {why}; put back the file that was there, or move it away and make new tokens")]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// There are as many as there may be.
    #[error("there are {TOKENS} tokens, the most there may be: revoke those nobody uses (`ward token list`)")]
    Full,
    /// One of that id is there.
    #[error("a token with the id {0} exists: make another")]
    Exists(TokenId),
    /// None of that id is there.
    #[error("there is no token with the id {0}: `ward token list` shows those there are")]
    NotFound(TokenId),
    /// A note that cannot be shown.
    #[error("the note must be at most {NOTE} characters without control characters")]
    Note,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    version: u32,
    tokens: Vec<Record>,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct TokenStore {
    dir: PathBuf,
}

impl TokenStore {
    /// In this data directory, which need not be there yet.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.dir.join(FILE)
    }

    /// All tokens, the oldest first; none where there is no file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is not one of ours.
    pub fn load(&self) -> Result<Vec<Record>, StoreError> {
        let path = self.path();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(refused("open", &path)(error)),
        };
        let mut text = String::new();
        let read = file.take(FILE_BYTES + 1).read_to_string(&mut text);
        read.map_err(refused("read", &path))?;
        let broken = |why: String| StoreError::Broken {
            path: path.clone(),
            why,
        };
        if text.len() as u64 > FILE_BYTES {
            return Err(broken(format!("it is longer than {} MiB", FILE_BYTES >> 20)));
        }
        let contents: Contents = serde_json::from_str(&text).map_err(|error| broken(error.to_string()))?;
        if contents.version != VERSION {
            let why = format!("it has version {}, expected {VERSION}", contents.version);
            return Err(broken(why));
        }
        Ok(contents.tokens)
    }

    /// Keeps a new token.
    ///
    /// # Errors
    ///
    /// Also when there are too many, or one with its id.
    pub fn add(
        &self,
        token: &Token,
        grants: Grants,
        times: (Wall, Option<Wall>),
        note: &str,
    ) -> Result<(), StoreError> {
        if note.chars().count() > NOTE || note.chars().any(char::is_control) {
            return Err(StoreError::Note);
        }
        let (created, expires) = times;
        let record = Record {
            id: token.id().clone(),
            hash: token.hash(),
            grants,
            created,
            expires,
            note: note.to_owned(),
        };
        self.change(|tokens| {
            if tokens.iter().any(|other| other.id == record.id) {
                return Err(StoreError::Exists(record.id));
            }
            if tokens.len() >= TOKENS {
                return Err(StoreError::Full);
            }
            tokens.push(record);
            Ok(())
        })
    }

    /// From now on the token is good for nothing. What it was.
    ///
    /// # Errors
    ///
    /// Also when there is none of that id.
    pub fn revoke(&self, id: &TokenId) -> Result<Record, StoreError> {
        self.change(|tokens| {
            let found = tokens.iter().position(|token| token.id == *id);
            let at = found.ok_or_else(|| StoreError::NotFound(id.clone()))?;
            Ok(tokens.remove(at))
        })
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&mut Vec<Record>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let created = DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        created.map_err(refused("create", &self.dir))?;
        let lock = self.dir.join(LOCK);
        let held = self.open_lock(&lock)?;
        held.lock().map_err(refused("lock", &lock))?;
        let mut tokens = self.load()?;
        let changed = change(&mut tokens)?;
        self.write(tokens)?;
        Ok(changed)
    }

    fn open_lock(&self, path: &Path) -> Result<File, StoreError> {
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        match options.clone().create_new(true).open(path) {
            Ok(fresh) => match self.give(&fresh, path) {
                Ok(()) => Ok(fresh),
                Err(error) => {
                    // It would keep the owner out.
                    drop(fs::remove_file(path));
                    Err(error)
                }
            },
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                options.open(path).map_err(refused("open", path))
            }
            Err(error) => Err(refused("create", path)(error)),
        }
    }

    /// A file that was just made becomes one of the owner of the directory.
    fn give(&self, fresh: &File, path: &Path) -> Result<(), StoreError> {
        let look = |metadata: io::Result<fs::Metadata>| metadata.map_err(refused("look at", &self.dir));
        let (directory, file) = (look(fs::metadata(&self.dir))?, look(fresh.metadata())?);
        if directory.uid() == file.uid() {
            return Ok(());
        }
        fchown(fresh, Some(directory.uid()), Some(directory.gid())).map_err(|source| StoreError::Owner {
            path: path.to_owned(),
            owner: directory.uid(),
            source,
        })
    }

    /// All of it or nothing, also if the machine stops in between.
    fn write(&self, tokens: Vec<Record>) -> Result<(), StoreError> {
        let contents = Contents {
            version: VERSION,
            tokens,
        };
        let path = self.path();
        // For one user only, as temporary files are.
        let fresh = NamedTempFile::new_in(&self.dir).map_err(refused("write", &path))?;
        self.give(fresh.as_file(), &path)?;
        self.put(fresh, &contents).map_err(refused("write", &path))
    }

    fn put(&self, mut fresh: NamedTempFile, contents: &Contents) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut fresh, contents)?;
        fresh.write_all(b"\n")?;
        fresh.as_file().sync_all()?;
        fresh.persist(self.path()).map_err(|failed| failed.error)?;
        File::open(&self.dir)?.sync_all()
    }
}

fn refused(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { doing, path, source }
}

#[cfg(test)]
mod tests {
    use std::{
        os::unix::fs::{PermissionsExt, chown, symlink},
        thread,
    };

    use super::*;

    fn token(n: u8) -> Token {
        Token::new([n; 6], [n; 32])
    }

    fn watch() -> Grants {
        Grants {
            watch: true,
            ..Grants::default()
        }
    }

    #[test]
    fn what_is_kept_is_not_the_secret_and_nobody_else_may_read_it() {
        let home = tempfile::tempdir().unwrap();
        let store = TokenStore::new(home.path().join("new"));
        assert_eq!(store.load().unwrap(), []);
        store
            .add(&token(0xab), watch(), (Wall(1), Some(Wall(5))), "a note")
            .unwrap();
        let text = fs::read_to_string(store.path()).unwrap();
        assert!(!text.contains(&"ab".repeat(32)), "{text}");
        assert_eq!(
            fs::metadata(store.path()).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let [record] = &store.load().unwrap()[..] else {
            panic!("one token")
        };
        assert!(record.hash.is_of(&token(0xab)) && !record.hash.is_of(&token(1)));
        assert!(record.is_live(Wall(4)) && !record.is_live(Wall(5)));
        assert_eq!((&*record.note, &record.grants), ("a note", &watch()));
        assert!(matches!(
            store.add(&token(0xab), watch(), (Wall(1), None), ""),
            Err(StoreError::Exists(_))
        ));
        assert!(matches!(
            store.add(&token(1), watch(), (Wall(1), None), "\u{1b}["),
            Err(StoreError::Note)
        ));
        store.revoke(token(0xab).id()).unwrap();
        assert!(matches!(
            store.revoke(token(0xab).id()),
            Err(StoreError::NotFound(_))
        ));
        assert_eq!(store.load().unwrap(), []);
    }

    /// As root alone: nobody else can give files away.
    #[test]
    fn what_an_administrator_changes_stays_the_owner_s() {
        let home = tempfile::tempdir().unwrap();
        let owner = |path: &Path| fs::metadata(path).unwrap().uid();
        if owner(home.path()) != 0 {
            return;
        }
        chown(home.path(), Some(12_345), Some(12_346)).unwrap();
        let store = TokenStore::new(home.path());
        store.add(&token(1), watch(), (Wall(0), None), "").unwrap();
        for file in [FILE, LOCK] {
            let file = fs::metadata(home.path().join(file)).unwrap();
            assert_eq!(
                (file.uid(), file.gid(), file.mode() & 0o777),
                (12_345, 12_346, 0o600)
            );
        }
        store.revoke(token(1).id()).unwrap();
        assert_eq!(owner(&store.path()), 12_345);
        // What a lock points to is no lock, and is nobody's to have.
        let other = tempfile::NamedTempFile::new().unwrap();
        let lock = home.path().join(LOCK);
        fs::remove_file(&lock).unwrap();
        symlink(other.path(), &lock).unwrap();
        store.add(&token(2), watch(), (Wall(0), None), "").unwrap();
        assert_eq!(owner(other.path()), 0);
    }

    #[test]
    fn many_at_once_lose_nothing() {
        let home = tempfile::tempdir().unwrap();
        let store = TokenStore::new(home.path());
        thread::scope(|scope| {
            for n in 0..16 {
                let store = &store;
                scope.spawn(move || store.add(&token(n), watch(), (Wall(0), None), "").unwrap());
            }
        });
        assert_eq!(store.load().unwrap().len(), 16);
    }

    #[test]
    fn a_file_that_is_not_ours_is_not_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let store = TokenStore::new(home.path());
        for broken in [
            "",
            "[]",
            r#"{"version":2,"tokens":[]}"#,
            r#"{"version":1,"tokens":[{}]}"#,
        ] {
            fs::write(store.path(), broken).unwrap();
            let refused = store.add(&token(1), watch(), (Wall(0), None), "").unwrap_err();
            assert!(matches!(refused, StoreError::Broken { .. }), "{refused}");
            assert_eq!(fs::read_to_string(store.path()).unwrap(), broken);
        }
    }
}
