//! Places for connections and for handshakes: so many in all, so many for each address.
//!
//! One mutex around two counts, taken once when a connection comes and once when it goes; a semaphore for the whole
//! and a concurrent map for the addresses would be two places that must agree.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;

use super::ListenerStats;

type Gauge = fn(&ListenerStats) -> &AtomicU64;

#[derive(Debug)]
pub(crate) struct Slots {
    total: usize,
    per_address: usize,
    /// Where those taken are counted.
    gauge: Gauge,
    /// Holds only addresses that have a connection, so `total` bounds it.
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    All,
    Address,
}

/// One place, given back on drop.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    stats: Arc<ListenerStats>,
    key: IpAddr,
}

impl Slots {
    pub(super) fn new(total: usize, per_address: usize, gauge: Gauge) -> Arc<Self> {
        Arc::new(Self {
            total,
            per_address,
            gauge,
            taken: Mutex::default(),
        })
    }

    pub(super) fn take(self: &Arc<Self>, address: IpAddr, stats: &Arc<ListenerStats>) -> Result<Slot, Full> {
        let key = one_customer(address);
        let mut taken = self.taken.lock();
        let here = taken.by_address.get(&key).copied().unwrap_or(0);
        // The address first: whoever is at their own limit should be told so even when the house is full.
        if here >= self.per_address {
            return Err(Full::Address);
        }
        if taken.total >= self.total {
            return Err(Full::All);
        }
        taken.total += 1;
        taken.by_address.insert(key, here + 1);
        (self.gauge)(stats).fetch_add(1, Ordering::Relaxed);
        Ok(Slot {
            slots: Arc::clone(self),
            stats: Arc::clone(stats),
            key,
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken.lock();
        taken.total -= 1;
        match taken.by_address.get_mut(&self.key) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.by_address.remove(&self.key)),
        }
        (self.slots.gauge)(&self.stats).fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whoever has one IPv6 address has the 2^64 beside it.
fn one_customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_cannot_take_all() {
        let (slots, stats) = (Slots::new(3, 2, |stats| &stats.active), Arc::default());
        let held = [
            slots.take(ip("10.0.0.1"), &stats).unwrap(),
            slots.take(ip("::ffff:10.0.0.1"), &stats).unwrap(),
        ];
        assert_eq!(slots.take(ip("10.0.0.1"), &stats).unwrap_err(), Full::Address);
        let other = slots.take(ip("10.0.0.2"), &stats).unwrap();
        assert_eq!(slots.take(ip("10.0.0.3"), &stats).unwrap_err(), Full::All);
        drop(held);
        let again = slots.take(ip("10.0.0.1"), &stats).unwrap();
        assert_eq!(stats.snapshot().active, 2);
        drop((other, again));
        assert_eq!(stats.snapshot().active, 0);
        assert!(
            slots.taken.lock().by_address.is_empty(),
            "addresses that left are forgotten"
        );
    }

    #[test]
    fn a_whole_ipv6_prefix_is_one_address() {
        let (slots, stats) = (Slots::new(10, 1, |stats| &stats.active), Arc::default());
        let _held = slots.take(ip("2001:db8::1"), &stats).unwrap();
        assert_eq!(
            slots.take(ip("2001:db8::ffff:1"), &stats).unwrap_err(),
            Full::Address
        );
        assert!(slots.take(ip("2001:db8:0:1::1"), &stats).is_ok());
    }
}
