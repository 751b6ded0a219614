//! What governs the house: acts of two, letters, the next release of the catalogue, bad ratings put right; and pages that are told
//! what is new.

use crate::looks::{axe, is_accessible};
use crate::recording::record_by_program;
use crate::tab::{Browser, Screen, Tab};
use domain::network::{Standing, Tier};
use serde_json::json;
use tests::city::{City, PASSWORD, Site, enter, eventually};

/// Password and code, as the page about to bind somebody asks for them.
async fn prove(tab: &Tab, site: &Site, account: &str) {
    tab.fill("input[name=password]", PASSWORD).await;
    if let Some(code) = site.code(account).await {
        tab.fill("input[name=code]", &code).await;
    }
}

pub async fn open_details(tab: &Tab) {
    tab.script("document.querySelector('main details').open = true;", vec![]).await;
}

/// The second signature under what waits on the page of acts of two.
async fn confirm(tab: &Tab, site: &Site, account: &str) {
    open_details(tab).await;
    prove(tab, site, account).await;
    tab.press("form[action^='/countersigns/'] button").await;
}

async fn looked_at(tab: &Tab, picture: &str) {
    tab.fits().await;
    is_accessible(tab, &axe()).await;
    tab.picture(picture).await;
}

/// A stolen machine: one administrator alone shuts nobody out; the second does, and both names stand in the audit (I37).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_machine_is_shut_out_by_two_and_a_weighty_account_is_given_in_halves() {
    let city = City::start(1).await;
    let hub = &city.hub;
    for name in ["admin-1", "admin-2"] {
        hub.employ(name, None, "administrator").await;
    }
    let lost = city.villages[0].node().hall().me().clone();
    let browser = Browser::start();
    let (one, two) = (browser.open(hub, Screen::Desk).await, browser.open(hub, Screen::Desk).await);
    one.log_in(hub, "admin-1").await;
    one.go("/nodes").await;
    one.press_text("挂失节点").await;
    one.choose("node", lost.as_str()).await;
    one.fill("input[name=password]", "wrong").await;
    one.press("main button[data-main]").await;
    assert!(one.text(".summary").await.contains("不对"), "{}", one.text("main").await);
    assert_eq!(one.value("select[name=node]").await, lost.as_str(), "what was chosen stays");
    looked_at(&one, "hub-countersign").await;
    prove(&one, hub, "admin-1").await;
    one.press("main button[data-main]").await;
    one.reads("h1", "(1)").await;
    assert!(!one.has("form[action^='/countersigns/']").await, "nobody confirms their own");
    let standing = || hub.node().hall().store.network().get(&lost).unwrap().standing;
    assert_eq!(standing(), Standing::Active);

    two.log_in(hub, "admin-2").await;
    two.go("/countersigns").await;
    open_details(&two).await;
    looked_at(&two, "hub-countersigns-open").await;
    confirm(&two, hub, "admin-2").await;
    two.reads("h1", "(0)").await;
    assert_eq!(standing(), Standing::Banned);
    let rows = store::AuditQuery { limit: Some(50), ..Default::default() };
    let rows = hub.node().hall().store.audit_rows(rows).await.unwrap().rows;
    assert!(rows.iter().any(|row| row.actor == "admin-1+admin-2"), "{rows:?}");

    // An account that signs with another one: the page of accounts leads on to two.
    one.go("/accounts").await;
    one.fill("#name", "zhao").await;
    one.fill("#display", "赵登记").await;
    one.choose("role", "registrar").await;
    one.press("form[action='/accounts'][method=post] button").await;
    one.reads("main", "登记员").await;
    prove(&one, hub, "admin-1").await;
    one.press("main button[data-main]").await;
    two.go("/countersigns").await;
    confirm(&two, hub, "admin-2").await;
    two.reads(".told", "口令").await;
    one.go("/countersigns").await;
    one.press_text("领取动态口令密钥").await;
    one.reads(".told", "otpauth://").await;
    one.go("/countersigns").await;
    assert!(!one.text("main").await.contains("领取动态口令密钥"), "collected once");
    assert!(hub.node().hall().store.account("zhao").await.unwrap().is_some());
    for tab in [one, two] {
        tab.close().await;
    }
    city.stop().await;
}

