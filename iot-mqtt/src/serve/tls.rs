//! TLS of the embedded broker's listeners. The crypto provider is handed over, never installed for
//! the whole process.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::config::TlsFiles;

/// What makes TLS of a socket.
pub(super) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, String> {
    let cert = &files.cert;
    let certificates = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unread("tls_cert", cert, &error))?;
    if certificates.is_empty() {
        return Err(format!("tls_cert: {} holds no certificate in PEM form", cert.display()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| unread("tls_key", &files.key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| format!("tls_cert and tls_key do not fit together: {error}"))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn unread(setting: &str, file: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{setting}: {} cannot be read as PEM: {error}", file.display())
}
