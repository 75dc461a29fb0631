//! Asking STUN servers what they see (RFC 8445 section 5.1.1.2), and asking again so that the
//! NAT's binding lives until the checks begin (section 5.1.1.4).

use super::Gathered;
use super::agent::Output;
use crate::ground::address::{Reach, reach};
use crate::ground::ms;
use crate::stun::{self, Class, Patience, TransactionId};
use std::net::SocketAddr;
use std::time::Duration;

/// Well within the 30 s that Linux gives a binding with traffic one way.
const KEEP_EVERY: Duration = Duration::from_secs(15);

/// One server and one base.
#[derive(Debug)]
struct Question {
    server: String,
    to: SocketAddr,
    base: SocketAddr,
    id: TransactionId,
    began: Option<Duration>,
    sent: u32,
    /// When to send again, or to give up.
    due: Duration,
    answer: Option<Result<(SocketAddr, Duration), String>>,
}

/// All servers and all bases.
#[derive(Debug)]
pub(super) struct Gathering {
    questions: Vec<Question>,
    patience: Patience,
    between: Duration,
    /// Not sooner than this is another new question sent.
    next_new: Duration,
    /// Asks again to keep bindings.
    keeping: bool,
    /// No more bases will come.
    hosts_complete: bool,
    ended: Option<Duration>,
}

/// What a packet is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// No answer to a question.
    Not,
    /// One that says nothing new.
    Known,
    /// What this server sees.
    New(String, SocketAddr),
}

impl Gathering {
    pub const fn new(patience: Patience, between: Duration) -> Self {
        Self {
            questions: Vec::new(),
            patience,
            between,
            next_new: Duration::ZERO,
            keeping: true,
            hosts_complete: false,
            ended: None,
        }
    }

    pub fn add(&mut self, server: &str, to: SocketAddr, base: SocketAddr, id: TransactionId) {
        self.questions.push(Question {
            server: server.to_owned(),
            to,
            base,
            id,
            began: None,
            sent: 0,
            due: Duration::ZERO,
            answer: None,
        });
    }

    /// No more bases will come.
    pub const fn end_hosts(&mut self) {
        self.hosts_complete = true;
    }

    /// Ends it if no question is open and none will be; true when that is now.
    pub fn end(&mut self, now: Duration) -> bool {
        let answered = || self.questions.iter().all(|question| question.answer.is_some());
        let ends = self.ended.is_none() && self.hosts_complete && answered();
        if ends {
            self.ended = Some(now);
        }
        ends
    }

    /// When it ended, relays too.
    pub const fn ended(&self) -> Option<Duration> {
        self.ended
    }

    /// Bindings need not be kept any more.
    pub const fn stop_keeping(&mut self) {
        self.keeping = false;
    }

    /// The next packet that is due, and otherwise when one will be.
    pub fn poll(&mut self, now: Duration) -> Output {
        let mut wait = Duration::MAX;
        for question in &mut self.questions {
            let due = match (&question.answer, question.began) {
                (Some(Ok(_)), _) if self.keeping => question.due,
                (Some(_), _) => continue,
                (None, None) => self.next_new,
                (None, Some(_)) => question.due,
            };
            if due > now {
                wait = wait.min(due);
                continue;
            }
            if question.answer.is_some() {
                question.due = now + KEEP_EVERY;
            } else if question.sent >= self.patience.tries.max(1) {
                question.answer = Some(Err(format!(
                    "no answer to {} requests in {:.1} s",
                    question.sent,
                    self.patience.total().as_secs_f64()
                )));
                continue;
            } else {
                if question.began.is_none() {
                    question.began = Some(now);
                    self.next_new = now + self.between;
                }
                question.sent += 1;
                question.due = now + self.patience.wait(question.sent);
            }
            let bytes = stun::encode_request(question.id, stun::Request::default());
            return Output::Send { from: question.base, to: question.to, bytes };
        }
        Output::Wait(wait)
    }

