//! The smallest client that speaks to the nodes' API as an officer's program would.

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use std::time::Duration;

/// What the node answered instead of a success.
#[derive(Debug)]
pub struct Refused {
    pub status: u16,
    pub code: String,
    pub message: String,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.message)
    }
}
impl std::error::Error for Refused {}

#[derive(Clone)]
pub struct Api {
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Default for Api {
    fn default() -> Api {
        Api::new()
    }
}

impl Api {
    pub fn new() -> Api {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(2))
            .pool_max_idle_per_host(1)
            .build(connector);
        Api { client }
    }

    /// # Errors
    /// [`Refused`] when the node answered with one; anything else when it did not answer.
    pub async fn call(
        &self,
        method: Method,
        port: u16,
        path: &str,
        token: Option<&str>,
        body: Bytes,
    ) -> Result<Value> {
        let mut request = Request::builder().method(method).uri(format!("http://127.0.0.1:{port}{path}"));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Full::new(body))?;
        let answer = tokio::time::timeout(Duration::from_secs(30), self.client.request(request))
            .await
            .context("no answer")??;
        let status = answer.status();
        let bytes = tokio::time::timeout(Duration::from_secs(30), answer.into_body().collect())
            .await
            .context("no answer")??
            .to_bytes();
        // A page is no JSON: it comes back as text.
        let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_else(|_| text());
        if status.is_success() {
            return Ok(value);
        }
        let text = |name: &str| value["error"][name].as_str().unwrap_or("").to_owned();
        Err(anyhow!(Refused { status: status.as_u16(), code: text("code"), message: text("message") }))
    }

    /// # Errors
    /// As [`Api::call`].
    pub async fn log_in(&self, port: u16, name: &str, password: &str) -> Result<String> {
        self.log_in_with(port, name, password, None).await
    }

    /// # Errors
    /// As [`Api::call`].
    pub async fn log_in_with(
        &self,
        port: u16,
        name: &str,
        password: &str,
        code: Option<&str>,
    ) -> Result<String> {
        let body = json!({ "name": name, "password": password, "code": code }).to_string();
        let answer = self.call(Method::POST, port, "/api/v1/login", None, body.into()).await?;
        answer["token"].as_str().map(str::to_owned).context("no token in the answer")
    }
}

/// The node's refusal inside an error, if it is one.
pub fn refusal(error: &anyhow::Error) -> Option<&Refused> {
    error.downcast_ref()
}
