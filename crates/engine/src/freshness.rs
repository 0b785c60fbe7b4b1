//! Freshness: who was heard in time, who is suspect, who is lost, and when the observer doubts itself instead.

use std::time::Duration;

use ward_model::{Freshness, Mono, Now, Reason};

use crate::{
    Engine, Lease, Refusal, Reply, StreamId, Tick,
    observer::{Observer, Sight},
    suspects::Suspects,
    wake::{Asked, Wake},
    world::InstanceIx,
};

/// How soon a lost instance that could not be forgotten is looked at again.
const FORGET_AGAIN: Duration = Duration::from_secs(60);

impl Engine {
    pub(crate) fn tick(&mut self, tick: Tick, now: Now) {
        let woken = self.observer.wake(tick, now.mono);
        if !woken.missed.is_zero() {
            self.shift(woken.missed, now.mono);
        }
        self.welcome_returned(now);
        self.wake_due(now);
        if woken.may_judge {
            self.suspect_expired(now);
            self.judge_due(tick.entropy, now);
        }
    }

    /// Time in which this process could not listen counts for nobody. A beat that was stored on waking, before this
    /// tick, needs no more than its lease.
    fn shift(&mut self, missed: Duration, now: Mono) {
        self.leases.slab.shift(missed);
        self.suspects = Suspects::default();
        for (ix, instance) in &mut self.world.instances {
            self.leases
                .slab
                .cap(instance.slot, now + instance.pace.lease().suspect_after);
            instance.startup_due = instance.startup_due + missed;
            if instance.is_suspect() {
                instance.due = instance.due + missed;
                self.suspects.note(ix, instance.due);
            }
        }
        for (_, service) in &mut self.world.services {
            service.seats_due = service.seats_due + missed;
        }
    }

    /// Those whose slot was beaten since they fell silent are fresh again.
    fn welcome_returned(&mut self, now: Now) {
        for (slot, ix) in self.leases.returned() {
            let instance = &self.world.instances[ix];
            if matches!(instance.freshness, Freshness::Suspect | Freshness::Lost) && instance.slot == slot {
                self.heard(ix, now);
            }
        }
    }

    /// Something was heard of an instance: it is fresh, whatever it was before.
    pub(crate) fn heard(&mut self, ix: InstanceIx, now: Now) {
        self.set_sight(ix, false);
        let instance = &mut self.world.instances[ix];
        (instance.recalled, instance.broken, instance.renewed) = (None, false, false);
        instance.pace.renew();
        self.set_freshness(ix, Freshness::Fresh);
        self.judge_instance(ix, now);
    }

    /// Whether an instance is among what a blind observer cannot see; true if that is new. Its reason changes even if its
    /// status does not.
    fn set_sight(&mut self, ix: InstanceIx, unseen: bool) -> bool {
        let instance = &mut self.world.instances[ix];
        let changed = std::mem::replace(&mut instance.unseen, unseen) != unseen;
        if changed {
            self.world.touch_service(self.world.instances[ix].service());
            self.world.touch_instance(ix);
        }
        changed
    }

    fn suspect_expired(&mut self, now: Now) {
        let slab = self.leases.slab.clone();
        slab.sweep(self.leases.slots(), now.mono, |slot, deadline| {
            let beaten_for = self
                .leases
                .instance(slot)
                .map(|ix| (ix, &self.world.instances[ix]));
            match beaten_for {
                Some((ix, instance)) if instance.freshness != Freshness::Exited => {
                    let due = deadline + instance.pace.lease().confirmed_within();
                    if slab.park(slot, deadline) {
                        self.suspect(ix, due, now);
                    }
                }
                // Nobody waits for these any more.
                _ => slab.idle(slot),
            }
        });
    }

    /// Silence, but no judgement yet: its status is what it was, unless nobody is seen.
    fn suspect(&mut self, ix: InstanceIx, due: Mono, now: Now) {
        let instance = &self.world.instances[ix];
        let (slot, seldom) = (instance.slot, instance.pace.is_seldom());
        self.set_freshness(ix, Freshness::Suspect);
        self.world.instances[ix].due = due;
        self.suspects.note(ix, due);
        self.leases.watch_for_return(slot);
        // While the observer is blind one more candidate is one more that it cannot see.
        if self.set_sight(ix, self.observer.state.blind && !seldom) {
            self.judge_instance(ix, now);
        }
    }

