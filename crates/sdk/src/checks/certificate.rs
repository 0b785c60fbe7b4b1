//! When certificates expire: those a TLS server shows, or those in a file.
//!
//! What there is to say about a chain is said by `chain`; here is where chains come from. A server is let finish the
//! handshake whatever it shows, and judged afterwards: an expired or untrusted certificate should be told with its dates,
//! not as a handshake that failed. Nothing is sent to it, so that this costs no secret.

mod chain;
mod presented;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use rustls::pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use ward_chassis::Clock;
use ward_model::{Status, Wall};
use ward_proto::Invalid;

use super::{
    flight::Flight,
    misses::Misses,
    resolve::{fault, resolve},
};
use crate::{
    check::{Check, Verdict},
    trust::{Trust, certificates},
};
use chain::Limits;
use presented::Presented;

/// A PEM file of any sensible chain is far smaller.
const LARGEST_FILE_BYTES: u64 = 1 << 20;

/// When the certificates of a TLS server or of a file expire, the earliest of the chain.
///
/// Degraded with less than 21 days left, unhealthy with less than 3 or when it has expired, is not yet valid, does not hold
/// for the name, or (of a server) is issued by nobody who is trusted; the message has the dates in each case. 21 days
/// is what is left when a certificate of 90 days should have been renewed (at two thirds) and was not for nine days; 3 is a
/// weekend. Unhealthy too if there is no certificate to be had.
///
/// Looks every 5 min, and gives a run 10 s. What a file says is believed at once, and only that it cannot be read (or is no
/// PEM, as while it is being written) three times in a row is unhealthy, and unknown before; what a server says that is worse
/// is believed the second time in a row, as a handshake may be lost.
///
/// ```
/// use ward_sdk::checks::Certificate;
///
/// let bank = Certificate::of_server("bank-certificate", "bank.example:443").check().subject("bank").advisory();
/// let own = Certificate::of_file("certificate", "/etc/orders/tls.crt").server_name("orders.example").check();
/// ```
#[derive(Clone, Debug)]
pub struct Certificate {
    name: String,
    source: Source,
    server_name: Option<String>,
    ca: Option<Vec<u8>>,
    any_issuer: bool,
    limits: Limits,
}

#[derive(Clone, Debug)]
enum Source {
    Server(String),
    File(PathBuf),
}

impl Certificate {
    const PERIOD: Duration = Duration::from_secs(300);
    const TIMEOUT: Duration = Duration::from_secs(10);

    /// A check called `name` of what the TLS server at `target` (`host:port`) shows. The host is the name asked for and
    /// checked, unless [`server_name`](Self::server_name) says another.
    pub fn of_server(name: impl Into<String>, target: impl Into<String>) -> Self {
        Self::new(name.into(), Source::Server(target.into()))
    }

    /// A check called `name` of all certificates in a PEM file, the server's own first; keys in it are not looked at. Its
    /// issuer is not asked for.
    pub fn of_file(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self::new(name.into(), Source::File(path.into()))
    }

    fn new(name: String, source: Source) -> Self {
        Self {
            name,
            source,
            server_name: None,
            ca: None,
            any_issuer: false,
            limits: Limits::default(),
        }
    }

    /// The DNS name or address that the certificate must hold for; of a server also the one that is asked for (SNI).
    #[must_use]
    pub fn server_name(self, name: impl Into<String>) -> Self {
        Self {
            server_name: Some(name.into()),
            ..self
        }
    }

    /// The certificate authority to trust instead of the system's, as PEM.
    #[must_use]
    pub fn ca(self, pem: impl Into<Vec<u8>>) -> Self {
        Self {
            ca: Some(pem.into()),
            ..self
        }
    }

    /// Whoever issued it is right: only dates and name count.
    #[must_use]
    pub fn any_issuer(self) -> Self {
        Self {
            any_issuer: true,
            ..self
        }
    }

    /// Degraded with less than `degraded` left, unhealthy with less than `unhealthy`.
    #[must_use]
    pub fn left(self, degraded: Duration, unhealthy: Duration) -> Self {
        Self {
            limits: Limits { degraded, unhealthy },
            ..self
        }
    }

