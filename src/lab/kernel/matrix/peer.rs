//! One peer of an attempt: a job in its host's namespace that does what it is told, for as long as
//! somebody can tell it.

use crate::ice::{Description, Outcome, Role};
use crate::lab::kernel::LabError;
use crate::lab::kernel::namespace::Namespace;
use crate::net::ice::{self, Options, Progress};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// What a peer is told to do.
enum Order {
    /// Take the other's description, and check.
    Connect { remote: Description, first: oneshot::Sender<()>, done: oneshot::Sender<Outcome> },
    /// Send data and wait for the answers.
    Echo { count: u32, every: Duration, done: oneshot::Sender<Vec<Option<Duration>>> },
}

/// A peer that has gathered its candidates. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Peer {
    orders: mpsc::UnboundedSender<Order>,
    /// What to tell the other.
    pub(super) description: Description,
}

/// A peer that checks.
pub(super) struct Connecting {
    first: oneshot::Receiver<()>,
    done: oneshot::Receiver<Outcome>,
}

fn ended() -> LabError {
    LabError::Experiment("a peer has ended early".into())
}

impl Peer {
    /// Opens a peer's sockets on a host, and gathers.
    pub(super) async fn open(
        host: &Namespace,
        options: Options,
        role: Role,
    ) -> Result<Self, LabError> {
        let (orders, queue) = mpsc::unbounded_channel();
        let (tell, ready) = oneshot::channel();
        // ends when `orders` is dropped
        drop(host.submit(move || async move {
            match ice::gather(options, role).await {
                Ok(peer) => {
                    if tell.send(Ok(peer.description())).is_ok() {
                        obey(peer, queue).await;
                    }
                }
                Err(e) => {
                    let _ = tell.send(Err(LabError::Experiment(format!("a peer: {e}"))));
                }
            }
        }));
        let description = ready.await.map_err(|_| ended())??;
        Ok(Self { orders, description })
    }

    /// Begins to check.
    pub(super) fn connect(&self, remote: Description) -> Connecting {
        let (tell_first, first) = oneshot::channel();
        let (tell_done, done) = oneshot::channel();
        // a peer that has ended shows as a closed channel
        let _ = self.orders.send(Order::Connect { remote, first: tell_first, done: tell_done });
        Connecting { first, done }
    }

    /// Sends data to the other peer and waits for the answers; empty when it has ended.
    pub(super) async fn echo(&self, count: u32, every: Duration) -> Vec<Option<Duration>> {
        let (tell, done) = oneshot::channel();
        let _ = self.orders.send(Order::Echo { count, every, done: tell });
        done.await.unwrap_or_default()
    }
}

impl Connecting {
    /// Waits until its first check has left, or it is over.
    pub(super) async fn first_check(&mut self) {
        // without a first check there is nothing to wait for
        let _ = (&mut self.first).await;
    }

    /// Waits until it is connected or has failed.
    pub(super) async fn done(self) -> Result<Outcome, LabError> {
        self.done.await.map_err(|_| ended())
    }
}

async fn obey(mut peer: ice::Peer, mut queue: mpsc::UnboundedReceiver<Order>) {
    while let Some(order) = queue.recv().await {
        match order {
            Order::Connect { remote, first, done } => {
                peer.remote().set(&remote);
                let mut first = Some(first);
                let outcome = peer
                    .connect(&mut |progress| {
                        let begun = progress == Progress::FirstCheck;
                        if let Some(first) = first.take_if(|_| begun) {
                            // nobody may be waiting for it
                            let _ = first.send(());
                        }
                    })
                    .await;
                let _ = done.send(outcome);
            }
            Order::Echo { count, every, done } => {
                let _ = done.send(peer.echo(count, every).await);
            }
        }
    }
    peer.close().await;
}
