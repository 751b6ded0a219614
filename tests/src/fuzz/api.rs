//! The JSON API of a hub and of a village, asked anything by officers who are logged in.

use super::nodes::{Place, place};
use crate::city::Site;
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use console::{Console, Need, ROUTES};
use domain::access::{Role, Roles};
use domain::network::Tier;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;
use tower::ServiceExt;

/// Who asks: one officer for each line, at the hub or in the village.
const OFFICERS: [(Tier, &str, Option<&str>); 7] = [
    (Tier::Village, "proxy_officer", None),
    (Tier::City, "supervision_officer,registrar", None),
    (Tier::City, "administrator", None),
    (Tier::City, "auditor", None),
    (Tier::City, "catalogue_editor", None),
    (Tier::City, "chief_representative", Some("sj")),
    (Tier::City, "intake", None),
];

fn site(place: &Place, tier: Tier) -> &Site {
    match tier {
        Tier::City => &place.city.hub,
        Tier::Town | Tier::Village => &place.city.villages[0],
    }
}

/// Open log-ins; what is fed may end one.
static TOKENS: Mutex<BTreeMap<usize, String>> = Mutex::new(BTreeMap::new());

async fn token(place: &Place, index: usize) -> String {
    let (tier, roles, body) = OFFICERS[index];
    let site = site(place, tier);
    let known = TOKENS.lock().unwrap().get(&index).cloned();
    if let Some(token) = known
        && site.node().hall().officer(&token).await.unwrap().is_some()
    {
        return token;
    }
    let name = format!("fuzz-{index}");
    site.employ(&name, body, roles).await;
    let hall = site.node().hall();
    let account = hall.store.account(&name).await.unwrap().unwrap();
    let mut secret = [0; 24];
    hall.random.fill(&mut secret);
    let token = trust::hex(&secret);
    let opened = hall.now();
    let code = account.code_secret.is_some().then(|| opened.as_ms() as u64 / 30_000);
    let login = store::Login {
        token_hash: blake3::hash(token.as_bytes()).to_hex().to_string(),
        account: name,
        opened,
        expires: opened.plus_ms(3_600_000),
        code,
    };
    hall.store.open_login(login).await.unwrap();
    TOKENS.lock().unwrap().insert(index, token.clone());
    token
}

/// `OFFICER METHOD PATH` on the first line, the body after it. Whatever is asked is answered, and not by an error of ours.
pub fn feed(input: &[u8]) {
    let at = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let line = String::from_utf8_lossy(&input[..at]).into_owned();
    let body = input.get(at + 1..).unwrap_or_default().to_vec();
    let mut words = line.split(' ');
    let (Some(who), Some(method), Some(path)) = (words.next(), words.next(), words.next()) else { return };
    let Ok(method) = method.parse::<Method>() else { return };
    let index = who.parse::<usize>().unwrap_or(0) % OFFICERS.len();
    let place = place();
    place.runtime.block_on(async {
        let token = token(&place, index).await;
        let request = Request::builder()
            .method(method.clone())
            .uri(path)
            .header("host", "localhost")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(body));
        let Ok(request) = request else { return };
        let router = router(&place, OFFICERS[index].0);
        let answer = router.oneshot(request).await.unwrap();
        let status = answer.status();
        let text = axum::body::to_bytes(answer.into_body(), 64 << 20).await.unwrap();
        let told = String::from_utf8_lossy(&text);
        assert!(!status.is_server_error(), "{line}: {status} {told}");
    });
}

fn router(place: &Place, tier: Tier) -> Router {
    let hall = site(place, tier).node().hall().clone();
    console::router(Console::new(hall, None, "fuzz".into(), Vec::new()))
}

/// A case, a draft and letters as they are, for requests that go further than the door.
struct Known {
    case: String,
    draft: String,
    version: u32,
    form: Value,
    letters: Value,
}

async fn known(place: &Place) -> Known {
    let (village, hub) = (place.city.villages[0].node().hall(), place.city.hub.node().hall());
    let query = store::CaseQuery { limit: 1, ..Default::default() };
    let case = village.store.cases(query).await.unwrap()[0].case.to_string();
    let roles = domain::access::Roles::new([Role::ProxyOfficer]);
    let officer = casework::Officer::of_house("officer".to_owned(), None, roles);
    let draft = village.start_draft(&officer, &"food".parse().unwrap()).await.unwrap();
    let (_, pack, item) = village.item(None, &"food".parse().unwrap()).unwrap();
    let mut dice = StdRng::seed_from_u64(3);
    let form = testkit::fill(&item, &testkit::applicants(), village.now().day(), &mut dice);
    drop(pack);
    let letters: Vec<_> = hub.store.delegations().iter().take(2).map(|letter| json!(letter.1)).collect();
    Known {
        case,
        draft: draft.id.to_string(),
        version: draft.version,
        form: json!(form),
        letters: json!(letters),
    }
}

impl Known {
    /// What a field of this name and type may hold.
    fn value(&self, name: &str, kind: &str) -> Value {
        match (name, kind) {
            ("form", _) => self.form.clone(),
            ("letters", _) => self.letters.clone(),
            ("materials", _) => json!({ "id_card": "iVBORw0KGgo=" }),
            ("act", _) => json!({ "kind": "ban_node", "node": "v-0" }),
            ("proof" | "present", _) => json!({ "password": "x", "code": "000000" }),
            ("roles", _) => json!(["handler", "reviewer"]),
            ("body", _) => json!("sj"),
            ("item", _) => json!("food"),
            ("version", _) => json!(self.version),
            ("outcome", _) => json!("granted"),
            ("state", _) => json!("suspended"),
            ("officers", _) => json!(["甲", "乙"]),
            (_, "boolean") => json!(true),
            (_, "array") => json!(["x"]),
            (_, "object") => json!({ "name": "杨", "text": "x" }),
            (_, "integer" | "number") => json!(1),
            _ => json!("2026-11-26"),
        }
    }
}

/// Every route with a body of the right shape, asked by everybody who may.
pub fn samples() -> Vec<Vec<u8>> {
    let place = place();
    let known = place.runtime.block_on(known(&place));
    let mut samples = Vec::new();
    for (index, (_, roles, _)) in OFFICERS.iter().enumerate() {
        let roles: Roles = roles.parse().unwrap();
        for route in
            ROUTES.iter().filter(|route| matches!(route.needs, Need::One(area) if roles.permit(area)))
        {
            let path = route.path.replace("{case}", &known.case).replace("{draft}", &known.draft);
            let path = path.replace("{item}", "food").replace("{stage}", "town").replace(['{', '}'], "");
            let value = |(name, kind): &(&str, &str)| ((*name).to_owned(), known.value(name, kind));
            let body: serde_json::Map<String, Value> = route.body.iter().map(value).collect();
            let line = format!("{index} {} /api/v1{path}", route.method.to_uppercase());
            samples.push(match route.method {
                "get" => format!("{line}?limit=5&before=9&after={}", known.case).into_bytes(),
                _ => format!("{line}\n{}", Value::Object(body)).into_bytes(),
            });
        }
    }
    samples
}
