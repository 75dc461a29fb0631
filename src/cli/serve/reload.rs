//! SIGHUP: certificates, passwords and secrets are read again while the server runs.

use super::log::Log;
use super::{Args, Failure};
use crate::net::serve::RelayHandle;
use crate::net::signal::Certificate;

/// What can be replaced.
pub(super) struct Replaceable {
    pub certificate: Option<Certificate>,
    pub relay: Option<RelayHandle>,
}

impl Replaceable {
    /// Reads everything again that was read from files at the start. What cannot be read, or is
    /// wrong, stays as it was.
    pub fn reload(&self, args: &Args, log: &Log) {
        let mut any = false;
        let mut tell = |what: &str, result: Result<(), Failure>| {
            any = true;
            log.tell(match result {
                Ok(()) => format!("SIGHUP: {what} read again"),
                Err(failure) => format!(
                    "SIGHUP: {what} not replaced, the old goes on: {}",
                    failure.message().replace('\n', "; ")
                ),
            });
        };
        if let Some(certificate) = &self.certificate
            && let Some(tls) = args.signal.tls().transpose()
        {
            let replaced = tls.map(|tls| certificate.replace(tls));
            tell("certificate and key", replaced);
        }
        if let Some(relay) = &self.relay {
            let credentials = args.turn.credentials();
            let replaced = credentials.map(|credentials| relay.set_credentials(&credentials));
            tell("users and secrets", replaced);
        }
        if !any {
            log.tell("SIGHUP: there is nothing to read again".to_owned());
        }
    }
}
