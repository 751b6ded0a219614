//! Citizens prove who they are at an OpenID Connect provider (统一身份认证): authorization code flow with PKCE, state and nonce; the
//! ID token is verified with the provider's published keys; name and number are read from it, or asked of the userinfo endpoint.
//!
//! # Source
//! OpenID Connect Core 1.0, 3.1 and 5.3; RFC 6750, 7636; 《国务院关于在线政务服务的若干规定》 (统一身份认证).

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casework::Citizen;
use console::{Away, NoLogin};
use domain::Timestamp;
use domain::seams::Clock;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreErrorResponseType, CoreIdToken, CoreJwsSigningAlgorithm as Alg,
    CoreProviderMetadata,
};
use openidconnect::{
    AccessToken, AsyncHttpClient, AuthorizationCode, ClaimsVerificationError, ClientId, ClientSecret,
    CsrfToken, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IssuerUrl, Nonce,
    OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RequestTokenError, Scope,
    TokenResponse,
};
use runtime::config::SignOn;
use serde_json::Value;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a provider may answer, at most.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// What the provider publishes of itself is read again after so long: it changes its keys now and then.
const KNOWN_FOR_MS: i64 = 10 * 60_000;
/// One that did not answer is left alone for so long: nobody waits in a row for it.
const SILENT_MS: i64 = 15_000;
/// Citizens who left and have not come back; who left first gives way.
const AWAY_MAX: usize = 10_000;
const AWAY_MS: i64 = 10 * 60_000;
/// What signs an ID token: the provider's own key. A secret that the client shares would let the client sign too.
const SIGNED_BY: [Alg; 10] = [
    Alg::RsaSsaPkcs1V15Sha256,
    Alg::RsaSsaPkcs1V15Sha384,
    Alg::RsaSsaPkcs1V15Sha512,
    Alg::RsaSsaPssSha256,
    Alg::RsaSsaPssSha384,
    Alg::RsaSsaPssSha512,
    Alg::EcdsaP256Sha256,
    Alg::EcdsaP384Sha384,
    Alg::EcdsaP521Sha512,
    Alg::EdDsa,
];

struct Left {
    nonce: Nonce,
    verifier: PkceCodeVerifier,
    until: Timestamp,
}

/// The provider that `node.toml` names.
pub struct Oidc {
    config: SignOn,
    issuer: IssuerUrl,
    client: ClientId,
    secret: Option<ClientSecret>,
    back: RedirectUrl,
    http: Http,
    clock: Arc<dyn Clock>,
    away: Mutex<BTreeMap<String, Left>>,
    known: tokio::sync::Mutex<Known>,
}

/// What is known of the provider.
#[derive(Default)]
struct Known {
    read: Option<Timestamp>,
    failed: Option<Timestamp>,
    provider: Option<CoreProviderMetadata>,
}

/// A client that can be asked for a page and for tokens.
type Ready = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

