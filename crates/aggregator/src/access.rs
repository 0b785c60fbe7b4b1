//! Who calls, and what they may do.
//!
//! Where connections are spoken over TLS, whoever calls is who their certificate or their token says, and may do what the
//! policy or the token grants, else nothing. Without TLS nobody can prove anything and everybody may do everything: that is
//! for loopback, or was asked for by `--insecure`.
//!
//! What is in force is one snapshot of policy and tokens, replaced as a whole. Whoever holds a long stream is looked at again
//! when it is: what was taken away ends within the second, not with the connection.

mod caller;
mod keeper;
mod look;
mod loss;

use std::{collections::HashMap, sync::Arc};

use http::{HeaderMap, header};
use tokio::sync::watch;
use ward_access::{Grants, Policy, Record, Token, TokenId};
use ward_chassis::{Peer, listener::Identity};
use ward_model::Wall;

use caller::everything;
pub(crate) use caller::{Caller, Missing, Who};
pub(crate) use keeper::{Keeper, tell};
pub(crate) use loss::Loss;

/// Says who calls.
#[derive(Debug)]
pub(crate) struct Access {
    /// Whether anybody has to prove anything.
    required: bool,
    now: watch::Sender<Arc<InForce>>,
}

/// Policy and tokens at one moment.
#[derive(Debug, Default)]
struct InForce {
    policy: Policy,
    tokens: HashMap<TokenId, Bearer>,
}

/// What is known of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bearer {
    record: Record,
    grants: Arc<Grants>,
}

/// Why nobody is let in under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unproven {
    /// A token was sent for everybody on the way to read.
    Cleartext,
    /// What was sent is no token, or one that there is not.
    Unknown,
    /// It was one.
    Expired,
}

impl Access {
    /// Nobody has a token yet, see [`Access::replace_tokens`].
    pub(crate) fn new(required: bool, policy: Policy) -> Self {
        let in_force = InForce {
            policy,
            tokens: HashMap::new(),
        };
        Self {
            required,
            now: watch::Sender::new(Arc::new(in_force)),
        }
    }

    /// Who sent this, as far as connection and headers prove it. A token goes before a certificate: it is what was meant
    /// for this call.
    pub(crate) fn caller(
        &self,
        peer: Option<&Peer>,
        headers: &HeaderMap,
        now: impl FnOnce() -> Wall,
    ) -> Result<Caller, Unproven> {
        let Some(peer) = peer else {
            return Ok(if self.required {
                Caller::nobody()
            } else {
                Caller::within()
            });
        };
        let token = bearer(headers)?;
        if !self.required {
            return match token {
                Some(_) => Err(Unproven::Cleartext),
                None => Ok(Caller::anybody(peer)),
            };
        }
        let in_force = self.now.borrow();
        if let Some(token) = token {
            if !peer.secure {
                return Err(Unproven::Cleartext);
            }
            let grants = in_force.owner(&token, now())?;
            return Ok(Caller::new(Who::Token(token.id().clone()), grants, Some(peer)));
        }
        let (who, grants) = match &peer.identity {
            // Told to go, and not gone yet.
            Identity::Certificate(_) if !peer.is_believed() => (Who::Anonymous, in_force.policy.anonymous()),
            Identity::Certificate(name) => (Who::Certificate(Arc::clone(name)), in_force.policy.grants(name)),
            _ => (Who::Anonymous, in_force.policy.anonymous()),
        };
        Ok(Caller::new(who, grants, Some(peer)))
    }

    /// Resolves once something is taken away from `caller` that it could do when it was let in. `None` for one that proved
    /// nothing and needed not.
    pub(crate) fn loss(&self, caller: &Caller) -> Option<Loss> {
        caller
            .can_change()
            .then(|| Loss::new(self.now.subscribe(), caller.clone()))
    }

    /// Whether `caller` may still do all that it could when it was let in.
    pub(crate) fn keeps(&self, caller: &Caller) -> bool {
        self.now.borrow().keeps(caller)
    }

    /// The same caller with what it may do now.
    pub(crate) fn renewed(&self, caller: &Caller) -> Caller {
        caller.granted(self.now.borrow().grants(caller.who()).unwrap_or_default())
    }

    /// This policy is in force from now on.
    pub(crate) fn replace_policy(&self, policy: &Policy) {
        self.now.send_if_modified(|in_force| {
            let differs = in_force.policy != *policy;
            if differs {
                *in_force = Arc::new(InForce {
                    policy: policy.clone(),
                    tokens: in_force.tokens.clone(),
                });
            }
            differs
        });
    }

    /// These are the tokens from now on, but for those that have expired. Whether that changed anything.
    pub(crate) fn replace_tokens(&self, records: &[Record], now: Wall) -> bool {
        let live = records.iter().filter(|record| record.is_live(now));
        let tokens: HashMap<_, _> = live
            .map(|record| {
                let grants = Arc::new(record.grants.clone());
                (
                    record.id.clone(),
                    Bearer {
                        record: record.clone(),
                        grants,
                    },
                )
            })
            .collect();
        self.now.send_if_modified(|in_force| {
            let differs = in_force.tokens != tokens;
            if differs {
                *in_force = Arc::new(InForce {
                    policy: in_force.policy.clone(),
                    tokens,
                });
            }
            differs
        })
    }
}

impl InForce {
    /// What this token is worth.
    fn owner(&self, token: &Token, now: Wall) -> Result<Arc<Grants>, Unproven> {
        let bearer = self.tokens.get(token.id()).ok_or(Unproven::Unknown)?;
        if !bearer.record.hash.is_of(token) {
            return Err(Unproven::Unknown);
        }
        // Between two looks at the clock of the keeper.
        if !bearer.record.is_live(now) {
            return Err(Unproven::Expired);
        }
        Ok(Arc::clone(&bearer.grants))
    }

    fn keeps(&self, caller: &Caller) -> bool {
        let now = self.grants(caller.who());
        now.is_some_and(|now| now.include(caller.grants()))
    }

    /// What somebody who was let in may do now; `None` where there is no such token any more.
    fn grants(&self, who: &Who) -> Option<Arc<Grants>> {
        match who {
            Who::Within | Who::Anybody => Some(everything()),
            Who::Anonymous => Some(self.policy.anonymous()),
            Who::Certificate(name) => Some(self.policy.grants(name)),
            Who::Token(id) => self.tokens.get(id).map(|bearer| Arc::clone(&bearer.grants)),
        }
    }
}

/// The token that was sent, if any. What another scheme says is not for us, and no reason to refuse.
fn bearer(headers: &HeaderMap) -> Result<Option<Token>, Unproven> {
    let Some(sent) = headers.get(header::AUTHORIZATION) else {
        return Ok(None);
    };
    let sent = sent.as_bytes();
    let Some((scheme, token)) = sent.split_at_checked("Bearer ".len()) else {
        return Ok(None);
    };
    if !scheme.eq_ignore_ascii_case(b"Bearer ") {
        return Ok(None);
    }
    let token = str::from_utf8(token)
        .ok()
        .and_then(|token| token.trim().parse().ok());
    token.map(Some).ok_or(Unproven::Unknown)
}

#[cfg(test)]
mod tests;