    /// When a suspect will be convicted.
    pub(crate) fn set_due(&mut self, ix: InstanceIx, due: Mono) {
        let before = std::mem::replace(&mut self.world.instances[ix].due, due);
        self.suspects.strike(ix, before);
        self.suspects.note(ix, due);
    }

    fn judge_due(&mut self, entropy: u64, now: Now) {
        let due = self.suspects.come(&self.world, now.mono);
        let (seldom, due) = self.set_apart_seldom(due);
        let [fresh, candidates] = [Freshness::Fresh, Freshness::Suspect].map(|of| self.telling(of) as usize);
        match self.observer.look(candidates, fresh, !due.is_empty(), now.mono) {
            Sight::WentBlind => self.lose_sight(now),
            Sight::Returned => {
                self.start_anew(now);
                // Only those that were given no new deadline are still due.
                return self.suspects.spare(seldom.into_iter().chain(due));
            }
            Sight::Same => {}
        }
        if self.observer.state.blind {
            return self.suspects.spare(seldom.into_iter().chain(due));
        }
        self.convict_seldom(seldom, now);
        if due.is_empty() {
            return;
        }
        let allowance = self.observer.allowance(candidates + fresh, now.mono);
        let (convicted, spared) = self.choose(due, allowance, entropy, now.mono);
        self.suspects.spare(spared);
        self.observer.note_convictions(convicted.len(), now.mono);
        for ix in convicted {
            self.convict(ix, now);
        }
    }

    /// How many instances of this freshness say something about whether the observer can hear. That one from which
    /// nothing is expected for hours is fresh proves nothing, and its silence began long before any doubt.
    pub(crate) fn telling(&self, freshness: Freshness) -> u64 {
        self.freshness[freshness as usize] - self.seldom[freshness as usize]
    }

    /// Those heard seldom, and the others. Where there are none, nobody needs to be asked.
    fn set_apart_seldom(&self, due: Vec<InstanceIx>) -> (Vec<InstanceIx>, Vec<InstanceIx>) {
        if self.seldom[Freshness::Suspect as usize] == 0 {
            return (Vec::new(), due);
        }
        due.into_iter()
            .partition(|&ix| self.world.instances[ix].pace.is_seldom())
    }

    /// Each by its own lease: how many others are due at once says nothing about a silence of days.
    fn convict_seldom(&mut self, due: Vec<InstanceIx>, now: Now) {
        for ix in due {
            if self
                .observer
                .suspends(self.world.instances[ix].pace.interval(), now.mono)
            {
                self.suspects.spare([ix]);
            } else {
                self.convict(ix, now);
            }
        }
    }

    /// Those that doubt has spared long enough, and of the others as many as are allowed, at random: nobody is lost
    /// first because of a name. Behind them those that are spared.
    fn choose(
        &self,
        due: Vec<InstanceIx>,
        allowance: usize,
        entropy: u64,
        now: Mono,
    ) -> (Vec<InstanceIx>, Vec<InstanceIx>) {
        if !self.config.guards {
            return (due, Vec::new());
        }
        let (mut chosen, rest): (Vec<_>, Vec<_>) = due.into_iter().partition(|&ix| {
            let instance = &self.world.instances[ix];
            Observer::is_overdue(instance.due, instance.pace.lease().lost_after, now)
        });
        let (mut spared, mut rest): (Vec<_>, Vec<_>) = rest.into_iter().partition(|&ix| {
            self.observer
                .suspends(self.world.instances[ix].pace.interval(), now)
        });
        let wanted = allowance.saturating_sub(chosen.len()).min(rest.len());
        // Chance decides only where it has to: in order they are close together.
        let draws = if wanted < rest.len() { wanted } else { 0 };
        let mut random = entropy;
        for place in 0..draws {
            random = split_mix(random);
            let other = place + (random % (rest.len() - place) as u64) as usize;
            rest.swap(place, other);
        }
        spared.extend(rest.drain(wanted..));
        chosen.append(&mut rest);
        (chosen, spared)
    }

