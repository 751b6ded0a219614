//! Keeping house: what is thrown away, what has not travelled, what stands on paper, who did what.

use crate::recording::record_by_program;
use crate::tab::{Browser, Screen};
use tests::city::{City, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_nobody_wants_goes_and_the_outbox_says_what_still_travels() {
    let mut city = City::start(1).await;
    let browser = Browser::start();
    let tab = browser.open(&city.villages[0], Screen::Desk).await;
    tab.log_in(&city.villages[0], "officer").await;
    let draft = tab.begin("linshi").await;
    tab.go(&draft).await;
    crate::governing::open_details(&tab).await;
    tab.press("form[action$='/drop'] button").await;
    assert_eq!(tab.path().await, "/drafts");
    tab.reads(".done", "草稿已删除").await;
    tab.reads("main", "没有草稿").await;
    tab.go("/drafts").await;
    assert!(!tab.has(".done").await, "it is said once");
    tab.go(&draft).await;
    tab.reads("main", "没有找到").await;
    let hall = city.villages[0].node().hall();
    let query = store::AuditQuery { action: Some("drop draft".into()), ..Default::default() };
    let rows = hall.store.audit_rows(query).await.unwrap().rows;
    assert_eq!((rows.len(), &*rows[0].actor), (1, "officer"), "who did it stays");

    city.town.stop().await;
    let token = city.villages[0].token("officer").await;
    let case = record_by_program(&city.villages[0], &token, "linshi", 7).await;
    tab.go("/outbox").await;
    tab.reads("h1", "(1)").await;
    let row = tab.text("tbody tr").await;
    assert!(row.contains(&case) && row.contains("仅存本机"), "{row}");
    assert!(row.contains("份扫描件,") && row.contains("KB") && row.contains("镇里签收后起算"), "{row}");
    eventually("the page says when it is tried again", async || {
        tab.go("/outbox").await;
        tab.text("main").await.contains("下次尝试")
    })
    .await;
    tab.fits().await;
    tab.picture("village-outbox").await;
    tab.close().await;
    // On a phone each row is a card that names what it says.
    let phone = browser.open(&city.villages[0], Screen::Phone).await;
    phone.log_in(&city.villages[0], "officer").await;
    phone.go("/outbox").await;
    phone.fits().await;
    let wide = "return Array.from(document.querySelectorAll('.card')).every(card => card.scrollWidth <= card.clientWidth + 1);";
    assert_eq!(phone.script(wide, vec![]).await, true, "no row lies beyond its card");
    phone.picture("village-outbox-phone").await;
    phone.close().await;
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_shows_its_stages_and_prints_on_any_paper() {
    let city = City::start(1).await;
    let village = &city.villages[0];
    let token = village.token("officer").await;
    let case = record_by_program(village, &token, "food", 3).await;
    let clerk = city.town.node().hall();
    eventually("the town has it", async || clerk.view(&case.parse().unwrap()).await.is_ok()).await;
    let browser = Browser::start();
    let tab = browser.open(&city.town, Screen::Desk).await;
    tab.log_in(&city.town, "officer").await;
    tab.go(&format!("/cases/{case}")).await;
    let stages = village.node().hall().item(None, &"food".parse().unwrap()).unwrap().2.stages.len();
    assert_eq!(tab.count("svg.flow rect").await, stages, "every stage is in the picture");
    assert_eq!(tab.count("svg.flow g.now").await, 1, "the one that waits stands out");
    assert_eq!(tab.count("#flow tbody tr").await, stages, "and the table says the same");
    tab.script("document.querySelector('#flow').scrollIntoView();", vec![]).await;
    tab.picture("town-case-flow").await;
    tab.go(&format!("/prefer?lang=en&to=/cases/{case}")).await;
    assert!(tab.text("svg.flow").await.contains("Village officer"), "in the reader's language");
    tab.script("document.querySelector('#flow').scrollIntoView();", vec![]).await;
    tab.picture("town-case-flow-en").await;
    tab.go(&format!("/prefer?lang=zh&to=/cases/{case}")).await;
    // The order is said when it is done.
    tab.press("form.act[action$='/complete'] button[data-main]").await;
    tab.reads(".done", "本环节已办结").await;

    tab.go(&format!("/cases/{case}/sheets/receipt")).await;
    tab.press("a[href='?paper=80mm']").await;
    assert!(tab.text(".sheet").await.contains(&case));
    let width = "return document.querySelector('.sheet').getBoundingClientRect().width;";
    let roll = tab.script(width, vec![]).await.as_f64().unwrap();
    assert!((290.0..310.0).contains(&roll), "80 mm are {roll} points");
    tab.picture("sheet-80mm").await;
    tab.press("a[href='?paper=a5']").await;
    let half = tab.script(width, vec![]).await.as_f64().unwrap();
    assert!((550.0..570.0).contains(&half), "148 mm are {half} points");
    tab.picture("sheet-a5").await;

    tab.go("/ledger").await;
    let print = tab.script("return document.querySelector('a[data-print]').getAttribute('href');", vec![]);
    let print = print.await.as_str().unwrap().to_owned();
    tab.go(&print).await;
    assert!(tab.text(".ledger tbody").await.contains(&case));
    let code = tab.script("return document.querySelector('.qr').dataset.tongbanCode;", vec![]).await;
    assert!(code.as_str().unwrap().starts_with("TONGBAN-LEDGER"), "{code}");
    tab.picture("ledger-sheet").await;
    tab.close().await;
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_look_by_theme_and_by_what_they_say() {
    let city = City::start(1).await;
    let browser = Browser::start();
    let tab = browser.open(&city.hub, Screen::Phone).await;
    tab.go("/hall").await;
    tab.picture("hall-themes").await;
    tab.press_text("就业创业").await;
    let found = tab.text("main").await;
    assert!(found.contains("创业担保贷款申请") && !found.contains("林木采伐"), "{found}");
    tab.fits().await;
    for (said, meant) in [("开店", "个体工商户设立登记"), ("吃低保", "最低生活保障"), ("ktv", "歌舞娱乐场所")]
    {
        tab.go(&format!("/hall/items?q={said}")).await;
        tab.reads("main", meant).await;
    }
    // The city says its catalogue in English too.
    tab.go("/prefer?lang=en&to=/hall/items/food").await;
    for said in [
        "Food business licence",
        "Market Regulation Bureau",
        "Layout and work flow",
        "Village officer takes the papers in",
    ] {
        tab.reads("main", said).await;
    }
    tab.go("/prefer?lang=zh&to=/hall").await;
    // In large print there is always somebody to ring, and to ask.
    tab.go("/prefer?large=1&to=/hall/verify").await;
    assert!(tab.has(".ask a[href='tel:12345']").await && tab.has(".ask a[href='/hall/proxies']").await);
    tab.go("/hall/proxies").await;
    crate::looks::is_large(&tab).await;
    tab.fits().await;
    tab.close().await;
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_found_and_the_audit_is_read_by_act_and_day() {
    let city = City::start(1).await;
    let hub = &city.hub;
    hub.employ("admin", None, "administrator").await;
    hub.employ("auditor", None, "auditor").await;
    for number in 0..25 {
        hub.employ(&format!("clerk{number:02}"), Some("mz"), "handler").await;
    }
    let browser = Browser::start();
    let tab = browser.open(hub, Screen::Desk).await;
    tab.log_in(hub, "admin").await;
    tab.go("/accounts").await;
    assert_eq!(tab.count("tbody tr").await, 20, "a page of them");
    tab.press_text("下一页").await;
    assert!(tab.path().await.starts_with("/accounts?"));
    tab.go("/accounts?q=clerk07").await;
    tab.reads("h1", "(1)").await;
    tab.press_text("停用").await;
    tab.reads(".done", "账号已停用").await;
    tab.close().await;

    let tab = browser.open(hub, Screen::Desk).await;
    tab.log_in(hub, "auditor").await;
    tab.go("/audit").await;
    tab.choose("action", "log in with code").await;
    tab.press("main form button").await;
    assert!(tab.text("tbody").await.contains("登录(动态口令)"), "{}", tab.text("main").await);
    let today = hub.node().hall().now().day();
    let lines = async |query: String| {
        tab.go(&format!("/audit?{query}")).await;
        tab.count("tbody tr").await
    };
    assert!(lines(format!("from={today}&until={today}")).await > 0);
    assert_eq!(lines(format!("until={}", today.plus_days(-1))).await, 0);
    tab.go("/audit?from=yesterday").await;
    tab.reads(".wrong", "日期应写成").await;
    tab.close().await;
    city.stop().await;
}
