//! What one client may cost over HTTP, and all of them together.
//!
//! Three bounds, each with its reason beside its number: requests of one client (a token bucket), bodies and handlers in
//! time, and large answers that wait for readers. A client is an address; of IPv6 a /64, which is what one customer has.
//! They are guards like those of the listener: nothing in a configuration file maps to them, and tests loosen them to
//! show that they hold.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use governor::{
    Quota,
    clock::{Clock as _, DefaultClock},
};
use parking_lot::Mutex;
use ward_model::Mono;

/// How often one client may have something done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many at once,
    pub burst: NonZeroU32,
    /// and so many a second in the long run.
    pub per_second: NonZeroU32,
}

impl Rate {
    pub(in crate::edge) const fn new(burst: u32, per_second: u32) -> Self {
        match (NonZeroU32::new(burst), NonZeroU32::new(per_second)) {
            (Some(burst), Some(per_second)) => Self { burst, per_second },
            _ => panic!("a rate of nothing"),
        }
    }
}

/// The bounds of the HTTP edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// Of what is read under `/api` and `/badge`. A page that polls once a second in a hundred tabs behind one address
    /// stays under it; each costs the engine's thread up to a few milliseconds.
    pub reads: Rate,
    /// Of what is told: reports and commands. A host of a thousand jobs that report every 5 s makes 200 a second, in
    /// bursts when cron starts them together.
    pub writes: Rate,
    /// Of probes, `/health` and `/metrics`, together. An orchestrator asks a few times a second; generous, because one
    /// that is refused kills what it asked.
    pub probes: Rate,
    /// Clients that are told apart. What comes beyond shares one bucket until others have been quiet. 10,000 buckets are
    /// a megabyte.
    pub clients: usize,
    /// Answers of `/health` and `/metrics` that wait for their readers. Up to 8 MB each with the most services there
    /// may be, so 64 MB at most.
    pub pages: usize,
    /// The same of `/api`, `/badge` apart from the others, so that neither locks the other out.
    pub answers: usize,
    /// Of both, those of one client: no one client takes them all.
    pub places_per_client: usize,
    /// How long a reader may take for one of them, until its connection is cut. 8 MB in 10 s are 7 Mbit/s.
    pub read_time: Duration,
    /// Bytes of a body. As a message of gRPC: the largest report there may be is smaller.
    pub body_bytes: usize,
    /// How long a body may take to come.
    pub body_time: Duration,
    /// How long an answer may take to be made, its body included. Far above what a busy engine takes.
    pub answer_time: Duration,
    /// Bytes of path and query. Eight of the longest parameters fit.
    pub uri_bytes: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            reads: Rate::new(500, 100),
            writes: Rate::new(2_000, 400),
            probes: Rate::new(2_000, 500),
            clients: 10_000,
            pages: 8,
            answers: 32,
            places_per_client: 4,
            read_time: Duration::from_secs(10),
            body_bytes: 64 << 10,
            body_time: Duration::from_secs(10),
            answer_time: Duration::from_secs(20),
            uri_bytes: 4 << 10,
        }
    }
}

/// Whoever has one IPv6 address has the 2^64 beside it.
pub(super) fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

/// Stands for all clients past [`HttpLimits::clients`].
const OTHERS: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
/// Buckets that are full again are given up at most so often: it walks all of them.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// A token bucket for each client.
#[derive(Debug)]
pub(super) struct Buckets {
    limiter: governor::DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
    clients: usize,
    /// When buckets were last given up: nanoseconds of [`Mono`].
    swept: AtomicU64,
}

impl Buckets {
    pub(super) fn new(rate: Rate, clients: usize) -> Self {
        let quota = Quota::per_second(rate.per_second).allow_burst(rate.burst);
        Self {
            limiter: governor::RateLimiter::keyed(quota),
            clock: DefaultClock::default(),
            clients,
            swept: AtomicU64::new(0),
        }
    }

    /// Takes one token of `client`; without one, says when there will be.
    pub(super) fn take(&self, client: IpAddr, now: Mono) -> Result<(), Duration> {
        let key = if self.has_room(now) { client } else { OTHERS };
        self.limiter
            .check_key(&key)
            .map_err(|refused| refused.wait_time_from(self.clock.now()))
    }

    fn has_room(&self, now: Mono) -> bool {
        if self.limiter.len() < self.clients {
            return true;
        }
        let swept = self.swept.load(Relaxed);
        if now.since(Mono(swept)) >= SWEEP_EVERY
            && self
                .swept
                .compare_exchange(swept, now.0, Relaxed, Relaxed)
                .is_ok()
        {
            self.limiter.retain_recent();
        }
        self.limiter.len() < self.clients
    }
}

/// Places for answers that wait for their readers.
#[derive(Debug)]
pub(super) struct Places {
    total: usize,
    per_client: usize,
    /// Holds only clients that have one, so `total` bounds it.
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// One of them, given back on drop.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    client: IpAddr,
}

/// Which bound is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// That of this client.
    Client,
    /// That of all.
    All,
}

impl Places {
    pub(super) fn new(total: usize, per_client: usize) -> Arc<Self> {
        Arc::new(Self {
            total,
            per_client,
            taken: Mutex::default(),
        })
    }

    pub(super) fn take(self: &Arc<Self>, client: IpAddr) -> Result<Place, Full> {
        let mut taken = self.taken.lock();
        if taken.get(&client).is_some_and(|&here| here >= self.per_client) {
            return Err(Full::Client);
        }
        // Summed up anew each time: there are a few dozen at most.
        if taken.values().sum::<usize>() >= self.total {
            return Err(Full::All);
        }
        *taken.entry(client).or_default() += 1;
        Ok(Place {
            places: Arc::clone(self),
            client,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        match taken.get_mut(&self.client) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(taken.remove(&self.client)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_client_empties_its_own_bucket_only() {
        let buckets = Buckets::new(Rate::new(3, 1), 2);
        let now = Mono::default();
        for _ in 0..3 {
            buckets.take(ip("10.0.0.1"), now).unwrap();
        }
        let wait = buckets.take(ip("10.0.0.1"), now).unwrap_err();
        assert!(wait <= Duration::from_secs(1), "{wait:?}");
        buckets.take(ip("10.0.0.2"), now).unwrap();
        // Two are told apart; the rest share one.
        for client in ["10.0.0.3", "10.0.0.4", "10.0.0.5"] {
            buckets.take(ip(client), now).unwrap();
        }
        assert!(buckets.take(ip("10.0.0.6"), now).is_err());
        assert!(buckets.limiter.len() <= 3, "bounded");
    }

    #[test]
    fn a_whole_prefix_is_one_client() {
        assert_eq!(client(ip("2001:db8::1")), client(ip("2001:db8::ffff:1")));
        assert_ne!(client(ip("2001:db8::1")), client(ip("2001:db8:0:1::1")));
        assert_eq!(client(ip("::ffff:10.0.0.1")), ip("10.0.0.1"));
    }

    #[test]
    fn no_client_takes_all_places() {
        let places = Places::new(3, 2);
        let held = [
            places.take(ip("10.0.0.1")).unwrap(),
            places.take(ip("10.0.0.1")).unwrap(),
        ];
        assert_eq!(places.take(ip("10.0.0.1")).unwrap_err(), Full::Client);
        let other = places.take(ip("10.0.0.2")).unwrap();
        assert_eq!(places.take(ip("10.0.0.3")).unwrap_err(), Full::All);
        drop(held);
        drop((places.take(ip("10.0.0.1")).unwrap(), other));
        assert!(places.taken.lock().is_empty(), "clients that left are forgotten");
    }
}
