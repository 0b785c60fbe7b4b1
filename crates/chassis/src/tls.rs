//! TLS for listeners: what this process shows, whom it believes, and how both change while it runs.
//!
//! The whole configuration is made anew from its files when one of them changes, checked, and swapped as one; what was
//! there stays where the new one is wrong. So there is never half of a rotation in force, and sessions of the old one
//! cannot be resumed: there is no resumption at all, since rustls would let a session come back whose certificate nobody
//! looks at again. Watching the files with inotify was not taken: it misses network file systems and the swapped links
//! of mounted secrets, and one look a second at four files costs nothing.

mod load;
mod name;
mod standing;
mod verifier;

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;
use ward_model::Wall;

pub use self::{
    load::TlsError,
    name::{NameError, certificate_name},
};
pub(crate) use self::{standing::Standing, verifier::Verifier};
use crate::Stamp;

/// The files, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate of this process, with its chain.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Authorities whose certificates prove who a client is. Without them no certificate is asked for.
    pub client_ca: Option<PathBuf>,
    /// What those authorities have revoked. An authority without a list here is then believed nothing.
    pub crl: Option<PathBuf>,
}

/// TLS that is kept up to date. Shared by listeners.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    looked: Mutex<Looked>,
    now: watch::Sender<Arc<InForce>>,
}

/// What is in force.
#[derive(Debug)]
pub(crate) struct InForce {
    pub(crate) h2: Arc<ServerConfig>,
    pub(crate) h1: Arc<ServerConfig>,
    pub(crate) verifier: Option<Arc<Verifier>>,
    expires: Wall,
}

/// What the last look saw.
#[derive(Debug)]
struct Looked {
    /// Of what is in force.
    stamps: Vec<Stamp>,
    names: Arc<BTreeSet<String>>,
    /// The names that are to be.
    wanted: Arc<BTreeSet<String>>,
    /// What was wrong since, said once.
    wrong: Option<String>,
}

/// What a look at the files has come to.
#[derive(Debug)]
pub enum Look {
    /// They are as they were.
    Unchanged,
    /// What they say now is in force.
    Renewed,
    /// What they say now is wrong; what was in force stays. Told once, and tried again with each look.
    Failed(TlsError),
    /// It is still wrong, in the same way.
    StillFailed,
}

impl Tls {
    /// Reads the files. `names` are the DNS names by which certificates without a SPIFFE id are known.
    ///
    /// # Errors
    ///
    /// Says which file is wrong, and how.
    pub fn load(files: TlsFiles, names: impl IntoIterator<Item = String>) -> Result<Self, TlsError> {
        let stamps = stamps(&files);
        let names: Arc<BTreeSet<String>> = Arc::new(names.into_iter().collect());
        let in_force = load::load(&files, &names)?;
        Ok(Self {
            files,
            looked: Mutex::new(Looked {
                stamps,
                wanted: Arc::clone(&names),
                names,
                wrong: None,
            }),
            now: watch::Sender::new(Arc::new(in_force)),
        })
    }

    /// Looks whether a file has changed, and takes over what it says. Blocks: it reads files.
    pub fn look(&self) -> Look {
        let mut looked = self.looked.lock();
        self.renew(&mut looked)
    }

    /// From now on certificates are known by these names. Blocks.
    pub fn rename(&self, names: impl IntoIterator<Item = String>) -> Look {
        let mut looked = self.looked.lock();
        looked.wanted = Arc::new(names.into_iter().collect());
        self.renew(&mut looked)
    }

    fn renew(&self, looked: &mut Looked) -> Look {
        // Before reading, so that what changes meanwhile is seen by the next look.
        let stamps = stamps(&self.files);
        if looked.stamps == stamps && looked.names == looked.wanted {
            return match looked.wrong.take() {
                // What was wrong was put back.
                Some(_) => Look::Renewed,
                None => Look::Unchanged,
            };
        }
        match load::load(&self.files, &looked.wanted) {
            Ok(in_force) => {
                self.now.send_replace(Arc::new(in_force));
                looked.stamps = stamps;
                looked.names = Arc::clone(&looked.wanted);
                looked.wrong = None;
                Look::Renewed
            }
            Err(error) => {
                let said = Some(error.to_string());
                if looked.wrong == said {
                    return Look::StillFailed;
                }
                looked.wrong = said;
                Look::Failed(error)
            }
        }
    }

    /// Until when the certificate that is shown is valid.
    pub fn expires(&self) -> Wall {
        self.now.borrow().expires
    }

    pub(crate) fn now(&self) -> Arc<InForce> {
        self.now.borrow().clone()
    }

    pub(crate) fn changes(&self) -> watch::Receiver<Arc<InForce>> {
        self.now.subscribe()
    }
}

fn stamps(files: &TlsFiles) -> Vec<Stamp> {
    let optional = [&files.client_ca, &files.crl].into_iter().flatten();
    let all = [&files.cert, &files.key].into_iter().chain(optional);
    all.map(|path| Stamp::of(path)).collect()
}
