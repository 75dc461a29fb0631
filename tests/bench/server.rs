//! Answers per second on one core: our server, coturn's, and a bare UDP echo that bounds them both.
//!
//! All run in one network namespace, pinned to core 0, with the load generator on core 1; they take
//! turns of one second, so that a noisy machine is noisy to all. The load is closed-loop: WINDOW
//! requests are under way, and each answer lets the next one out. Besides answers per second of the
//! clock the table has answers per second of the server's own CPU time, which stands still where
//! the machine is shared.
//!
//! `cargo bench --bench server`
#![allow(clippy::disallowed_types, clippy::disallowed_methods)] // sockets and a clock of its own

#[cfg(target_os = "linux")]
#[path = "../suite/support/mod.rs"]
mod support;

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("SKIPPED: this bench needs Linux");
}

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(target_os = "linux")]
mod linux {
    use super::support::netns::{self, Serve};
    use super::support::skip;
    use natscope::lab::coturn;
    use nix::sched::{CpuSet, sched_setaffinity};
    use nix::sys::socket::{
        MsgFlags, MultiHeaders, SockaddrIn, SockaddrStorage, recvmmsg, sendmmsg,
    };
    use nix::unistd::Pid;
    use std::io::{IoSlice, IoSliceMut};
    use std::net::{SocketAddrV4, UdpSocket};
    use std::os::fd::AsRawFd;
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    /// Requests under way. Fewer than would overflow the socket buffer of the slowest server.
    const WINDOW: usize = 256;
    /// Datagrams per system call.
    const BATCH: usize = 64;
    const ROUNDS: usize = 3;
    const ROUND: Duration = Duration::from_secs(1);
    const HOST: &str = "203.0.113.1";

    pub fn main() {
        let arguments: Vec<String> = std::env::args().collect();
        if arguments.get(1).is_some_and(|a| a == "echo") {
            echo(&arguments[2]);
        } else if netns::inside() {
            netns::addresses(&[HOST]);
            compare();
        } else {
            outside();
        }
    }

    fn outside() {
        if std::thread::available_parallelism().map_or(1, usize::from) < 2 {
            return skip("one core for the server and one for the load are needed");
        }
        match netns::unshare() {
            Ok(mut command) => {
                let this = std::env::current_exe().expect("this bench");
                let status = command.arg(this).status().expect("it runs");
                assert!(status.success());
            }
            Err(reason) => skip(reason),
        }
    }

    /// One contestant.
    struct Contestant {
        name: &'static str,
        process: u32,
        at: SocketAddrV4,
        rounds: Vec<Round>,
    }

    /// What one second gave.
    #[derive(Clone, Copy)]
    struct Round {
        per_second: f64,
        per_cpu_second: f64,
        busy: f64,
    }

