//! Freshness: who was heard in time, who is suspect, who is lost, and when the observer doubts itself instead.

use std::time::Duration;

use ward_model::{Freshness, Mono, Now, Reason};

use crate::{
    Engine, Lease, Refusal, Reply, StreamId, Tick,
    observer::{Observer, Sight},
    wake::Wake,
    world::InstanceIx,
};

/// How soon a lost instance that could not be forgotten is looked at again.
const FORGET_AGAIN: Duration = Duration::from_secs(60);

impl Engine {
    pub(crate) fn tick(&mut self, tick: Tick, now: Now) {
        let woken = self.observer.wake(tick, now.mono);
        if !woken.missed.is_zero() {
            self.shift(woken.missed);
        }
        self.welcome_returned(now);
        while let Some(wake) = self.wakes.pop(now.mono) {
            self.wake(wake, now);
        }
        if woken.may_judge {
            self.suspect_expired(now);
            self.judge_due(tick.entropy, now);
        }
    }

    /// Time in which this process could not listen counts for nobody.
    fn shift(&mut self, missed: Duration) {
        self.leases.slab.shift(missed);
        for (_, instance) in &mut self.world.instances {
            instance.due = instance.due + missed;
            instance.startup_due = instance.startup_due + missed;
        }
    }

    /// Those whose slot was beaten since they fell silent are fresh again.
    fn welcome_returned(&mut self, now: Now) {
        let (mut returned, world, slab) = (Vec::new(), &self.world, self.leases.slab.clone());
        self.leases.stale(|slot, ix| {
            let instance = &world.instances[ix];
            let stale =
                matches!(instance.freshness, Freshness::Suspect | Freshness::Lost) && instance.slot == slot;
            if stale && !slab.is_parked(slot) {
                returned.push(ix);
            }
            stale && slab.is_parked(slot)
        });
        for ix in returned {
            self.heard(ix, now);
        }
    }

    /// Something was heard of an instance: it is fresh, whatever it was before.
    pub(crate) fn heard(&mut self, ix: InstanceIx, now: Now) {
        self.set_sight(ix, false);
        let instance = &mut self.world.instances[ix];
        (instance.recalled, instance.broken) = (None, false);
        self.set_freshness(ix, Freshness::Fresh);
        self.judge_instance(ix, now);
    }

    /// Whether an instance is among what a blind observer cannot see. Its reason changes even if its status does not.
    fn set_sight(&mut self, ix: InstanceIx, unseen: bool) {
        let instance = &mut self.world.instances[ix];
        if std::mem::replace(&mut instance.unseen, unseen) != unseen {
            self.world.touch_service(self.world.instances[ix].service);
            self.world.touch_instance(ix);
        }
    }

    fn suspect_expired(&mut self, now: Now) {
        for (slot, deadline, ix) in self.leases.expired(now.mono) {
            let instance = &self.world.instances[ix];
            let confirm = instance.lease.lost_after - instance.lease.suspect_after;
            if instance.freshness == Freshness::Exited {
                self.leases.slab.idle(slot);
            } else if self.leases.slab.park(slot, deadline) {
                self.suspect(ix, deadline + confirm, now);
            }
        }
    }

    /// Silence, but no judgement yet.
    fn suspect(&mut self, ix: InstanceIx, due: Mono, now: Now) {
        let instance = &mut self.world.instances[ix];
        instance.due = due;
        let slot = instance.slot;
        self.set_freshness(ix, Freshness::Suspect);
        self.leases.watch_for_return(slot);
        // While the observer is blind one more candidate is one more that it cannot see.
        self.set_sight(ix, self.observer.state.blind);
        self.judge_instance(ix, now);
    }

    fn judge_due(&mut self, entropy: u64, now: Now) {
        let mut due = self.due(now.mono);
        let [fresh, candidates, ..] = self.freshness.map(|count| count as usize);
        match self.observer.look(candidates, fresh, !due.is_empty(), now.mono) {
            Sight::WentBlind => self.lose_sight(now),
            Sight::Returned => return self.start_anew(now),
            Sight::Same => {}
        }
        if due.is_empty() || self.observer.state.blind {
            return;
        }
        let allowance = self.observer.allowance(candidates + fresh, now.mono);
        let convicted = self.choose(&mut due, allowance, entropy, now.mono);
        self.observer.note_convictions(convicted.len(), now.mono);
        for ix in convicted {
            self.convict(ix, now);
        }
    }

    /// Suspects whose time is over.
    fn due(&mut self, now: Mono) -> Vec<InstanceIx> {
        let (mut due, world) = (Vec::new(), &self.world);
        self.leases.stale(|_, ix| {
            let instance = &world.instances[ix];
            if instance.is_suspect() && instance.due <= now {
                due.push(ix);
            }
            true
        });
        due
    }

    /// Those that doubt has spared long enough, and of the others as many as are allowed, at random: nobody is lost
    /// first because of a name.
    fn choose(
        &self,
        due: &mut Vec<InstanceIx>,
        allowance: usize,
        entropy: u64,
        now: Mono,
    ) -> Vec<InstanceIx> {
        let guards = self.config.guards;
        let overdue = |&ix: &InstanceIx| {
            let instance = &self.world.instances[ix];
            !guards || Observer::is_overdue(instance.due, instance.lease.lost_after, now)
        };
        let (mut chosen, mut rest): (Vec<_>, Vec<_>) = due.drain(..).partition(overdue);
        rest.retain(|&ix| !self.observer.suspends(self.world.instances[ix].interval, now));
        let wanted = allowance.saturating_sub(chosen.len()).min(rest.len());
        let mut random = entropy;
        for place in 0..wanted {
            random = split_mix(random);
            let other = place + (random % (rest.len() - place) as u64) as usize;
            rest.swap(place, other);
        }
        chosen.extend(rest.into_iter().take(wanted));
        chosen
    }

