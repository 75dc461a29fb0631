//! coturn on loopback, as the foreign TURN server.
#![allow(clippy::disallowed_types)] // free ports are found by sockets

use natscope::lab::coturn;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running `turnserver`; it ends with this.
pub struct Coturn {
    child: Child,
    /// Where it listens: UDP and TCP.
    pub address: SocketAddr,
    /// Where it listens for TLS.
    pub tls: SocketAddr,
    _folder: tempfile::TempDir,
}

/// Whether coturn is here; the test is skipped when it is not.
pub fn installed() -> bool {
    if version().is_some() {
        return true;
    }
    super::skip("coturn's turnserver is not installed");
    false
}

/// The version of the one that is here.
pub fn version() -> Option<coturn::Version> {
    let output = Command::new(coturn::program()).arg("--version").output().ok()?;
    coturn::Version::of(&String::from_utf8_lossy(&output.stdout))
}

/// A port that is free for UDP and TCP on loopback.
fn free_port() -> u16 {
    (0..50)
        .find_map(|_| {
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
            let port = udp.local_addr().ok()?.port();
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok().map(|_| port)
        })
        .expect("a free port")
}

impl Coturn {
    /// Starts it with user `lab`, password `lab`, and these further options. With a certificate
    /// and its key it also speaks TLS.
    pub fn start(options: &[&str], certificate: Option<(&Path, &Path)>) -> Self {
        let (port, tls) = (free_port(), free_port());
        let (plain_port, tls_port) = (port.to_string(), tls.to_string());
        let mut all = vec!["-p", &plain_port, "--tls-listening-port", &tls_port];
        all.extend(["-r", "natscope.test", "--allow-loopback-peers"]);
        all.extend(options);
        if !options.iter().any(|option| option.contains("auth")) {
            all.extend(["--lt-cred-mech", "-u", "lab:lab"]);
        }
        let mut coturn = Self::on(&["127.0.0.1"], &all, certificate);
        (coturn.address, coturn.tls) =
            ((Ipv4Addr::LOCALHOST, port).into(), (Ipv4Addr::LOCALHOST, tls).into());
        coturn
    }

    /// Starts it on these addresses, the usual ports unless the options name others, with these
    /// options and no account.
    pub fn on(listen: &[&str], options: &[&str], certificate: Option<(&Path, &Path)>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(coturn::program());
        command.args(version().expect("its version").options(true));
        command.arg("--pidfile").arg(folder.path().join("pid"));
        command.arg("--userdb").arg(folder.path().join("db"));
        for address in listen {
            command.args(["-L", address]);
        }
        match certificate {
            Some((certificate, key)) => {
                command.arg("--cert").arg(certificate).arg("--pkey").arg(key);
            }
            None => {
                command.arg("--no-tls");
            }
        }
        command.args(options);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("turnserver");
        let mut log = BufReader::new(child.stdout.take().expect("its log"));
        let mut said = String::new();
        loop {
            let before = said.len();
            let read = log.read_line(&mut said).expect("its log");
            assert!(read > 0, "turnserver ended:\n{said}");
            if coturn::is_ready(&said[before..]) {
                break;
            }
        }
        // It must not block on a full pipe.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let ip = listen.first().and_then(|ip| ip.parse().ok()).expect("an address");
        let at = |port| SocketAddr::new(ip, port);
        Self { child, address: at(3478), tls: at(5349), _folder: folder }
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
