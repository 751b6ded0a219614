//! The work at town and hub in a window: two officers who want the same task, and the whole way of a case to its hand-over.

use crate::recording::record_by_program;
use crate::tab::{Browser, Screen, Tab};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tests::city::{City, Folder, Site, eventually};

/// Opens a case once its task waits for this officer with all papers.
async fn open_task(tab: &Tab, case: &str) {
    eventually(&format!("{case} waits here"), async || {
        tab.go("/queue").await;
        let row = format!("//tr[contains(., '{case}')]");
        let script = "const row = document.evaluate(arguments[0], document, null, 9, null).singleNodeValue;
            return row !== null && !row.textContent.includes('附件未到');";
        tab.script(script, vec![row.into()]).await == true
    })
    .await;
    tab.go(&format!("/cases/{case}")).await;
}

async fn officer(browser: &Browser, site: &Site, name: &str) -> Tab {
    let tab = browser.open(site, Screen::Desk).await;
    tab.log_in(site, name).await;
    tab
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_officers_one_claims_and_the_licence_comes_home() {
    let city = City::start(1).await;
    for name in ["sj-1", "sj-2", "sj-3", "zw-1"] {
        city.hub.employ(name, Some(&name[..2]), "chief_representative").await;
    }
    let village = &city.villages[0];
    let token = village.token("officer").await;
    let case = record_by_program(village, &token, "food", 1).await;
    let browser = Browser::start();
    let town = officer(&browser, &city.town, "officer").await;
    open_task(&town, &case).await;
    // A refusal to take up names its ground, or there is none; what was typed comes back, and that somebody read it is noted.
    town.script("document.querySelectorAll('details').forEach(one => one.open = true);", vec![]).await;
    town.fill("form[action$='/not-accept'] [name=text]", "不属于本机关").await;
    town.press("form[action$='/not-accept'] button[data-main]").await;
    assert!(town.text("form[action$='/not-accept'] .field.bad .error").await.contains("必填"));
    assert_eq!(town.value("form[action$='/not-accept'] [name=text]").await, "不属于本机关");
    let rows = store::AuditQuery { action: Some("read".to_owned()), limit: Some(50), ..Default::default() };
    let rows = city.town.node().hall().store.audit_rows(rows).await.unwrap().rows;
    assert!(rows.iter().any(|row| row.subject.ends_with("/not-accept")), "I37: {rows:?}");
    assert!(town.text("#status").await.contains("已收件"), "nothing was decided");
    town.go(&format!("/cases/{case}")).await;
    town.press("form[action$='/complete'] button[data-main]").await;

    let window = officer(&browser, &city.hub, "zw-1").await;
    open_task(&window, &case).await;
    window.press("form[action$='/accept/claim'] button").await;
    window.press("form[action$='/accept/complete'] button[data-main]").await;
    window.close().await;

    // Both open the page; one is quicker. The other is told who has it, on the same page.
    let first = officer(&browser, &city.hub, "sj-1").await;
    open_task(&first, &case).await;
    let second = browser.open(&city.hub, Screen::Desk).await;
    second.log_in(&city.hub, "sj-2").await;
    second.go(&format!("/cases/{case}")).await;
    let claim = first
        .script("return document.querySelector(\"form[action$='/claim']\").getAttribute('action');", vec![])
        .await;
    let claim = format!("form[action='{}'] button", claim.as_str().unwrap());
    first.press(&claim).await;
    second.press(&claim).await;
    let told = second.text(".summary").await;
    assert!(told.contains("这一步现在不能办") || told.contains("sj-1"), "{told}");

    // The stages of the department, each by the first of its officers who bears no other duty in the case.
    let third = officer(&browser, &city.hub, "sj-3").await;
    for _ in 0..20 {
        first.go(&format!("/cases/{case}")).await;
        if first.text("#status").await.contains("准予") && !first.has("#work form[action*='/stages/']").await
        {
            break;
        }
        let mut done = false;
        for tab in [&first, &second, &third] {
            done = done || step(tab, &case).await;
        }
        assert!(done, "nobody can go on: {}", first.text("main").await);
    }
    for tab in [first, second, third] {
        tab.close().await;
    }

    // At home: the decision is there, it is handed over and signed for.
    let home = officer(&browser, village, "officer").await;
    open_task(&home, &case).await;
    assert!(home.text("main").await.contains("准予") && !home.has(".wrong").await);
    // Without the receiver's signature nothing is handed over; the page says so and keeps the rest.
    home.press("form[action$='/deliver'] button[data-main]").await;
    assert!(home.text(".summary").await.contains("请由领取人签名"));
    // A photo of the hand-over is proof as well, and joins the papers of the case.
    let (folder, mut dice) = (Folder::new(), StdRng::seed_from_u64(8));
    let photo = folder.0.join("photo.jpg");
    std::fs::write(&photo, testkit::scans::jpeg(&mut dice)).unwrap();
    let input = home.see("form[action$='/deliver'] [name=photo]").await;
    input.send_keys(photo.to_str().unwrap()).await.unwrap();
    home.press("form[action$='/deliver'] button[data-main]").await;
    assert!(home.text("#status").await.contains("已送达"), "{}", home.text("main").await);
    home.reads("main", "交付照片").await;
    home.choose("grade", "very_good").await;
    home.press("form[action$='/rate'] button").await;
    home.close().await;
    town.close().await;
    city.stop().await;
}

/// An officer whose mouse is broken: new, search, through a list, open, send; all by keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_reached_by_the_keyboard() {
    const ALT: &str = "\u{e00a}";
    const CTRL: &str = "\u{e009}";
    const ENTER: &str = "\u{e007}";
    const DOWN: &str = "\u{e015}";
    let city = City::start(1).await;
    let village = &city.villages[0];
    let token = village.token("officer").await;
    let case = record_by_program(village, &token, "food", 5).await;
    let browser = Browser::start();
    let tab = officer(&browser, village, "officer").await;
    let keys = async |keys: String| tab.see("body").await.send_keys(&keys).await.unwrap();
    let arrives = async |path: &str| {
        eventually(&format!("the keys lead to {path}"), async || tab.path().await.starts_with(path)).await;
    };
    keys(format!("{ALT}n")).await;
    arrives("/new").await;
    keys("/".to_owned()).await;
    let at = tab.script("return document.activeElement.id;", vec![]).await;
    assert_eq!(at, "search");
    tab.see("#search").await.send_keys(&format!("{case}{ENTER}")).await.unwrap();
    arrives(&format!("/cases/{case}")).await;
    tab.go("/cases").await;
    keys(DOWN.to_owned()).await;
    let row = tab.script("return document.activeElement.className;", vec![]).await;
    assert_eq!(row, "row-link", "the first row is reached");
    tab.see("a.row-link").await.send_keys(ENTER).await.unwrap();
    arrives(&format!("/cases/{case}")).await;
    keys(format!("{ALT}s")).await;
    arrives("/sync").await;
    // A form is sent by Ctrl+Enter from within, and by nothing less.
    tab.begin("linshi").await;
    tab.press_text("申请人").await;
    let name = tab.see("#name").await;
    name.send_keys(&format!("杨阿榜{ENTER}")).await.unwrap();
    assert!(tab.path().await.contains("/form/applicant"), "Enter alone stays on the page");
    tab.see("#name").await.send_keys(&format!("{CTRL}{ENTER}")).await.unwrap();
    eventually("the page was sent", async || tab.has(".summary").await).await;
    assert_eq!(tab.value("#name").await, "杨阿榜");
    tab.close().await;
    city.stop().await;
}

