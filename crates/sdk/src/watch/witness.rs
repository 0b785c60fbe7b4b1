//! A witness of the audit log: keeps its last head, and sees whether each later one still has all of it.
//!
//! Who owns the aggregator could write its log anew and sign it; nobody could tell from the log alone. Whoever was watching
//! can: they hold a head that the new log does not lead back to. Pure: what has to be asked is a [`Question`], and the watcher
//! asks it.
//!
//! It accuses on proof only. That no proof can be had, from an aggregator that is busy, going away, or of an older version, is
//! told as such and asked again. Taking the newest head as it is after an accusation was not done: what is held is the
//! evidence, and an aggregator that shows the old log again is right again.

use ward_model::AuditHead;
use ward_tlog::{Hash, Head, ProofError, verify_consistency};

use super::Error;

/// How many logs are held of one aggregator: one, and one more for each backup that was restored. One that comes beyond that
/// is told as [`Finding::Another`] and not held: to let go of one for it would be how to make a witness forget.
pub const HEADS: usize = 16;

/// What a witness has found.
#[derive(Debug)]
pub enum Finding {
    /// This is held from now on: the first head seen, or one that has all of what was held before.
    Held(AuditHead),
    /// The aggregator has another log than it had, as it does after a restored backup. Both are held from now on, unless
    /// [`HEADS`] others are: then what is held stays, and the new one is told of when it comes and not held.
    Another {
        /// The last that was seen of the one before.
        before: AuditHead,
        /// What is shown now.
        now: AuditHead,
    },
    /// **The log was rewritten**, or the aggregator shows different ones to different people: what is shown does not begin
    /// with what is held. Told once for each head that is shown. What was held is kept.
    Rewritten {
        /// Seen before, and verified.
        held: AuditHead,
        /// What is shown now.
        shown: AuditHead,
        /// What is wrong with it.
        why: ProofError,
    },
    /// No proof could be had, so nothing is known. Told once, until there is one; it is asked for with each bookmark.
    Unverified {
        /// Seen before, and verified.
        held: AuditHead,
        /// What is shown now.
        shown: AuditHead,
        /// Why there is none.
        why: Error,
    },
}

/// A proof that is needed: that the log of the head `shown` begins with that of `held`.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) held: AuditHead,
    pub(super) shown: AuditHead,
}

/// What is held, and what has been told about it.
#[derive(Clone, Debug, Default)]
pub(super) struct Witness {
    blind: bool,
    /// One a log, verified; the one shown last at the end.
    heads: Vec<AuditHead>,
    /// The log that is shown and has no room, which has been told.
    beyond: Option<String>,
    /// Told last to be of a rewritten log.
    accused: Option<AuditHead>,
    /// That there is no proof has been told.
    unverified: bool,
}

impl Witness {
    pub(super) fn holding(heads: impl IntoIterator<Item = AuditHead>) -> Self {
        let mut witness = Self::default();
        heads.into_iter().for_each(|head| witness.hold(head));
        witness
    }

    /// Sees nothing.
    pub(super) fn blind() -> Self {
        Self {
            blind: true,
            ..Self::default()
        }
    }

    pub(super) fn heads(&self) -> &[AuditHead] {
        &self.heads
    }

    /// What is found in a head as it is, and what has to be proven.
    pub(super) fn see(&mut self, shown: AuditHead) -> (Vec<Finding>, Option<Question>) {
        if self.blind || self.heads.last() == Some(&shown) {
            return (Vec::new(), None);
        }
        let before = self
            .heads
            .last()
            .filter(|last| last.origin != shown.origin)
            .cloned();
        let another = before.map(|before| Finding::Another {
            before,
            now: shown.clone(),
        });
        let Some(held) = self.held(&shown.origin).cloned() else {
            return (self.meet(shown, another).into_iter().collect(), None);
        };
        self.beyond = None;
        // It was shown last from now on, whatever becomes of it.
        self.hold(held.clone());
        let mut found = Vec::from_iter(another);
        if held.size > 0 && shown.size > held.size {
            return (found, Some(Question { held, shown }));
        }
        found.extend(self.judge(held, shown, &[]));
        (found, None)
    }

    /// A log that is not held.
    fn meet(&mut self, shown: AuditHead, another: Option<Finding>) -> Option<Finding> {
        if self.heads.len() < HEADS {
            self.hold(shown.clone());
            return Some(another.unwrap_or(Finding::Held(shown)));
        }
        let told = self.beyond.as_ref() == Some(&shown.origin);
        self.beyond = Some(shown.origin);
        another.filter(|_| !told)
    }

    /// What an answer shows.
    pub(super) fn answered(&mut self, asked: Question, answer: Result<Vec<Hash>, Error>) -> Option<Finding> {
        let Question { held, shown } = asked;
        match answer {
            // Meanwhile something else has become of it.
            _ if self.held(&shown.origin) != Some(&held) => None,
            Ok(proof) => self.judge(held, shown, &proof),
            Err(_) if self.unverified => None,
            Err(why) => {
                self.unverified = true;
                Some(Finding::Unverified { held, shown, why })
            }
        }
    }

    fn judge(&mut self, held: AuditHead, shown: AuditHead, proof: &[Hash]) -> Option<Finding> {
        match verify_consistency(&head(&held), &head(&shown), proof) {
            Ok(()) if held == shown => None,
            Ok(()) => {
                (self.accused, self.unverified) = (None, false);
                self.hold(shown.clone());
                Some(Finding::Held(shown))
            }
            Err(_) if self.accused.as_ref() == Some(&shown) => None,
            Err(why) => {
                self.accused = Some(shown.clone());
                Some(Finding::Rewritten { held, shown, why })
            }
        }
    }

    fn held(&self, origin: &str) -> Option<&AuditHead> {
        self.heads.iter().find(|held| held.origin == origin)
    }

    fn hold(&mut self, head: AuditHead) {
        self.heads.retain(|held| held.origin != head.origin);
        if self.heads.len() < HEADS {
            self.heads.push(head);
        }
    }
}

fn head(head: &AuditHead) -> Head {
    Head {
        size: head.size,
        root: Hash(head.root),
    }
}

#[cfg(test)]
mod tests;
