//! Whether a certificate that was believed once still is, for as long as its connection lasts.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};
use tokio_rustls::rustls::{
    Error,
    pki_types::{CertificateDer, UnixTime},
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{InForce, Tls};

/// What a connection has proved, kept to be asked again.
pub(crate) struct Standing {
    name: Arc<str>,
    chain: Vec<CertificateDer<'static>>,
    changes: watch::Receiver<Arc<InForce>>,
}

impl Standing {
    /// Of a chain that a handshake has just accepted; judged by what is in force at this moment, which may be newer.
    pub(crate) fn new(tls: &Tls, chain: &[CertificateDer<'_>]) -> Result<Self, Error> {
        let mut changes = tls.changes();
        let name = judge(&changes.borrow_and_update(), chain)?;
        Ok(Self {
            name,
            chain: chain.iter().map(|part| part.clone().into_owned()).collect(),
            changes,
        })
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Resolves with the reason once it is believed no more, or as somebody else.
    pub(crate) async fn lost(mut self) -> String {
        loop {
            tokio::select! {
                () = sleep(until_expiry(&self.chain)) => {}
                changed = self.changes.changed() => {
                    if changed.is_err() {
                        return "the server stops".to_owned();
                    }
                }
            }
            match judge(&self.changes.borrow_and_update(), &self.chain) {
                Ok(name) if name == self.name => {}
                Ok(_) => return "its certificate stands for somebody else now".to_owned(),
                Err(error) => return error.to_string(),
            }
        }
    }
}

fn judge(in_force: &InForce, chain: &[CertificateDer<'_>]) -> Result<Arc<str>, Error> {
    let verifier = in_force.verifier.as_ref().ok_or(Error::NoCertificatesPresented)?;
    verifier.name(chain, UnixTime::now())
}

/// At least a second: what has expired is judged before this is asked again.
fn until_expiry(chain: &[CertificateDer<'_>]) -> Duration {
    let expiry = chain.first().and_then(|leaf| {
        let (_, leaf) = X509Certificate::from_der(leaf).ok()?;
        u64::try_from(leaf.validity().not_after.timestamp()).ok()
    });
    let left = expiry
        .unwrap_or_default()
        .saturating_sub(UnixTime::now().as_secs());
    Duration::from_secs(left.max(1))
}