    fn convict(&mut self, ix: InstanceIx, now: Now) {
        self.world.instances[ix].lost_at = now.mono;
        self.set_freshness(ix, Freshness::Lost);
        self.convictions += 1;
        self.wakes
            .push(now.mono + self.config.forget_after, Wake::Instance(ix));
        self.judge_instance(ix, now);
    }

    fn lose_sight(&mut self, now: Now) {
        for ix in self.suspects() {
            self.set_sight(ix, true);
            self.judge_instance(ix, now);
        }
    }

    /// Sight is back: every deadline starts anew.
    fn start_anew(&mut self, now: Now) {
        for ix in self.suspects() {
            let instance = &mut self.world.instances[ix];
            if instance.recalled.is_some() {
                instance.due = now.mono + instance.lease.lost_after;
                self.set_sight(ix, false);
                self.judge_instance(ix, now);
                continue;
            }
            self.leases
                .slab
                .touch(instance.slot, now.mono + instance.lease.suspect_after);
            self.heard(ix, now);
        }
    }

    fn suspects(&mut self) -> Vec<InstanceIx> {
        let (mut suspects, world) = (Vec::new(), &self.world);
        self.leases.stale(|_, ix| {
            suspects.extend(world.instances[ix].is_suspect().then_some(ix));
            true
        });
        suspects
    }

    pub(crate) fn stream_ended(
        &mut self,
        stream: StreamId,
        by_peer: bool,
        now: Now,
    ) -> Result<Reply, Refusal> {
        for ix in self.leases.end(stream) {
            let instance = &self.world.instances[ix];
            if by_peer && instance.freshness == Freshness::Fresh {
                let deadline = self.leases.slab.deadline(instance.slot);
                let confirm = instance.lease.lost_after - instance.lease.suspect_after;
                let due = (now.mono + Lease::BROKEN_STREAM_GRACE).min(deadline + confirm);
                if self.leases.slab.park(instance.slot, deadline) {
                    self.world.instances[ix].broken = true;
                    self.suspect(ix, due, now);
                }
            }
        }
        Ok(Reply::Done)
    }

    fn wake(&mut self, wake: Wake, now: Now) {
        match wake {
            Wake::Instance(ix) if self.world.instances.contains(ix) => {
                self.world.instances[ix].next_wake = None;
                if !self.forget_if_spare(ix, now.mono) {
                    self.judge_instance(ix, now);
                }
            }
            Wake::Service(ix) if self.world.services.contains(ix) => {
                self.world.services[ix].seats_asked = false;
                self.end_due_maintenance(ix, now.mono);
                self.world.touch_service(ix);
            }
            Wake::System => self.observer.state.settling = now.mono < self.started + self.config.settle,
            Wake::Instance(_) | Wake::Service(_) => {}
        }
    }

    /// Drops an instance lost long ago if enough others remain without it. True if it is no more.
    fn forget_if_spare(&mut self, ix: InstanceIx, now: Mono) -> bool {
        let instance = &self.world.instances[ix];
        if instance.freshness != Freshness::Lost || now < instance.lost_at + self.config.forget_after {
            return false;
        }
        let service = &self.world.services[instance.service];
        let [healthy, _, degraded, _] = service.counts;
        if (healthy + degraded) as usize >= service.wanted() {
            self.remove_instance(ix);
            return true;
        }
        self.wakes.push(now + FORGET_AGAIN, Wake::Instance(ix));
        false
    }

    /// An agent's word, final and immediate.
    pub(crate) fn exited(
        &mut self,
        id: &ward_model::InstanceId,
        incarnation: &ward_model::Incarnation,
        message: String,
        now: Now,
    ) -> Result<Reply, Refusal> {
        let ix = self.find_instance(id)?;
        if self.world.instances[ix].incarnation != *incarnation {
            return Err(Refusal::Superseded(id.clone()));
        }
        self.world.instances[ix].exit = message;
        self.world.instances[ix].recalled = None;
        self.set_freshness(ix, Freshness::Exited);
        self.judge_instance(ix, now);
        Ok(Reply::Done)
    }

    /// Counts an instance under another freshness, and tells others.
    pub(crate) fn set_freshness(&mut self, ix: InstanceIx, freshness: Freshness) {
        let instance = &mut self.world.instances[ix];
        let before = std::mem::replace(&mut instance.freshness, freshness);
        if before == freshness {
            return;
        }
        self.freshness[before as usize] -= 1;
        self.freshness[freshness as usize] += 1;
        self.world.recount_freshness(ix, before);
    }

    /// How the life of an instance ended, if it did not end cleanly.
    pub(crate) fn unclean_end(freshness: Freshness) -> Option<Reason> {
        match freshness {
            Freshness::Fresh => None,
            Freshness::Suspect | Freshness::Lost => Some(Reason::Lost),
            Freshness::Exited => Some(Reason::Exited),
        }
    }
}

/// One step of SplitMix64 (Steele, Lea, Flood 2014): spreads the tick's random bits over several draws.
fn split_mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