/// A letter with a fault comes back with what was typed; a whole one is in every house, and revoking it is for two.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_letter_is_registered_on_a_page_and_reaches_the_village() {
    let city = City::start(1).await;
    let (hub, village) = (&city.hub, city.villages[0].node().hall());
    let browser = Browser::start();
    let tab = browser.open(hub, Screen::Desk).await;
    tab.log_in(hub, "officer").await;
    tab.go("/letters").await;
    tab.press_text("登记授权委托书").await;
    tab.fill("#number", "凯市监委〔2026〕9号").await;
    tab.choose("body", "sj").await;
    tab.fill("input[name=node]", village.me().as_str()).await;
    tab.fill("input[name=officer]", "officer").await;
    tab.choose("area", "522601108").await;
    tab.choose("from", "2026-01-01").await;
    tab.choose("to", "2027-12-31").await;
    tab.fill("#signed_by", "王局长").await;
    tab.press("main button[data-main]").await;
    tab.reads(".summary", "权限").await;
    assert_eq!(tab.value("#number").await, "凯市监委〔2026〕9号");
    assert_eq!(tab.value("input[name=officer]").await, "officer");
    looked_at(&tab, "hub-letter").await;
    tab.choose("power", "accept").await;
    tab.press("main button[data-main]").await;
    tab.reads("table", "凯市监委〔2026〕9号").await;
    eventually("the village knows the letter", async || {
        village.letters().iter().any(|one| one.letter.number == "凯市监委〔2026〕9号")
    })
    .await;
    tab.press_text("撤销").await;
    tab.reads("main", "凯市监委〔2026〕9号").await;
    tab.fill("#reason", "人员调动").await;
    prove(&tab, hub, "officer").await;
    tab.press("main button[data-main]").await;
    tab.reads("main", "等另一位工作人员复核").await;
    tab.close().await;
    let phone = browser.open(hub, Screen::Phone).await;
    phone.log_in(hub, "officer").await;
    phone.go("/letters/new").await;
    phone.fits().await;
    phone.close().await;
    city.stop().await;
}

