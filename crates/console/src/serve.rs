//! The web door: takes connections, within limits that are set before anything is allocated for them.
//!
//! A head that does not come to its end, a body that drips, a crowd of connections from one place: each costs the node one
//! bounded place for a bounded time, and nobody else a page.

use crate::fault::Fault;
use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use runtime::Guests;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Connections at once; the next ones wait in the system's own queue.
const CONNECTIONS_MAX: usize = 1024;
/// Connections at once from one address. Loopback and the proxies before the pages are not counted.
const PER_SOURCE_MAX: u32 = 64;
/// For the head of a request to come, and for a kept connection to ask for something more.
const HEAD_TIMEOUT: Duration = Duration::from_secs(20);
/// For a request to be taken in and answered; 8 MiB of scan on a poor line are in time.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(300);
/// However busy a connection is, a browser opens another one without anybody noticing.
const CONNECTION_LIFE: Duration = Duration::from_secs(1800);
const HEADERS_MAX: usize = 64;
const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Requests that were begun when the node is told to stop are finished, but not for ever.
const FAREWELL: Duration = Duration::from_secs(10);

/// Who calls: the other end of the connection, or, where that is one of our proxies, the last address it was told that is none.
/// Everything further left in the header is the caller's own word.
fn caller(from: IpAddr, headers: &HeaderMap, proxies: &[IpAddr]) -> IpAddr {
    if !proxies.contains(&from) {
        return from;
    }
    let told = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let told: Vec<&str> = told.flat_map(|value| value.split(',')).map(str::trim).collect();
    for address in told.iter().rev() {
        match address.parse() {
            Ok(address) if proxies.contains(&address) => {}
            Ok(address) => return address,
            Err(_) => break,
        }
    }
    from
}

/// Serves until told to stop; then finishes what was begun. `proxies` stand before the pages and are believed about who calls.
pub async fn serve(listener: TcpListener, router: Router, proxies: Vec<IpAddr>, stop: CancellationToken) {
    let proxies: Arc<[IpAddr]> = proxies.into();
    let (places, guests, farewell) = (
        Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        Arc::<Guests<IpAddr>>::default(),
        GracefulShutdown::new(),
    );
    loop {
        let permit = tokio::select! {
            () = stop.cancelled() => break,
            permit = places.clone().acquire_owned() => permit,
        };
        let Ok(permit) = permit else { break };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (tcp, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: closing ones come back soon.
                tracing::warn!(%error, "the web door could not take a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let unbounded = address.ip().is_loopback() || proxies.contains(&address.ip());
        let most = if unbounded { u32::MAX } else { PER_SOURCE_MAX };
        let Some(place) = guests.enter(address.ip(), most) else { continue };
        let (router, proxies) = (router.clone(), proxies.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let caller = caller(address.ip(), request.headers(), &proxies);
            answer(router.clone(), SocketAddr::new(caller, address.port()), request)
        });
        // HTTP/1 alone: HTTP/2 has limits of its own to watch, and no page here needs it.
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(tcp), service);
        let connection = farewell.watch(connection);
        tokio::spawn(async move {
            // A caller who goes away in the middle of a word is no trouble of ours; one who never reads what is sent is shown
            // the door in the end.
            let _ended = tokio::time::timeout(CONNECTION_LIFE, connection).await;
            drop((place, permit));
        });
    }
    drop(listener);
    if tokio::time::timeout(FAREWELL, farewell.shutdown()).await.is_err() {
        tracing::warn!("some requests were not finished before the node stopped");
    }
}

async fn answer(
    router: Router,
    from: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response, Infallible> {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(from));
    match tokio::time::timeout(REQUEST_TIMEOUT, router.oneshot(request)).await {
        Ok(answered) => answered,
        Err(_) => Ok(too_slow().into_response()),
    }
}

fn too_slow() -> Fault {
    Fault::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "请求五分钟内没有传完;请检查网络后重试")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(from: &str, header: &str, proxies: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", header.parse().unwrap());
        let proxies: Vec<IpAddr> = proxies.iter().map(|proxy| proxy.parse().unwrap()).collect();
        caller(from.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn only_our_own_proxies_say_who_calls() {
        assert_eq!(told("10.1.0.7", "192.0.2.1", &[]), "10.1.0.7", "anybody can write that header");
        assert_eq!(told("127.0.0.1", "192.0.2.1", &["127.0.0.1"]), "192.0.2.1");
        assert_eq!(
            told("127.0.0.1", "6.6.6.6, 192.0.2.1", &["127.0.0.1"]),
            "192.0.2.1",
            "forged on the left"
        );
        assert_eq!(told("127.0.0.1", "192.0.2.1, 10.0.0.2", &["127.0.0.1", "10.0.0.2"]), "192.0.2.1");
        assert_eq!(told("127.0.0.1", "nonsense", &["127.0.0.1"]), "127.0.0.1");
    }
}
