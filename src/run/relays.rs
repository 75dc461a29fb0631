//! TURN servers: which address of each, and what came of trying them.

use super::Ways;
use crate::ground::finding::{Finding, Id};
use crate::net::resolve::{Family, resolve};
use crate::net::tls::Tls;
use crate::net::{Stop, allocation};
use crate::report::TurnServer;
use crate::stun::Patience;
use crate::stun::uri::{Host, Scheme, Transport, Uri};
use crate::turn::{Failure, Over, Server};
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// A user's name and password (RFC 8489 section 9.2), 508 bytes each at most; both empty for a server
/// that lets anybody in.
#[derive(Clone, Default)]
pub struct Credentials {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    /// Without the password: this is for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// TURN servers, and what is needed to use them; none by default.
#[derive(Debug, Clone, Default)]
pub struct Relays {
    /// The servers.
    pub servers: Vec<Uri>,
    /// How they let this host in.
    pub credentials: Credentials,
    /// Whom to trust where they are reached over TLS.
    pub tls: Tls,
}

impl Relays {
    /// A server at its first address that can be reached, of those that are asked for.
    ///
    /// # Errors
    /// It has none, or its name was not resolved by then.
    pub(super) async fn find(
        &self,
        uri: &Uri,
        ways: &Ways,
        deadline: Instant,
    ) -> Result<Server, String> {
        let found = tokio::time::timeout_at(deadline, resolve(uri, Family::Any)).await;
        let found = found.map_err(|_| "no answer from the name service".to_owned())?;
        let found = found.map_err(|error| error.to_string())?;
        let mut wanted = found.iter().filter(|address| ways.wants(address));
        let first = wanted.clone().next();
        let address = wanted.find(|address| ways.route(**address).is_ok()).or(first);
        let none = || "it has no address of the family that is asked for".to_owned();
        Ok(self.server(uri, *address.ok_or_else(none)?))
    }

    /// Those whose address was found in time.
    pub(super) async fn found(&self, ways: &Ways, budget: Duration) -> Vec<Server> {
        let deadline = Instant::now() + budget;
        let all = self.servers.iter().map(|uri| self.find(uri, ways, deadline));
        futures_util::future::join_all(all).await.into_iter().flatten().collect()
    }

    fn server(&self, uri: &Uri, address: std::net::SocketAddr) -> Server {
        let name = match &uri.host {
            Host::Ip(ip) => ip.to_string(),
            Host::Name(name) => name.clone(),
        };
        let over = match (uri.scheme, uri.transport) {
            (Scheme::Turns | Scheme::Stuns, _) => Over::Tls,
            (_, Some(Transport::Tcp)) => Over::Tcp,
            _ => Over::Udp,
        };
        let Credentials { user, password } = self.credentials.clone();
        Server { uri: uri.to_string(), name, address, over, user, password }
    }

    /// Tries each, side by side. What was not tried is in the findings.
    pub(super) async fn attempt(
        &self,
        ways: &Ways,
        budget: Duration,
        stop: Stop,
        findings: &mut Vec<Finding>,
    ) -> Vec<TurnServer> {
        let deadline = Instant::now() + budget;
        let all = tokio::select! {
            all = self.attempt_all(ways, deadline) => all,
            () = stop.cancelled() => {
                let text = "the TURN servers were not tried to the end: interrupted".to_owned();
                findings.push(Finding::new(Id::TurnInterrupted, text));
                return Vec::new();
            }
        };
        let mut tried = Vec::new();
        for (uri, result) in self.servers.iter().zip(all) {
            match result {
                Ok(server) => tried.push(server),
                Err(error) => {
                    let text = format!("{uri} was not tried: {error}");
                    findings.push(Finding::new(Id::TurnNotTried, text));
                }
            }
        }
        tried
    }

    async fn attempt_all(&self, ways: &Ways, deadline: Instant) -> Vec<Result<TurnServer, String>> {
        let one = async |uri: &Uri| {
            let server = self.find(uri, ways, deadline).await?;
            let patience = Patience::internet();
            let attempt =
                allocation::attempt(&server, ways.by(), &self.tls, patience, deadline).await;
            Ok(TurnServer::new(&server, attempt))
        };
        let mut all = futures_util::future::join_all(self.servers.iter().map(one)).await;
        // Our own allocations beside it may have used the quota up, and servers count them for
        // a moment after they were given back (coturn: up to a second); nothing tells when.
        let full = |tried: &TurnServer| tried.failure == Some(Failure::QuotaReached);
        for (uri, tried) in self.servers.iter().zip(&mut all) {
            for _ in 0..2 {
                if tried.as_ref().is_ok_and(full) {
                    tokio::time::sleep(Duration::from_millis(1100)).await;
                    *tried = one(uri).await;
                }
            }
        }
        all
    }
}
