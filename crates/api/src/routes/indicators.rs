//! `/v1/indicators`: what the indicators in force have found.

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use engine::{HitRow, MAX_HIT_ROWS, Reply, Request};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{App, As, not_done};
use crate::extract::Parameters;
use crate::problem::Problem;

/// Indicators that were hit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hits {
    /// How many were hit, those that are not shown among them.
    pub total: usize,
    /// Those that were hit most often first.
    pub hits: Vec<HitRow>,
}

/// Which of them.
#[derive(Clone, Debug, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HitsQuery {
    /// At most so many, those that were hit most often first.
    #[serde(default = "hundred")]
    #[param(minimum = 0, maximum = 100_000, default = 100)]
    pub top: usize,
}

fn hundred() -> usize {
    100
}

/// Which indicators were hit, how often and when last?
#[utoipa::path(get, path = "/v1/indicators/hits", tag = "indicators", params(HitsQuery),
    responses((status = 200, description = "Hits since the sensor was started; reloads keep them", body = Hits)))]
pub(super) async fn hits(
    State(app): State<App>,
    Extension(access): As,
    Parameters(query): Parameters<HitsQuery>,
) -> Result<Json<Hits>, Problem> {
    if query.top > MAX_HIT_ROWS {
        return Err(Problem::bad_request(format!("top: must be at most {MAX_HIT_ROWS}")));
    }
    match app.ask(Request::IocHits { top: query.top }, &access).await {
        Reply::IocHits { total, hits } => Ok(Json(Hits { total, hits })),
        reply => Err(not_done(reply, StatusCode::CONFLICT)),
    }
}
