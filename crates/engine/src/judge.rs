//! One instance looked at again: its checks, its taint, its flapping, and what its checks say about others.

use ward_model::{Mono, Now, Status};

use crate::{
    Engine,
    wake::Wake,
    world::{Instance, InstanceIx},
};

impl Engine {
    /// Brings an instance's status up to date. To be called whenever anything about it may have changed.
    pub(crate) fn judge_instance(&mut self, ix: InstanceIx, now: Now) {
        self.world.instances[ix].steady = false;
        self.judge_silence(ix, now);
        let instance = &mut self.world.instances[ix];
        instance.steady = instance.has_steady_words();
        self.ask_for_wake(ix, now.mono);
    }

    /// The same where nothing but its freshness is another: what it said need not be read again if it is steady. Its next
    /// wake is left for [`Self::remember`].
    pub(crate) fn judge_silence(&mut self, ix: InstanceIx, now: Now) {
        let at = (now.mono, now.wall);
        let instance = &mut self.world.instances[ix];
        let words_changed = !instance.steady && look_at_words(instance, at);
        let heard = instance.is_heard();
        if heard && instance.tainted.is_some() && instance.word(|_| false).status == Status::Healthy {
            instance.tainted = None;
        }
        let status = instance.judge(|_| false).status;
        // A first word, or the observer losing sight, says nothing about how steady an instance is.
        let speaks = instance.is_gone() || instance.tainted.is_some() || (heard && !instance.is_pending());
        let counts = std::mem::replace(&mut instance.speaks, speaks) && speaks;
        let before = instance.leaf.status();
        let mut changed = instance
            .leaf
            .set_first(status, counts, instance.pace.interval(), at);
        if !heard && !instance.is_gone() {
            // What cannot be seen is unknown, however it was of late.
            changed = instance.leaf.show(status, at.1) || changed;
        }
        if !instance.steady {
            self.world.count_evidence(ix);
        }
        if changed {
            self.world.recount_status(ix, before);
        } else if words_changed {
            self.world.touch_service(self.world.instances[ix].service());
            self.world.touch_instance(ix);
        }
        self.world.recount_without(ix);
    }

    /// Does what the verdict need not wait for, for an instance that changed in the event of the moment `now`: what is
    /// kept of its past, and its next wake. Nothing of that matters before the next event.
    pub(crate) fn remember(&mut self, ix: InstanceIx, now: Mono) {
        let instance = &mut self.world.instances[ix];
        instance.leaf.remember(instance.pace.interval(), now);
        self.ask_for_wake(ix, now);
    }

    fn ask_for_wake(&mut self, ix: InstanceIx, now: Mono) {
        let instance = &mut self.world.instances[ix];
        let look = instance.next_look(now);
        self.wakes.ask(&mut instance.next_wake, look, Wake::Instance(ix));
    }
}

/// Lets time pass for checks and signals; true if one of them changed.
fn look_at_words(instance: &mut Instance, at: (Mono, ward_model::Wall)) -> bool {
    let overdue = at.0 >= instance.startup_due;
    let mut changed = false;
    for check in instance.checks.iter_mut() {
        changed |= if check.pending {
            let status = if overdue {
                Status::Unhealthy
            } else {
                Status::Unknown
            };
            check.leaf.set(status, false, instance.pace.interval(), at)
        } else {
            check.leaf.look(at)
        };
    }
    for signal in instance.signals.iter_mut() {
        changed |= signal.leaf.look(at);
    }
    changed
}
