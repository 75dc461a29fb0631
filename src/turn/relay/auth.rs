//! Who may use the relay: long-term credentials (RFC 8489 section 9.2), and time-limited ones, whose
//! user name is `expiry:name` and whose password is the base64 of its HMAC-SHA1 under a shared
//! secret (draft-uberti-behave-turn-rest, which every TURN server and WebRTC back end knows).
//!
//! Nonces hold their own expiry and a proof that we made them, so that a flood of requests from
//! invented addresses leaves nothing behind in memory.

use super::Path;
use super::account::Account;
use crate::stun::responder::Over;
use crate::stun::{Key, Strict, types};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// How long a nonce is taken (RFC 8656 section 5: at least an hour is usual).
const NONCE_LIFETIME: Duration = Duration::from_secs(3600);
/// Bytes of proof in a nonce.
const PROOF: usize = 10;
/// Longest user name (RFC 8489 section 14.3), in bytes.
const LONGEST_NAME: usize = 508;

/// Users with passwords, and secrets for time-limited credentials. Never printed.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Name and password.
    pub users: Vec<(String, String)>,
    /// Any of these makes a time-limited credential good: a new secret can be added before the old
    /// one goes.
    pub secrets: Vec<Vec<u8>>,
}

/// Without what is secret.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.users.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Credentials")
            .field("users", &names)
            .field("secrets", &self.secrets.len())
            .finish()
    }
}

impl Credentials {
    /// Whether anybody could be let in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty() && self.secrets.is_empty()
    }
}

/// The password of a time-limited credential.
#[must_use]
pub fn time_limited_password(secret: &[u8], user: &str) -> String {
    BASE64.encode(mac(secret, &[user.as_bytes()]).finalize().into_bytes())
}

/// A request that was let in.
#[derive(Debug, Clone)]
pub(super) struct Admitted {
    /// USERNAME as sent.
    pub user: String,
    /// What quotas count by.
    pub account: Account,
    /// Signs the answer.
    pub key: Key,
    /// A time-limited credential whose time is over: good for giving up what it holds only.
    pub expired: bool,
}

/// Why a request was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// No credentials: the client is to ask again with this realm and a nonce.
    Challenge,
    /// Half of them (RFC 8489 section 9.2.4).
    BadRequest,
    /// The nonce is old, or not ours.
    StaleNonce,
    /// Nobody of that name, or another password.
    Wrong,
}

/// The gate.
#[derive(Debug)]
pub(super) struct Auth {
    realm: String,
    keys: HashMap<String, Key>,
    secrets: Vec<Vec<u8>>,
    nonce_key: [u8; 32],
    /// Seconds since 1970 at the start of the run.
    epoch: u64,
}

impl Auth {
    pub fn new(realm: String, credentials: &Credentials, nonce_key: [u8; 32], epoch: u64) -> Self {
        let (keys, secrets) = keys(&realm, credentials);
        Self { realm, keys, secrets, nonce_key, epoch }
    }

    /// From now on these are let in, and nobody else. Allocations stay until their time is over:
    /// only who is let in may prolong them.
    pub fn set_credentials(&mut self, credentials: &Credentials) {
        (self.keys, self.secrets) = keys(&self.realm, credentials);
    }

    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// Lets a request in or not.
    pub fn admit(
        &self,
        now: Duration,
        path: &Path,
        message: &Strict<'_>,
    ) -> Result<Admitted, Denied> {
        if message.value(types::INTEGRITY).is_none() {
            return Err(Denied::Challenge);
        }
        let [user, nonce, realm] =
            [types::USERNAME, types::NONCE, types::REALM].map(|kind| message.text(kind));
        let (Some(user), Some(nonce), Some(realm)) = (user, nonce, realm) else {
            return Err(Denied::BadRequest);
        };
        if !self.is_fresh(now, path, nonce) {
            return Err(Denied::StaleNonce);
        }
        if realm != self.realm || user.len() > LONGEST_NAME {
            return Err(Denied::Wrong);
        }
        if let Some(key) = self.keys.get(user) {
            if !message.is_signed(key) {
                return Err(Denied::Wrong);
            }
            let (user, account) = (user.to_owned(), Account::User(user.to_owned()));
            return Ok(Admitted { user, account, key: key.clone(), expired: false });
        }
        self.admit_time_limited(now, user, message).ok_or(Denied::Wrong)
    }

