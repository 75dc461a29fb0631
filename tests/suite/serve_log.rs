//! What `natscope serve` says while it runs, and what it reads again at SIGHUP.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods)] // real sockets are the point

use crate::support::certificate;
use crate::support::netns;
use crate::support::turn;
use natscope::net::signal::{self, Uri};
use natscope::net::tls::Tls;
use netns::Serve;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use turn::{Client, PERMIT, REFRESH, lifetime, peer};

fn file(content: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    std::io::Write::write_all(&mut file, content.as_bytes()).expect("written");
    file
}

fn natscope() -> Command {
    Command::new(env!("CARGO_BIN_EXE_natscope"))
}

/// The address of a relay that has just started.
fn relay(command: &mut Command) -> (Serve, SocketAddr) {
    let serve = Serve::start(command, 1);
    let at = serve.said.rsplit("answering on ").next().expect("an address").trim();
    let at = at.parse().expect("an address");
    (serve, at)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

#[test]
fn an_allocation_is_a_line_in_the_log_and_its_end_another() {
    let password = file("wonder\n");
    let mut command = natscope();
    command.args(["serve", "--listen", "127.0.0.1:0", "--turn", "--user", "alice"]);
    command.arg("--password-file").arg(password.path());
    let (mut serve, at) = relay(&mut command);
    run(async {
        let (mut a, mut b) =
            (Client::udp(at, "alice", "wonder").await, Client::tcp(at, "alice", "wonder").await);
        let (at_a, at_b) = (a.allocate().await.expect("room"), b.allocate().await.expect("room"));
        let began = serve.wait_for("allocation began: user alice");
        let expected = format!("from {} over UDP, relayed {at_a}", a.local());
        assert!(began.contains(&expected), "{began}");
        serve.wait_for(&format!("from {} over TCP, relayed {at_b}", b.local()));
        a.ask(PERMIT, &[peer(at_b)]).await.expect("live");
        b.ask(PERMIT, &[peer(at_a)]).await.expect("live");
        a.send(&a.send_indication(at_b, b"seven b")).await;
        b.hear().await;
        a.ask(REFRESH, &[lifetime(0)]).await.expect("live");
        let ended = serve.wait_for("allocation ended: user alice");
        assert!(ended.contains(&expected), "{ended}");
        assert!(
            ended.contains("1 packets to peers (7 bytes), 0 to the client (0 bytes)"),
            "{ended}"
        );
    });
    let (code, said) = serve.terminate();
    assert_eq!(code, Some(0), "{said}");
    // the connection ended with its client
    let ended = said.lines().filter(|line| line.contains("allocation ended: ")).count();
    assert_eq!(ended, 2, "{said}");
    assert!(said.ends_with("stopped\n"), "{said}");
}

/// Whoever does not read the log must not stop the server.
#[test]
fn a_log_that_nobody_reads_holds_nothing_up() {
    let password = file("wonder\n");
    let mut command = natscope();
    command.args(["serve", "--listen", "127.0.0.1:0", "--turn", "--user", "alice"]);
    command.arg("--password-file").arg(password.path());
    let (serve, at) = relay(&mut command);
    run(async {
        let mut client = Client::udp(at, "alice", "wonder").await;
        // 64 KiB are in the pipe after some 300
        for _ in 0..1000 {
            client.allocate().await.expect("room");
            client.ask(REFRESH, &[lifetime(0)]).await.expect("live");
        }
    });
    let start = std::time::Instant::now();
    let process = nix::unistd::Pid::from_raw(serve.id().try_into().expect("a pid"));
    nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGTERM).expect("it runs");
    while !std::fs::read_to_string(format!("/proc/{process}/stat"))
        .is_ok_and(|s| s.contains(") Z "))
    {
        assert!(start.elapsed() < Duration::from_secs(10), "it does not end");
        std::thread::yield_now();
    }
}

#[test]
fn what_an_operator_should_know_is_warned_of() {
    let mut command = natscope();
    let serve = Serve::start(command.args(["serve", "--signal", "127.0.0.1:0"]), 1);
    assert!(serve.said.contains("warning: the rooms are at ws:// only"), "{}", serve.said);

    let password = file("wonder\n");
    let few = |capacity: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n 2000; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_natscope")]);
        command.args(["serve", "--listen", "127.0.0.1:0", "--turn", "--capacity", capacity]);
        command.args(["--user", "alice", "--password-file"]).arg(password.path());
        Serve::start(&mut command, 1).said.clone()
    };
    let said = few("5000");
    assert!(said.contains("warning: this process may open 2000 files (ulimit -n)"), "{said}");
    assert!(said.contains("ulimit -n 6200"), "{said}");
    let said = few("500");
    assert!(!said.contains("ulimit"), "{said}");
}

