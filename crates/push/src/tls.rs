//! Whom TLS trusts.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::PushError;

/// The cryptography: ring's.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The certificates of `ca_file` and no others, or those that the system trusts.
pub(crate) fn trusted(ca_file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, PushError> {
    let Some(path) = ca_file else {
        let found = rustls_native_certs::load_native_certs();
        return if found.certs.is_empty() {
            let why = "no certificate authorities are installed; install ca-certificates or set ca_file";
            Err(PushError::Other(why.into()))
        } else {
            Ok(found.certs)
        };
    };
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|err| PushError::file(path, err))?;
    let mut store = RootCertStore::empty();
    for certificate in &certificates {
        store.add(certificate.clone()).map_err(|err| PushError::file(path, err))?;
    }
    if certificates.is_empty() {
        return Err(PushError::file(path, "holds no certificate in PEM form"));
    }
    Ok(certificates)
}

/// TLS 1.2 and 1.3, with certificates verified.
pub(crate) fn client(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, PushError> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(trusted(ca_file)?);
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|err| PushError::Other(err.to_string()))?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