/// Draft, faults, differences, publication, and how far it has got.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_is_drafted_checked_compared_and_rolled_out() {
    let city = City::start(1).await;
    let hub = &city.hub;
    hub.employ("editor", None, "catalogue_editor").await;
    let browser = Browser::start();
    let tab = browser.open(hub, Screen::Desk).await;
    tab.log_in(hub, "editor").await;
    tab.go("/catalogue/items/food").await;
    looked_at(&tab, "hub-catalogue-item").await;
    tab.fill("#promised_days", "soon").await;
    tab.press("main button[data-main]").await;
    tab.reads(".summary", "承诺时限").await;
    // Longer than the law allows: saved, and not to be published.
    tab.fill("#promised_days", "99").await;
    tab.press("main button[data-main]").await;
    tab.reads("main", "改好这些才能发布").await;
    tab.reads("main", "99 天超过法定的 20 天").await;
    assert!(!tab.has("form[action$='/publish']").await);
    tab.press("main li a").await;
    tab.fill("#promised_days", "5").await;
    tab.fill("#conditions", "有固定的经营场所").await;
    tab.press("main button[data-main]").await;
    // Its lists are rows, each on a page of its own; what was refused is mended there and nothing of it is forgotten.
    tab.go("/catalogue/items/food/lists/paper").await;
    looked_at(&tab, "hub-catalogue-papers").await;
    tab.fill("input[name='paper.m3.name']", "").await;
    tab.fill("input[name='paper.+.name']", "场地租赁合同").await;
    tab.press("main button[data-main]").await;
    tab.go("/catalogue/items/food/lists/field").await;
    tab.fill("input[name='field.+.label']", "是否外卖").await;
    tab.choose("field.+.type", "bool").await;
    tab.press("main button[data-main]").await;
    tab.go("/catalogue/items/food/lists/stage").await;
    looked_at(&tab, "hub-catalogue-stages").await;
    tab.fill("input[name='stage.accept.name']", "市中心一口受理").await;
    tab.fill("input[name='stage.accept.limit_days']", "soon").await;
    tab.press("main button[data-main]").await;
    tab.reads(".summary", "时限(天数)应为").await;
    assert_eq!(tab.value("input[name='stage.accept.limit_days']").await, "soon");
    tab.fill("input[name='stage.accept.limit_days']", "0").await;
    tab.press("main button[data-main]").await;
    tab.reads("main", "5 个工作日").await;
    tab.reads("main", "场地租赁合同").await;
    tab.reads("main", "是否外卖").await;
    tab.reads("main", "市中心一口受理").await;
    tab.reads("main", "经营场所布局和操作流程图").await;
    tab.reads("main", "有固定的经营场所").await;
    looked_at(&tab, "hub-catalogue-draft").await;
    let days = || hub.node().hall().item(None, &"food".parse().unwrap()).unwrap().2.promised.days;
    assert_eq!(days(), 6, "a draft counts for nothing");
    prove(&tab, hub, "editor").await;
    tab.press("form[action$='/publish'] button").await;
    tab.reads("main", "现行版本 2").await;
    assert_eq!(days(), 5);
    let village = city.villages[0].node().hall();
    eventually("the village has the release", async || {
        village.item(None, &"food".parse().unwrap()).unwrap().2.promised.days == 5
    })
    .await;
    tab.reads("main", "3 / 3").await;
    looked_at(&tab, "hub-catalogue-rolled-out").await;

    tab.go("/catalogue/new").await;
    tab.fill("#id", "night_market").await;
    tab.fill("#name", "夜市摊位备案").await;
    tab.choose("pattern", "food").await;
    tab.press("main button[data-main]").await;
    assert_eq!(tab.value("#state").await, "proposed");
    tab.go("/catalogue/draft").await;
    tab.reads("main", "night_market").await;
    open_details(&tab).await;
    tab.press("form[action$='/discard'] button").await;
    tab.reads("main", "草稿里没有改动").await;
    tab.close().await;
    city.stop().await;
}

/// Whoever was rated has no such page; the town does, step by step, and the clock of each stands beside it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_rating_is_put_right_step_by_step() {
    let city = City::start(1).await;
    let (village, town) = (&city.villages[0], &city.town);
    let token = village.token("officer").await;
    let case = record_by_program(village, &token, "food", 5).await;
    let window = town.token("officer").await;
    eventually("the town has it", async || {
        town.node().hall().view(&case.parse().unwrap()).await.is_ok_and(|view| view.missing_attachments == 0)
    })
    .await;
    let refused =
        json!({ "ground": { "not_ours": { "competent": "州市场监管局" } }, "text": "不属于本机关" });
    town.post(&window, &format!("/cases/{case}/stages/town/not-accept"), refused).await.unwrap();
    let rating = json!({ "grade": "bad", "text": "跑了三趟" });
    eventually("the village knows how it ended, and the citizen rates it", async || {
        village.post(&token, &format!("/cases/{case}/rate"), rating.clone()).await.is_ok()
    })
    .await;
    let browser = Browser::start();
    let tab = browser.open(town, Screen::Desk).await;
    tab.log_in(town, "officer").await;
    tab.go("/rectifications").await;
    eventually("the rating is here", async || {
        tab.go("/rectifications").await;
        tab.text("h1").await.contains("(1)")
    })
    .await;
    looked_at(&tab, "town-rectifications-open").await;
    tab.press("tbody a.row-link").await;
    tab.reads("main", "跑了三趟").await;
    tab.press("main button[data-main]").await;
    tab.reads(".summary", "请选择做了哪一步").await;
    tab.choose("step", "contacted").await;
    tab.press("main button[data-main]").await;
    tab.reads(".summary", "请写明内容").await;
    tab.fill("#text", "电话联系,确认材料清单没有说全").await;
    tab.press("main button[data-main]").await;
    tab.reads("main", "待整改").await;
    tab.choose("step", "fixed").await;
    tab.fill("#text", "已一次性告知,并上门道歉").await;
    tab.press("main button[data-main]").await;
    tab.reads("main", "待回访").await;
    looked_at(&tab, "town-rectification").await;
    tab.choose("step", "revisited").await;
    tab.choose("grade", "good").await;
    tab.fill("#text", "群众表示满意").await;
    tab.press("main button[data-main]").await;
    tab.reads("main", "整改已结束").await;
    tab.go("/rectifications").await;
    tab.reads("main", "好评率").await;
    tab.reads("h1", "(0)").await;
    tab.close().await;
    let home = browser.open(village, Screen::Phone).await;
    home.log_in(village, "officer").await;
    home.go("/rectifications").await;
    assert!(!home.text("body").await.contains("跑了三趟"), "who was rated does not see what was said");
    home.close().await;
    city.stop().await;
}

