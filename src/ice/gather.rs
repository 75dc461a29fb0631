//! Asking STUN servers what they see (RFC 8445 section 5.1.1.2), and asking again so that the
//! NAT's binding lives until the checks begin (section 5.1.1.4).

use super::Gathered;
use super::trace::ms;
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

/// A packet to a server.
#[derive(Debug)]
pub(super) struct Ask {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

impl Gathering {
    pub const fn new(patience: Patience, between: Duration) -> Self {
        Self { questions: Vec::new(), patience, between, next_new: Duration::ZERO, keeping: true }
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

    /// No question is open.
    pub fn done(&self) -> bool {
        self.questions.iter().all(|question| question.answer.is_some())
    }

    /// Bindings need not be kept any more.
    pub const fn stop_keeping(&mut self) {
        self.keeping = false;
    }

    /// The next packet that is due, and otherwise when one will be.
    pub fn poll(&mut self, now: Duration) -> Result<Ask, Duration> {
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
            return Ok(Ask { from: question.base, to: question.to, bytes });
        }
        Err(wait)
    }

    /// Takes a packet if it is an answer to a question.
    pub fn receive(
        &mut self,
        now: Duration,
        base: SocketAddr,
        from: SocketAddr,
        bytes: &[u8],
    ) -> Answer {
        let Ok(message) = stun::read(bytes) else { return Answer::Not };
        let found = self.questions.iter_mut().find(|question| {
            question.id == message.id && question.base == base && question.to == from
        });
        let Some(question) = found else { return Answer::Not };
        if !matches!(message.class, Class::Success | Class::Error) {
            return Answer::Not;
        }
        let (None, Some(began)) = (&question.answer, question.began) else { return Answer::Known };
        question.due = now + KEEP_EVERY;
        let mapped = message.reflexive().filter(|_| message.class == Class::Success);
        question.answer = Some(match (mapped, message.error) {
            (Some(mapped), _) => Ok((mapped, now.saturating_sub(began))),
            (None, Some((code, reason))) => Err(format!("it answered with {code} {reason}")),
            (None, None) => Err("its answer has no address in it".to_owned()),
        });
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