impl Oidc {
    /// # Errors
    /// What in the configuration cannot be, and how to mend it.
    pub fn new(config: &SignOn, clock: Arc<dyn Clock>) -> Result<Oidc> {
        let issuer = IssuerUrl::new(config.issuer.clone()).context("sign_on.issuer is no URL")?;
        let here = ["127.0.0.1", "localhost", "[::1]"];
        let on_this_machine = issuer.url().host_str().is_some_and(|host| here.contains(&host));
        if issuer.url().scheme() != "https" && !on_this_machine {
            bail!("sign_on.issuer must begin with https://");
        }
        let back = format!("{}/hall/login/back", config.public.trim_end_matches('/'));
        let secret = match &config.client_secret_file {
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("read sign_on.client_secret_file {}", file.display()))?;
                Some(ClientSecret::new(text.trim().to_owned()))
            }
            None => None,
        };
        Ok(Oidc {
            config: config.clone(),
            issuer,
            client: ClientId::new(config.client_id.clone()),
            secret,
            back: RedirectUrl::new(back).context("sign_on.public is no URL")?,
            http: Http::new(config)?,
            clock,
            away: Mutex::default(),
            known: tokio::sync::Mutex::default(),
        })
    }

    /// What the provider publishes of itself, its keys included: as it was read within ten minutes, or now where that is asked for.
    /// One that does not answer is not asked again for a while, and what was known of it goes on counting.
    async fn provider(&self, anew: bool) -> Result<CoreProviderMetadata, NoLogin> {
        let now = self.clock.now();
        let mut known = self.known.lock().await;
        let within = |at: Timestamp, ms: i64| (0..ms).contains(&now.since(at));
        let fresh = known.read.filter(|at| within(*at, KNOWN_FOR_MS) && !anew);
        let silent = known.failed.is_some_and(|at| within(at, SILENT_MS));
        if fresh.is_none() && !silent {
            match CoreProviderMetadata::discover_async(self.issuer.clone(), &self.http).await {
                Ok(provider) => *known = Known { read: Some(now), failed: None, provider: Some(provider) },
                Err(error) => {
                    known.failed = Some(now);
                    tracing::warn!(%error, issuer = %self.issuer.as_str(), "the provider of citizens' log-ins does not answer as it should");
                }
            }
        }
        known.provider.clone().ok_or(NoLogin::Unavailable)
    }

    fn client(&self, provider: CoreProviderMetadata) -> Ready {
        CoreClient::from_provider_metadata(provider, self.client.clone(), self.secret.clone())
            .set_redirect_uri(self.back.clone())
    }

    fn take(&self, state: &str) -> Option<Left> {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        away.remove(state).filter(|left| left.until > self.clock.now())
    }

    fn remember(&self, state: &str, left: Left) {
        let now = self.clock.now();
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        console::make_room(&mut away, AWAY_MAX, now, |left| left.until);
        away.insert(state.to_owned(), left);
    }

    /// Name and number, where these claims say both.
    fn citizen_in(&self, claims: &Value) -> Option<Citizen> {
        let claim = |name: &str| claims.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty());
        let (name, number) = (claim(&self.config.name_claim)?, claim(&self.config.number_claim)?);
        Some(Citizen { name: name.to_owned(), number: number.to_uppercase() })
    }

    /// What the provider tells of whoever the access token is for. It must speak of the subject that the ID token names: an answer
    /// about anybody else is none.
    ///
    /// # Source
    /// OpenID Connect Core 1.0, 5.3.2.
    async fn user_info(&self, token: &AccessToken, subject: &str) -> Result<Value, NoLogin> {
        let provider = self.provider(false).await?;
        let endpoint = provider.userinfo_endpoint().ok_or(NoLogin::Nameless)?;
        let unusable = |what: &str| {
            tracing::warn!(%what, "the provider does not tell who a citizen is");
            NoLogin::Unavailable
        };
        // Its answer bears no signature: the line it comes over is what is believed.
        if self.issuer.url().scheme() == "https" && endpoint.url().scheme() != "https" {
            return Err(unusable("its userinfo endpoint is not as safe as the issuer"));
        }
        let request = openidconnect::http::Request::get(endpoint.as_str())
            .header("authorization", format!("Bearer {}", token.secret()))
            .header("accept", "application/json")
            .body(Vec::new())
            .map_err(|error| unusable(&error.to_string()))?;
        let answer = self.http.ask(request).await.map_err(|error| unusable(&error.to_string()))?;
        if !answer.status().is_success() {
            return Err(unusable(answer.status().as_str()));
        }
        let claims: Value =
            serde_json::from_slice(answer.body()).map_err(|_| unusable("its answer is no JSON"))?;
        match claims["sub"].as_str() == Some(subject) {
            true => Ok(claims),
            false => Err(unusable("it speaks of another subject")),
        }
    }
}

#[async_trait]
impl console::SignOn for Oidc {
    fn name(&self) -> &str {
        &self.config.name
    }

