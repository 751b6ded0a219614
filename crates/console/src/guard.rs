//! Looks at every request before any handler: its host, and the headers every answer carries.

use crate::fault::Fault;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
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
    let fetched = request.headers().get("sec-fetch-site");
    let elsewhere = fetched.is_some_and(|site| site == "cross-site" || site == "same-site")
        || comes_from_elsewhere(request.headers(), &hosts.0);
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
        // Nothing is told to others; to ourselves browsers say where a form stood.
        (header::REFERRER_POLICY, "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// What a browser says of the page a form stood on. Programs say nothing; whoever hides it is not one of our pages.
fn comes_from_elsewhere(headers: &HeaderMap, hosts: &[String]) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let Some(origin) = text(header::ORIGIN) else { return false };
    let Some((_, place)) = origin.split_once("://") else { return true };
    let name = place.rsplit_once(':').map_or(place, |(name, _)| name);
    text(header::HOST) != Some(place) && !hosts.iter().any(|host| host == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_that_stood_elsewhere_is_known_by_its_origin_on_old_browsers_too() {
        let said = |origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, "127.0.0.1:7000".parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            comes_from_elsewhere(&headers, &["zw.kaili.example".to_owned()])
        };
        assert!(!said(None), "a program");
        assert!(!said(Some("http://127.0.0.1:7000")) && !said(Some("https://zw.kaili.example")));
        for elsewhere in
            ["null", "http://127.0.0.1:7001", "https://evil.example", "https://zw.kaili.example.evil"]
        {
            assert!(said(Some(elsewhere)), "{elsewhere}");
        }
    }
}
