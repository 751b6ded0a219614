//! From a citizen's phone to the window of their town, and back once because something was wrong; and the town's own window.

use crate::hall::{city_with_telephones, logs_in};
use crate::recording::{answer, filled, hand_in_papers, record, record_by_program};
use crate::tab::{Browser, Screen, Tab};
use domain::CaseNo;
use domain::catalogue::Item;
use domain::form::{Form, filling};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::json;
use tests::city::{City, Folder, eventually};

async fn types(tab: &Tab, item: &Item, form: &Form, today: domain::Day) {
    for field in &item.fields {
        let asked = filling::is_asked(field, form, today) && field.rules.computed.is_none();
        if let Some(value) = form.get(&field.key).filter(|_| asked) {
            answer(tab, &field.kind, &field.key, value).await;
        }
    }
}

/// Somebody with a case at the hub: who has one has a telephone here.
async fn known_applicant(city: &City) -> testkit::Applicant {
    let (village, hub) = (&city.villages[0], city.hub.node().hall());
    let known = filled(village, "dibao", 1).1;
    let first = record_by_program(village, &village.token("officer").await, "dibao", 1).await;
    let first: CaseNo = first.parse().unwrap();
    eventually("the hub has it", async || hub.view(&first).await.is_ok()).await;
    let number = domain::form::applicant(&known).1;
    testkit::applicants().into_iter().find(|one| one.id_no == number).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_citizen_applies_on_a_phone_and_mends_there_what_the_window_sends_back() {
    let (city, telephones) = city_with_telephones().await;
    let town = &city.town;
    let hub = city.hub.node().hall();
    let who = known_applicant(&city).await;
    let (name, number) = (who.name.as_str(), who.id_no.as_str());
    let (_, _, sscard) = hub.item(None, &"sscard".parse().unwrap()).unwrap();
    let today = hub.now().day();
    let form = testkit::fill(&sscard, std::slice::from_ref(&who), today, &mut StdRng::seed_from_u64(5));

    let browser = Browser::start();
    let tab = browser.open(&city.hub, Screen::Phone).await;
    tab.go("/hall/items/sscard").await;
    tab.press_text("网上申请").await;
    assert!(tab.path().await.starts_with("/hall/login"), "who it is comes first");
    logs_in(&tab, &telephones, name, number).await;
    tab.go("/hall/apply/sscard").await;
    tab.press("main form button").await;
    assert_eq!(tab.value("#name").await, name, "who has logged in need not say who they are");
    // Written half, and found again after the page was closed.
    types(&tab, &sscard, &form, today).await;
    tab.reads(".saved", "已保存").await;
    let draft = tab.path().await;
    tab.go("/hall/mine").await;
    tab.press_text(&sscard.name).await;
    assert_eq!(tab.path().await, draft);
    tab.press("button[data-main]").await;
    let folder = Folder::new();
    hand_in_papers(&tab, &folder, 5).await;

    // Nobody but they can say where it shall go, if their address does not: the page asks, and takes nothing in before.
    let asks = tab.has("select#town").await;
    if asks {
        tab.press("button[data-main]").await;
        assert!(tab.text(".summary").await.contains("请选择由哪个镇"), "{}", tab.text("main").await);
        tab.choose("town", town.node().hall().me().as_str()).await;
    }
    tab.press("button[data-main]").await;
    let case: CaseNo = tab.text(".code").await.parse().unwrap();
    let token = town.token("officer").await;
    let queue = async |stage: &str| {
        let tasks = town.get(&token, "/queue?limit=100").await;
        let waits = |task: &serde_json::Value| {
            task["case"] == case.as_str() && task["stage"] == stage && task["missing_attachments"] == 0
        };
        tasks.as_array().unwrap().iter().any(waits)
    };
    eventually("the window has it with its papers", async || queue("accept").await).await;
    let faults = json!([{ "field": "bank", "label": "开户银行", "reason": "该行不办理本市社保卡" }]);
    let back = format!("/cases/{case}/stages/accept/return");
    town.post(&token, &back, json!({ "faults": faults })).await.unwrap();
    eventually("the hub knows", async || {
        hub.store.dossier(&case).await.unwrap().is_some_and(|one| one.dossier.returned.is_some())
    })
    .await;
    tab.go(&format!("/hall/cases/{case}")).await;
    assert!(tab.text("main").await.contains("该行不办理本市社保卡"), "in the examiner's words");
    tab.press_text("去补正").await;
    assert!(tab.text(".wrong").await.contains("该行不办理本市社保卡"));
    let other = sscard.fields.iter().find(|field| field.key == "bank").unwrap();
    let other = other.options.iter().find(|one| form["bank"] != **one).unwrap();
    tab.choose("bank", other).await;
    for _ in ["form", "papers", "check"] {
        tab.press("button[data-main]").await;
        assert!(!tab.has(".summary").await, "{}", tab.text("main").await);
    }
    assert!(tab.text("main").await.contains(case.as_str()));
    eventually("the window has it again", async || queue("accept").await).await;
    let page = town.node().hall().store.current_submission(&case).await.unwrap().unwrap();
    assert_eq!(page.body.submission().unwrap().form["bank"], json!(other));
    tab.close().await;
    city.stop().await;
}

/// The same pages as in a village, under the name a window has for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_town_takes_in_at_its_own_window_and_hands_over_there() {
    let city = City::start(1).await;
    let browser = Browser::start();
    let tab = browser.open(&city.town, Screen::Desk).await;
    tab.log_in(&city.town, "officer").await;
    assert_eq!(tab.text(".side a[href='/new']").await, "窗口收件");
    let folder = Folder::new();
    let case: CaseNo = record(&tab, &city.town, &folder, "dibao", 8).await.parse().unwrap();
    assert!(tab.text("main").await.contains("本镇办的环节已在接件台"), "{}", tab.text("main").await);
    tab.fits().await;
    tab.picture("town-captured").await;
    tab.go("/new").await;
    tab.fits().await;
    tab.picture("town-new").await;
    tab.go("/queue").await;
    assert!(tab.text("main").await.contains(case.as_str()), "its first stage waits at the intake desk");
    tab.go(&format!("/cases/{case}")).await;
    tab.press_text("受理").await;
    tab.fits().await;
    tab.picture("town-own-case").await;
    let view = city.town.node().hall().view(&case).await.unwrap();
    assert_eq!(view.dossier.intake, domain::network::Tier::Town);
    tab.close().await;
    city.stop().await;
}

