//! What can be asked. A new route is a function with its `utoipa::path`, and its name in [`described`]: it is served,
//! described in `openapi.json`, and guarded (GET needs the scope "read", everything else "write") from then on.

mod indicators;
mod isolations;
mod sensor;

use std::fmt;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Extension, Router, middleware};
use engine::{Caller, REPLY_TIMEOUT, Reply, Request};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use utoipa::openapi::path::PathItem;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::{Door, guard};
use crate::limits::{MAX_ASKED, MAX_BODY, MAX_RELOADS};
use crate::peer::Access;
use crate::problem::Problem;
use crate::server::Ask;

pub use indicators::{Hits, HitsQuery};
pub use isolations::{Isolations, NewIsolation};
pub use sensor::{Health, Version};

/// What was done, for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Done {
    /// What was done.
    pub message: String,
}

/// What handlers work with.
#[derive(Clone)]
pub(crate) struct App {
    ask: Ask,
    asked: Arc<Semaphore>,
    reloads: Arc<Semaphore>,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

impl App {
    pub(crate) fn new(ask: Ask) -> Self {
        let (asked, reloads) = (Semaphore::new(MAX_ASKED), Semaphore::new(MAX_RELOADS));
        App { ask, asked: Arc::new(asked), reloads: Arc::new(reloads) }
    }

    /// Asks the sensor, on a thread that may block.
    async fn ask(&self, request: Request, access: &Access) -> Reply {
        let unavailable = |message: &str| Reply::Unavailable { message: message.into() };
        let room = if request == Request::Reload {
            self.reloads.clone().try_acquire_owned().ok()
        } else {
            let room = tokio::time::timeout(REPLY_TIMEOUT, self.asked.clone().acquire_owned()).await;
            room.ok().and_then(Result::ok)
        };
        let Some(room) = room else { return unavailable("the sensor is busy") };
        let caller = Caller {
            by: alert::Text::Own("operator"),
            who: Some(access.who.clone()),
            from: Some(access.from.clone()),
        };
        let ask = self.ask.clone();
        let answered = tokio::task::spawn_blocking(move || {
            let reply = ask(request, &caller);
            drop(room);
            reply
        });
        answered.await.unwrap_or_else(|_| unavailable("the sensor is stopping"))
    }
}

/// What a reply that is not the wanted one means; `status` if the sensor refuses.
fn not_done(reply: Reply, status: StatusCode) -> Problem {
    match reply {
        Reply::Refused { message } => Problem::new(status, message),
        Reply::Unavailable { message } => Problem::new(StatusCode::SERVICE_UNAVAILABLE, message),
        _ => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the sensor answered something else"),
    }
}

/// The page of the description that is not about routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Ringward control API",
        description = "How a running Ringward sensor is asked and told. The same protocol is spoken on the sensor's UNIX \
                   socket, where the socket's permissions decide who may connect and nothing else is asked for, and \
                   over HTTPS (off by default), where a bearer token or a client certificate is needed. GET needs \
                   the scope \"read\", everything else \"write\". What is refused is answered with a problem (RFC \
                   9457), whose `detail` says why. Limits: 8 KiB of header fields, 16 KiB of body; a source that \
                   shows ten wrong tokens is refused for a minute (429)."
    ),
    components(schemas(Problem))
)]
struct Description;

/// Every route, and its description.
fn described() -> (Router<App>, utoipa::openapi::OpenApi) {
    let (router, mut api) = OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(isolations::list, isolations::add, isolations::flush))
        .routes(routes!(isolations::release))
        .routes(routes!(isolations::hold, isolations::resume))
        .routes(routes!(sensor::stats))
        .routes(routes!(sensor::reload))
        .routes(routes!(sensor::reopen))
        .routes(routes!(sensor::version))
        .routes(routes!(sensor::health))
        .routes(routes!(indicators::hits))
        .split_for_parts();
    let components = api.components.get_or_insert_default();
    let bearer = Http::builder().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    components.add_security_scheme(
        "certificate",
        SecurityScheme::MutualTls { description: None, extensions: None, deprecated: None },
    );
    let scheme = |name: &str| utoipa::openapi::SecurityRequirement::new(name, [""; 0]);
    api.security = Some(vec![scheme("token"), scheme("certificate")]);
    for item in api.paths.paths.values_mut() {
        for operation in operations(item) {
            operation.responses.responses.insert("default".into(), RefOr::T(refused()));
        }
    }
    (router, api)
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut utoipa::openapi::path::Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch]
        .into_iter()
        .filter_map(Option::as_mut)
}

/// The answer of every route that has no better one.
fn refused() -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let about = "Not done: a bad request, no or the wrong token, too many requests, or a sensor that is busy";
    ResponseBuilder::new().description(about).content("application/problem+json", content).build()
}

/// The API's description (OpenAPI 3.1) as JSON.
///
/// # Panics
/// Never: it has no keys but texts.
#[must_use]
pub fn openapi() -> String {
    let mut text = serde_json::to_string_pretty(&described().1).unwrap_or_default();
    text.push('\n');
    text
}

/// Everything that is served.
pub(crate) fn router(app: App, door: Arc<Door>) -> Router {
    let page: Arc<str> = openapi().into();
    let page = move || async move { ([(header::CONTENT_TYPE, "application/json")], page.to_string()) };
    described()
        .0
        .route("/openapi.json", get(page))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is no such path; see /openapi.json"))
        .method_not_allowed_fallback(async || {
            let detail = "the path has no such method; see /openapi.json";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).into_response()
        })
        .layer(DefaultBodyLimit::max(MAX_BODY as usize))
        .layer(middleware::from_fn_with_state(door, guard))
        .with_state(app)
}

/// As whom a handler carries a request out; the guard has put it there.
type As = Extension<Access>;

#[cfg(test)]
#[path = "../routes_tests.rs"]
mod tests;
