//! Days at the counter, through the doors that officers use: HTTP, the command line's calls, bag files.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

#[path = "stories/at_rest.rs"]
mod at_rest;
#[path = "stories/authority.rs"]
mod authority;
#[path = "stories/authority_change.rs"]
mod authority_change;
#[path = "stories/bundle.rs"]
mod bundle;
#[path = "stories/catalogue.rs"]
mod catalogue;
#[path = "stories/incidents.rs"]
mod incidents;
#[path = "stories/law.rs"]
mod law;
#[path = "stories/links.rs"]
mod links;
#[path = "stories/machines.rs"]
mod machines;
#[path = "stories/online.rs"]
mod online;
#[path = "stories/people.rs"]
mod people;
#[path = "stories/reconciled.rs"]
mod reconciled;
#[path = "stories/restored.rs"]
mod restored;
#[path = "stories/service.rs"]
mod service;
#[path = "stories/supervision.rs"]
mod supervision;
#[path = "stories/tickets.rs"]
mod tickets;
#[path = "stories/tolerance.rs"]
mod tolerance;
#[path = "stories/window.rs"]
mod window;

use domain::Timestamp;
use domain::network::Tier;
use domain::seams::Clock;
use http::Method;
use rand::SeedableRng;
use rand::rngs::StdRng;
use runtime::config::Listen;
use serde_json::{Value, json};
use std::sync::Arc;
use testkit::api::refusal;
use tests::city::{City, Folder, Site, city_token, enter, eventually, key_of, pack_folder};
use tier::Parts;

fn no_doors() -> Listen {
    Listen::new("127.0.0.1:0".into(), None, None)
}

/// Fills a draft with a valid form and all papers through the API; does not capture.
async fn draft_of(village: &Site, token: &str, item: &str, seed: u64) -> String {
    let (_, pack) = village.node().hall().pack(None).unwrap();
    let known = pack.items[&item.parse().unwrap()].clone();
    let mut dice = StdRng::seed_from_u64(seed);
    let today = village.node().hall().now().day();
    let form = testkit::fill(&known, &testkit::applicants(), today, &mut dice);
    let draft = village.post(token, "/drafts", json!({ "item": item })).await.unwrap();
    let id = draft["id"].as_str().unwrap().to_owned();
    let body = json!({ "version": draft["version"], "form": form }).to_string();
    village.call(token, Method::PUT, &format!("/drafts/{id}"), body.into()).await.unwrap();
    for material in domain::plan::asked_materials(&known, &form, today) {
        if material.necessity != domain::catalogue::Necessity::Optional {
            let scan = testkit::scans::jpeg(&mut dice);
            village
                .call(token, Method::PUT, &format!("/drafts/{id}/materials/{}", material.id), scan.into())
                .await
                .unwrap();
        }
    }
    id
}

async fn record(village: &Site, token: &str, item: &str, seed: u64) -> String {
    let id = draft_of(village, token, item, seed).await;
    let view = village.post(token, &format!("/drafts/{id}/capture"), json!({})).await.unwrap();
    view["case"].as_str().unwrap().to_owned()
}

/// Works a task the way its kind asks; the city claims first.
async fn work(site: &Site, token: &str, case: &str, stage: &str, verb: &str, body: Value) -> Value {
    site.post(token, &format!("/cases/{case}/stages/{stage}/{verb}"), body).await.unwrap()
}

async fn waits_in_queue(site: &Site, token: &str, case: &str, stage: &str) {
    eventually(&format!("{stage} waits"), async || {
        let queue = site.get(token, "/queue?limit=100").await;
        queue
            .as_array()
            .unwrap()
            .iter()
            .any(|task| task["case"] == case && task["stage"] == stage && task["missing_attachments"] == 0)
    })
    .await;
}

