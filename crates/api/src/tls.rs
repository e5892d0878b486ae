//! TLS: certificates from files, read anew when they change.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::crypto::{CryptoProvider, ring};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::options::{ApiError, HttpsOptions};

/// What is spoken inside.
const ALPN: &[u8] = b"http/1.1";
/// Permission bits of a key that everybody may read.
const READABLE_BY_ALL: u32 = 0o004;
/// Characters of a certificate's name that are kept.
const MAX_NAME: usize = 128;

/// Device, inode, size and time of change: of a file that was replaced, one is another.
type FileStamp = Option<(u64, u64, u64, i64, i64)>;

/// The server's side of TLS.
#[derive(Debug)]
pub(crate) struct Tls {
    options: HttpsOptions,
    now: Mutex<(Vec<FileStamp>, Arc<ServerConfig>)>,
}

impl Tls {
    pub(crate) fn load(options: &HttpsOptions) -> Result<Self, ApiError> {
        if fs::metadata(&options.key).is_ok_and(|file| file.mode() & READABLE_BY_ALL != 0) {
            tracing::warn!("api.key: {}: everybody may read it", options.key.display());
        }
        let stamps = stamps(options);
        let config = server(options)?;
        Ok(Tls { options: options.clone(), now: Mutex::new((stamps, config)) })
    }

    /// What the next connection is met with: certificates that were renewed count from here on. Those that cannot be used
    /// leave the former in force.
    pub(crate) fn current(&self) -> Arc<ServerConfig> {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = stamps(&self.options);
        if stamps != now.0 {
            now.0 = stamps;
            match server(&self.options) {
                Ok(config) => {
                    tracing::info!("api: certificates read anew");
                    now.1 = config;
                }
                Err(err) => tracing::error!("api: what was in force still is: {err}"),
            }
        }
        now.1.clone()
    }
}

fn stamps(options: &HttpsOptions) -> Vec<FileStamp> {
    let files = [&options.certificate, &options.key].into_iter().chain(&options.client_ca);
    let stamp = |file: fs::Metadata| (file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec());
    files.map(|path| fs::metadata(path).ok().map(stamp)).collect()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn server(options: &HttpsOptions) -> Result<Arc<ServerConfig>, ApiError> {
    let at = |key, path: &Path| {
        let path = path.to_owned();
        move |what: String| ApiError::File { key, path, what }
    };
    let chain = certificates(&options.certificate).map_err(at("api.certificate", &options.certificate))?;
    let key = key(&options.key).map_err(at("api.key", &options.key))?;
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|err| at("api.certificate", &options.certificate)(err.to_string()))?;
    let builder = match &options.client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let roots = roots(ca).map_err(at("api.client_ca", ca))?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
            // Who has no certificate may have a token.
            let verifier = match options.tokens.as_slice() {
                [] => verifier,
                _ => verifier.allow_unauthenticated(),
            };
            builder.with_client_cert_verifier(
                verifier.build().map_err(|err| at("api.client_ca", ca)(err.to_string()))?,
            )
        }
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|err| at("api.key", &options.key)(format!("does not go with api.certificate: {err}")))?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

/// A client's side: servers that `ca` has signed for, or that show exactly its certificate.
pub(crate) fn client(ca: &Path, own: Option<(&Path, &Path)>) -> Result<Arc<ClientConfig>, String> {
    let named = |path: &Path| {
        let path = path.display().to_string();
        move |what: String| format!("{path}: {what}")
    };
    let roots = roots(ca).map_err(named(ca))?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|err| err.to_string())?
        .with_root_certificates(roots);
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some((certificate, its_key)) => {
            let chain = certificates(certificate).map_err(named(certificate))?;
            let key = key(its_key).map_err(named(its_key))?;
            builder.with_client_auth_cert(chain, key).map_err(|err| named(its_key)(err.to_string()))?
        }
    };
    config.alpn_protocols = vec![ALPN.to_vec()];
    Ok(Arc::new(config))
}

/// The common name of a verified certificate, else its whole subject.
pub(crate) fn name(certificate: &CertificateDer<'_>) -> Option<Arc<str>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let subject = parsed.subject();
    let common = subject.iter_common_name().next().and_then(|name| name.as_str().ok());
    let name = common.map_or_else(|| subject.to_string(), str::to_owned);
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    Some(name.chars().take(MAX_NAME).map(clean).collect::<String>().into())
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).map_err(pem)?;
    let certificates = read.collect::<Result<Vec<_>, _>>().map_err(pem)?;
    if certificates.is_empty() { Err("there is no certificate in it (PEM)".into()) } else { Ok(certificates) }
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_file(path).map_err(pem)
}

fn roots(path: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|err| err.to_string())?;
    }
    Ok(roots)
}

fn pem(err: rustls_pki_types::pem::Error) -> String {
    use rustls_pki_types::pem::Error;
    match err {
        Error::Io(err) => io::Error::to_string(&err),
        Error::NoItemsFound => "there is no private key in it (PEM)".into(),
        err => err.to_string(),
    }
}
