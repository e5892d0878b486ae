//! The HTTP client.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ureq::Agent;
use ureq::http::{HeaderName, HeaderValue, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use super::WebhookOptions;
use super::answer::Answer;
use super::secret::Secrets;
use crate::spool::Entry;
use crate::{PushError, tls};

/// How we call ourselves.
const USER_AGENT: &str = concat!("Ringward/", env!("CARGO_PKG_VERSION"));
/// A connection that was idle for longer is not used again: servers close theirs after five seconds and more.
const MAX_IDLE: Duration = Duration::from_secs(4);
/// Bytes of an answer that are read, so that the connection can be used again. Nobody looks at them.
const MAX_ANSWER: u64 = 64 * 1024;
/// Fields that are ours: content, connection, what signs.
const OURS: [HeaderName; 7] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::HOST,
    header::EXPECT,
];

/// Whether a header field can be sent along.
///
/// # Errors
/// Why not.
pub fn check_header(name: &str, value: &str) -> Result<(), String> {
    let parsed =
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("\"{name}\" is no header field"))?;
    if OURS.contains(&parsed) || parsed.as_str().starts_with("webhook-") {
        return Err(format!("\"{name}\" is set by the sensor itself"));
    }
    HeaderValue::from_str(value)
        .map(drop)
        .map_err(|_| format!("\"{name}\" has a value that no header may have"))
}

#[derive(Debug)]
pub(super) struct Client {
    agent: Agent,
    url: String,
    secrets: Option<Secrets>,
    headers: Vec<(String, String)>,
}

impl Client {
    pub(super) fn new(options: &WebhookOptions) -> Result<Self, PushError> {
        let roots = if options.url.starts_with("https:") {
            let trusted = tls::trusted(options.ca_file.as_deref())?;
            let roots: Vec<_> = trusted.iter().map(|c| Certificate::from_der(c).to_owned()).collect();
            RootCerts::Specific(Arc::new(roots))
        } else {
            RootCerts::Specific(Arc::default())
        };
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(tls::provider())
            .root_certs(roots)
            .build();
        // What the environment says of proxies is for people's browsers; a redirect is somebody else's word on where
        // alerts go.
        let config = Agent::config_builder()
            .tls_config(tls)
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .max_idle_age(MAX_IDLE)
            .max_idle_connections_per_host(1)
            .timeout_global(Some(options.timeout))
            .user_agent(USER_AGENT)
            .build();
        Ok(Client {
            agent: config.new_agent(),
            url: options.url.clone(),
            secrets: options.secret_file.as_deref().map(Secrets::load).transpose()?,
            headers: options.headers.clone(),
        })
    }

    /// Posts an event once.
    pub(super) fn post(&self, entry: &Entry) -> Answer {
        let now = SystemTime::now();
        let timestamp = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let mut request = self
            .agent
            .post(&self.url)
            .header("content-type", "application/json")
            .header("webhook-id", &entry.id)
            .header("webhook-timestamp", timestamp.to_string());
        if let Some(secrets) = &self.secrets {
            request = request.header("webhook-signature", secrets.sign(&entry.id, timestamp, &entry.body));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let mut response = match request.send(&entry.body) {
            Ok(response) => response,
            Err(err) => return Answer::Again { why: err.to_string(), after: Duration::ZERO },
        };
        let _ = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec();
        let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        Answer::of(response.status().as_u16(), retry_after, now)
    }
}
