//! Somebody who was let in, with what they may do. In the extensions of every request.

use std::{
    fmt,
    sync::{Arc, LazyLock},
};

use http::Extensions;
use ward_access::{Grants, Right, TokenId};
use ward_chassis::Peer;
use ward_model::{Hello, Name};

/// Who it is, in the words of how they proved it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    /// This process itself.
    Within,
    /// Whoever reaches a listener where nobody has to prove anything.
    Anybody,
    /// One who could have proved who they are and did not.
    Anonymous,
    /// The owner of a certificate.
    Certificate(Arc<str>),
    /// The owner of a token.
    Token(TokenId),
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    who: Who,
    grants: Arc<Grants>,
    /// Over which connection; `None` within this process.
    peer: Option<Peer>,
}

/// A right that somebody has not, and what it would have been about. Nothing else is said: neither what there is nor who
/// has it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) struct Missing {
    pub(crate) right: Right,
    about: Option<Name>,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.about {
            Some(about) => write!(f, "the right `{}` for {about} is missing", self.right),
            None => write!(f, "the right `{}` is missing", self.right),
        }
    }
}

/// All rights, made once: most callers have them, where nobody has to prove anything.
pub(super) fn everything() -> Arc<Grants> {
    static EVERYTHING: LazyLock<Arc<Grants>> = LazyLock::new(|| Arc::new(Grants::all()));
    Arc::clone(&EVERYTHING)
}

impl Caller {
    pub(super) fn new(who: Who, grants: Arc<Grants>, peer: Option<&Peer>) -> Self {
        let peer = peer.cloned();
        Self { who, grants, peer }
    }

    /// This process.
    pub(crate) fn within() -> Self {
        Self::new(Who::Within, everything(), None)
    }

    /// Who was let in with this request.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_else(Self::nobody)
    }

    pub(super) fn granted(&self, grants: Arc<Grants>) -> Self {
        Self {
            grants,
            ..self.clone()
        }
    }

    pub(super) fn anybody(peer: &Peer) -> Self {
        Self::new(Who::Anybody, everything(), Some(peer))
    }

    /// One who may do nothing.
    pub(crate) fn nobody() -> Self {
        Self::new(Who::Anonymous, Arc::default(), None)
    }

    /// Who has proved nothing where that counts.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.who == Who::Anonymous
    }

    /// Who it is, if that was proved.
    pub(crate) fn proven(&self) -> Option<String> {
        matches!(self.who, Who::Certificate(_) | Who::Token(_)).then(|| self.who.to_string())
    }

    pub(crate) fn who(&self) -> &Who {
        &self.who
    }

    /// The other end of its connection; none within this process.
    pub(crate) fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }

    pub(super) fn grants(&self) -> &Grants {
        &self.grants
    }

    /// Whether what it may do can change while it is connected.
    pub(super) fn can_change(&self) -> bool {
        !matches!(self.who, Who::Within | Who::Anybody)
    }

    /// Whether it has the right at all.
    pub(crate) fn needs(&self, right: Right) -> Result<(), Missing> {
        if self.grants.may(right) {
            Ok(())
        } else {
            Err(Missing { right, about: None })
        }
    }

    /// Whether it may report so: for that service, and with checks about those others.
    pub(crate) fn may_say(&self, hello: &Hello) -> Result<(), Missing> {
        let service = &hello.id.service;
        if !self.grants.may_report(service) {
            return Err(missing(Right::Report, service));
        }
        let others = hello.checks.iter().filter_map(|check| check.subject.as_ref());
        for subject in others.filter(|subject| *subject != service) {
            if !self.grants.may_observe(subject) {
                return Err(missing(Right::Observe, subject));
            }
        }
        Ok(())
    }
}

fn missing(right: Right, about: &Name) -> Missing {
    Missing {
        right,
        about: Some(about.clone()),
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within => f.write_str("this process"),
            Self::Anybody => f.write_str("anybody"),
            Self::Anonymous => f.write_str("anonymous"),
            Self::Certificate(name) => f.write_str(name),
            Self::Token(id) => write!(f, "token {id}"),
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.who.fmt(f)?;
        match &self.peer {
            Some(peer) => write!(f, " from {}", peer.addr),
            None => Ok(()),
        }
    }
}