    /// The check. Of a server it reads the certificate authorities of the system, once.
    pub fn check(self) -> Check {
        let name = self.name.clone();
        let watch = match self.watch() {
            Ok(watch) => Arc::new(watch),
            Err(mistake) => return Check::mistaken(name, mistake),
        };
        let (file, misses) = (matches!(watch.source, Source::File(_)), watch.misses.clone());
        let look = move || {
            watch.misses.begin();
            Arc::clone(&watch).look()
        };
        let check = Check::new(name, look).period(Self::PERIOD).timeout(Self::TIMEOUT);
        if file {
            check.debounce(1, 1).late(move || misses.status())
        } else {
            check.debounce(2, 1)
        }
    }

    fn watch(self) -> Result<Watch, Invalid> {
        let shown = match &self.source {
            Source::Server(target) => target.clone(),
            Source::File(path) => path.display().to_string(),
        };
        if let Source::Server(target) = &self.source
            && let Some(fault) = fault(target)
        {
            return Err(Invalid::new("target", fault));
        }
        let named = match (&self.server_name, &self.source) {
            (Some(name), _) => Some(name.clone()),
            (None, Source::Server(target)) => {
                let host = target
                    .rsplit_once(':')
                    .map(|(host, _)| host.trim_matches(['[', ']']));
                host.map(str::to_owned)
            }
            (None, Source::File(_)) => None,
        };
        let server_name = named
            .map(ServerName::try_from)
            .transpose()
            .map_err(|_| Invalid::new("server_name", "must be a DNS name or an address"))?;
        let trust = match (&self.source, self.any_issuer) {
            (Source::Server(_), false) => Some(Trust::new(self.ca.as_deref())?),
            _ => None,
        };
        Ok(Watch {
            shown,
            source: self.source,
            judge: chain::Judge {
                server_name,
                trust: trust.map(|trust| trust.verifier()),
                limits: self.limits,
            },
            flight: Flight::new(),
            misses: Misses::default(),
            clock: Clock::start(),
        })
    }
}

#[derive(Debug)]
struct Watch {
    shown: String,
    source: Source,
    judge: chain::Judge,
    flight: Flight,
    misses: Misses,
    clock: Clock,
}

impl Watch {
    async fn look(self: Arc<Self>) -> Verdict {
        let found = match &self.source {
            Source::Server(target) => self.shake_hands(target).await,
            Source::File(path) => self.read(path.clone()).await,
        };
        let Wall(now_ms) = self.clock.wall();
        match (found, &self.source) {
            (Ok(chain), _) => {
                self.misses.read();
                self.judge.verdict(&self.shown, &chain, now_ms.div_euclid(1_000))
            }
            (Err(fault), source) => {
                let status = match source {
                    Source::File(_) => self.misses.status(),
                    Source::Server(_) => Status::Unhealthy,
                };
                Verdict::new(status, format!("{}: {fault}", self.shown))
            }
        }
    }