    async fn leave(&self) -> Result<Away, NoLogin> {
        let client = self.client(self.provider(false).await?);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let request = client
            .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
            .add_scopes(self.config.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(challenge);
        let (url, state, nonce) = request.url();
        let until = self.clock.now().plus_ms(AWAY_MS);
        self.remember(state.secret(), Left { nonce, verifier, until });
        Ok(Away { url: url.to_string(), state: state.secret().clone() })
    }

    async fn came_back(&self, state: &str, code: &str) -> Result<Citizen, NoLogin> {
        let left = self.take(state).ok_or(NoLogin::Lost)?;
        let client = self.client(self.provider(false).await?);
        let exchange = client.exchange_code(AuthorizationCode::new(code.to_owned())).map_err(|error| {
            tracing::warn!(%error, "the provider of citizens' log-ins names no token endpoint");
            NoLogin::Unavailable
        })?;
        let tokens = exchange.set_pkce_verifier(left.verifier).request_async(&self.http).await;
        let tokens = tokens.map_err(|error| {
            tracing::warn!(%error, "a citizen's code was not exchanged");
            match &error {
                // Used, or too old: the citizen begins again. Everything else is the city's to mend.
                RequestTokenError::ServerResponse(told)
                    if *told.error() == CoreErrorResponseType::InvalidGrant =>
                {
                    NoLogin::Lost
                }
                _ => NoLogin::Unavailable,
            }
        })?;
        let token = tokens.id_token().ok_or(NoLogin::Nameless)?;
        let mut verdict = self.verify(&client, token, &left.nonce);
        if matches!(verdict, Err(ClaimsVerificationError::SignatureVerification(_))) {
            // Its keys may have changed since they were read.
            verdict = self.verify(&self.client(self.provider(true).await?), token, &left.nonce);
        }
        if let Err(error) = verdict {
            tracing::warn!(%error, "a citizen's ID token does not verify");
            return Err(NoLogin::Unavailable);
        }
        let claims = claims_of(token);
        if let Some(citizen) = self.citizen_in(&claims) {
            return Ok(citizen);
        }
        let subject = claims["sub"].as_str().unwrap_or_default();
        let told = self.user_info(tokens.access_token(), subject).await?;
        self.citizen_in(&told).ok_or(NoLogin::Nameless)
    }
}

/// What a token that has been verified says.
fn claims_of(token: &CoreIdToken) -> Value {
    let text = token.to_string();
    let payload = text.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    payload.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

impl Oidc {
    fn verify(
        &self,
        client: &Ready,
        token: &CoreIdToken,
        nonce: &Nonce,
    ) -> Result<(), ClaimsVerificationError> {
        token.claims(&client.id_token_verifier().set_allowed_algs(SIGNED_BY), nonce).map(drop)
    }
}

/// The way to the provider: bounded in time and size, and following nothing.
struct Http(Client<HttpsConnector<HttpConnector>, Full<bytes::Bytes>>);

impl Http {
    fn new(config: &SignOn) -> Result<Http> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("TLS cannot be set up")?;
        let tls = match &config.ca_file {
            Some(file) => {
                use rustls_pki_types::{CertificateDer, pem::PemObject};
                let mut roots = rustls::RootCertStore::empty();
                let shown = || format!("read sign_on.ca_file {}", file.display());
                for one in CertificateDer::pem_file_iter(file).with_context(shown)? {
                    roots.add(one.with_context(shown)?).with_context(shown)?;
                }
                builder.with_root_certificates(roots).with_no_client_auth()
            }
            None => {
                use hyper_rustls::ConfigBuilderExt;
                builder
                    .with_native_roots()
                    .context("the system's authorities cannot be read")?
                    .with_no_client_auth()
            }
        };
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        Ok(Http(Client::builder(TokioExecutor::new()).build(connector)))
    }

    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, std::io::Error> {
        let (parts, body) = request.into_parts();
        let request = openidconnect::http::Request::from_parts(parts, Full::new(bytes::Bytes::from(body)));
        let answer = async {
            let answer = self.0.request(request).await.map_err(std::io::Error::other)?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(std::io::Error::other)?;
            Ok(HttpResponse::from_parts(parts, body.to_bytes().to_vec()))
        };
        let late = |_| std::io::Error::new(std::io::ErrorKind::TimedOut, "it did not answer in time");
        tokio::time::timeout(ANSWER_WITHIN, answer).await.map_err(late)?
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, std::io::Error>> + Send + 'c>>;
    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.ask(request))
    }
}
