//! Who may do what: roles crawled over every route, second factors, acts of two persons, the audit of it all.

use super::{City, Method, Site, Value, draft_of, eventually, json, record, refusal, waits_in_queue, work};
use console::{Need, ROUTES};
use domain::Timestamp;
use domain::access::{Role, Roles};
use domain::network::Tier;
use domain::seams::Clock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tests::city::{PASSWORD, key_of, phone};
use tier::Parts;

/// Two registrars, or two administrators, sign an act.
pub async fn two_persons(site: &Site, act: Value) -> anyhow::Result<Value> {
    let role = match act["kind"].as_str().unwrap() {
        "ban_node" | "evict_node" | "readmit_node" | "give_account" | "reset_account" => "administrator",
        "export_audit" => "auditor",
        "export_cases" => "supervision_officer",
        _ => "registrar",
    };
    for name in ["first", "second"] {
        site.employ(&format!("{role}.{name}"), None, role).await;
    }
    let (first, second) = (format!("{role}.first"), format!("{role}.second"));
    let (one, two) = (site.token(&first).await, site.token(&second).await);
    let proposal = json!({ "act": act, "proof": site.proof(&first).await });
    let id = site.post(&one, "/countersigns", proposal).await?["id"].as_str().unwrap().to_owned();
    let again = json!({ "proof": { "password": PASSWORD, "code": "000000" } });
    let alone = site.post(&one, &format!("/countersigns/{id}"), again).await.unwrap_err();
    assert!(refusal(&alone).unwrap().message.contains("另一位"), "{alone:#}");
    let signature = json!({ "proof": site.proof(&second).await });
    let mut done = site.post(&two, &format!("/countersigns/{id}"), signature.clone()).await?;
    let twice = site.post(&two, &format!("/countersigns/{id}"), signature).await.unwrap_err();
    assert_eq!(refusal(&twice).unwrap().status, 404, "an act is done once: {twice:#}");
    done["id"] = id.into();
    Ok(done)
}

fn code_of(error: &anyhow::Error) -> (u16, String) {
    let refused = refusal(error).unwrap();
    (refused.status, refused.code.clone())
}

