//! Who may ask what: before any handler, for every route that there is or will be.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::Body;
use output::AuditAction;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::counters::ApiCounters;
use crate::limits::{BLOCKED_FOR, MAX_BODY};
use crate::options::{HttpsOptions, Scope, Token};
use crate::peer::{Access, Origin, Peer};
use crate::problem::Problem;
use crate::record::Record;
use crate::seats::Seat;
use crate::throttle::{Failed, Throttle};

/// The doorkeeper: what it knows of those who may come in, and of those who tried.
#[derive(Debug, Default)]
pub(crate) struct Door {
    tokens: Vec<Token>,
    client_write: Vec<String>,
    throttle: Mutex<Throttle>,
    pub(crate) record: Record,
    pub(crate) counters: Arc<ApiCounters>,
}

impl Door {
    pub(crate) fn new(https: Option<&HttpsOptions>, counters: Arc<ApiCounters>) -> Self {
        let tokens = https.map_or_else(Vec::new, |https| https.tokens.clone());
        let client_write = https.map_or_else(Vec::new, |https| https.client_write.clone());
        Door { tokens, client_write, throttle: Mutex::default(), record: Record::default(), counters }
    }

    fn throttle(&self) -> MutexGuard<'_, Throttle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody has not said who it is: the log hears of it, but not for ever.
    pub(crate) fn failed(self: &Arc<Self>, peer: &Peer, origin: Origin, what: &str) {
        self.refused(AuditAction::LoginRefused, None, peer, origin, what);
        match self.throttle().failed(origin, Instant::now()) {
            Failed::Again => tracing::warn!("api: {peer}: {what}"),
            Failed::Blocked => {
                let seconds = BLOCKED_FOR.as_secs();
                tracing::warn!("api: {peer}: {what}; its source is refused for {seconds} s, unheard");
            }
            Failed::Still => {}
        }
    }

    /// Puts a refusal on record; what is only counted is told in a while.
    fn refused(
        self: &Arc<Self>,
        action: AuditAction,
        who: Option<&Arc<str>>,
        peer: &Peer,
        origin: Origin,
        why: &str,
    ) {
        if self.record.refused(action, who, (peer, origin), why, Instant::now()) {
            let door = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Record::PERIOD).await;
                door.record.sum_up();
            });
        }
    }

    /// As whom the peer asks.
    fn admit(self: &Arc<Self>, peer: &Peer, headers: &HeaderMap) -> Result<Access, Problem> {
        let (at, certificate) = match peer {
            // Whoever can open the socket is let in by its permissions.
            Peer::Local { uid, pid, .. } => {
                let from = pid.map_or_else(|| "another PID namespace".into(), |pid| format!("pid {pid}"));
                return Ok(Access {
                    who: format!("uid {uid}").into(),
                    scope: Scope::Write,
                    from: from.into(),
                });
            }
            Peer::Remote { at, certificate } => (at, certificate),
        };
        let origin = Origin::from(at.ip());
        if self.throttle().blocks(origin, Instant::now()) {
            self.counters.throttled.one();
            self.refused(AuditAction::Throttled, None, peer, origin, "too many failures");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many failures; wait a minute"));
        }
        let logged_in = |who: String, scope| {
            let access = Access { who: who.into(), scope, from: peer.to_string().into() };
            self.record.login(&access.who, peer, origin, Instant::now());
            Ok(access)
        };
        let Some(shown) = headers.get(header::AUTHORIZATION) else {
            return match certificate {
                Some(name) => {
                    let writes = self.client_write.iter().any(|of| **of == **name);
                    logged_in(format!("certificate {name}"), if writes { Scope::Write } else { Scope::Read })
                }
                None => {
                    self.refused(AuditAction::LoginRefused, None, peer, origin, "no token");
                    Err(Problem::new(StatusCode::UNAUTHORIZED, "a bearer token is needed"))
                }
            };
        };
        match bearer(shown).and_then(|token| self.token(token)) {
            Some(token) => {
                self.throttle().succeeded(origin);
                logged_in(format!("token {}", token.name), token.scope)
            }
            None => {
                self.failed(peer, origin, "wrong token");
                Err(Problem::new(StatusCode::UNAUTHORIZED, "this is no token of this sensor"))
            }
        }
    }

    /// The token with this text. Takes as long whichever it is, or none.
    fn token(&self, shown: &[u8]) -> Option<&Token> {
        let hash: [u8; 32] = Sha256::digest(shown).into();
        let mut found = u32::MAX;
        for (n, token) in (0..).zip(&self.tokens) {
            let same: Choice = token.hash.ct_eq(&hash);
            found.conditional_assign(&n, same);
        }
        self.tokens.get(found as usize)
    }

    fn count(&self, status: StatusCode, routed: bool) {
        let counters = &self.counters;
        match status {
            StatusCode::NOT_FOUND if !routed => counters.malformed.one(),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => counters.unauthorized.one(),
            StatusCode::PAYLOAD_TOO_LARGE => counters.too_large.one(),
            StatusCode::REQUEST_TIMEOUT => counters.timeouts.one(),
            StatusCode::SERVICE_UNAVAILABLE => counters.unavailable.one(),
            StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED | StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                counters.malformed.one();
            }
            _ => {}
        }
    }
}

