//! One connection, from the first byte to the last.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt;

use crate::counters::ApiCounters;
use crate::limits::{HEAD_TIMEOUT, MAX_FIELDS, MAX_HEAD, WRITE_TIMEOUT};
use crate::peer::Peer;
use crate::seats::Seat;

/// Answers requests until the client has no more, takes too long, somebody else gets the place, or `stop` comes and what is being answered is.
pub(crate) async fn serve(
    stream: impl AsyncRead + AsyncWrite,
    peer: Peer,
    seat: Arc<Seat>,
    router: Router,
    counters: Arc<ApiCounters>,
    stop: impl Future<Output = ()>,
) {
    counters.connections.one();
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let (told, seat_of_request) = (peer.clone(), seat.clone());
    let service = router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        request.extensions_mut().insert(seat_of_request.clone());
        request
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_FIELDS)
        .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = seat.given_away() => {
            counters.idle.one();
            tracing::debug!("api: {told}: idle, and others need the place");
            return;
        }
        () = stop => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(err) = outcome {
        if err.is_timeout() {
            counters.timeouts.one()
        } else {
            counters.broken.one()
        }
        tracing::debug!("api: {told}: {err}");
    }
}
