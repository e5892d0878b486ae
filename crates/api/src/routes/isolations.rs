//! `/v1/isolations`: who is isolated, and who shall be or not be.

use std::net::IpAddr;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use engine::{Listed, Reply, Request};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wire::{Scope, Target};

use super::{App, As, Done, not_done};
use crate::extract::{Body, Segments};
use crate::limits::{MAX_REASON, MAX_TTL_S};
use crate::peer::Access;
use crate::problem::Problem;

/// Everybody who is isolated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Isolations {
    /// One isolation each.
    pub isolations: Vec<Listed>,
    /// Whether the kill switch is on: nothing is dropped then.
    pub held: bool,
}

/// How far an isolation goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScopeName {
    /// Nothing from and nothing to the target.
    #[default]
    Both,
    /// Nothing from the target.
    Outbound,
    /// Nothing between the target and its peers.
    Peers,
}

/// Whom to isolate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewIsolation {
    /// A host (`10.0.0.5`, `fd00::5`), a host in a VLAN (`10.0.0.5@100`), a network (`10.1.0.0/16`) or a MAC address.
    #[schema(example = "10.0.0.5", max_length = 64)]
    pub target: String,
    /// How far: "both" (nothing from and nothing to the target), "outbound" (nothing from it), "peers" (nothing between
    /// it and the peers).
    #[serde(default)]
    pub scope: ScopeName,
    /// With scope "peers": the hosts that it is cut off from, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>, max_items = 16)]
    pub peers: Vec<IpAddr>,
    /// For so many seconds; the policy's lifetime if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 315_360_000)]
    pub ttl_s: Option<u64>,
    /// Why, for the record.
    #[serde(default)]
    #[schema(max_length = 1024, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub reason: String,
}

impl NewIsolation {
    /// As the request says it.
    pub(crate) fn new(target: Target, scope: &Scope, ttl_s: Option<u64>, reason: String) -> Self {
        let (scope, peers) = match scope {
            Scope::Both => (ScopeName::Both, Vec::new()),
            Scope::Outbound => (ScopeName::Outbound, Vec::new()),
            Scope::Peers(peers) => (ScopeName::Peers, peers.clone()),
        };
        NewIsolation { target: target.to_string(), scope, peers, ttl_s, reason }
    }

    fn request(self) -> Result<Request, Problem> {
        let NewIsolation { target, scope, peers, ttl_s, reason } = self;
        if ttl_s.is_some_and(|ttl| !(1..=MAX_TTL_S).contains(&ttl)) {
            return Err(Problem::bad_request(format!("ttl_s: must be 1 to {MAX_TTL_S}")));
        }
        if reason.chars().count() > MAX_REASON || reason.contains(char::is_control) {
            let what = format!("reason: at most {MAX_REASON} characters, none of them a control character");
            return Err(Problem::bad_request(what));
        }
        let scope = match (scope, peers.is_empty()) {
            (ScopeName::Both, true) => Scope::Both,
            (ScopeName::Outbound, true) => Scope::Outbound,
            (ScopeName::Peers, false) => Scope::Peers(peers),
            (ScopeName::Peers, true) => {
                return Err(Problem::bad_request("peers: scope \"peers\" needs some"));
            }
            (_, false) => return Err(Problem::bad_request("peers: only scope \"peers\" has some")),
        };
        Ok(Request::IsolateAdd { target: named(&target)?, scope, ttl_s, reason })
    }
}

fn named(target: &str) -> Result<Target, Problem> {
    target.parse().map_err(|err| Problem::bad_request(format!("target: {err}")))
}

/// Who is isolated?
#[utoipa::path(get, path = "/v1/isolations", tag = "isolations",
    responses((status = 200, description = "Everybody who is isolated now", body = Isolations)))]
pub(super) async fn list(State(app): State<App>, access: As) -> Result<Json<Isolations>, Problem> {
    match app.ask(Request::IsolateList, &access).await {
        Reply::Hosts { hosts, held } => Ok(Json(Isolations { isolations: hosts, held })),
        reply => Err(not_done(reply, StatusCode::CONFLICT)),
    }
}

/// Isolate somebody, or give an isolation that there is another end.
#[utoipa::path(post, path = "/v1/isolations", tag = "isolations", request_body = NewIsolation, responses(
    (status = 201, description = "Isolated: the next packet is dropped", body = Done),
    (status = 409, description = "Not isolated: a protected host, no guard port, no room", body = Problem,
        content_type = "application/problem+json")))]
pub(super) async fn add(
    State(app): State<App>,
    Extension(access): As,
    Body(wanted): Body<NewIsolation>,
) -> Result<(StatusCode, Json<Done>), Problem> {
    match app.ask(wanted.request()?, &access).await {
        Reply::Done { message } => Ok((StatusCode::CREATED, Json(Done { message }))),
        reply => Err(not_done(reply, StatusCode::CONFLICT)),
    }
}

/// Release one.
#[utoipa::path(delete, path = "/v1/isolations/{target}", tag = "isolations",
    params(("target" = String, Path, description = "Whom, as listed; of a network the slash is written %2F")),
    responses(
        (status = 200, description = "Released", body = Done),
        (status = 404, description = "It was not isolated", body = Problem,
            content_type = "application/problem+json")))]
pub(super) async fn release(
    State(app): State<App>,
    Extension(access): As,
    Segments(target): Segments<String>,
) -> Result<Json<Done>, Problem> {
    match app.ask(Request::IsolateRm { target: named(&target)? }, &access).await {
        Reply::Done { message } => Ok(Json(Done { message })),
        reply => Err(not_done(reply, StatusCode::NOT_FOUND)),
    }
}

/// Release everybody.
#[utoipa::path(delete, path = "/v1/isolations", tag = "isolations",
    responses((status = 200, description = "Nobody is isolated any more", body = Done)))]
pub(super) async fn flush(State(app): State<App>, access: As) -> Result<Json<Done>, Problem> {
    done(&app, Request::IsolateFlush { hold: false }, &access).await
}

/// The kill switch: release everybody, and drop nothing and isolate nobody until it is turned off.
#[utoipa::path(put, path = "/v1/hold", tag = "isolations",
    responses((status = 200, description = "Hold is in force", body = Done)))]
pub(super) async fn hold(State(app): State<App>, access: As) -> Result<Json<Done>, Problem> {
    done(&app, Request::IsolateFlush { hold: true }, &access).await
}

/// Turn the kill switch off.
#[utoipa::path(delete, path = "/v1/hold", tag = "isolations",
    responses((status = 200, description = "Hold is over", body = Done)))]
pub(super) async fn resume(State(app): State<App>, access: As) -> Result<Json<Done>, Problem> {
    done(&app, Request::IsolateResume, &access).await
}

async fn done(app: &App, request: Request, access: &Access) -> Result<Json<Done>, Problem> {
    match app.ask(request, access).await {
        Reply::Done { message } => Ok(Json(Done { message })),
        reply => Err(not_done(reply, StatusCode::CONFLICT)),
    }
}
