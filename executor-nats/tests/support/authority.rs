//! Certificates that live as long as a test.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tempfile::TempDir;

/// A certificate authority, with files for one server and one client.
#[derive(Debug)]
pub(crate) struct Authority {
    folder: TempDir,
}

impl Authority {
    /// Makes one, with all that it signs.
    pub(crate) fn new() -> Self {
        let temporary = TempDir::new().expect("a folder for certificates");
        let folder = temporary.path();
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let root = params.self_signed(&key).expect("a certificate of its own");
        write(folder, "ca.pem", &root.pem());
        let issuer = Issuer::new(params, key);

        let pairs = [
            ("server", ExtendedKeyUsagePurpose::ServerAuth),
            ("client", ExtendedKeyUsagePurpose::ClientAuth),
        ];
        for (name, purpose) in pairs {
            let key = KeyPair::generate().expect("a key");
            let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
            let mut params = CertificateParams::new(names).expect("two names");
            params.extended_key_usages = vec![purpose];
            let certificate = params.signed_by(&key, &issuer).expect("a certificate");
            write(folder, &format!("{name}.pem"), &certificate.pem());
            write(folder, &format!("{name}-key.pem"), &key.serialize_pem());
        }
        Self { folder: temporary }
    }

    /// The lines of a server with its certificate. `extra` is one more of them, such as `verify: true`.
    pub(crate) fn config(&self, extra: &str) -> String {
        let certificate = self.path("server.pem");
        let key = self.path("server-key.pem");
        let root = self.root();
        format!(
            "tls {{\n  cert_file: {certificate:?}\n  key_file: {key:?}\n  ca_file: {root:?}\n  {extra}\n}}\n"
        )
    }

    /// A configuration with its own files in the place of those that it names.
    pub(crate) fn fill_in(&self, config: &str) -> String {
        let mut config = config.to_owned();
        for (name, own) in [
            ("/etc/nats/tls/tls.crt", self.path("server.pem")),
            ("/etc/nats/tls/tls.key", self.path("server-key.pem")),
            ("/etc/nats/tls/ca.crt", self.root()),
        ] {
            assert!(config.contains(name), "{config}");
            config = config.replace(name, &own.display().to_string());
        }
        config
    }

    /// The certificate that clients are to trust.
    pub(crate) fn root(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A certificate of a client, and its key.
    pub(crate) fn client(&self) -> (PathBuf, PathBuf) {
        (self.path("client.pem"), self.path("client-key.pem"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("a file for a certificate");
}
