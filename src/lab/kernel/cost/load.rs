//! Round trips and loads over a way.

use super::peers::{Far, Frame, LOAD, PING, Way};
use crate::lab::cost::{KNEE_LOSS, Load, Step};
use crate::net::Stop;
use crate::stun;
use nix::sys::socket::{setsockopt, sockopt};
use std::io;
use std::net::UdpSocket;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Payload of the packets of a round trip: a packet of a voice call.
pub const VOICE: usize = 160;
/// Payload of the packets of a load: a packet of a video call.
pub const VIDEO: usize = 1200;

/// Longer than a round trip in the lab can take.
const LOST: Duration = Duration::from_millis(50);
/// How long a load is offered.
const STEP: Duration = Duration::from_millis(120);
/// The first load, in Mbit/s.
const FIRST: f64 = 50.0;
/// Loads that are tried: 50 Mbit/s to 6.4 Gbit/s, and some between.
const MOST_STEPS: usize = 14;
/// Packets that leave at once: no more than the smallest buffer on the way takes.
const BURST: u64 = 16;

/// A socket that sends several packets of one length by one call (`UDP_SEGMENT`, udp(7)), where the
/// kernel can. The sender then costs little beside what is measured: it shares the processors.
struct Gun<'a> {
    socket: &'a UdpSocket,
    magazine: Vec<u8>,
    frame: usize,
    segments: bool,
}

impl<'a> Gun<'a> {
    fn new(socket: &'a UdpSocket, frame: &Frame) -> Self {
        let length = i32::try_from(frame.bytes.len()).unwrap_or(0);
        let segments = setsockopt(socket, sockopt::UdpGsoSegment, &length).is_ok();
        let magazine = frame.bytes.repeat(usize::try_from(BURST).unwrap_or(1));
        Self { socket, magazine, frame: frame.bytes.len(), segments }
    }

    fn fire(&self, packets: u64) -> io::Result<()> {
        let length = usize::try_from(packets).unwrap_or(1) * self.frame;
        let Some(bytes) = self.magazine.get(..length) else { return Ok(()) };
        if self.segments {
            return send(self.socket, bytes);
        }
        bytes.chunks(self.frame).try_for_each(|packet| send(self.socket, packet))
    }
}

impl Drop for Gun<'_> {
    fn drop(&mut self) {
        if self.segments {
            // a kernel that knows it takes it back
            let _ = setsockopt(self.socket, sockopt::UdpGsoSegment, &0);
        }
    }
}

fn send(socket: &UdpSocket, bytes: &[u8]) -> io::Result<()> {
    match socket.send(bytes) {
        // a full queue is loss, as anywhere else on the way
        Err(e) if e.raw_os_error() != Some(nix::libc::ENOBUFS) => Err(e),
        _ => Ok(()),
    }
}

/// Sends so many packets there and back, one after the other: their times, and how many were lost.
///
/// # Errors
/// The socket fails.
pub fn round_trips(way: &Way, count: u64, first: u64) -> io::Result<(Vec<Duration>, usize)> {
    let mut frame = way.frame(PING, VOICE)?;
    let mut buffer = [0; 2048];
    let (mut times, mut lost) = (Vec::new(), 0);
    way.socket.set_read_timeout(Some(LOST))?;
    for number in first..first + count {
        frame.number(number);
        let sent = Instant::now();
        way.socket.send(&frame.bytes)?;
        loop {
            match way.socket.recv(&mut buffer) {
                Ok(length) if Frame::numbered(&buffer[..length], number) => {
                    times.push(sent.elapsed());
                    break;
                }
                // a late one
                Ok(_) if sent.elapsed() < LOST => {}
                _ => {
                    lost += 1;
                    break;
                }
            }
        }
    }
    Ok((times, lost))
}