/// One thing an officer can do on the page of a case; `false` when there is nothing for them, or the counter says that it is somebody
/// else's.
async fn step(tab: &Tab, case: &str) -> bool {
    tab.go(&format!("/cases/{case}")).await;
    for verb in ["claim", "complete", "decide", "issue"] {
        let form = format!("form.act[action$='/{verb}']");
        if !tab.has(&form).await {
            continue;
        }
        if verb == "decide" {
            tab.choose("outcome", "granted").await;
            // Read as its receiver will read it, before anything is sealed.
            tab.press(&format!("{form} button[name=_preview]")).await;
            tab.reads("#preview", "经审查,准予").await;
            tab.fits().await;
            tab.picture("hub-preview").await;
            assert!(!tab.text("#status").await.contains("准予"), "nothing is decided yet");
            let chosen = tab.script(
                "return document.querySelector('[name=outcome]:checked, select[name=outcome]').value;",
                vec![],
            );
            assert_eq!(chosen.await, "granted", "the order is as it was filled in");
        }
        if tab.has(&format!("{form} textarea[name=officers]")).await {
            tab.fill(&format!("{form} textarea[name=officers]"), "杨一\n吴二").await;
        }
        tab.press(&format!("{form} button[data-main]")).await;
        return !tab.has(".summary").await;
    }
    false
}

