//! Whether a certificate that was believed once still is, for as long as its connection lasts.
//!
//! It is judged when what is in force changes, and when a part of its chain expires. Timers do not follow a clock that is set,
//! so the clock is looked at now and then; to have each chain judged that often instead would verify the same signatures all
//! day.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::sleep};
use tokio_rustls::rustls::{
    Error,
    pki_types::{CertificateDer, UnixTime},
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{InForce, Tls};

/// How often the clock is looked at, at least: so much later is a clock noticed that was set.
const LOOK: Duration = Duration::from_secs(60);

/// What a connection has proved, kept to be asked again.
pub(crate) struct Standing {
    name: Arc<str>,
    chain: Vec<CertificateDer<'static>>,
    /// The first second in which each part of the chain is expired, since 1970.
    expiries: Vec<u64>,
    /// When the chain was judged last, in the same seconds.
    judged: u64,
    changes: watch::Receiver<Arc<InForce>>,
}

impl Standing {
    /// Of a chain that a handshake has just accepted; judged by what is in force at this moment, which may be newer.
    pub(crate) fn new(tls: &Tls, chain: &[CertificateDer<'_>]) -> Result<Self, Error> {
        let mut changes = tls.changes();
        let judged = now();
        let name = judge(&changes.borrow_and_update(), chain)?;
        Ok(Self {
            name,
            expiries: chain.iter().map(expiry).collect(),
            chain: chain.iter().map(|part| part.clone().into_owned()).collect(),
            judged,
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
                () = expired(&self.expiries, self.judged) => {}
                changed = self.changes.changed() => {
                    if changed.is_err() {
                        return "the server stops".to_owned();
                    }
                }
            }
            self.judged = now();
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

fn now() -> u64 {
    UnixTime::now().as_secs()
}

/// A second later than the certificate says, which counts its last one in. What cannot be read was not believed.
fn expiry(part: &CertificateDer<'_>) -> u64 {
    let last = X509Certificate::from_der(part)
        .ok()
        .and_then(|(_, part)| u64::try_from(part.validity().not_after.timestamp()).ok());
    last.unwrap_or_default().saturating_add(1)
}

/// Until the clock has passed one of these moments that it had not passed at `judged`, or was set back.
async fn expired(expiries: &[u64], judged: u64) {
    while let Some(pause) = pause(expiries, judged, now()) {
        sleep(pause).await;
    }
}

/// How long to wait before looking at the clock again; `None` if the chain is to be judged. What had expired when it was
/// judged, and did no harm, is not waited for: not every part of a chain has to be needed.
fn pause(expiries: &[u64], judged: u64, now: u64) -> Option<Duration> {
    let next = expiries.iter().filter(|at| **at > judged).min();
    let left = next.map_or(u64::MAX, |next| next.saturating_sub(now));
    (left > 0 && now >= judged).then(|| Duration::from_secs(left).min(LOOK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_expiry_is_waited_for_and_the_clock_is_looked_at_meanwhile() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let day = 86_400;
        // The leaf, and an authority between that ends before it.
        let chain = [30 * day, day];
        assert_eq!(pause(&chain, 0, 0), Some(LOOK));
        assert_eq!(pause(&chain, 0, day - 5), seconds(5));
        assert_eq!(pause(&chain, 0, day), None);
        assert_eq!(pause(&chain, 0, 40 * day), None, "the clock was set");
        assert_eq!(pause(&chain, day, day - 1), None, "the clock was set back");
        // The authority was not needed: what is next is the leaf.
        assert_eq!(pause(&chain, day, day), Some(LOOK));
        assert_eq!(pause(&chain, day, 30 * day - 1), seconds(1));
        assert_eq!(pause(&chain, 40 * day, 40 * day), Some(LOOK));
    }
}