/// Offers more and more, until more than one in a hundred is lost, or the sender can no more. `None`
/// when it was stopped.
///
/// # Errors
/// The socket fails.
pub fn climb(way: &Way, far: &Far, stop: &Stop) -> io::Result<Option<Load>> {
    let frame = way.frame(LOAD, VIDEO)?;
    let mut steps: Vec<Step> = Vec::new();
    let mut rate = FIRST;
    // the highest load that came through, and the lowest that did not
    let (mut good, mut bad): (f64, Option<f64>) = (0.0, None);
    while steps.len() < MOST_STEPS {
        if stop.is_cancelled() {
            return Ok(None);
        }
        let mut tried = offer(&way.socket, &frame, far, rate, STEP)?.step;
        if tried.loss > KNEE_LOSS {
            // once more: something else may have had the processor
            let again = offer(&way.socket, &frame, far, rate, STEP)?.step;
            if again.loss < tried.loss {
                tried = again;
            }
        }
        steps.push(tried);
        if tried.loss > KNEE_LOSS {
            bad = Some(rate);
        } else {
            good = rate;
            if tried.offered_mbit_s < rate * 0.9 {
                break; // the sender is at its end
            }
        }
        rate = match bad {
            None => rate * 2.0,
            Some(bad) if good == 0.0 && bad < 4.0 => break,
            Some(bad) if good == 0.0 => bad / 4.0,
            Some(bad) if bad / good < 1.2 => break,
            Some(bad) => (good * bad).sqrt(),
        };
    }
    Ok(Some(Load::of(VIDEO, steps)))
}

/// What was sent and came.
#[derive(Debug, Clone, Copy)]
pub struct Offered {
    /// As rates.
    pub step: Step,
    /// Payload that came, in bytes.
    pub delivered: u64,
}

/// Offers a load for a while.
///
/// # Errors
/// The socket fails.
pub fn offer(
    socket: &UdpSocket,
    frame: &Frame,
    far: &Far,
    mbit_s: f64,
    time: Duration,
) -> io::Result<Offered> {
    let per_second = mbit_s * 1e6 / 8.0 / frame.payload as f64;
    let before = far.counted.packets.load(Ordering::Relaxed);
    let gun = Gun::new(socket, frame);
    let start = Instant::now();
    let mut sent: u64 = 0;
    while start.elapsed() < time {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a count of packets
        let due = (start.elapsed().as_secs_f64() * per_second) as u64;
        let burst = due.saturating_sub(sent).min(BURST);
        if burst == 0 {
            std::thread::sleep(Duration::from_micros(50));
            continue;
        }
        gun.fire(burst)?;
        sent += burst;
    }
    let took = start.elapsed();
    let came = settle(far).saturating_sub(before).min(sent);
    let rate =
        |packets: u64| packets as f64 * frame.payload as f64 * 8.0 / 1e6 / took.as_secs_f64();
    let step = Step {
        offered_mbit_s: rate(sent),
        delivered_mbit_s: rate(came),
        loss: if sent == 0 { 0.0 } else { (sent - came) as f64 / sent as f64 },
    };
    Ok(Offered { step, delivered: came * frame.payload as u64 })
}

/// Waits until nothing comes any more; how much has come.
fn settle(far: &Far) -> u64 {
    let mut before = far.counted.packets.load(Ordering::Relaxed);
    for _ in 0..40 {
        std::thread::sleep(Duration::from_millis(5));
        let now = far.counted.packets.load(Ordering::Relaxed);
        if now == before {
            break;
        }
        before = now;
    }
    before
}

/// Binding requests to the server that the socket is connected to, a few at a time: how many were
/// answered, and the length of a request and an answer.
///
/// # Errors
/// The socket fails.
pub fn bindings(socket: &UdpSocket, count: u64) -> io::Result<(u64, usize)> {
    let request = stun::encode_request(*b"natscopecost", stun::Request::default());
    let mut buffer = [0; 1500];
    let (mut answered, mut length) = (0, request.len());
    socket.set_read_timeout(Some(LOST))?;
    for _ in 0..count / BURST {
        for _ in 0..BURST {
            socket.send(&request)?;
        }
        for _ in 0..BURST {
            let Ok(answer) = socket.recv(&mut buffer) else { break };
            length = request.len() + answer;
            answered += 1;
        }
    }
    Ok((answered, length))
}