#[test]
fn at_sighup_users_and_secrets_are_read_again_and_a_bad_file_keeps_the_old() {
    let (password, secrets) = (file("wonder\n"), file("north\n"));
    let mut command = natscope();
    command.args(["serve", "--listen", "127.0.0.1:0", "--turn", "--user", "alice"]);
    command.arg("--password-file").arg(password.path());
    command.arg("--secret-file").arg(secrets.path());
    let (mut serve, at) = relay(&mut command);
    let limited = |secret: &[u8]| {
        let user = "9000000000:carol";
        (user, natscope::turn::relay::time_limited_password(secret, user))
    };
    let allocate = |user: &str, password: &str| {
        run(async { Client::udp(at, user, password).await.allocate().await.map(drop) })
    };
    let (carol, north) = limited(b"north");
    let (_, south) = limited(b"south");
    assert_eq!(allocate("alice", "wonder"), Ok(()));
    assert_eq!(allocate(carol, &north), Ok(()));
    std::fs::write(password.path(), "wonderful\n").expect("ours");
    std::fs::write(secrets.path(), "south\n").expect("ours");
    serve.hang_up();
    serve.wait_for("SIGHUP: users and secrets read again");
    assert_eq!(allocate("alice", "wonder"), Err(401));
    assert_eq!(allocate("alice", "wonderful"), Ok(()));
    assert_eq!((allocate(carol, &north), allocate(carol, &south)), (Err(401), Ok(())));
    for bad in ["", "\n\n"] {
        std::fs::write(secrets.path(), bad).expect("ours");
        serve.hang_up();
        let said = serve.wait_for("SIGHUP: users and secrets not replaced, the old goes on: ");
        assert!(said.contains("the file is empty"), "{said}");
    }
    std::fs::remove_file(password.path()).expect("ours");
    serve.hang_up();
    serve.wait_for("SIGHUP: users and secrets not replaced, the old goes on: ");
    assert_eq!((allocate("alice", "wonderful"), allocate(carol, &south)), (Ok(()), Ok(())));
    assert_eq!(serve.terminate().0, Some(0));
}

#[test]
fn at_sighup_the_certificate_is_read_again_and_a_bad_file_keeps_the_old() {
    let (first, second) = (certificate::make(&["localhost"]), certificate::make(&["localhost"]));
    let folder = tempfile::tempdir().expect("a folder");
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let put = |from: &Path, to: &Path| {
        std::fs::copy(from, to).expect("copied");
    };
    put(&first.cert, &cert);
    put(&first.key, &key);
    let mut command = natscope();
    command.args(["serve", "--signal", "127.0.0.1:0", "--signal-cert"]).arg(&cert);
    let mut serve = Serve::start(command.arg("--signal-key").arg(&key), 1);
    assert!(!serve.said.contains("warning"), "{}", serve.said);
    let (_, uri) = serve.said.rsplit_once("answering on ").expect("where");
    let uri: Uri = uri.trim().replace("127.0.0.1", "localhost").parse().expect("a URI");
    let joins = |ca: &Path| {
        let tls = Tls::new(Some(ca)).expect("a certificate");
        run(async { signal::connect(&uri, "room", &tls, Duration::from_secs(10)).await.is_ok() })
    };
    assert!(joins(&first.ca) && !joins(&second.ca));
    // a key that is not the certificate's, as in the moment between two copies
    put(&second.key, &key);
    serve.hang_up();
    let said = serve.wait_for("SIGHUP: certificate and key not replaced, the old goes on: ");
    assert!(said.contains("does not belong to the certificate"), "{said}");
    assert!(joins(&first.ca));
    put(&second.cert, &cert);
    serve.hang_up();
    serve.wait_for("SIGHUP: certificate and key read again");
    assert!(joins(&second.ca) && !joins(&first.ca));
    assert_eq!(serve.terminate().0, Some(0));
}