    fn convict(&mut self, ix: InstanceIx, now: Now) {
        self.set_freshness(ix, Freshness::Lost);
        self.world.instances[ix].due = now.mono + self.config.forget_after;
        self.convictions += 1;
        self.judge_silence(ix, now);
    }

    fn lose_sight(&mut self, now: Now) {
        for ix in self.suspects() {
            if !self.world.instances[ix].pace.is_seldom() {
                self.set_sight(ix, true);
                self.judge_instance(ix, now);
            }
        }
    }

    /// Sight is back: every deadline starts anew, once. Who has not been heard stays unseen: that one came back says
    /// nothing about the others. Those heard seldom are given the time that was missed and no whole lease: a blink of the
    /// network must not spare a nightly job for days.
    fn start_anew(&mut self, now: Now) {
        let missed = self.observer.blind_for(now.mono);
        for ix in self.suspects() {
            let instance = &mut self.world.instances[ix];
            if instance.pace.is_seldom() {
                let due = instance.due + missed;
                self.set_due(ix, due);
            } else if !std::mem::replace(&mut instance.renewed, true) {
                let due = now.mono + instance.pace.lease().lost_after;
                self.set_due(ix, due);
            }
        }
    }

    fn suspects(&self) -> Vec<InstanceIx> {
        let suspects = self.world.instances.iter();
        let suspects = suspects.filter(|(_, instance)| instance.is_suspect());
        suspects.map(|(ix, _)| ix).collect()
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
                let confirmed = deadline + instance.pace.lease().confirmed_within();
                let due = (now.mono + Lease::BROKEN_STREAM_GRACE).min(confirmed);
                if self.leases.slab.park(instance.slot, deadline) {
                    self.world.instances[ix].broken = true;
                    self.suspect(ix, due, now);
                }
            }
        }
        Ok(Reply::Done)
    }

    pub(crate) fn wake(&mut self, wake: Wake, now: Now) {
        match wake {
            Wake::Instance(ix) => {
                self.world.instances[ix].next_wake = Asked::default();
                if !self.forget_if_spare(ix, now.mono) {
                    self.judge_instance(ix, now);
                }
            }
            Wake::Service(ix) => {
                self.world.services[ix].next_wake = Asked::default();
                self.end_due_maintenance(ix, now.mono);
                self.world.touch_service(ix);
            }
            Wake::System => self.observer.state.settling = now.mono < self.started + self.config.settle,
        }
    }

    /// Drops an instance gone long ago if enough others remain without it. True if it is no more.
    fn forget_if_spare(&mut self, ix: InstanceIx, now: Mono) -> bool {
        let instance = &mut self.world.instances[ix];
        if !instance.is_gone() || now < instance.due {
            return false;
        }
        instance.due = now + FORGET_AGAIN;
        let service = instance.service();
        let rollup = &self.world.rollup;
        let &[healthy, _, degraded, _] = rollup.counts(service);
        let others = rollup.counted(service).saturating_sub(1);
        let spare =
            (healthy + degraded) as usize >= self.world.services[service].min_healthy().resolve(others);
        if spare {
            self.remove_instance(ix);
        }
        spare
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
        let instance = &mut self.world.instances[ix];
        instance.set_exit(message);
        instance.recalled = None;
        self.set_freshness(ix, Freshness::Exited);
        self.world.instances[ix].due = now.mono + self.config.forget_after;
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
        let seldom = instance.pace.is_seldom();
        self.count_freshness(seldom, Some(before), Some(freshness));
        let instance = &self.world.instances[ix];
        if before == Freshness::Suspect {
            self.suspects.strike(ix, instance.due);
        }
        self.world.recount_freshness(ix, before);
    }

    /// Moves one instance from a count to another; `None` is outside.
    pub(crate) fn count_freshness(&mut self, seldom: bool, from: Option<Freshness>, to: Option<Freshness>) {
        if let Some(from) = from {
            self.freshness[from as usize] -= 1;
            self.seldom[from as usize] -= u64::from(seldom);
        }
        if let Some(to) = to {
            self.freshness[to as usize] += 1;
            self.seldom[to as usize] += u64::from(seldom);
        }
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
