//! Who counts as one client, and what one may take of what all share.
//!
//! An [`Account`] for each client says what it has open and how much it has had decided lately. It is found once, when a
//! stream begins, and shared by all streams of the client: nothing is looked up for what comes on a stream. Beats are not
//! counted at all. Over HTTP addresses have bounds of their own beside this ([`super::http`]), so single reports that come
//! that way are not counted twice.
//!
//! Nothing is said here about rights. Bounds by address were not taken: a thousand services behind one address are a
//! thousand clients.

mod account;
mod bucket;

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use ward_model::{Mono, bounds};

use super::http::Rate;
use crate::access::{Caller, Who};

pub(super) use account::{Account, Full, Reporting, Share};

/// Who counts as one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Client {
    /// One who has proved who it is, over however many connections.
    Named(Arc<str>),
    /// Nobody in particular: whoever is at the other end of this connection.
    Connection(u64),
    /// A caller within this process.
    Process,
}

impl From<&Caller> for Client {
    fn from(caller: &Caller) -> Self {
        match (caller.who(), caller.peer()) {
            // No certificate is called as a token is shown: names have no spaces.
            (Who::Token(id), _) => Self::Named(format!("token {id}").into()),
            (Who::Certificate(name), _) => Self::Named(Arc::clone(name)),
            (Who::Anybody | Who::Anonymous, Some(peer)) => Self::Connection(peer.connection),
            (Who::Within | Who::Anybody | Who::Anonymous, _) => Self::Process,
        }
    }
}

/// What one client may take. Guards like those of the listener: nothing in a configuration file maps to them, and tests
/// loosen or tighten them to show that they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// Watchers of one client, over gRPC, server-sent events and `grpc.health.v1` together. A console needs one or two, a
    /// gateway some; 600 clients can have that many before anybody is refused for want of room.
    pub watchers: usize,
    /// Watchers of all clients. At 6 KiB each they stay within 64 MB; names to filter by come on top of that.
    pub watchers_in_all: usize,
    /// Recordings that one client reads at once. `ward rules replay` reads one.
    pub recordings: usize,
    /// Of all clients. Each holds what was read and not told yet, which begins with the last record of up to 20,000 services at
    /// once: some 10 MB, so 64 MB with what is on its way.
    pub recordings_in_all: usize,
    /// Questions of one client over gRPC: as many as of an address over HTTP, and twice as many at once. `ward top` asks two a second.
    pub questions: Rate,
    /// Answers to them that are made or wait to be read. The largest has 768 KiB, so 48 MB.
    pub answers: usize,
    /// Report streams of one client. A connection carries 128 and a stream 16,384 instances, so this is for one identity
    /// that a whole fleet shares: a host to a stream, a thousand hosts.
    pub streams: usize,
    /// Instances that the open streams of one client hold: half of what there may be, so that one who floods leaves as
    /// much for the others.
    pub instances: usize,
    /// Updates of one client that are decided, and single reports over gRPC. For each instance it has on a stream there
    /// are 10 more at once and twice as many more a second as it is heard, as everything that a beat carries may be new
    /// each time and a change of status is told between beats. This much comes on top, for those whose beats are rare: a
    /// `ward bench` changes 53 words a second under leases of an hour. An update takes some microseconds, so what comes on
    /// top is about a thousandth of what the engine can do.
    pub updates: Rate,
    /// Hellos of one client that are decided, and as many again for each of its report streams: a stream introduces 16,384
    /// instances at most, which all come at once when the aggregator is back, and in the long run there are few. So no
    /// fleet is kept waiting at a restart, whoever shares an identity.
    pub hellos: Rate,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            watchers: 16,
            watchers_in_all: 10_000,
            recordings: 2,
            recordings_in_all: 6,
            questions: Rate::new(1_000, 100),
            answers: 64,
            streams: 1_024,
            instances: bounds::INSTANCES / 2,
            updates: Rate::new(1_000, 100),
            hellos: Rate::new(16_384, 1_000),
        }
    }
}

impl ClientLimits {
    /// None at all.
    ///
    /// **For tests and benchmarks only**, to show what a guard prevents or to measure what is behind it.
    pub fn unguarded() -> Self {
        let all = Rate::new(u32::MAX, u32::MAX);
        Self {
            watchers: usize::MAX,
            watchers_in_all: usize::MAX,
            recordings: usize::MAX,
            recordings_in_all: usize::MAX,
            questions: all,
            answers: usize::MAX,
            streams: usize::MAX,
            instances: usize::MAX,
            updates: all,
            hellos: all,
        }
    }
}

/// Accounts are looked through for some that can go when there are this many, and again at twice as many as stayed.
const SWEPT_AT: usize = 1_024;

