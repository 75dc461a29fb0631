//! `natscope probe --turn turns:…` against coturn with certificates as operators have them, and TLS
//! on the wrong port: each fault in plain words.
#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_types, clippy::disallowed_methods)] // servers are sockets

use crate::support;
use crate::support::certificate;
use crate::support::coturn;
use crate::support::{natscope, stderr, stdout};
use certificate::{Kind, Made, make, make_like};
use coturn::Coturn;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// A run by this server; what it says, its lines joined.
fn probe(turn: &str, stun: SocketAddr, ca: &Path, expected: i32) -> String {
    let output = natscope()
        .args(["probe", "-4", "--budget", "8s", "--server", &format!("stun:{stun}")])
        .args(["--turn", turn, "--user", "lab", "--password", "lab", "--expect", "turn=works"])
        .arg("--ca")
        .arg(ca)
        .output()
        .unwrap();
    let text = stdout(&output).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(expected), "{text}\n{}", stderr(&output));
    for debug in ["Error(", "Some(", "DnsName", "UnknownIssuer", "CaUsedAsEndEntity", "{ "] {
        assert!(!text.contains(debug), "`{debug}` is in: {text}");
    }
    text
}

fn with(made: &Made) -> Coturn {
    Coturn::start(&[], Some((&made.cert, &made.key)))
}

fn says(text: &str, all: &[&str]) {
    for what in all {
        assert!(text.contains(what), "`{what}` is not in: {text}");
    }
}

#[test]
fn each_fault_of_a_certificate_is_told_in_plain_words() {
    if !coturn::installed() {
        return;
    }
    let stranger = make(&["stranger.example"]);
    let local = &["localhost"][..];
    for (names, kind, own_ca, said) in [
        (
            local,
            Kind::WithoutIntermediate,
            true,
            &["its own certificate only", "`Test Intermediate`", "cert=fullchain.pem"][..],
        ),
        (
            local,
            Kind::WithIntermediate,
            false,
            &["chain ends at `Test Root`", "not trusted here", "--ca FILE"],
        ),
        (
            local,
            Kind::SelfSigned,
            false,
            &["self-signed (`localhost`)", "browsers refuse it", "--ca FILE"],
        ),
        (
            local,
            Kind::Dated(2001, 2002),
            true,
            &[
                "the server (`localhost`) expired on 2002-01-01 00:00:00 UTC",
                "years ago",
                "renew the certificate",
            ],
        ),
        (
            local,
            Kind::Dated(2090, 2091),
            true,
            &[
                "valid from 2090-01-01 00:00:00 UTC only",
                "look at this clock",
                "look at this machine's clock first",
            ],
        ),
        (
            &["a.example", "b.example"],
            Kind::WithIntermediate,
            true,
            &["is for a.example, b.example, not for `localhost`", "write the name"],
        ),
        (&["a.example"], Kind::SelfSigned, true, &["is for a.example, not for `localhost`"]),
    ] {
        let made = make_like(names, kind);
        let coturn = with(&made);
        let ca = if own_ca { &made.ca } else { &stranger.ca };
        let turn = format!("turns:localhost:{}", coturn.tls.port());
        says(&probe(&turn, coturn.address, ca, 4), said);
    }
}

#[test]
fn a_whole_chain_and_a_self_signed_certificate_that_is_named_are_trusted() {
    if !coturn::installed() {
        return;
    }
    for kind in [Kind::WithIntermediate, Kind::SelfSigned] {
        let made = make_like(&["localhost"], kind);
        let coturn = with(&made);
        let turn = format!("turns:localhost:{}", coturn.tls.port());
        says(&probe(&turn, coturn.address, &made.ca, 0), &["a packet came through"]);
    }
}

#[test]
fn an_address_is_no_name_that_the_certificate_is_for() {
    if !coturn::installed() {
        return;
    }
    let made = make(&["turn.example"]);
    let coturn = with(&made);
    let text = probe(&format!("turns:{}", coturn.tls), coturn.address, &made.ca, 4);
    says(&text, &["is for turn.example, not for `127.0.0.1`", "write the name"]);
}

#[test]
fn tls_asked_of_a_plain_port_is_told_as_that() {
    if !coturn::installed() {
        return;
    }
    let made = make(&["localhost"]);
    let coturn = Coturn::start(&[], None);
    let turn = format!("turns:localhost:{}", coturn.address.port());
    let text = probe(&turn, coturn.address, &made.ca, 4);
    says(&text, &["this port speaks TURN without TLS", "write turn:HOST:PORT?transport=tcp"]);
}

/// A server that speaks nothing but TLS, and in there this.
fn tls_only(made: &Made, answer: &'static [u8]) -> SocketAddr {
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::rustls::{ServerConfig, crypto::ring};
    let chain = CertificateDer::pem_file_iter(&made.cert).unwrap().collect::<Result<_, _>>();
    let key = PrivateKeyDer::from_pem_file(&made.key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.unwrap(), key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let (tell, told) = std::sync::mpsc::channel();
    // it ends with the process
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            while let Ok((tcp, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(tcp).await else { continue };
                let _read = stream.read(&mut [0; 2048]).await;
                let _written = stream.write_all(answer).await;
                let _closed = stream.shutdown().await;
            }
        });
    });
    told.recv().unwrap()
}

#[test]
fn a_tls_port_asked_without_tls_is_told_as_that() {
    let made = make(&["localhost"]);
    let stun = support::Server::start();
    let stun = stun.uri().trim_start_matches("stun:").parse().unwrap();
    let address = tls_only(&made, b"");
    let turn = format!("turn:localhost:{}?transport=tcp", address.port());
    let text = probe(&turn, stun, &made.ca, 4);
    says(&text, &["this port speaks TLS, and was asked without", "write turns:"]);
}

#[test]
fn a_web_server_is_shown_for_what_it_is() {
    let made = make(&["localhost"]);
    let stun = support::Server::start();
    let stun = stun.uri().trim_start_matches("stun:").parse().unwrap();
    let address = tls_only(&made, b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    let text = probe(&format!("turns:localhost:{}", address.port()), stun, &made.ca, 4);
    says(&text, &["the answer is not TURN: `HTTP/1.1 400 Bad Request`", "another service"]);
}
