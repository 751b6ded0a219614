//! A small OpenID Connect provider on this machine: its own page to say yes on, codes that count once, tokens signed by its own key.
//! It shares no code with what it tests: the token is put together and signed here by hand.

use axum::extract::{Form, Query, State};
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;

pub const CLIENT: &str = "tongban-hall";
pub const SECRET: &str = "a secret of two";

/// What the provider does wrong on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Nothing.
    None,
    /// The token is signed with a key that is not published.
    Key,
    /// The token answers another log-in.
    Nonce,
    /// The token is for another client.
    Audience,
    /// Says nothing of name and number.
    Nameless,
}

type Asked = BTreeMap<String, String>;

pub struct Provider {
    issuer: String,
    /// Who logs in there: name and number.
    pub person: Mutex<(String, String)>,
    pub lie: Mutex<Lie>,
    codes: Mutex<BTreeMap<String, Asked>>,
    key: SigningKey,
}

fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What a hub that browsers reach at `public` is told of a provider that knows it as [`CLIENT`].
pub fn config(issuer: &str, public: &str) -> runtime::config::SignOn {
    let secret = std::env::temp_dir().join(format!("tongban-client-{}", issuer.replace([':', '/'], "-")));
    std::fs::write(&secret, format!("{SECRET}\n")).unwrap();
    runtime::config::SignOn {
        name: "省统一身份认证".into(),
        issuer: issuer.to_owned(),
        client_id: CLIENT.into(),
        client_secret_file: Some(secret),
        public: public.to_owned(),
        scopes: vec!["profile".into()],
        name_claim: "name".into(),
        number_claim: "id_number".into(),
        ca_file: None,
    }
}

impl Provider {
    /// Serves until the test ends. Another host than the hub's, as it is in life.
    pub async fn start() -> Arc<Provider> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        let provider = Arc::new(Provider {
            issuer,
            person: Mutex::default(),
            lie: Mutex::new(Lie::None),
            codes: Mutex::default(),
            key: SigningKey::from_bytes(&[7; 32]),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(keys))
            .route("/ask", get(ask))
            .route("/yes", post(yes))
            .route("/token", post(token))
            .with_state(provider.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        provider
    }

    pub fn config(&self, public: &str) -> runtime::config::SignOn {
        config(&self.issuer, public)
    }

    fn signed(&self, asked: &Asked) -> String {
        let (name, number) = self.person.lock().unwrap().clone();
        let lie = *self.lie.lock().unwrap();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let mut claims = json!({
            "iss": self.issuer, "sub": "42", "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"],
            "name": name, "id_number": number,
        });
        match lie {
            Lie::Nonce => claims["nonce"] = "another".into(),
            Lie::Audience => claims["aud"] = "another".into(),
            Lie::Nameless => drop(claims.as_object_mut().unwrap().remove("id_number")),
            Lie::None | Lie::Key => {}
        }
        let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": "one" });
        let said = format!("{}.{}", text(header.to_string().as_bytes()), text(claims.to_string().as_bytes()));
        let stranger = SigningKey::from_bytes(&[8; 32]);
        let key = if lie == Lie::Key { &stranger } else { &self.key };
        format!("{said}.{}", text(&key.sign(said.as_bytes()).to_bytes()))
    }
}

type Here = State<Arc<Provider>>;

async fn metadata(State(here): Here) -> Json<Value> {
    let at = |path: &str| format!("{}{path}", here.issuer);
    Json(json!({
        "issuer": here.issuer, "authorization_endpoint": at("/ask"), "token_endpoint": at("/token"), "jwks_uri": at("/keys"),
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA"],
    }))
}

async fn keys(State(here): Here) -> Json<Value> {
    let x = text(here.key.verifying_key().as_bytes());
    Json(json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": "one", "x": x }] }))
}

/// The page a citizen sees there.
async fn ask(Query(asked): Query<Asked>) -> Html<String> {
    assert_eq!((&*asked["client_id"], &*asked["response_type"]), (CLIENT, "code"));
    assert_eq!(asked["code_challenge_method"], "S256");
    let hidden =
        asked.iter().map(|(name, value)| format!("<input type=hidden name=\"{name}\" value=\"{value}\">"));
    let hidden: String = hidden.collect();
    Html(format!(
        "<!doctype html><main><form method=post action=/yes>{hidden}<button>允许</button></form></main>"
    ))
}

async fn yes(State(here): Here, Form(asked): Form<Asked>) -> Redirect {
    let code = text(&Sha256::digest(asked["state"].as_bytes()));
    let back = format!("{}?code={code}&state={}", asked["redirect_uri"], asked["state"]);
    here.codes.lock().unwrap().insert(code, asked);
    Redirect::to(&back)
}

async fn token(
    State(here): Here,
    headers: axum::http::HeaderMap,
    Form(sent): Form<Asked>,
) -> Result<Json<Value>, (axum::http::StatusCode, Json<Value>)> {
    let refused = |why: &str| Err((axum::http::StatusCode::BAD_REQUEST, Json(json!({ "error": why }))));
    let who =
        base64::engine::general_purpose::STANDARD.encode(format!("{CLIENT}:{}", SECRET.replace(' ', "+")));
    if headers.get("authorization").is_none_or(|sent| *sent != format!("Basic {who}")) {
        return refused("invalid_client");
    }
    // A code counts once, and only for whoever asked for it.
    let Some(asked) = here.codes.lock().unwrap().remove(&sent["code"]) else {
        return refused("invalid_grant");
    };
    let proves = text(&Sha256::digest(sent["code_verifier"].as_bytes())) == asked["code_challenge"];
    if !proves || sent["redirect_uri"] != asked["redirect_uri"] {
        return refused("invalid_grant");
    }
    Ok(Json(
        json!({ "access_token": "x", "token_type": "Bearer", "expires_in": 300, "id_token": here.signed(&asked) }),
    ))
}