fn bearer(header: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = header.as_bytes().split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token.trim_ascii())
}

/// What a method needs.
fn needed(method: &Method) -> Scope {
    if [Method::GET, Method::HEAD].contains(method) { Scope::Read } else { Scope::Write }
}

/// Lets a request through to its handler, or not.
pub(crate) async fn guard(State(door): State<Arc<Door>>, mut request: Request, next: Next) -> Response {
    door.counters.requests.one();
    let Some(peer) = request.extensions().get::<Peer>().cloned() else {
        return Problem::new(StatusCode::FORBIDDEN, "nobody knows who asks").into_response();
    };
    let routed = request.extensions().get::<MatchedPath>().is_some();
    let mut response = match admitted(&door, &peer, &request) {
        Ok(access) => {
            // Whoever is answered keeps its place.
            let _busy = request.extensions().get::<Arc<Seat>>().map(Seat::admitted);
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            request.extensions_mut().insert(access.clone());
            let response = next.run(request).await;
            let (who, status) = (&access.who, response.status().as_u16());
            if needed(&method) == Scope::Write {
                tracing::info!("api: {method} {path:?} by {who} ({peer}): {status}");
            } else {
                tracing::debug!("api: {method} {path:?} by {who} ({peer}): {status}");
            }
            response
        }
        Err(problem) => problem.into_response(),
    };
    door.count(response.status(), routed);
    let (name, value) = match response.status() {
        StatusCode::UNAUTHORIZED => (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        StatusCode::TOO_MANY_REQUESTS => (header::RETRY_AFTER, BLOCKED_FOR.as_secs().into()),
        StatusCode::SERVICE_UNAVAILABLE => (header::RETRY_AFTER, HeaderValue::from_static("1")),
        _ => return response,
    };
    response.headers_mut().insert(name, value);
    response
}

fn admitted(door: &Arc<Door>, peer: &Peer, request: &Request) -> Result<Access, Problem> {
    let access = door.admit(peer, request.headers())?;
    // A browser would show its certificate for any page that asks it to.
    if request.headers().contains_key(header::ORIGIN) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "not for pages in a browser"));
    }
    // Known beforehand; of others the extractor finds out. A body of an unknown length has a lower bound of 0.
    if request.body().size_hint().lower() > MAX_BODY {
        let detail = format!("the body is larger than {MAX_BODY} bytes");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    if access.scope < needed(request.method()) {
        let detail = format!("{} may look, not change", access.who);
        if let Peer::Remote { at, .. } = peer {
            let why = format!("{detail}: {} {}", request.method(), request.uri().path());
            door.refused(AuditAction::Forbidden, Some(&access.who), peer, Origin::from(at.ip()), &why);
        }
        return Err(Problem::new(StatusCode::FORBIDDEN, detail));
    }
    Ok(access)
}