/// A page that is open is told: what waits is counted anew beside it, and the list shows what came, without anybody pressing anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_page_is_told_what_came() {
    let city = City::start(1).await;
    let (village, town) = (&city.villages[0], &city.town);
    let browser = Browser::start();
    let tab = browser.open(town, Screen::Desk).await;
    tab.log_in(town, "officer").await;
    tab.go("/queue").await;
    let opened = tab.script("return window.performance.timeOrigin;", vec![]).await;
    let case = record_by_program(village, &village.token("officer").await, "food", 6).await;
    tab.reads("main", &case).await;
    tab.reads(".side a[href='/queue'] .count", "1").await;
    assert_eq!(tab.script("return window.performance.timeOrigin;", vec![]).await, opened, "the same page");
    tab.close().await;
    city.stop().await;
}

/// A new village gets its machine by a token from a page, its certificate is listed, and a token that was lost lets nobody in (I27).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_machine_joins_by_a_token_from_a_page_and_a_lost_token_is_taken_back() {
    let city = City::start(1).await;
    let hub = &city.hub;
    hub.employ("admin", None, "administrator").await;
    let browser = Browser::start();
    let tab = browser.open(hub, Screen::Desk).await;
    tab.log_in(hub, "admin").await;
    tab.go("/machines").await;
    let (town, village) = (city.town.node().hall().me(), city.villages[0].node().hall().me());
    tab.reads("table", town.as_str()).await;
    eventually("the village's certificate is known at the hub", async || {
        let nodes = hub.node().hall().nodes().await.unwrap();
        nodes.iter().any(|node| node.id == *village && node.shown_until.is_some())
    })
    .await;
    tab.go("/machines").await;
    assert!(!tab.text("main").await.contains("还不知道"), "{}", tab.text("main").await);
    assert!(tab.has(".flag.ok").await && !tab.has(".flag.bad").await);

    // Nothing chosen, then a place.
    tab.press_text("新设点:发入网令牌").await;
    assert!(!tab.has("option[value='522601108201']").await, "a village stands there already");
    prove(&tab, hub, "admin").await;
    tab.press("main button[data-main]").await;
    tab.reads(".summary", "请选择在哪里设点").await;
    tab.choose("place", "522601108202").await;
    looked_at(&tab, "hub-token").await;
    prove(&tab, hub, "admin").await;
    tab.press("main button[data-main]").await;
    tab.reads(".told", "只显示这一次").await;
    assert!(tab.text("pre").await.contains("--officer"), "a village's data is somebody's to open");
    looked_at(&tab, "hub-token-issued").await;
    let lost = tab.value("#line").await;

    // It went to the wrong person: a second one is not given beside it, and it is taken back.
    let hall = hub.node().hall();
    let offered = hall.free_places().await.unwrap();
    assert!(offered.iter().all(|(place, _)| place.place != "522601108202"));
    tab.go("/machines").await;
    looked_at(&tab, "hub-machines").await;
    tab.press("form[action$='/void'] button").await;
    tab.reads("main", "新设点或换电脑时在这里发一张").await;
    let listen = || runtime::config::Listen::new("127.0.0.1:0".into(), None, None);
    let folder = |name: &str| city.folder.0.join(name);
    let town_door = &city.town;
    let refused = enter(town_door, town_door, folder("thief"), Tier::Village, &lost, listen()).await;
    assert!(refused.unwrap_err().to_string().contains("已作废"));

    // The next one works, once.
    tab.press_text("新设点:发入网令牌").await;
    tab.choose("place", "522601108202").await;
    tab.fill("#hours", "400").await;
    prove(&tab, hub, "admin").await;
    tab.press("main button[data-main]").await;
    tab.reads(".summary", "336").await;
    assert_eq!(tab.value("select[name=place]").await, "522601108202", "what was chosen stays");
    tab.fill("#hours", "2").await;
    prove(&tab, hub, "admin").await;
    tab.press("main button[data-main]").await;
    tab.reads(".told", "只显示这一次").await;
    let line = tab.value("#line").await;
    enter(town_door, town_door, folder("new"), Tier::Village, &line, listen()).await.unwrap();
    let again = enter(town_door, town_door, folder("again"), Tier::Village, &line, listen()).await;
    assert!(again.unwrap_err().to_string().contains("已用过"));
    tab.go("/machines").await;
    tab.reads("main", "新设点或换电脑时在这里发一张").await;

    // A machine in another one's place, from its own line.
    tab.press(&format!("a[href='/machines/token?node={village}']")).await;
    tab.reads("main", village.as_str()).await;
    prove(&tab, hub, "admin").await;
    tab.press("main button[data-main]").await;
    tab.reads(".told", "只显示这一次").await;
    let open = hall.open_tokens().await.unwrap();
    assert_eq!(open.iter().map(|one| (&one.node, one.incarnation)).collect::<Vec<_>>(), [(village, 2)]);
    let rows = store::AuditQuery { limit: Some(200), ..Default::default() };
    let rows = hall.store.audit_rows(rows).await.unwrap().rows;
    let noted = |action: &str| rows.iter().filter(|row| row.actor == "admin" && row.action == action).count();
    assert_eq!((noted("issue token"), noted("void token")), (3, 1));
    tab.close().await;
    let phone = browser.open(hub, Screen::Phone).await;
    phone.log_in(hub, "admin").await;
    for page in ["/machines", "/machines/token"] {
        phone.go(&format!("/prefer?lang=en&to={page}")).await;
        looked_at(&phone, &format!("hub{}-phone", page.replace('/', "-"))).await;
    }
    phone.close().await;
    city.stop().await;
}