/// The accounts. There are at most twice as many as there are clients that have something open or have had something
/// decided just now, so connections bound them.
#[derive(Debug)]
pub(crate) struct Clients {
    limits: ClientLimits,
    accounts: Mutex<Accounts>,
    /// Watchers of all clients.
    watchers: Arc<account::Room>,
    /// And who reads the recording.
    recordings: Arc<account::Room>,
}

#[derive(Debug)]
struct Accounts {
    by_client: HashMap<Client, Arc<Account>>,
    sweep_at: usize,
}

impl Clients {
    pub(crate) fn new(limits: ClientLimits) -> Self {
        Self {
            accounts: Mutex::new(Accounts {
                by_client: HashMap::new(),
                sweep_at: SWEPT_AT,
            }),
            watchers: Arc::new(account::Room::new(limits.watchers_in_all)),
            recordings: Arc::new(account::Room::new(limits.recordings_in_all)),
            limits,
        }
    }

    /// The account of whoever this is.
    pub(super) fn of(&self, caller: &Caller, now: Mono) -> Arc<Account> {
        self.account(caller.into(), now)
    }

    fn account(&self, client: Client, now: Mono) -> Arc<Account> {
        let mut accounts = self.accounts.lock();
        if accounts.by_client.len() >= accounts.sweep_at {
            // Nobody else gets hold of one meanwhile, and what is as new need not be kept.
            let in_use = |account: &Arc<Account>| Arc::strong_count(account) > 1 || !account.is_idle(now);
            accounts.by_client.retain(|_, account| in_use(account));
            accounts.sweep_at = (2 * accounts.by_client.len()).max(SWEPT_AT);
        }
        let new = || Arc::new(Account::new(self.limits.clone(), now));
        accounts.by_client.entry(client).or_insert_with(new).clone()
    }

    /// A place for one more watcher.
    pub(super) fn watch(&self, caller: &Caller, now: Mono) -> Result<Share, Full> {
        account::watch(self.of(caller, now), &self.watchers)
    }

    /// A place for one more who reads the recording.
    pub(super) fn read_recording(&self, account: Arc<Account>) -> Result<Share, Full> {
        account::read_recording(account, &self.recordings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono(seconds * 1_000_000_000)
    }

    #[test]
    fn one_client_has_one_account_and_the_next_another() {
        let clients = Clients::new(ClientLimits::default());
        let one = clients.account(Client::Connection(1), at(0));
        assert!(Arc::ptr_eq(&one, &clients.account(Client::Connection(1), at(0))));
        for other in [Client::Connection(2), Client::Process, Client::Named("1".into())] {
            assert!(!Arc::ptr_eq(&one, &clients.account(other, at(0))));
        }
    }

    #[test]
    fn accounts_go_with_their_clients_once_nothing_is_owed() {
        let limits = ClientLimits {
            updates: Rate::new(1, 1),
            ..ClientLimits::default()
        };
        let clients = Clients::new(limits);
        let _held = clients.account(Client::Process, at(0));
        let indebted = Client::Connection(0);
        clients.account(indebted.clone(), at(0)).once(at(0)).unwrap();
        let flood = |from: u64, now| {
            for number in from..from + 10_000 {
                clients.account(Client::Connection(number), now);
            }
        };
        flood(1, at(0));
        assert!(clients.accounts.lock().by_client.len() <= SWEPT_AT);
        assert!(
            clients.account(indebted.clone(), at(0)).once(at(0)).is_err(),
            "not as new"
        );
        flood(20_000, at(60));
        let accounts = clients.accounts.lock();
        assert!(accounts.by_client.contains_key(&Client::Process));
        assert!(
            !accounts.by_client.contains_key(&indebted),
            "what was owed is paid"
        );
    }

    #[test]
    fn watchers_have_a_bound_each_and_one_for_all() {
        let limits = ClientLimits {
            watchers: 2,
            watchers_in_all: 3,
            ..ClientLimits::default()
        };
        let clients = Clients::new(limits);
        let watch = |client| account::watch(clients.account(client, at(0)), &clients.watchers);
        let (one, other) = (Client::Connection(1), Client::Connection(2));
        let held = [watch(one.clone()).unwrap(), watch(one.clone()).unwrap()];
        assert_eq!(watch(one.clone()).unwrap_err(), Full::Watchers(2));
        let last = watch(other.clone()).unwrap();
        assert_eq!(watch(other.clone()).unwrap_err(), Full::WatchersInAll(3));
        drop(last);
        drop(held);
        // What was refused by the bound of all took nothing of its client's.
        let _again = [
            watch(other.clone()).unwrap(),
            watch(other).unwrap(),
            watch(one).unwrap(),
        ];
    }
}
