//! Leases that become others while they run: by a hello, or because the file's word about the interval changed.
//!
//! A reporter on a stream is told when its stream asks ([`crate::Event::Renew`]), one without in the answer to its next
//! report. Until then `Pace` keeps the longer lease. What is suspect already is judged by the lease it fell silent under.

use ward_model::{Freshness, Hello, Now};

use crate::{
    Engine, Lease, Registered, StreamId,
    world::{InstanceIx, Pace},
};

impl Engine {
    /// How often who says this hello is to be heard.
    pub(super) fn pace(&self, stream: Option<StreamId>, hello: &Hello) -> Pace {
        let service = self.world.find(&hello.id.service);
        let file = service.and_then(|ix| self.world.services[ix].file_interval());
        Pace::new(hello.interval, stream.is_none(), file)
    }

    pub(super) fn set_pace(&mut self, ix: InstanceIx, pace: Pace, now: Now) {
        let instance = &mut self.world.instances[ix];
        let before = std::mem::replace(&mut instance.pace, pace);
        let freshness = instance.freshness;
        if before.interval() != pace.interval() {
            let checks = instance.checks.iter_mut().map(|check| &mut check.leaf);
            let signals = instance.signals.iter_mut().map(|signal| &mut signal.leaf);
            for leaf in checks.chain(signals).chain([&mut instance.leaf]) {
                leaf.pace(pace.interval(), now.mono);
            }
            self.world.touch_instance(ix);
        }
        self.count_freshness(before.is_seldom(), Some(freshness), None);
        self.count_freshness(pace.is_seldom(), None, Some(freshness));
    }

    /// Brings the interval of an instance in line with the file. True if it is another.
    pub(super) fn declare_interval(&mut self, ix: InstanceIx, now: Now) -> bool {
        let instance = &self.world.instances[ix];
        let mut pace = instance.pace;
        if !pace.declare(self.world.services[instance.service()].file_interval()) {
            return false;
        }
        self.set_pace(ix, pace, now);
        self.renew_lease(ix, now);
        self.renewals |= !pace.once;
        true
    }

    /// The lease is longer at once, and shorter from the next beat on. Beats by a lease of before may have shortened it
    /// meanwhile, so that who was told to take longer is given all of it.
    fn renew_lease(&mut self, ix: InstanceIx, now: Now) {
        let instance = &mut self.world.instances[ix];
        if instance.freshness == Freshness::Fresh {
            instance.pace.renew();
            let lease = Lease::for_interval(instance.pace.interval());
            self.leases
                .slab
                .extend(instance.slot, now.mono + lease.suspect_after);
        }
    }

    /// The instances of a stream whose reporters do not know the interval in force. They are told by who asks.
    pub(crate) fn renew(&mut self, stream: StreamId, now: Now) -> Vec<Registered> {
        let held = self.leases.held_by(stream).into_iter();
        let untold: Vec<_> = held
            .filter(|&ix| !self.world.instances[ix].pace.is_told())
            .collect();
        for &ix in &untold {
            self.world.instances[ix].pace.tell();
            self.renew_lease(ix, now);
            self.spare_suspect(ix, now);
        }
        untold.into_iter().map(|ix| self.registered(ix)).collect()
    }

    /// One that is only late with a beat, and is told another interval now, has the time to keep to it.
    fn spare_suspect(&mut self, ix: InstanceIx, now: Now) {
        let instance = &self.world.instances[ix];
        let due = now.mono + Lease::for_interval(instance.pace.interval()).lost_after;
        if instance.is_suspect() && instance.due < due {
            self.set_due(ix, due);
        }
    }

    /// What the reporter of an instance is answered.
    pub(super) fn registered(&self, ix: InstanceIx) -> Registered {
        let instance = &self.world.instances[ix];
        let lease = Lease::for_interval(instance.pace.interval());
        Registered {
            slot: instance.slot,
            interval: instance.pace.interval(),
            suspect_after: lease.suspect_after,
            lost_after: lease.lost_after,
            left_out: 0,
        }
    }
}