/// An accepted application for a food licence on its way through the department: the head decides, and nobody who reviewed it.
async fn is_granted(hub: &Site, case: &str, reviewer: &str, head: &str) {
    for (stage, verb, body) in [
        ("review", "complete", json!({ "agrees": true, "opinion": "材料齐全" })),
        ("inspect", "complete", json!({ "agrees": true, "opinion": "现场符合", "officers": ["吴", "李"] })),
        ("decide", "decide", json!({ "outcome": "granted", "text": "准予" })),
        ("issue", "issue", json!({})),
    ] {
        waits_in_queue(hub, reviewer, case, stage).await;
        let person = if stage == "decide" { head } else { reviewer };
        if stage == "decide" {
            let by_reviewer =
                hub.post(reviewer, &format!("/cases/{case}/stages/decide/claim"), json!({})).await;
            let refused = testkit::api::refusal(&by_reviewer.unwrap_err()).unwrap().message.clone();
            assert!(refused.contains("主办部门审查"), "names what the same person did: {refused}");
        }
        work(hub, person, case, stage, "claim", json!({})).await;
        work(hub, person, case, stage, verb, body).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_recorded_without_network_is_decided_and_its_licence_comes_home() {
    let mut city = City::start(1).await;
    let (sj, zw) = (city.body_officer("sj").await, city.body_officer("zw").await);
    let head = city.body_colleague("sj", "2").await;
    let town_token = city.town.token("officer").await;
    city.town.stop().await;
    let village = &city.villages[0];
    let token = village.token("officer").await;
    let case = record(village, &token, "food", 1).await;
    let view = village.get(&token, &format!("/cases/{case}")).await;
    assert_eq!(
        (view["ticks_text"].as_str(), view["ticks"]["town"].as_bool()),
        (Some("仅存本机"), Some(false))
    );
    let status = village.get(&token, "/status").await;
    assert!(
        status["outbox"]["waiting"].as_u64() > Some(0) && !status["outbox"]["oldest_waiting"].is_null(),
        "{status}"
    );

    // The town comes back on another port, as a machine with a new address would; the village is told where.
    city.town.start_again().await;
    city.villages[0].dial(&city.town).await;
    let (village, town, hub) = (&city.villages[0], &city.town, &city.hub);
    waits_in_queue(town, &town_token, &case, "town").await;
    work(town, &town_token, &case, "town", "complete", json!({ "agrees": true })).await;
    waits_in_queue(hub, &zw, &case, "accept").await;
    work(hub, &zw, &case, "accept", "claim", json!({})).await;
    work(hub, &zw, &case, "accept", "complete", json!({ "agrees": true })).await;
    is_granted(hub, &case, &sj, &head).await;
    waits_in_queue(village, &token, &case, "deliver").await;
    let view = village.get(&token, &format!("/cases/{case}")).await;
    let licence = view["dossier"]["licence"]["number"].as_str().unwrap();
    assert_eq!(domain::numbers::check_licence_no(licence), Ok(()));
    assert_eq!(view["ticks"], json!({ "here": true, "town": true, "hub": true, "accepted": true }));
    work(village, &token, &case, "deliver", "deliver", json!({ "receiver": "本人", "proof": "签名" })).await;
    eventually("the hub knows of the hand-over", async || {
        hub.get(&sj, &format!("/cases/{case}")).await["status"] == "delivered"
    })
    .await;
    for site in [&city.hub, &city.town, &city.villages[0]] {
        let report = site.opened().store.verify_log(site.opened().keys.clone()).await.unwrap();
        assert!(report.faults.is_empty(), "{report:?}");
    }
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_at_the_counter_is_refused_with_its_remedy_and_harms_nothing() {
    let city = City::start(1).await;
    let village = &city.villages[0];
    let token = village.token("officer").await;
    let draft = village.post(&token, "/drafts", json!({ "item": "gaoling" })).await.unwrap();
    let id = draft["id"].as_str().unwrap();
    let refused = |error: anyhow::Error| {
        let refused = refusal(&error).unwrap();
        (refused.status, refused.code.clone(), refused.message.clone())
    };
    let form =
        json!({ "version": 1, "form": { "name": "杨兰梅", "id_no": "52260119670519948", "hobby": "x" } });
    village.call(&token, Method::PUT, &format!("/drafts/{id}"), form.to_string().into()).await.unwrap();
    let (status, code, message) =
        refused(village.post(&token, &format!("/drafts/{id}/capture"), json!({})).await.unwrap_err());
    assert_eq!((status, code.as_str()), (422, "form_faults"));
    for part in ["公民身份号码应为 18 位,现在是 17 位", "手机号码:必填", "缺少该材料", "没有这一项"]
    {
        assert!(message.contains(part), "{part} is missing from {message}");
    }
    let stale = json!({ "version": 1, "form": {} });
    let (status, ..) = refused(
        village
            .call(&token, Method::PUT, &format!("/drafts/{id}"), stale.to_string().into())
            .await
            .unwrap_err(),
    );
    assert_eq!(status, 409, "I23");
    let exe = village
        .call(&token, Method::PUT, &format!("/drafts/{id}/materials/m1"), vec![b'M', b'Z', 0, 0].into())
        .await;
    let (status, _, message) = refused(exe.unwrap_err());
    assert!(status == 422 && message.contains("JPEG"), "{message}");
    let big = [vec![0xFF, 0xD8, 0xFF], vec![0; 9 << 20]].concat();
    let (status, _, message) = refused(
        village
            .call(&token, Method::PUT, &format!("/drafts/{id}/materials/m1"), big.into())
            .await
            .unwrap_err(),
    );
    assert!(status == 422 && message.contains("8192 KB"), "{message}");
    let (status, ..) =
        refused(village.post(&token, "/drafts", json!({ "item": "selling-air" })).await.unwrap_err());
    assert_eq!(status, 404, "no power outside the list");
    let (status, ..) =
        refused(village.call(&token, Method::POST, "/drafts", "{half".into()).await.unwrap_err());
    assert_eq!(status, 422);
    let (status, ..) = refused(
        village
            .call(&token, Method::GET, "/cases/261123-XXXXXXXX-YYYYYYYYZ", Default::default())
            .await
            .unwrap_err(),
    );
    assert_eq!(status, 404);
    let counts = village.get(&token, "/status").await["counts"].clone();
    assert_eq!(
        (counts["by_status"].clone(), counts["drafts"].clone()),
        (json!({}), json!(1)),
        "nothing was captured, the draft is kept"
    );
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_double_click_makes_one_case_and_a_returned_case_comes_back_mended() {
    let city = City::start(1).await;
    let village = &city.villages[0];
    let token = village.token("officer").await;
    let id = draft_of(village, &token, "geti", 5).await;
    let path = format!("/drafts/{id}/capture");
    let (one, two) =
        tokio::join!(village.post(&token, &path, json!({})), village.post(&token, &path, json!({})));
    let cases: Vec<Value> =
        [one, two].into_iter().filter_map(Result::ok).map(|view| view["case"].clone()).collect();
    assert!(!cases.is_empty() && cases.iter().all(|case| *case == cases[0]), "I23: {cases:?}");
    let all = village.get(&token, "/cases").await;
    assert_eq!(all.as_array().unwrap().len(), 1);
    let again = village.post(&token, &path, json!({})).await.unwrap();
    assert_eq!(
        again["case"], cases[0],
        "asked again after a lost answer, the officer is told the case that exists"
    );
    let case = cases[0].as_str().unwrap();

    let (town, town_token) = (&city.town, city.town.token("officer").await);
    waits_in_queue(town, &town_token, case, "town").await;
    let nothing =
        town.post(&town_token, &format!("/cases/{case}/stages/town/return"), json!({ "faults": [] })).await;
    assert_eq!(refusal(&nothing.unwrap_err()).unwrap().status, 409);
    let fault = json!({ "field": "m1", "label": "申请书", "reason": "未签字" });
    work(town, &town_token, case, "town", "return", json!({ "faults": [fault] })).await;
    eventually("the village sees what to mend", async || {
        village.get(&token, &format!("/cases/{case}")).await["status"] == "returned"
    })
    .await;
    let page = village.get(&token, &format!("/cases/{case}/submission")).await;
    let form = &page["body"]["captured"]["submission"]["form"];
    village.post(&token, &format!("/cases/{case}/resubmit"), json!({ "form": form })).await.unwrap();
    waits_in_queue(town, &town_token, case, "town").await;
    let slip = village
        .post(&token, &format!("/cases/{case}/slips"), json!({ "kind": "withdraw", "text": "不办了" }))
        .await
        .unwrap();
    eventually("the slip arrives", async || {
        town.get(&town_token, &format!("/cases/{case}")).await["dossier"]["slips"][0]["id"] == slip["slip"]
    })
    .await;
    let withdrawn = town
        .post(&town_token, &format!("/cases/{case}/withdraw"), json!({ "slip": slip["slip"] }))
        .await
        .unwrap();
    assert_eq!(withdrawn["status"], "withdrawn");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_lets_in_one_node_once_and_only_into_its_own_city() {
    let city = City::start(0).await;
    let token = city_token(&city.hub, Tier::Village, "522601108201").await;
    let folder = Folder::new();
    let at = |name: &str| folder.0.join(name);
    let enter_as = async |name: &str, tier: Tier, token: &str| {
        let outcome = enter(&city.town, &city.town, at(name), tier, token, no_doors()).await;
        outcome.err().map(|error| format!("{error:#}"))
    };
    let told = enter_as("a", Tier::Village, "tb1.nonsense.00000000").await.unwrap();
    assert!(told.contains("copy it again"), "{told}");
    let told = enter_as("a", Tier::Town, &token).await.unwrap();
    assert!(told.contains("village node"), "{told}");
    assert_eq!(enter_as("a", Tier::Village, &token).await, None, "let in through the town");
    let told = enter_as("b", Tier::Village, &token).await.unwrap();
    assert!(told.contains("用过"), "I27: {told}");
    let told = enter_as("a", Tier::Village, &token).await.unwrap();
    assert!(told.contains("lives in"), "{told}");
    // Within the minutes in which a lost answer may be asked for again, the same secret and key must buy no other name.
    let used = trust::JoinToken::decode(&token).unwrap();
    let joined = tier::serve::Opened::open(&at("a"), &Parts::default(), key_of(&at("a"))).unwrap();
    let key = joined.identity.sign_key().unwrap().public();
    let door = city.town.node().enrol.unwrap().to_string();
    for name in ["hub", "v-00000000"] {
        let greedy = trust::JoinToken { node: name.parse().unwrap(), ..used.clone() };
        let (_, csr) = trust::ca::new_request(&greedy.node).unwrap();
        assert!(link::enrol::join(&door, &greedy, csr, key.clone()).await.is_err(), "I27: let in as {name}");
    }
    let (_, csr) = trust::ca::new_request(&used.node).unwrap();
    assert!(link::enrol::join(&door, &used, csr, key).await.is_ok(), "the same node may ask again");
    let mut forged =
        trust::JoinToken::decode(&city_token(&city.hub, Tier::Village, "522601108202").await).unwrap();
    forged.secret = "00".repeat(16);
    let told = enter_as("c", Tier::Village, &forged.encode()).await.unwrap();
    assert!(told.contains("令牌无效"), "{told}");
    forged.expires = Timestamp::from_ms(0);
    let told = enter_as("c", Tier::Village, &forged.encode()).await.unwrap();
    assert!(told.contains("expired"), "{told}");

    let listen = Listen::new("127.0.0.1:0".into(), Some("127.0.0.1:0".into()), Some("127.0.0.1:0".into()));
    city_hub::init::init(&at("other"), &pack_folder(), "other.tongban", listen).await.unwrap();
    let mut other = Site::serve(at("other"), Parts::default()).await;
    let foreign = city_token(&other, Tier::Town, "522601108").await;
    let told = enter_as("d", Tier::Town, &foreign).await.unwrap();
    assert!(told.contains("not the city"), "{told}");
    // A node of the other city dials our hub with its own certificate: refused at the handshake.
    let own_door = Listen::new("127.0.0.1:0".into(), Some("127.0.0.1:0".into()), None);
    enter(&other, &city.hub, at("spy"), Tier::Town, &foreign, own_door).await.unwrap();
    let mut spy = Site::serve(at("spy"), Parts::default()).await;
    eventually("the spy is refused", async || !spy.node().uplink.as_ref().unwrap().last_error().is_empty())
        .await;
    assert!(spy.node().hall().pack(None).is_err(), "nothing came over");
    spy.stop().await;
    other.stop().await;
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bag_carried_on_a_stick_does_what_the_network_does() {
    let mut city = City::start(2).await;
    let town_token = city.town.token("officer").await;
    // From here on no line: the town serves nobody, the stick travels.
    city.town.stop().await;
    let village = &city.villages[0];
    let token = village.token("officer").await;
    let case = record(village, &token, "linshi", 3).await;
    let mut bag = Vec::new();
    let town_id = village.opened().config.parent.as_ref().unwrap().id.clone();
    link::bag::export(&village.opened().node(), &town_id, &mut bag).await.unwrap();

    let town = tier::serve::Opened::open(&city.town.data, &Parts::default(), None).unwrap();
    let import = async |bytes: &[u8]| link::bag::import(&town.node(), bytes).await;
    assert!(matches!(import(b"GIF89a").await, Err(link::bag::BagError::NotABag)));
    let cut = import(&bag[..bag.len() * 2 / 3]).await.unwrap();
    assert!(!cut.complete && cut.note.contains("中断"), "{cut:?}");
    let whole = import(&bag).await.unwrap();
    assert!(whole.complete && whole.refused.is_empty() && whole.attachments > 0, "{whole:?}");
    let entries = town.hall.counts().await.unwrap().entries;
    let again = import(&bag).await.unwrap();
    assert!(again.complete && again.attachments == 0, "{again:?}");
    assert_eq!(town.hall.counts().await.unwrap().entries, entries, "I29: the second import changes nothing");
    let view = town.hall.view(&case.parse().unwrap()).await.unwrap();
    assert_eq!((view.missing_attachments, view.dossier.holder.clone()), (0, town.config.id.clone()), "I5");
    let mut spoilt = bag.clone();
    let middle = spoilt.len() / 2;
    spoilt[middle] ^= 0x40;
    let spoilt = import(&spoilt).await.unwrap();
    assert!(!spoilt.complete || !spoilt.refused.is_empty(), "{spoilt:?}");
    // A bag of the neighbour's does not open here, and this one does not open at the neighbour's.
    let stranger = link::bag::import(&city.villages[1].opened().node(), bag.as_slice()).await.unwrap();
    assert!(stranger.runs == 0 && stranger.note.contains("来自别处"), "{stranger:?}");

    // The answer travels back the same way: the receipt turns the second tick.
    let mut back = Vec::new();
    link::bag::export(&town.node(), &village.opened().config.id, &mut back).await.unwrap();
    drop(town);
    let home = link::bag::import(&village.opened().node(), back.as_slice()).await.unwrap();
    assert!(home.complete && home.refused.is_empty(), "{home:?}");
    let view = village.get(&token, &format!("/cases/{case}")).await;
    assert_eq!(view["ticks_text"], "镇已收");
    drop(town_token);
    city.stop().await;
}

struct WrongClock(i64);
impl Clock for WrongClock {
    fn now(&self) -> Timestamp {
        runtime::SystemClock.now().plus_ms(self.0)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_village_whose_clock_is_five_days_off_works_and_everybody_can_see_it() {
    const FIVE_DAYS: i64 = 5 * 86_400_000;
    let slow = Parts { clock: Arc::new(WrongClock(-FIVE_DAYS)), ..Parts::default() };
    let city = City::start_with(1, slow).await;
    let village = &city.villages[0];
    let token = village.token("officer").await;
    let case = record(village, &token, "canji_life", 4).await;
    let town_token = city.town.token("officer").await;
    waits_in_queue(&city.town, &town_token, &case, "accept").await;
    work(&city.town, &town_token, &case, "accept", "complete", json!({ "agrees": true })).await;
    let view = city.town.get(&town_token, &format!("/cases/{case}")).await;
    let today = runtime::SystemClock.now().day();
    assert_eq!(
        view["dossier"]["accepted"]["on"],
        today.to_string(),
        "I19: the town's clock counts, not the village's"
    );
    let nodes = city.town.get(&town_token, "/nodes").await;
    let seen = nodes.as_array().unwrap().iter().find(|node| node["tier"] == "village").unwrap();
    let skew = seen["clock_skew_ms"].as_i64().unwrap();
    assert!((skew + FIVE_DAYS).abs() < 60_000, "{skew}");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_open_without_a_log_in_and_every_listed_route_is_served() {
    let city = City::start(1).await;
    for (site, token) in [
        (&city.hub, city.hub.token("officer").await),
        (&city.villages[0], city.villages[0].token("officer").await),
    ] {
        for route in console::ROUTES {
            let path = format!("/api/v1{}", route.path)
                .replace("{case}", "261123-V7K3QZPA-00000000A")
                .replace(['{', '}'], "");
            let method: Method = route.method.to_uppercase().parse().unwrap();
            let (status, answer) = site.raw(method.clone(), &path, None).await;
            let open = matches!(route.path, "/login");
            assert!(
                status == 401 || (open && status == 422),
                "{} {} without a log-in: {status} {answer}",
                route.method,
                route.path
            );
            if route.path == "/logout" {
                continue;
            }
            let (_, answer) = site.raw(method, &path, Some(&token)).await;
            let known = !answer["message"].as_str().unwrap_or("").contains("没有这个接口");
            assert!(known, "{} {} is listed and not served", route.method, route.path);
        }
        let (status, _) = site.raw(Method::GET, "/api/v1/cases", Some("00ff")).await;
        assert_eq!(status, 401, "a made-up token");
    }
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hub_sees_when_every_village_was_last_heard_and_the_page_shows_it() {
    let city = City::start(2).await;
    let reported = city.town.node().hall().report_contacts(&[]).await.unwrap();
    assert_eq!(reported.len(), 2);
    assert_eq!(
        city.town.node().hall().report_contacts(&reported).await.unwrap(),
        reported,
        "nothing new, nothing written"
    );
    let token = city.hub.token("officer").await;
    eventually("the hub has heard of the villages", async || {
        let nodes = city.hub.get(&token, "/nodes").await;
        nodes
            .as_array()
            .unwrap()
            .iter()
            .filter(|node| node["tier"] == "village" && !node["last_contact"].is_null())
            .count()
            == 2
    })
    .await;
    // A town that is cut off says what waits, its villages' entries included.
    let town = &city.town;
    town.node().uplink.as_ref().unwrap().switch(false);
    let village = &city.villages[0];
    let village_token = village.token("officer").await;
    let case = record(village, &village_token, "linshi", 8).await;
    eventually("the town has it", async || {
        village.get(&village_token, &format!("/cases/{case}")).await["ticks"]["town"] == true
    })
    .await;
    let town_token = town.token("officer").await;
    assert!(
        town.get(&town_token, "/status").await["outbox"]["waiting"].as_u64() > Some(0),
        "a relay is not done when its own journal is"
    );
    assert_eq!(village.get(&village_token, &format!("/cases/{case}")).await["ticks"]["hub"], false);
    // What a village says of itself when it greets is what the table shows: it wrote more than has arrived.
    village.node().uplink.as_ref().unwrap().switch(false);
    record(village, &village_token, "linshi", 9).await;
    let said = village.node().hall().outbox().await.unwrap();
    assert!(said.waiting > 0 && said.oldest_waiting.is_some());
    city.stop().await;
}