/// A worn seal: its successor withdraws it, and so takes two of those who keep the register.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_seal_takes_the_place_of_the_present_one_when_two_have_signed() {
    let city = City::start(1).await;
    let hub = &city.hub;
    hub.employ("registrar", None, "registrar").await;
    let browser = Browser::start();
    let (one, two) = (browser.open(hub, Screen::Desk).await, browser.open(hub, Screen::Desk).await);
    one.log_in(hub, "officer").await;
    one.go("/letters").await;
    one.press_text("刻制新章").await;
    prove(&one, hub, "officer").await;
    one.press("main button[data-main]").await;
    one.reads(".summary", "请选择部门").await;
    one.choose("body", "sj").await;
    one.choose("suite", "sm2").await;
    looked_at(&one, "hub-seal").await;
    prove(&one, hub, "officer").await;
    one.press("main button[data-main]").await;
    one.reads("main", "SM2").await;
    let of_body = || {
        let seals = hub.node().hall().store.seals();
        let of_body = |record: &&domain::paper::SealRecord| record.seal.owner == "sj";
        seals.values().filter(of_body).cloned().partition::<Vec<_>, _>(|record| record.withdrawn.is_some())
    };
    assert_eq!(of_body().0.len(), 0, "one alone withdraws nothing");
    two.log_in(hub, "registrar").await;
    two.go("/countersigns").await;
    confirm(&two, hub, "registrar").await;
    two.reads("h1", "(0)").await;
    let (withdrawn, used) = of_body();
    assert_eq!((withdrawn.len(), used.len()), (1, 1));
    let key = hub.node().hall().seals.seal_for(&"sj".parse().unwrap()).unwrap();
    assert_eq!((&key.name, key.suite()), (&used[0].seal, trust::Suite::Sm2Sm3));
    one.go("/letters").await;
    one.reads("#seals", "SM2").await;
    looked_at(&one, "hub-seals").await;
    for tab in [one, two] {
        tab.close().await;
    }
    city.stop().await;
}