/// The intake desk: the papers beside the work, by mouse or number key, and the next case without the list between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_intake_desk_papers_are_looked_at_beside_the_work_and_the_next_case_is_one_step_away() {
    let city = City::start(1).await;
    let village = &city.villages[0];
    let token = village.token("officer").await;
    let first = record_by_program(village, &token, "food", 21).await;
    let second = record_by_program(village, &token, "food", 22).await;
    let browser = Browser::start();
    let town = officer(&browser, &city.town, "officer").await;
    for case in [&second, &first] {
        open_task(&town, case).await;
    }
    let looked_at = async || {
        let read =
            store::AuditQuery { action: Some("read".to_owned()), limit: Some(50), ..Default::default() };
        let rows = city.town.node().hall().store.audit_rows(read).await.unwrap().rows;
        rows.iter().filter(|row| row.subject.starts_with(&format!("/cases/{first}/papers/"))).count()
    };
    assert_eq!(looked_at().await, 0, "nobody has read a paper before somebody looks at it");
    town.see("body").await.send_keys("1").await.unwrap();
    eventually("the paper is shown, and the audit says so (I37)", async || looked_at().await == 1).await;
    assert_eq!(town.path().await, format!("/cases/{first}"), "beside the work, not instead of it");
    let shown =
        town.script("return document.querySelector('iframe.viewer').clientHeight > 300;", vec![]).await;
    assert_eq!(shown, true);
    town.fits().await;
    crate::looks::is_accessible(&town, &crate::looks::axe()).await;
    town.picture("town-desk").await;
    // A number in a field is a number.
    town.script("document.querySelectorAll('details').forEach(one => one.open = true);", vec![]).await;
    town.see("form[action$='/not-accept'] [name=text]").await.send_keys("2").await.unwrap();
    assert_eq!(town.value("form[action$='/not-accept'] [name=text]").await, "2");
    // Another paper, asked for afterwards, is the second one that was read.
    town.see("#papers a[data-paper='3']").await.click().await.unwrap();
    eventually("the third paper was looked at", async || looked_at().await >= 2).await;
    assert_eq!(looked_at().await, 2);

    // Whose case it is, by the number on the card; it stands in no address.
    let stored = city.town.node().hall().store.current_submission(&first.parse().unwrap()).await.unwrap();
    let form = stored.unwrap().body.submission().unwrap().form.to_form();
    let number = domain::form::applicant(&form).1.to_owned();
    town.see("#search").await.send_keys(&format!("{number}\u{e007}")).await.unwrap();
    town.reads("h1", "查到的办件").await;
    assert!(town.text("table").await.contains(&first) && !town.text("table").await.contains(&second));
    assert!(!town.client.current_url().await.unwrap().as_str().contains(&number));

    town.go(&format!("/cases/{first}")).await;
    let turns = town.text(".turn").await;
    assert!(turns.contains("/2"), "{turns}");
    town.press(".turn a[rel]").await;
    assert_eq!(town.path().await, format!("/cases/{second}"));
    town.see("body").await.send_keys("?").await.unwrap();
    assert!(town.text("#keys").await.contains("看第几份材料"));
    town.picture("town-keys").await;
    town.close().await;
    let phone = browser.open(&city.town, Screen::Phone).await;
    phone.log_in(&city.town, "officer").await;
    phone.go(&format!("/cases/{first}")).await;
    phone.fits().await;
    phone.see("#papers a[data-paper]").await.click().await.unwrap();
    eventually("on a phone as well", async || looked_at().await == 3).await;
    phone.close().await;
    city.stop().await;
}