    fn compare() {
        let pinned = |program: &str| {
            let mut command = Command::new("taskset");
            command.args(["-c", "0", program]).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let mut ours = pinned(env!("CARGO_BIN_EXE_natscope"));
        ours.args(["serve", "--listen", HOST, "--limit", "0", "--no-tcp"]);
        let ours = Serve::start(&mut ours, 1);
        let this = std::env::current_exe().expect("this bench");
        let mut bare = pinned(&this.to_string_lossy());
        let bare = Running(bare.args(["echo", "203.0.113.1:7"]).spawn().expect("it starts"));
        let mut contestants = vec![
            contestant("bare echo", bare.0.id(), 7),
            contestant("natscope serve", ours.id(), 3478),
        ];
        let said = Command::new(coturn::program()).arg("--version").output().ok();
        let said = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
        let version = said.as_deref().and_then(coturn::Version::of);
        let coturn = version.map(|version| {
            println!("coturn {version}");
            let mut coturn = pinned(&coturn::program().to_string_lossy());
            coturn.args(version.options(false));
            coturn.args(["--listening-ip", HOST, "--listening-port", "3480", "--stun-only"]);
            coturn.args(["--no-tcp", "--no-tls", "--min-port", "49152", "--max-port", "50000"]);
            coturn.args(["--pidfile", "/dev/null", "--relay-threads", "1"]);
            Running(coturn.spawn().expect("it starts"))
        });
        if let Some(coturn) = &coturn {
            contestants.push(contestant("coturn turnserver", coturn.0.id(), 3480));
        } else {
            println!("coturn's turnserver is not installed: not compared");
        }
        pin(1);
        for contestant in &contestants {
            await_answer(contestant);
        }
        for _ in 0..ROUNDS {
            for contestant in &mut contestants {
                contestant.rounds.push(load(contestant.at, contestant.process));
            }
        }
        print(&contestants);
    }

    fn contestant(name: &'static str, process: u32, port: u16) -> Contestant {
        let at = SocketAddrV4::new(HOST.parse().expect("an address"), port);
        Contestant { name, process, at, rounds: Vec::new() }
    }

    /// A child that ends with us.
    struct Running(Child);

    impl Drop for Running {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn pin(core: usize) {
        let mut cores = CpuSet::new();
        cores.set(core).expect("a core");
        sched_setaffinity(Pid::from_raw(0), &cores).expect("a core of this machine");
    }

    /// A Binding request without attributes, as most clients send.
    fn request(number: u32) -> [u8; 20] {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
        bytes[16..].copy_from_slice(&number.to_be_bytes());
        bytes
    }

    /// Asks until the first answer, which must be an answer.
    fn await_answer(contestant: &Contestant) {
        let socket = UdpSocket::bind((HOST, 0)).expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        let mut bytes = [0; 2048];
        for _ in 0..200 {
            socket.send_to(&request(0), contestant.at).expect("sent");
            // no answer yet: the timeout is the pause
            if let Ok(length) = socket.recv(&mut bytes) {
                let success = bytes[..2] == [1, 1] && length > 20;
                assert!(success || contestant.name == "bare echo", "{}", contestant.name);
                return;
            }
        }
        panic!("{} does not answer", contestant.name);
    }

    /// Keeps WINDOW requests under way for a round.
    fn load(at: SocketAddrV4, process: u32) -> Round {
        let socket = UdpSocket::bind((HOST, 0)).expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        let socket2 = socket2::SockRef::from(&socket);
        socket2.set_recv_buffer_size(4 << 20).expect("a buffer");
        let mut answers: u64 = 0;
        let mut number = 0;
        send(&socket, at, WINDOW, &mut number);
        let (begin, cpu) = (Instant::now(), cpu_time(process));
        while begin.elapsed() < ROUND {
            let received = receive(&socket);
            answers += received as u64;
            // Silence means that some were lost: a window anew.
            send(&socket, at, if received == 0 { WINDOW } else { received }, &mut number);
        }
        let (seconds, cpu) = (begin.elapsed().as_secs_f64(), cpu_time(process) - cpu);
        // what is still under way must not be counted for the next round
        while receive(&socket) > 0 {}
        Round {
            per_second: answers as f64 / seconds,
            per_cpu_second: answers as f64 / cpu,
            busy: cpu / seconds,
        }
    }

    fn send(socket: &UdpSocket, at: SocketAddrV4, count: usize, number: &mut u32) {
        let requests: Vec<[u8; 20]> = (0..count)
            .map(|_| {
                *number = number.wrapping_add(1);
                request(*number)
            })
            .collect();
        for requests in requests.chunks(BATCH) {
            let mut headers = MultiHeaders::<SockaddrIn>::preallocate(requests.len(), None);
            let slices: Vec<_> = requests.iter().map(|r| [IoSlice::new(r)]).collect();
            let to = vec![Some(SockaddrIn::from(at)); requests.len()];
            let flags = MsgFlags::empty();
            sendmmsg(socket.as_raw_fd(), &mut headers, slices.iter(), to, [], flags).expect("sent");
        }
    }

    /// How many answers came, at least one unless none comes for a while.
    fn receive(socket: &UdpSocket) -> usize {
        let mut buffers = vec![[0u8; 512]; BATCH];
        let mut headers = MultiHeaders::<SockaddrIn>::preallocate(BATCH, None);
        let mut slices: Vec<_> = buffers.iter_mut().map(|b| [IoSliceMut::new(b)]).collect();
        let flags = MsgFlags::MSG_WAITFORONE;
        let received = recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None);
        received.map_or(0, Iterator::count)
    }

    /// Sends everything back, as fast as a program of this shape can.
    fn echo(at: &str) {
        let socket = UdpSocket::bind(at).expect("a port");
        let mut buffers = vec![[0u8; 2048]; BATCH];
        let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
        let mut out = MultiHeaders::<SockaddrStorage>::preallocate(BATCH, None);
        loop {
            let mut got: Vec<(usize, Option<SockaddrStorage>)> = Vec::with_capacity(BATCH);
            {
                let mut slices: Vec<_> = buffers.iter_mut().map(|b| [IoSliceMut::new(b)]).collect();
                let flags = MsgFlags::MSG_WAITFORONE;
                let fd = socket.as_raw_fd();
                let Ok(received) = recvmmsg(fd, &mut headers, slices.iter_mut(), flags, None)
                else {
                    continue;
                };
                got.extend(received.map(|message| (message.bytes, message.address)));
            }
            let slices: Vec<_> =
                buffers.iter().zip(&got).map(|(b, (n, _))| [IoSlice::new(&b[..*n])]).collect();
            let to: Vec<_> = got.iter().map(|(_, from)| *from).collect();
            let flags = MsgFlags::MSG_DONTWAIT;
            let _ = sendmmsg(socket.as_raw_fd(), &mut out, slices.iter(), to, [], flags);
        }
    }

    /// Seconds that all threads of a process have run.
    fn cpu_time(process: u32) -> f64 {
        let tasks = std::fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
        let nanoseconds = tasks.flatten().filter_map(|task| {
            let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<u64>().ok()
        });
        nanoseconds.sum::<u64>() as f64 / 1e9
    }

    fn median(of: &Contestant, value: impl Fn(&Round) -> f64) -> f64 {
        let mut values: Vec<f64> = of.rounds.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    }

    fn print(contestants: &[Contestant]) {
        println!(
            "medians of {ROUNDS} rounds of {} s, {WINDOW} requests under way",
            ROUND.as_secs()
        );
        println!(
            "{:<20}{:>12}{:>10}{:>7}{:>14}{:>10}",
            "", "answers/s", "natscope×", "busy", "per CPU s", "natscope×"
        );
        let ours = &contestants[1];
        let (wall, cpu) = (median(ours, |r| r.per_second), median(ours, |r| r.per_cpu_second));
        for contestant in contestants {
            let per_second = median(contestant, |r| r.per_second);
            let per_cpu_second = median(contestant, |r| r.per_cpu_second);
            println!(
                "{:<20}{:>12.0}{:>10.2}{:>6.0}%{:>14.0}{:>10.2}",
                contestant.name,
                per_second,
                wall / per_second,
                100.0 * median(contestant, |r| r.busy),
                per_cpu_second,
                cpu / per_cpu_second,
            );
        }
    }
}
