//! All the processes of the shop: opened in order, told of faults, closed together.
//!
//! It knows processes and the registry, and nothing of Ward: what comes of a fault is for Ward to find out.

use std::{collections::BTreeMap, fs, io, net::SocketAddr, path::PathBuf, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::timeout,
};

use crate::{
    How,
    control::{Answer, Refusal, Request},
    plan::SHOP,
    registry::Registry,
    run_dir::RunDir,
    seat::{Fell, Order, Seat, tend},
};

/// How long a member may take until it listens: a second or so even on a busy machine, then ten times that.
const OPENING: Duration = Duration::from_secs(20);
/// How often one looks whether it does.
const GLANCE: Duration = Duration::from_millis(10);

/// A member that did not come up.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The path of this program, which is that of its members.
    #[error("find this program's own file")]
    Binary(#[source] io::Error),
    /// It ended.
    #[error("{name} did not start ({how}): {last_words}")]
    Fell {
        /// Which.
        name: &'static str,
        /// How its process ended.
        how: String,
        /// The end of its log.
        last_words: String,
    },
    /// It does not listen.
    #[error("{0} did not start within {OPENING:?}")]
    Late(&'static str),
}

/// The open shop. Dropped, it kills its processes; [`Shop::close`] lets them say goodbye.
#[derive(Debug)]
pub(crate) struct Shop {
    orders: BTreeMap<&'static str, mpsc::Sender<Order>>,
    fell: mpsc::Receiver<Fell>,
    tending: JoinSet<()>,
}

impl Shop {
    /// Starts each member as soon as those it needs listen.
    pub(crate) async fn open(run_dir: &RunDir, server: SocketAddr) -> Result<Self, OpenError> {
        let binary = std::env::current_exe().map_err(OpenError::Binary)?;
        let registry = Registry::new(&run_dir.registry());
        // Each seat waits until its news is heard, so room for one each is plenty.
        let (falling, fell) = mpsc::channel(SHOP.len());
        let mut shop = Self {
            orders: BTreeMap::new(),
            fell,
            tending: JoinSet::new(),
        };
        for member in &SHOP {
            for need in member.needs {
                shop.until_up(need.name, &registry, run_dir).await?;
            }
            let seat = Seat {
                member,
                binary: binary.clone(),
                server,
                registry: run_dir.registry(),
                log: run_dir.log(member.name),
            };
            // Breaking is done by hand, one at a time.
            let (order, orders) = mpsc::channel(1);
            shop.tending.spawn(tend(seat, orders, falling.clone()));
            shop.orders.insert(member.name, order);
        }
        for member in &SHOP {
            shop.until_up(member.name, &registry, run_dir).await?;
        }
        Ok(shop)
    }

    async fn until_up(
        &mut self,
        name: &'static str,
        registry: &Registry,
        dir: &RunDir,
    ) -> Result<(), OpenError> {
        let listens = async {
            while registry.look_up(name).await.is_none() {
                tokio::time::sleep(GLANCE).await;
            }
        };
        tokio::select! {
            up = timeout(OPENING, listens) => up.map_err(|_| OpenError::Late(name)),
            fell = self.fell() => {
                let name = fell.member.name;
                Err(OpenError::Fell { name, how: fell.how, last_words: last_words(dir.log(name)) })
            }
        }
    }

    /// The next member that ends without being told to. Cancel safe.
    pub(crate) async fn fell(&mut self) -> Fell {
        match self.fell.recv().await {
            Some(fell) => fell,
            // All seats are empty: the shop closes.
            None => std::future::pending().await,
        }
    }

    /// Does what was asked.
    pub(crate) async fn obey(&self, request: &Request) -> Answer {
        let name = request.name();
        let orders = self
            .orders
            .get(name)
            .ok_or_else(|| Refusal::Unknown(name.into()))?;
        let fault: Option<How> = match request {
            Request::Break { how, .. } => Some(*how),
            Request::Mend { .. } => None,
        };
        let (answer, answered) = oneshot::channel();
        orders
            .send(Order::Fault(fault, answer))
            .await
            .map_err(|_| Refusal::Ending)?;
        answered.await.unwrap_or(Err(Refusal::Ending))
    }

    /// Ends all members, together. Takes as long as the slowest, at most some seconds.
    pub(crate) async fn close(mut self) {
        self.orders.clear();
        self.fell.close();
        while self.tending.join_next().await.is_some() {}
    }
}

/// The last line a member wrote, without anything a terminal would obey.
pub(crate) fn last_words(log: PathBuf) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let line = text
        .lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or("it wrote nothing");
    line.chars().filter(|c| !c.is_control()).take(300).collect()
}