/// 长辈版: one question a page. A wrong answer keeps its question, with what is wrong; whoever leaves in the middle goes on there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_large_print_the_form_asks_one_question_at_a_time() {
    let (city, telephones) = city_with_telephones().await;
    let hub = city.hub.node().hall();
    let who = known_applicant(&city).await;
    let (name, number) = (who.name.as_str(), who.id_no.as_str());
    let (_, _, item) = hub.item(None, &"sscard".parse().unwrap()).unwrap();
    let today = hub.now().day();
    let form = testkit::fill(&item, std::slice::from_ref(&who), today, &mut StdRng::seed_from_u64(5));

    let browser = Browser::start();
    let tab = browser.open(&city.hub, Screen::Phone).await;
    tab.go("/hall/login").await;
    logs_in(&tab, &telephones, name, number).await;
    tab.go("/prefer?large=1&to=/hall/apply/sscard").await;
    tab.press("main form button").await;
    assert_eq!(tab.count("[data-field]").await, 1);
    crate::looks::is_large(&tab).await;
    tab.fits().await;
    crate::looks::is_accessible(&tab, &crate::looks::axe()).await;
    tab.picture("hall-large-question").await;
    let at = async || tab.value("input[name=_at]").await;
    let begun = at().await;
    tab.press("button[data-main]").await;
    let (mut asked, mut mended) = (vec![], false);
    while tab.has("input[name=_at]").await {
        let key = at().await;
        asked.push(key.clone());
        assert!(asked.len() < 60, "it comes to an end: {asked:?}");
        let field = item.fields.iter().find(|field| field.key == key).unwrap();
        if key == "mobile" && !mended {
            tab.fill("#mobile", "12").await;
            tab.press("button[data-main]").await;
            assert_eq!(at().await, key, "a wrong answer keeps its question");
            assert!(!tab.text(".field .error").await.is_empty());
            tab.picture("hall-large-wrong").await;
            // In the middle of it, away and back.
            tab.press_text("先存着").await;
            tab.press_text(&item.name).await;
            assert_eq!(at().await, key, "where it was left");
            mended = true;
        }
        if let Some(value) = form.get(&key) {
            answer(&tab, &field.kind, &key, value).await;
        }
        tab.press("button[data-main]").await;
    }
    assert!(mended && tab.path().await.ends_with("/papers"), "{} after {asked:?}", tab.path().await);
    let draft = tab.path().await.replace("/papers", "");
    tab.go(&format!("{draft}?at={}", asked.last().unwrap())).await;
    tab.press_text("上一题").await;
    assert_ne!(at().await, *asked.last().unwrap());
    tab.go(&format!("{draft}?at=name")).await;
    assert_eq!(tab.value("#name").await, name, "what was known stands there, and was not asked");
    assert!(begun != "name" && !asked.contains(&"name".to_owned()));
    // Whoever comes back to correct something is asked again, not sent on.
    tab.go(&draft).await;
    assert!(tab.has("input[name=_at]").await, "{}", tab.path().await);
    tab.press_text("全部题目放在一页上").await;
    assert!(tab.count("[data-field]").await > 3);
    tab.close().await;

    // A table grows on its question, without a script too.
    let plain = browser.open(&city.hub, Screen::NoScript).await;
    plain.go("/hall/login").await;
    logs_in(&plain, &telephones, name, number).await;
    plain.go("/prefer?large=1&to=/hall/apply/dibao").await;
    plain.press("main form button").await;
    let draft = plain.path().await;
    plain.go(&format!("{}?at=family", draft.split('?').next().unwrap())).await;
    let rows = plain.count("tbody tr").await;
    plain.press("button[name=_more]").await;
    assert_eq!(
        (plain.value("input[name=_at]").await, plain.count("tbody tr").await),
        ("family".into(), rows + 1)
    );
    plain.close().await;
    city.stop().await;
}
