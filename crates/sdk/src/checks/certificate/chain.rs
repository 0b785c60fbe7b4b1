//! What there is to say about a chain of certificates at a moment. Pure.
//!
//! Dates first: whether somebody trusts a chain matters little on the day that it expires. The chain's own root, where a
//! server sends it along, does not count, and neither does an intermediate without which the chain is trusted when that one
//! has expired: clients go by the ones they have.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use rustls::{
    CertificateError, Error,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _, verify_server_name},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use ward_model::Status;
use x509_parser::{certificate::X509Certificate, prelude::FromDer as _};

use crate::check::Verdict;

const DAY_SECONDS: i64 = 24 * 3_600;

/// How much time must be left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) degraded: Duration,
    pub(super) unhealthy: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let days = |days| Duration::from_secs(days * DAY_SECONDS.unsigned_abs());
        Self {
            degraded: days(21),
            unhealthy: days(3),
        }
    }
}

/// What is asked of a chain.
#[derive(Debug)]
pub(super) struct Judge {
    /// The name that it must hold for.
    pub(super) server_name: Option<ServerName<'static>>,
    /// Who must have issued it; nobody in particular without.
    pub(super) trust: Option<Arc<WebPkiServerVerifier>>,
    pub(super) limits: Limits,
}

/// One certificate: whose, and when it is valid, in seconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    subject: String,
    own_root: bool,
    from: i64,
    until: i64,
}

impl Judge {
    /// Of `chain`, the server's own certificate first, at `now` (seconds since the Unix epoch).
    pub(super) fn verdict(&self, shown: &str, chain: &[CertificateDer<'static>], now: i64) -> Verdict {
        let spans: Result<Vec<Span>, String> = chain.iter().map(Span::read).collect();
        let spans = match spans {
            Ok(spans) => spans,
            Err(fault) => return Verdict::unhealthy(format!("{shown}: {fault}")),
        };
        let distrust = self.distrust(chain, now);
        let counted = spans.iter().enumerate().filter(|(at, span)| {
            *at == 0 || !(span.own_root || self.spares(chain, *at, now.max(span.until.saturating_add(1))))
        });
        let counted: Vec<&Span> = counted.map(|(_, span)| span).collect();
        let (Some(earliest), Some(latest_start)) = (
            counted.iter().min_by_key(|span| span.until),
            counted.iter().max_by_key(|span| span.from),
        ) else {
            return Verdict::unhealthy(format!("{shown}: no certificate"));
        };
        let dates = self.dates(earliest, latest_start, now);
        let faults = [self.misnamed(chain), distrust];
        let faults: Vec<String> = faults.into_iter().flatten().collect();
        let status = if faults.is_empty() {
            dates.status
        } else {
            Status::Unhealthy
        };
        let said: Vec<&str> = faults
            .iter()
            .map(String::as_str)
            .chain([dates.message.as_str()])
            .collect();
        Verdict::new(status, format!("{shown}: {}", said.join("; ")))
    }

    fn dates(&self, earliest: &Span, latest_start: &Span, now: i64) -> Verdict {
        let left = earliest.until.saturating_sub(now);
        let under = |limit: Duration| i64::try_from(limit.as_secs()).is_ok_and(|limit| left < limit);
        let days = left.unsigned_abs() / DAY_SECONDS.unsigned_abs();
        let (subject, date) = (&earliest.subject, date(earliest.until));
        if left < 0 {
            return Verdict::unhealthy(format!("{subject} expired {days} days ago, on {date}"));
        }
        if latest_start.from > now {
            let Span { subject, from, .. } = latest_start;
            return Verdict::unhealthy(format!("{subject} is not valid before {}", self::date(*from)));
        }
        let status = if under(self.limits.unhealthy) {
            Status::Unhealthy
        } else if under(self.limits.degraded) {
            Status::Degraded
        } else {
            Status::Healthy
        };
        Verdict::new(status, format!("{subject} expires in {days} days, on {date}"))
    }

    /// That it is for another name.
    fn misnamed(&self, chain: &[CertificateDer<'static>]) -> Option<String> {
        let (name, own) = (self.server_name.as_ref()?, chain.first()?);
        let checked = ParsedCertificate::try_from(own).and_then(|own| verify_server_name(&own, name));
        checked
            .is_err()
            .then(|| format!("its certificate is not for {}", name.to_str()))
    }

    /// That nobody who is trusted issued it. What is wrong with its dates or its name is told elsewhere.
    fn distrust(&self, chain: &[CertificateDer<'static>], now: i64) -> Option<String> {
        let (own, intermediates) = chain.split_first()?;
        match self.verify(own, intermediates, now)? {
            Ok(()) => None,
            Err(Error::InvalidCertificate(
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
                | CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. },
            )) => None,
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
                Some("its issuer is not trusted, or an intermediate is missing".into())
            }
            Err(error) => Some(format!("its certificate is not trusted: {error}")),
        }
    }

    /// That the chain is trusted at `then` without the intermediate at `at`. For whom it holds is told elsewhere.
    fn spares(&self, chain: &[CertificateDer<'static>], at: usize, then: i64) -> bool {
        let others = chain.iter().enumerate().filter(|(other, _)| *other != at);
        let others: Vec<CertificateDer<'static>> = others.map(|(_, other)| other.clone()).collect();
        let verified = others
            .split_first()
            .and_then(|(own, intermediates)| self.verify(own, intermediates, then));
        matches!(
            verified,
            Some(
                Ok(())
                    | Err(Error::InvalidCertificate(
                        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
                    ))
            )
        )
    }

    /// `None` if nobody in particular is trusted. Names are looked at last.
    fn verify(
        &self,
        own: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: i64,
    ) -> Option<Result<(), Error>> {
        let (trust, name) = (self.trust.as_ref()?, self.server_name.as_ref()?);
        let now = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now).unwrap_or_default()));
        let verified = trust.verify_server_cert(own, intermediates, name, &[], now);
        Some(verified.map(drop))
    }
}

impl Span {
    fn read(der: &CertificateDer<'_>) -> Result<Self, String> {
        let (_, certificate) = X509Certificate::from_der(der)
            .map_err(|error| format!("a certificate cannot be read: {error}"))?;
        let common_name = certificate
            .subject()
            .iter_common_name()
            .find_map(|name| name.as_str().ok());
        let subject = common_name.map_or_else(|| certificate.subject().to_string(), str::to_owned);
        Ok(Self {
            subject: if subject.is_empty() {
                "the certificate".into()
            } else {
                subject
            },
            own_root: certificate.subject() == certificate.issuer(),
            from: certificate.validity().not_before.timestamp(),
            until: certificate.validity().not_after.timestamp(),
        })
    }
}

/// RFC 3339; a date that no calendar has, as seconds.
fn date(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| format!("second {seconds}"), |date| date.to_string())
}

#[cfg(test)]
mod tests;
