//! A certificate of an authority of its own, in files.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::path::PathBuf;

/// The files; they go with it.
pub struct Made {
    _folder: tempfile::TempDir,
    /// The chain, in PEM.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authority's certificate.
    pub ca: PathBuf,
}

/// A certificate for these names.
pub fn make(names: &[&str]) -> Made {
    let folder = tempfile::tempdir().expect("a folder");
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "natscope's tests");
    let ca_key = KeyPair::generate().expect("a key");
    let ca_cert = authority.self_signed(&ca_key).expect("a certificate");
    let issuer = Issuer::new(authority, ca_key);
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let params = CertificateParams::new(names).expect("parameters");
    let key = KeyPair::generate().expect("a key");
    let cert = params.signed_by(&key, &issuer).expect("a certificate");
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file");
        path
    };
    Made {
        cert: write("cert.pem", cert.pem()),
        key: write("key.pem", key.serialize_pem()),
        ca: write("ca.pem", ca_cert.pem()),
        _folder: folder,
    }
}
