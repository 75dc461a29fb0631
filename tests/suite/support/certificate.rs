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

/// How a certificate is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// By an intermediate authority; the file has the server's certificate alone.
    WithoutIntermediate,
    /// By an intermediate authority; the file has both.
    WithIntermediate,
    /// By itself, as `openssl req -x509` does it; `ca` is the same file.
    SelfSigned,
    /// By an authority, from one year to another.
    Dated(i32, i32),
}

/// A certificate for these names, made like this.
pub fn make_like(names: &[&str], kind: Kind) -> Made {
    let files = make(names);
    let for_them = || {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        CertificateParams::new(names).expect("parameters")
    };
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params
    };
    let key = || KeyPair::generate().expect("a key");
    let (own_key, root_key, middle_key) = (key(), key(), key());
    let root = authority("Test Root");
    let root_cert = root.self_signed(&root_key).expect("a certificate");
    let root = Issuer::new(root, root_key);
    let mut own = for_them();
    own.distinguished_name.push(DnType::CommonName, names.first().copied().unwrap_or_default());
    let (cert, ca) = match kind {
        Kind::SelfSigned => {
            own.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let cert = own.self_signed(&own_key).expect("a certificate").pem();
            (cert.clone(), cert)
        }
        Kind::Dated(from, to) => {
            own.not_before = rcgen::date_time_ymd(from, 1, 1);
            own.not_after = rcgen::date_time_ymd(to, 1, 1);
            (own.signed_by(&own_key, &root).expect("a certificate").pem(), root_cert.pem())
        }
        Kind::WithIntermediate | Kind::WithoutIntermediate => {
            let middle = authority("Test Intermediate");
            let middle_cert = middle.signed_by(&middle_key, &root).expect("a certificate");
            let middle = Issuer::new(middle, middle_key);
            let mut cert = own.signed_by(&own_key, &middle).expect("a certificate").pem();
            if kind == Kind::WithIntermediate {
                cert.push_str(&middle_cert.pem());
            }
            (cert, root_cert.pem())
        }
    };
    std::fs::write(&files.cert, cert).expect("a file");
    std::fs::write(&files.key, own_key.serialize_pem()).expect("a file");
    std::fs::write(&files.ca, ca).expect("a file");
    files
}
