//! Looks at every request before any handler: its host, and the headers every answer carries.

use crate::fault::Fault;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// Host names that are answered to beside the loopback ones.
#[derive(Clone)]
pub(crate) struct Hosts(pub Arc<[String]>);

/// A page elsewhere may point a name at 127.0.0.1 and let the browser talk to us (DNS rebinding): unknown hosts are refused.
pub(crate) async fn check_host(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    // Names under `localhost` never leave the machine (RFC 6761, 6.3), so no page elsewhere can make one point here.
    let local = matches!(name, "127.0.0.1" | "localhost" | "[::1]") || name.ends_with(".localhost");
    let known = local || hosts.0.iter().any(|host| host == name);
    if !known {
        return Fault::new(StatusCode::MISDIRECTED_REQUEST, "host", "本机不以这个名字提供服务")
            .into_response();
    }
    // A page elsewhere can make the browser send a form here, though it cannot read the answer.
    let elsewhere = request.headers().get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    if elsewhere && !request.method().is_safe() {
        return Fault::new(StatusCode::FORBIDDEN, "cross_site", "请从本机的页面操作").into_response();
    }
    let mut response = next.run(request).await;
    for (name, value) in [
        (
            header::CONTENT_SECURITY_POLICY,
            // A photo is shrunk in the browser before it is sent: it is drawn from memory first.
            "default-src 'self'; img-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