    /// `expiry:name`, or the expiry alone. The password is checked first: only who holds it is told
    /// that it has expired.
    fn admit_time_limited(
        &self,
        now: Duration,
        user: &str,
        message: &Strict<'_>,
    ) -> Option<Admitted> {
        let (expiry, name) = user.split_once(':').unwrap_or((user, ""));
        let expiry: u64 = expiry.parse().ok()?;
        let key = self.secrets.iter().find_map(|secret| {
            let key = Key::long_term(user, &self.realm, &time_limited_password(secret, user));
            message.is_signed(&key).then_some(key)
        })?;
        let account = match name {
            "" => Account::Nameless,
            name => Account::TimeLimited(name.to_owned()),
        };
        let expired = self.epoch.saturating_add(now.as_secs()) >= expiry;
        Some(Admitted { user: user.to_owned(), account, key, expired })
    }

    /// A nonce for this client: eight hexadecimal digits of expiry, then the proof.
    pub fn nonce(&self, now: Duration, path: &Path) -> String {
        let expiry = u32::try_from((now + NONCE_LIFETIME).as_secs()).unwrap_or(u32::MAX);
        let proof = self.proof(expiry, path).finalize().into_bytes();
        let mut nonce = format!("{expiry:08x}");
        nonce.extend(proof.iter().take(PROOF).map(|byte| format!("{byte:02x}")));
        nonce
    }

    fn is_fresh(&self, now: Duration, path: &Path, nonce: &str) -> bool {
        let Some((expiry, proof)) = nonce.split_at_checked(8) else { return false };
        let Ok(expiry) = u32::from_str_radix(expiry, 16) else { return false };
        let proof = hex(proof).filter(|proof| proof.len() == PROOF);
        let made_here =
            proof.is_some_and(|p| self.proof(expiry, path).verify_truncated_left(&p).is_ok());
        made_here && now.as_secs() < u64::from(expiry)
    }

    /// A nonce is for one client: another cannot use it.
    fn proof(&self, expiry: u32, path: &Path) -> Hmac<Sha1> {
        let over = [u8::from(path.over == Over::Tcp)];
        let ip = match path.remote.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        let port = path.remote.port().to_be_bytes();
        mac(&self.nonce_key, &[b"nonce", &expiry.to_be_bytes(), &over, &ip, &port])
    }

    /// Numbers that nobody can foresee: of a purpose, the `n`th.
    pub fn random(&self, purpose: &[u8], n: u64) -> u64 {
        let bytes = mac(&self.nonce_key, &[purpose, &n.to_be_bytes()]).finalize().into_bytes();
        bytes.first_chunk().map_or(n, |chunk| u64::from_be_bytes(*chunk))
    }
}

fn keys(realm: &str, credentials: &Credentials) -> (HashMap<String, Key>, Vec<Vec<u8>>) {
    let key =
        |(name, password): &(String, String)| (name.clone(), Key::long_term(name, realm, password));
    (credentials.users.iter().map(key).collect(), credentials.secrets.clone())
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha1> {
    // HMAC takes a key of any length: the error cannot happen, and the empty key opens nothing,
    // since every comparison is with what the true key made
    let mut mac = Hmac::<Sha1>::new_from_slice(key)
        .unwrap_or_else(|_| Hmac::<Sha1>::new(&hmac::digest::Key::<Hmac<Sha1>>::default()));
    for part in parts {
        mac.update(part);
    }
    mac
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
    bytes
        .chunks(2)
        .map(|pair| match pair {
            &[high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        })
        .collect()
}