    /// Takes a packet if it is an answer to a question.
    pub fn receive(
        &mut self,
        now: Duration,
        base: SocketAddr,
        from: SocketAddr,
        bytes: &[u8],
    ) -> Answer {
        // the peer's packets, which are most, are read elsewhere
        let mut asked = self.questions.iter_mut().filter(|q| q.base == base && q.to == from);
        let Some(first) = asked.next() else { return Answer::Not };
        let Ok(message) = stun::read_damaged(bytes) else { return Answer::Not };
        let mut asked = std::iter::once(first).chain(asked);
        let Some(question) = asked.find(|question| question.id == message.id) else {
            return Answer::Not;
        };
        if !matches!(message.class, Class::Success | Class::Error) {
            return Answer::Not;
        }
        let (None, Some(began)) = (&question.answer, question.began) else { return Answer::Known };
        question.due = now + KEEP_EVERY;
        let said = match (message.reflexive(), message.error) {
            (Some(mapped), None) if message.class == Class::Success => usable(mapped, base, from),
            (_, Some((code, reason))) => Err(format!("it answered with {code} {reason}")),
            _ => Err("its answer has no address in it".to_owned()),
        };
        let mapped = said.as_ref().ok().copied();
        question.answer = Some(said.map(|mapped| (mapped, now.saturating_sub(began))));
        mapped.map_or(Answer::Known, |mapped| Answer::New(question.server.clone(), mapped))
    }

    /// The network says that a server cannot be reached.
    pub fn unreachable(&mut self, base: SocketAddr, to: SocketAddr, why: &str) -> bool {
        let mut any = false;
        for question in &mut self.questions {
            if question.base == base && question.to == to && question.answer.is_none() {
                question.answer = Some(Err(why.to_owned()));
                any = true;
            }
        }
        any
    }

    /// What the servers said.
    pub fn record(&self) -> Vec<Gathered> {
        let record = |question: &Question| {
            let answer = question.answer.as_ref();
            let told = answer.and_then(|answer| answer.as_ref().ok());
            Gathered {
                server: question.server.clone(),
                base: question.base,
                mapped: told.map(|(mapped, _)| *mapped),
                rtt_ms: told.map(|(_, rtt)| ms(*rtt)),
                because: answer.and_then(|answer| answer.as_ref().err().cloned()),
            }
        };
        self.questions.iter().map(record).collect()
    }
}

/// The mapped address, where a peer could be told it: it is this host's as the internet sees it.
fn usable(mapped: SocketAddr, base: SocketAddr, server: SocketAddr) -> Result<SocketAddr, String> {
    let mapped = SocketAddr::new(mapped.ip().to_canonical(), mapped.port());
    let (seen, at) = (reach(mapped.ip()), reach(server.ip()));
    let why = if mapped.port() == 0 || seen == Reach::Nowhere {
        "which cannot be: the server is broken or misconfigured"
    } else if mapped.is_ipv4() != base.is_ipv4() {
        "of another address family than it was asked over"
    } else if seen < at && mapped.ip() != base.ip() {
        "which is no public address: a proxy or load balancer stands before the server"
    } else {
        return Ok(mapped);
    };
    Err(format!("it sees this host as {mapped}, {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_peer_is_told_an_address_that_is_not_ours() {
        let ask = |mapped: &str, base: &str, server: &str| {
            let [mapped, base, server] =
                [mapped, base, server].map(|a| a.parse().expect("literal"));
            usable(mapped, base, server)
        };
        let (inside, server) = ("192.168.1.2:5000", "203.0.113.1:3478");
        for bad in
            ["0.0.0.0:5000", "198.51.100.7:0", "224.0.0.1:1", "10.0.0.9:5000", "[2001:db8::9]:1"]
        {
            let said = ask(bad, inside, server).expect_err(bad);
            assert!(said.contains("sees this host as"), "{said}");
        }
        let mapped = "198.51.100.7:4000".parse().expect("literal");
        assert_eq!(ask("[::ffff:198.51.100.7]:4000", inside, server), Ok(mapped));
        assert!(ask("192.168.1.2:5000", inside, "192.168.1.1:3478").is_ok());
        assert!(ask("127.0.0.1:5000", "127.0.0.1:5000", "127.0.0.1:3478").is_ok());
        assert!(ask("198.51.100.7:4000", inside, "127.0.0.1:3478").is_ok());
    }
}
