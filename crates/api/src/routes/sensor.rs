//! `/v1/stats`, `/v1/reload`, `/v1/version`, `/v1/health`: the sensor itself.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use engine::{Reply, Request, Stats};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{App, As, Done, not_done};
use crate::problem::Problem;

/// What is running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// "ringward".
    pub name: String,
    /// Its version.
    pub version: String,
}

/// How it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// "ok", or "degraded": the sensor answers, but does not do all that it is configured for.
    pub status: String,
    /// Why it is degraded: one sentence a reason.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// Seconds since start.
    pub uptime_s: u64,
}

/// The counters (docs/counters.md).
#[utoipa::path(get, path = "/v1/stats", tag = "sensor",
    responses((status = 200, description = "All counters, read at one instant", body = Stats)))]
pub(super) async fn stats(State(app): State<App>, access: As) -> Result<Json<Stats>, Problem> {
    read(&app, &access).await.map(Json)
}

async fn read(app: &App, access: &As) -> Result<Stats, Problem> {
    match app.ask(Request::Stats, access).await {
        Reply::Stats { stats } => Ok(stats),
        reply => Err(not_done(reply, StatusCode::CONFLICT)),
    }
}

/// Load indicators and rules anew, as the sensor's configuration names them now. Takes as long as they take to read:
/// seconds, of millions some more.
#[utoipa::path(post, path = "/v1/reload", tag = "sensor", responses(
    (status = 200, description = "In force; the message says what was loaded", body = Done),
    (status = 409, description = "They cannot be used; what was in force still is", body = Problem,
        content_type = "application/problem+json")))]
pub(super) async fn reload(State(app): State<App>, access: As) -> Result<Json<Done>, Problem> {
    match app.ask(Request::Reload, &access).await {
        Reply::Done { message } => Ok(Json(Done { message })),
        reply => Err(not_done(reply, StatusCode::CONFLICT)),
    }
}

/// Open eve.json anew, after it was renamed: what comes from then on goes to a new file.
#[utoipa::path(post, path = "/v1/output/reopen", tag = "sensor", responses(
    (status = 200, description = "It is open anew", body = Done),
    (status = 409, description = "It cannot be opened; the old file is written on", body = Problem,
        content_type = "application/problem+json")))]
pub(super) async fn reopen(State(app): State<App>, access: As) -> Result<Json<Done>, Problem> {
    match app.ask(Request::Reopen, &access).await {
        Reply::Done { message } => Ok(Json(Done { message })),
        reply => Err(not_done(reply, StatusCode::CONFLICT)),
    }
}

/// What is running?
#[utoipa::path(get, path = "/v1/version", tag = "sensor",
    responses((status = 200, description = "Name and version", body = Version)))]
pub(super) async fn version() -> Json<Version> {
    Json(Version { name: "ringward".into(), version: env!("CARGO_PKG_VERSION").into() })
}

/// Is it well? The warden, who decides on isolations, has answered if this is answered with 200.
#[utoipa::path(get, path = "/v1/health", tag = "sensor",
    responses((status = 200, description = "The sensor answers", body = Health)))]
pub(super) async fn health(State(app): State<App>, access: As) -> Result<Json<Health>, Problem> {
    let stats = read(&app, &access).await?;
    let status = if stats.degraded.is_empty() { "ok" } else { "degraded" };
    Ok(Json(Health { status: status.into(), reasons: stats.degraded, uptime_s: stats.uptime_s }))
}