    async fn shake_hands(&self, target: &str) -> Result<Vec<CertificateDer<'static>>, String> {
        let Some(server_name) = self.judge.server_name.clone() else {
            return Err("has no name to ask for".into());
        };
        let addresses = resolve(&self.flight, target)
            .await
            .map_err(|error| error.to_string())?;
        let stream = TcpStream::connect(addresses.as_slice())
            .await
            .map_err(|error| format!("connect: {error}"))?;
        let presented = Arc::new(Presented::default());
        let connector = TlsConnector::from(Arc::new(presented.client()));
        let shaken = connector.connect(server_name, stream).await;
        // Also of a handshake that failed later: a server that wants to know its client shows itself first.
        let chain = presented.take();
        match shaken {
            Err(error) if chain.is_empty() => Err(format!("shake hands: {error}")),
            _ => Ok(chain),
        }
    }

    async fn read(&self, path: PathBuf) -> Result<Vec<CertificateDer<'static>>, String> {
        let reading = move || -> io::Result<Vec<u8>> {
            use std::io::Read as _;
            let mut pem = Vec::new();
            std::fs::File::open(path)?
                .take(LARGEST_FILE_BYTES)
                .read_to_end(&mut pem)?;
            Ok(pem)
        };
        let read = self
            .flight
            .ask(reading)
            .await
            .map_err(io::Error::from)
            .and_then(|read| read);
        certificates(&read.map_err(|error| error.to_string())?)
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::JoinSet;
    use ward_engine::Debounce;
    use ward_model::{CheckKind, Mono, Name};

    use super::*;
    use crate::{
        board::{Board, Cell},
        run,
    };

    /// What is told of a check that was healthy, as it runs.
    struct Told {
        check: Check,
        board: Board,
        runs: JoinSet<Verdict>,
    }

    impl Told {
        fn healthy(check: Check) -> Self {
            let cell = Cell::new(
                Name::new("x").unwrap(),
                CheckKind::Required,
                Debounce::new(check.rise, check.fall),
            );
            let service = Name::service("payments").unwrap();
            let board = Board::new(service, String::new(), Clock::start(), vec![cell], vec![]);
            board.record(0, Verdict::healthy(), Mono::default());
            Self {
                check,
                board,
                runs: JoinSet::new(),
            }
        }

        async fn run(&mut self) -> Status {
            let verdict = run::verdict(&self.check, &mut self.runs).await;
            self.board.record(0, verdict, Mono::default());
            self.board.standings()[1].status
        }
    }

    /// Of a certificate that ends in `year`, as PEM.
    fn until(year: i32) -> String {
        let mut params = rcgen::CertificateParams::new(vec!["orders.example".into()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().pem()
    }

    #[tokio::test]
    async fn a_files_dates_are_believed_at_once_and_that_it_is_gone_the_third_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tls.pem");
        std::fs::write(&path, until(2021)).unwrap();
        let mut told = Told::healthy(Certificate::of_file("x", &path).check());
        assert_eq!(told.run().await, Status::Unhealthy);
        std::fs::write(&path, until(4000)).unwrap();
        assert_eq!(told.run().await, Status::Healthy);
        std::fs::remove_file(&path).unwrap();
        for status in [Status::Healthy, Status::Healthy, Status::Unhealthy] {
            assert_eq!(told.run().await, status);
        }
        std::fs::write(&path, until(4000)).unwrap();
        assert_eq!(told.run().await, Status::Healthy);
        for status in [Status::Unknown, Status::Unknown, Status::Unhealthy] {
            // A run that is given up.
            drop(told.check.run());
            assert_eq!(told.check.timed_out(Certificate::TIMEOUT).status, status);
        }
    }

    #[tokio::test]
    async fn a_server_is_unhealthy_the_second_time_in_a_row() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let closed = listener.local_addr().unwrap();
        drop(listener);
        let check = Certificate::of_server("x", closed.to_string())
            .any_issuer()
            .check();
        assert_eq!(check.period, Duration::from_secs(300));
        let mut told = Told::healthy(check);
        assert_eq!(told.run().await, Status::Healthy);
        assert_eq!(told.run().await, Status::Unhealthy);
        told.board.record(0, Verdict::healthy(), Mono::default());
        assert_eq!(told.board.standings()[1].status, Status::Healthy);
    }

    #[test]
    fn mistakes_are_found_before_the_first_run() {
        let field = |certificate: Certificate| {
            certificate
                .any_issuer()
                .check()
                .mistake
                .map(|mistake| mistake.field)
        };
        let of = |target| Certificate::of_server("x", target);
        assert_eq!(field(of("bank.example:443")), None);
        for bad in ["", "bank.example", "bank.example:https"] {
            assert_eq!(field(of(bad)), Some("target".into()), "{bad}");
            let named = of(bad).server_name("bank.example");
            assert_eq!(field(named), Some("target".into()), "{bad}");
        }
        assert_eq!(
            field(of("bank.example:443").server_name("a b")),
            Some("server_name".into())
        );
    }
}