/// What every role gets at every route: `true` where it is let in.
async fn crawl(site: &Site, role: Role) -> BTreeMap<(&'static str, &'static str), bool> {
    let name = format!("{role}.crawler");
    let body = role.needs_body().then_some("sj");
    site.employ(&name, body, role.as_str()).await;
    let mut observed = BTreeMap::new();
    for route in ROUTES {
        if matches!(route.path, "/login" | "/logout" | "/me/log-out-everywhere") {
            continue;
        }
        let path = format!("/api/v1{}", route.path)
            .replace("{case}", "261123-V7K3QZPA-00000000A")
            .replace(['{', '}'], "");
        let method: Method = route.method.to_uppercase().parse().unwrap();
        let (status, answer) = site.raw(method, &path, Some(&site.token(&name).await)).await;
        assert!(status < 500, "{role} {} {}: {status} {answer}", route.method, route.path);
        let shut = status == 403 && answer["code"] == "forbidden";
        observed.insert((route.method, route.path), !shut);
    }
    observed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_role_is_let_in_where_the_policy_says_so_and_nowhere_else() {
    let city = City::start(1).await;
    for site in [&city.hub, &city.town, &city.villages[0]] {
        let tier = site.node().hall().tier;
        for role in Role::ALL.into_iter().filter(|role| role.is_at(tier)) {
            let expected: BTreeMap<_, _> = ROUTES
                .iter()
                .filter(|route| !matches!(route.path, "/login" | "/logout" | "/me/log-out-everywhere"))
                .map(|route| {
                    let Need::One(permission) = route.needs else { panic!("{} is open", route.path) };
                    ((route.method, route.path), role.permits(permission))
                })
                .collect();
            assert_eq!(crawl(site, role).await, expected, "I35: {role} at {tier:?}");
        }
    }
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_department_sees_its_own_cases_and_does_not_learn_of_others() {
    let city = City::start(1).await;
    let (village, hub) = (&city.villages[0], &city.hub);
    let case = record(village, &village.token("officer").await, "food", 301).await;
    let town = city.town.token("officer").await;
    waits_in_queue(&city.town, &town, &case, "town").await;
    work(&city.town, &town, &case, "town", "complete", json!({ "agrees": true })).await;
    let (sj, mz) = (city.body_officer("sj").await, city.body_officer("mz").await);
    let zw = city.body_officer("zw").await;
    waits_in_queue(hub, &zw, &case, "accept").await;
    let path = format!("/cases/{case}");
    assert_eq!(hub.get(&sj, &path).await["case"], case.as_str());
    let node = village.node().hall().me();
    let unknown = domain::CaseNo::make(node, hub.node().hall().now().day(), 77).to_string();
    let unknown = unknown.as_str();
    for suffix in ["", "/history", "/submission", "/explain", "/sheets", "/fees", "/alerts"] {
        let (status, known) = hub.raw(Method::GET, &format!("/api/v1{path}{suffix}"), Some(&mz)).await;
        let (_, other) = hub.raw(Method::GET, &format!("/api/v1/cases/{unknown}{suffix}"), Some(&mz)).await;
        assert_eq!(status, 404, "another department's: {suffix}");
        let alike = |answer: &Value, case: &str| answer["message"].as_str().unwrap().replace(case, "…");
        assert_eq!(alike(&known, &case), alike(&other, unknown), "I36: {suffix}");
    }
    let order = json!({});
    let acts = hub.post(&mz, &format!("{path}/stages/accept/claim"), order.clone()).await.unwrap_err();
    assert_eq!(code_of(&acts).0, 404);
    let listed = hub.get(&mz, "/cases?limit=100").await;
    assert!(listed.as_array().unwrap().iter().all(|line| line["case"] != case.as_str()), "{listed}");
    // Asking for the queue of another department gives one's own.
    let queue = hub.get(&mz, "/queue?limit=100&body=zw").await;
    assert!(queue.as_array().unwrap().iter().all(|task| task["case"] != case.as_str()), "{queue}");
    // A reviewer of the right department sees the case, and is not let accept it.
    hub.employ("zw-reviewer", Some("zw"), "reviewer").await;
    let reviewer = hub.token("zw-reviewer").await;
    let acts = hub.post(&reviewer, &format!("{path}/stages/accept/claim"), order).await.unwrap_err();
    assert_eq!(code_of(&acts), (403, "forbidden".to_owned()));
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_slows_down_whoever_guesses_and_a_code_opens_one_log_in() {
    let city = City::start(0).await;
    let hub = &city.hub;
    hub.employ("li", Some("sj"), "approver").await;
    let hall = hub.node().hall();
    let proof =
        |password: &str, code: Option<String>| casework::Proof { password: password.to_owned(), code };
    for _ in 0..5 {
        let error = hall.log_in("li", &proof("guess-guess", None), "10.0.0.9").await.unwrap_err();
        assert_eq!(error, casework::LoginError::Wrong);
    }
    let error = hall.log_in("li", &proof(PASSWORD, hub.code("li").await), "10.0.0.9").await.unwrap_err();
    assert!(matches!(error, casework::LoginError::Throttled { .. }), "{error}");
    for _ in 0..5 {
        let unknown = hall.log_in("nobody", &proof("guess-guess", None), "10.0.0.9").await.unwrap_err();
        assert_eq!(unknown, casework::LoginError::Wrong, "I36: an unknown name is answered like a known one");
    }
    let error = hall.log_in("nobody", &proof("guess-guess", None), "10.0.0.9").await.unwrap_err();
    assert!(matches!(error, casework::LoginError::Throttled { .. }), "{error}");

    // Li at his own desk is not kept waiting.
    let port = hub.node().web.port();
    let without = hub.api.log_in(port, "li", PASSWORD).await.unwrap_err();
    assert_eq!(code_of(&without), (401, "code_needed".to_owned()));
    let code = hub.code("li").await.unwrap();
    hub.api.log_in_with(port, "li", PASSWORD, Some(&code)).await.unwrap();
    let again = hub.api.log_in_with(port, "li", PASSWORD, Some(&code)).await.unwrap_err();
    assert_eq!(code_of(&again), (401, "wrong_login".to_owned()), "I29: a code is good once");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_binds_the_city_asks_for_a_second_factor() {
    let city = City::start(1).await;
    let (case, _) = super::authority::up_to_decision(&city, 302).await;
    // An account from before there were phones: it may approve by its role, and has no codes.
    let known = city.hub.node().hall().store.account("sj-2").await.unwrap().unwrap();
    let old = store::Account { name: "sj-old".to_owned(), code_secret: None, ..known };
    city.hub.node().hall().store.put_account(old, "test", Timestamp::from_ms(0)).await.unwrap();
    let head = city.hub.token("sj-old").await;
    let granted = json!({ "outcome": "granted", "text": "准予" });
    let path = format!("/cases/{case}/stages/decide/decide");
    let told = city.hub.post(&head, &path, granted.clone()).await.unwrap_err();
    assert_eq!(code_of(&told), (403, "second_factor".to_owned()));
    let head = city.hub.token("sj-2").await;
    let view = city.hub.post(&head, &path, granted).await.unwrap();
    assert_eq!(view["dossier"]["decision"]["outcome"], "granted");
    city.stop().await;
}

struct Hands(AtomicI64);
impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::Relaxed))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_in_that_nobody_uses_ends_and_so_do_those_of_who_has_left() {
    let hands = Arc::new(Hands(AtomicI64::new(runtime::SystemClock.now().as_ms())));
    let parts = Parts { clock: hands.clone(), ..Parts::default() };
    let city = City::start_with(1, parts).await;
    let village = &city.villages[0];
    let later = |minutes: i64| hands.0.fetch_add(minutes * 60_000, Ordering::Relaxed);
    let token = village.token("officer").await;
    for _ in 0..6 {
        later(100);
        assert_eq!(village.raw(Method::GET, "/api/v1/me", Some(&token)).await.0, 200, "at work all day");
    }
    later(121);
    assert_eq!(village.raw(Method::GET, "/api/v1/me", Some(&token)).await.0, 401, "gone home");
    let token = village.token("officer").await;
    for _ in 0..8 {
        later(100);
        village.raw(Method::GET, "/api/v1/me", Some(&token)).await;
    }
    assert_eq!(village.raw(Method::GET, "/api/v1/me", Some(&token)).await.0, 401, "twelve hours are a day");

    // Yang leaves in the middle of a draft; Wang goes on with it.
    village.employ("yang", None, "proxy_officer").await;
    let yang = village.token("yang").await;
    let draft = draft_of(village, &yang, "linshi", 303).await;
    village.node().hall().set_disabled("test", "yang", true).await.unwrap();
    assert_eq!(village.raw(Method::GET, "/api/v1/me", Some(&yang)).await.0, 401);
    let wang = village.token("officer").await;
    let listed = village.get(&wang, "/drafts?all=true").await;
    assert_eq!(listed[0]["officer"], "yang");
    let view = village.post(&wang, &format!("/drafts/{draft}/capture"), json!({})).await.unwrap();
    assert_eq!(view["status"], "captured");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_banned_by_two_and_no_administrator_makes_an_auditor() {
    let city = City::start(1).await;
    let hub = &city.hub;
    let village = city.villages[0].node().hall().me().clone();
    let officer = hub.token("officer").await;
    let ban = json!({ "kind": "ban_node", "node": village });
    let proposal = json!({ "act": ban, "proof": hub.proof("officer").await });
    let told = hub.post(&officer, "/countersigns", proposal).await.unwrap_err();
    assert_eq!(code_of(&told), (403, "forbidden".to_owned()));
    hub.employ("administrator.first", None, "administrator").await;
    let admin = hub.token("administrator.first").await;
    let wrong = json!({ "act": ban, "proof": { "password": "not-the-one", "code": "000000" } });
    let told = hub.post(&admin, "/countersigns", wrong).await.unwrap_err();
    assert_eq!(code_of(&told), (401, "wrong_login".to_owned()), "a log-in left open is not enough");
    two_persons(hub, ban).await.unwrap();
    let standing = hub.node().hall().store.network().get(&village).unwrap().standing;
    assert_eq!(standing, domain::network::Standing::Banned);
    let rows = hub.node().hall().store.audit_rows(store::AuditQuery::default()).await.unwrap().rows;
    assert!(
        rows.iter().any(|row| row.actor == "administrator.first+administrator.second" && row.action == "ban")
    );

    let admin = hub.token("administrator.first").await;
    let auditor = json!({ "display": "审计", "roles": ["auditor"] }).to_string();
    let told = hub.call(&admin, Method::PUT, "/accounts/friend", auditor.into()).await.unwrap_err();
    assert!(refusal(&told).unwrap().message.contains("服务器上"), "{told:#}");
    for own in ["/accounts/administrator.first/reset", "/accounts/administrator.second/disable"] {
        assert_eq!(code_of(&hub.post(&admin, own, json!({})).await.unwrap_err()).0, 422, "{own}");
    }
    // Who could make both signers would sign alone.
    let account = json!({ "name": "chen", "display": "陈", "body": null, "roles": ["registrar"] });
    let told = hub.call(&admin, Method::PUT, "/accounts/chen", account.to_string().into()).await.unwrap_err();
    assert!(refusal(&told).unwrap().message.contains("双人复核"), "{told:#}");
    let told = hub.post(&admin, "/accounts/officer/reset", json!({})).await.unwrap_err();
    assert!(refusal(&told).unwrap().message.contains("双人复核"), "{told:#}");
    let with = |kind: &str, mut act: Value| {
        act["kind"] = kind.into();
        act
    };
    let made = two_persons(hub, with("give_account", account.clone())).await.unwrap();
    assert!(made["code_uri"].is_null(), "who confirms has one half only: {made}");
    let path = format!("/countersigns/{}/collect", made["id"].as_str().unwrap());
    let second = hub.token("administrator.second").await;
    assert_eq!(code_of(&hub.post(&second, &path, json!({})).await.unwrap_err()).0, 404);
    let admin = hub.token("administrator.first").await;
    let phone = hub.post(&admin, &path, json!({})).await.unwrap();
    assert!(phone["code_uri"].as_str().unwrap().starts_with("otpauth://"), "{phone}");
    assert_eq!(code_of(&hub.post(&admin, &path, json!({})).await.unwrap_err()).0, 404, "told once");
    let again = two_persons(hub, json!({ "kind": "reset_account", "name": "chen" })).await.unwrap();
    assert_ne!(made["password"], again["password"]);
    let path = format!("/countersigns/{}/collect", again["id"].as_str().unwrap());
    let admin = hub.token("administrator.first").await;
    let new_phone = hub.post(&admin, &path, json!({})).await.unwrap();
    assert_ne!(phone["code_uri"], new_phone["code_uri"], "a lost phone opens nothing more");
    let proposal = |act: Value, proof: Value| json!({ "act": act, "proof": proof });
    let auditor = json!({ "kind": "give_account", "name": "friend", "display": "审计", "body": null, "roles": ["auditor"] });
    let admin = hub.token("administrator.first").await;
    let told =
        hub.post(&admin, "/countersigns", proposal(auditor, hub.proof("administrator.first").await)).await;
    assert!(refusal(&told.unwrap_err()).unwrap().message.contains("服务器上"), "not by two either");

    let window = json!({ "display": "李", "body": "sj", "roles": ["handler"] }).to_string();
    let made = hub.call(&admin, Method::PUT, "/accounts/li.handler", window.into()).await.unwrap();
    let port = hub.node().web.port();
    let token = hub.api.log_in(port, "li.handler", made["password"].as_str().unwrap()).await.unwrap();
    let change = |present: &str, new: &str| json!({ "present": { "password": present }, "new": new });
    let easy = hub.post(&token, "/me/password", change(made["password"].as_str().unwrap(), "12345678")).await;
    assert!(refusal(&easy.unwrap_err()).unwrap().message.contains("太常见"));
    hub.post(&token, "/me/password", change(made["password"].as_str().unwrap(), "柿花村的老李子树"))
        .await
        .unwrap();
    assert_eq!(hub.raw(Method::GET, "/api/v1/me", Some(&token)).await.0, 401, "other log-ins end");
    hub.api.log_in(port, "li.handler", "柿花村的老李子树").await.unwrap();
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_act_that_fails_after_the_second_signature_is_not_told_as_done() {
    let city = City::start(0).await;
    let hub = &city.hub;
    let nobody = json!({ "kind": "ban_node", "node": "kl-no-such-node" });
    let told = two_persons(hub, nobody).await.unwrap_err();
    assert_eq!(code_of(&told).0, 404, "{told:#}");
    let admin = hub.token("administrator.first").await;
    let waiting = hub.get(&admin, "/countersigns").await;
    assert!(waiting[0].get("done").is_none(), "it was not done and does not look like it: {waiting}");
    let rows = hub.node().hall().store.audit_rows(store::AuditQuery::default()).await.unwrap().rows;
    assert!(rows.iter().any(|row| row.action == "countersign failed"), "the audit tells of the attempt");
    city.stop().await;
}

/// Li has begun to change the password when the administrator shuts the account; what Li read before must not come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_changes_of_one_account_do_not_undo_each_other() {
    let city = City::start(0).await;
    let hub = &city.hub;
    hub.employ("li", Some("sj"), "approver").await;
    let hall = hub.node().hall();
    let before = hall.store.account("li").await.unwrap().unwrap();
    hall.set_disabled("test", "li", true).await.unwrap();
    hall.store.use_code("li", 7).await.unwrap();
    let change = store::AccountChange::Password("hashed".to_owned());
    hall.store.change_account("li", change, "li", hall.now()).await.unwrap();
    let after = hall.store.account("li").await.unwrap().unwrap();
    assert!(after.disabled, "a password changed meanwhile opens nothing");
    assert_eq!(
        (after.password.as_str(), after.code_used),
        ("hashed", Some(7)),
        "I29: and no code is good again"
    );
    // Given other roles, the account keeps its phone and the codes used of it.
    hall.store
        .put_account(store::Account { code_secret: None, ..before.clone() }, "test", hall.now())
        .await
        .unwrap();
    let again = hall.store.account("li").await.unwrap().unwrap();
    assert_eq!((again.code_secret, again.code_used), (before.code_secret, Some(7)));
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_knows_who_read_what_and_shows_when_it_was_touched() {
    let city = City::start(1).await;
    let village = &city.villages[0];
    let token = village.token("officer").await;
    let case = record(village, &token, "linshi", 304).await;
    village.get(&token, &format!("/cases/{case}")).await;
    village.get(&token, &format!("/cases/{case}/submission")).await;
    village.employ("auditor", None, "auditor").await;
    let auditor = village.token("auditor").await;
    let reads = village.get(&auditor, "/audit?actor=officer&action=read&limit=50").await;
    for read in [format!("/cases/{case}"), format!("/cases/{case}/submission")] {
        let count = reads.as_array().unwrap().iter().filter(|row| row["subject"] == read.as_str()).count();
        assert_eq!(count, 1, "I37: {read} in {reads}");
    }
    let told = village.raw(Method::GET, &format!("/api/v1/cases/{case}"), Some(&auditor)).await;
    assert_eq!(told.0, 403, "I38: who looks after the audit reads no cases");

    // The head of the audit travels upward in the village's journal.
    assert!(village.node().hall().anchor_audit().await.unwrap());
    assert!(!village.node().hall().anchor_audit().await.unwrap(), "nothing new, nothing written");
    let anchored = village.node().hall().store.anchored_audit().await.unwrap().unwrap();
    let (me, up) = (village.node().hall().me().clone(), replication::Channel::Up);
    let journal = replication::JournalId::new(&me, up);
    eventually("the hub holds the anchor", async || {
        let heads = city.hub.node().hall().store.heads().await.unwrap();
        let own = village.node().hall().store.heads().await.unwrap();
        let of = |heads: &[(replication::JournalId, replication::Position)]| {
            heads.iter().find(|(id, _)| *id == journal).map(|(_, head)| head.seq)
        };
        of(&heads) == of(&own)
    })
    .await;
    eventually("the receipt for it has come back", async || {
        let outbox = village.node().hall().outbox().await.unwrap();
        outbox.hub_has == outbox.own_head
    })
    .await;
    assert!(!village.node().hall().anchor_audit().await.unwrap(), "its receipt is no reason for another one");
    let report = village.opened().store.verify_log(village.opened().keys.clone()).await.unwrap();
    assert_eq!(report.faults, Vec::<String>::new());
    let file = store_sqlite::SqliteStore::path(&village.data);
    let tamper = |sql: &str| {
        let connection = store_sqlite::connect(&file, key_of(&village.data).as_ref()).unwrap();
        connection.execute_batch(sql).unwrap();
    };
    // Cut short behind the last anchor, with nothing that a look at the chain alone would show.
    tamper(&format!(
        "CREATE TABLE kept AS SELECT * FROM audit; DELETE FROM audit WHERE seq >= {}",
        anchored.seq
    ));
    let report = village.opened().store.verify_log(village.opened().keys.clone()).await.unwrap();
    assert!(report.faults.iter().any(|fault| fault.contains("cut short")), "I37: {:?}", report.faults);
    tamper(
        "DELETE FROM audit; INSERT INTO audit SELECT * FROM kept; DELETE FROM audit WHERE action = 'capture'",
    );
    let report = village.opened().store.verify_log(village.opened().keys.clone()).await.unwrap();
    assert!(report.faults.iter().any(|fault| fault.contains("no audit row")), "I37: {:?}", report.faults);
    tamper("DELETE FROM audit; INSERT INTO audit SELECT * FROM kept");
    let report = village.opened().store.verify_log(village.opened().keys.clone()).await.unwrap();
    assert_eq!(report.faults, Vec::<String>::new());
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_auditors_take_the_audit_away_and_anybody_can_check_it() {
    let city = City::start(0).await;
    let hub = &city.hub;
    let signed = two_persons(hub, json!({ "kind": "export_audit" })).await.unwrap();
    let path = format!("/exports/{}", signed["id"].as_str().unwrap());
    let stranger = hub.token("officer").await;
    assert_eq!(
        code_of(&hub.call(&stranger, Method::GET, &path, Vec::new().into()).await.unwrap_err()).0,
        404
    );
    let auditor = hub.token("auditor.first").await;
    let export = hub.call(&auditor, Method::GET, &path, Vec::new().into()).await.unwrap();
    let text = export.as_str().expect("lines of JSON").to_owned();
    let file = city.folder.0.join("audit.jsonl");
    let key = hub.node().hall().store.network().get(hub.node().hall().me()).unwrap().sign_key.clone();
    let check = |text: &str| {
        std::fs::write(&file, text).unwrap();
        verifier::audit::check(&file, Some(&key))
    };
    let rows = check(&text).unwrap();
    assert!(rows > 10, "{rows}");
    let lines: Vec<&str> = text.lines().collect();
    let without = |gone: usize| {
        let kept = lines.iter().enumerate().filter(|(index, _)| *index != gone).map(|(_, line)| *line);
        kept.collect::<Vec<_>>().join("\n")
    };
    assert!(check(&without(5)).is_err(), "a row is gone");
    assert!(check(&without(lines.len() - 2)).is_err(), "the last row is gone");
    assert!(check(&without(lines.len() - 1)).is_err(), "the signature is gone");
    assert!(check(&text.replacen("log in", "log_in", 1)).is_err(), "a row was changed");
    let roles: Roles = "registrar".parse().unwrap();
    assert!(roles.need_second_factor(Tier::City) && !phone().code(Timestamp::from_ms(0)).is_empty());
    city.stop().await;
}

/// A page that was left open looks at the badge all day; that is nobody at work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_was_left_open_does_not_keep_its_log_in_alive() {
    let clock = Arc::new(testkit::dice::FakeClock::at(testkit::dice::MONDAY));
    let parts = Parts { clock: clock.clone(), ..Parts::default() };
    let city = City::start_by(1, parts.clone(), parts).await;
    let (hall, minute) = (city.villages[0].node().hall(), 60_000);
    let (left, busy) = (city.villages[0].log_in("officer").await, city.villages[0].log_in("officer").await);
    for _ in 0..10 {
        clock.advance_ms(15 * minute);
        hall.officer_unasked(&left).await.unwrap();
        assert!(hall.officer(&busy).await.unwrap().is_some(), "whoever works stays");
    }
    assert!(hall.officer_unasked(&left).await.unwrap().is_none(), "two hours and more are past");
    assert!(hall.officer(&left).await.unwrap().is_none());
    city.stop().await;
}

/// One open page, as a browser listens to it: what is said of changes, until it ends.
async fn listen(site: &Site, token: &str) -> tokio::io::Lines<tokio::io::BufReader<tokio::net::TcpStream>> {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
    let mut line = tokio::net::TcpStream::connect(site.node().web).await.unwrap();
    let ask = format!(
        "GET /news HTTP/1.1\r\nhost: localhost\r\ncookie: tongban_session={token}\r\naccept: text/event-stream\r\n\r\n"
    );
    line.write_all(ask.as_bytes()).await.unwrap();
    tokio::io::BufReader::new(line).lines()
}

/// What changes is told to who listens; a stream ends with its log-in and with the node, and more than six of one log-in are refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn news_are_told_until_the_log_in_or_the_node_ends() {
    let clock = Arc::new(testkit::dice::FakeClock::at(testkit::dice::MONDAY));
    let parts = Parts { clock: clock.clone(), ..Parts::default() };
    let mut city = City::start_by(1, parts.clone(), parts).await;
    let village = &city.villages[0];
    let (token, leaving) = (village.log_in("officer").await, village.log_in("officer").await);
    let (status, _) = village.raw(Method::GET, "/news", None).await;
    assert_eq!(status, 303, "whoever is nobody is shown the log-in");
    let mut news = listen(village, &token).await;
    let mut next = async |what: &str| {
        let found = async {
            loop {
                match news.next_line().await.unwrap() {
                    Some(line) if line.contains(what) => return true,
                    Some(_) => {}
                    None => return false,
                }
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), found).await.expect(what)
    };
    assert!(next("text/event-stream").await);
    assert!(next(r#""written":false"#).await, "first how it stands");
    record(village, &token, "food", 7).await;
    assert!(next(r#""written":true"#).await);

    let mut left = listen(village, &leaving).await;
    while !left.next_line().await.unwrap().unwrap().contains("data:") {}
    village.post(&leaving, "/logout", json!({})).await.unwrap();
    let ends = async { while left.next_line().await.unwrap().is_some() {} };
    tokio::time::timeout(std::time::Duration::from_secs(60), ends).await.expect("it ends with its log-in");

    let mut open = Vec::new();
    for _ in 0..2 {
        let mut stream = listen(village, &token).await;
        assert!(stream.next_line().await.unwrap().unwrap().contains("200"));
        open.push(stream);
    }
    let fourth = listen(village, &token).await.next_line().await.unwrap().unwrap();
    assert!(fourth.contains("503"), "{fourth}");

    // What an open page fetches by itself is nobody at work.
    let hash = blake3::hash(token.as_bytes()).to_hex().to_string();
    let hall = village.node().hall().clone();
    let asks = async |header: &str| {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut line = tokio::net::TcpStream::connect(village.node().web).await.unwrap();
        let ask = format!(
            "GET /queue HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncookie: tongban_session={token}\r\n{header}\r\n"
        );
        line.write_all(ask.as_bytes()).await.unwrap();
        let mut answer = String::new();
        line.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        hall.store.session(&hash, hall.now()).await.unwrap().unwrap().seen
    };
    let seen = asks("x-unasked: 1\r\n").await;
    clock.advance_ms(20 * 60_000);
    assert_eq!(asks("x-unasked: 1\r\n").await, seen);
    assert!(asks("").await > seen, "whoever opens a page is here");

    // The node stops before the grace of a request that never ends is over.
    let stop = async { while next("never said").await {} };
    let (_, stopped) = tokio::join!(stop, async {
        let begun = std::time::Instant::now();
        city.villages[0].stop().await;
        begun.elapsed()
    });
    assert!(stopped < std::time::Duration::from_secs(9), "{stopped:?}");
    city.stop().await;
}
