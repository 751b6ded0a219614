//! A citizen on a phone: what a matter asks for, how far one's own is, what one wants to say to it; and nobody else's.

use crate::looks::{axe, is_accessible, is_large};
use crate::recording::{filled, record_by_program};
use crate::tab::{Browser, Screen, Tab};
use async_trait::async_trait;
use console::{HALL_PAGES, NoLogin, SendCode};
use domain::CaseNo;
use domain::catalogue::FieldKind;
use std::sync::{Arc, Mutex};
use tests::city::{City, eventually};
use tier::Parts;

/// A telephone network that keeps what was sent.
#[derive(Default)]
pub struct Telephones(Mutex<Vec<(String, String)>>);

#[async_trait]
impl SendCode for Telephones {
    async fn send(&self, phone: &str, code: &str) -> Result<(), NoLogin> {
        self.0.lock().unwrap().push((phone.to_owned(), code.to_owned()));
        Ok(())
    }
    fn shows(&self) -> bool {
        false
    }
}

impl Telephones {
    fn last(&self) -> Option<(String, String)> {
        self.0.lock().unwrap().last().cloned()
    }
}

/// A city whose hub reaches telephones.
pub async fn city_with_telephones() -> (City, Arc<Telephones>) {
    let telephones = Arc::new(Telephones::default());
    let centre = Parts { codes: Some(telephones.clone()), ..Parts::default() };
    (City::start_by(1, centre, Parts::default()).await, telephones)
}

async fn says_who(tab: &Tab, name: &str, number: &str) {
    tab.go("/hall/login?to=/hall/mine").await;
    tab.fill("#name", name).await;
    tab.fill("#number", number).await;
    tab.press(".login button").await;
}

/// Logs in with the code that was sent; returns where it was sent.
pub async fn logs_in(tab: &Tab, telephones: &Telephones, name: &str, number: &str) -> String {
    says_who(tab, name, number).await;
    // The page is there at once for everybody; the code comes when it comes.
    eventually("a code was sent", async || telephones.last().is_some()).await;
    let (to, code) = telephones.last().unwrap();
    tab.fill("#code", &code).await;
    tab.press(".login button").await;
    to
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_citizen_looks_after_their_own_matter_on_a_phone_and_after_nobody_elses() {
    let (city, telephones) = city_with_telephones().await;
    let village = &city.villages[0];
    let token = village.token("officer").await;
    let ((item, hers), other) = (filled(village, "food", 1), filled(village, "canji_life", 2).1);
    let phone = item.fields.iter().find(|field| field.kind == FieldKind::Mobile).unwrap();
    let phone = hers[&phone.key].as_str().unwrap().to_owned();
    let case = record_by_program(village, &token, "food", 1).await;
    let others = record_by_program(village, &token, "canji_life", 2).await;
    let (name, number) = domain::form::applicant(&hers);
    let number = number.to_owned();
    assert_ne!(number, domain::form::applicant(&other).1, "two people");
    let hub = city.hub.node().hall();
    for case in [&case, &others] {
        let case: CaseNo = case.parse().unwrap();
        eventually("the hub has it", async || hub.view(&case).await.is_ok()).await;
    }
    let browser = Browser::start();
    let tab = browser.open(&city.hub, Screen::Phone).await;

    // What is needed, found by the initials one types.
    tab.go("/hall").await;
    tab.fill("#q", "zdshbz").await;
    tab.press(".find button").await;
    tab.press_text("最低生活保障").await;
    assert!(tab.text("main").await.contains("申请材料") && tab.text("main").await.contains("不收费"));

    // How far it is: the number alone tells nothing, and a wrong guess does not say which half was wrong.
    let ask = async |case: &str, four: &str| {
        tab.go("/hall/progress").await;
        tab.fill("#number", case).await;
        tab.fill("#last_four", four).await;
        tab.press("main form button").await;
    };
    ask(&case, "0000").await;
    let wrong = tab.text(".summary").await;
    ask("261123-AAAAAAAA-00000000A", &number[number.len() - 4..]).await;
    assert_eq!(tab.text(".summary").await, wrong);
    ask(&case.to_lowercase(), &number[number.len() - 4..].to_lowercase()).await;
    assert!(tab.text("#standing").await.contains(&case) && tab.has(".rail li.done").await);
    assert!(!tab.text("main").await.contains(name), "nothing of the person is told by it");

    // Their own pages are closed until they have proven who they are; a code goes to the telephone on the case, to no other.
    tab.go(&format!("/hall/cases/{case}")).await;
    assert!(tab.path().await.starts_with("/hall/login"));
    says_who(&tab, name, domain::form::applicant(&other).1).await;
    assert_eq!(telephones.last(), None, "a name and somebody else's number reach nobody");
    tab.fill("#code", "123456").await;
    tab.press(".login button").await;
    assert!(tab.text(".wrong").await.contains("验证码不对"));
    assert_eq!(logs_in(&tab, &telephones, name, &number).await, phone);
    let mine = tab.text("main").await;
    assert!(mine.contains(&case) && !mine.contains(&others), "{mine}");
    tab.go(&format!("/hall/cases/{others}")).await;
    assert!(tab.text("main").await.contains("没有找到"), "{}", tab.text("main").await);
    // A citizen is no officer.
    tab.go("/cases").await;
    assert!(tab.path().await.starts_with("/login"));

    // They say what they want to say; whoever works on the case reads it, and so does the audit.
    tab.go(&format!("/hall/cases/{case}")).await;
    tab.script("document.querySelectorAll('details').forEach(one => one.open = true);", vec![]).await;
    tab.fill("#withdraw", "先不开店了").await;
    tab.press("form .danger").await;
    assert!(tab.text("main").await.contains("先不开店了") && !tab.has("#withdraw").await);
    let case_no: CaseNo = case.parse().unwrap();
    let wants = async |hall: &casework::Hall| {
        let view = hall.view(&case_no).await.unwrap();
        view.dossier.slips.iter().any(|slip| slip.kind == "withdraw" && slip.text == "先不开店了")
    };
    let town = city.town.node().hall();
    eventually("the town hears of it", async || wants(town).await).await;
    let rows = store::AuditQuery { action: Some("read".to_owned()), limit: Some(50), ..Default::default() };
    let rows = hub.store.audit_rows(rows).await.unwrap().rows;
    let read = |row: &store::AuditRow| row.actor == casework::APPLICANT && row.subject.ends_with(&case);
    assert!(rows.iter().any(read), "I37: {rows:?}");
    let me = casework::Citizen { name: name.to_owned(), number: number.clone() };
    let draft = hub.start_online(&me, &"dibao".parse().unwrap()).await.unwrap().id.to_string();
    looks_right(&tab, &browser, &city, (&case, &draft)).await;
    tab.press(".tools button").await;
    tab.go("/hall/mine").await;
    assert!(tab.path().await.starts_with("/hall/login"), "logged out is logged out");
    tab.close().await;
    city.stop().await;
}

/// Every page of the hall in both languages, in large print, on the phone it is made for and on a desk.
async fn looks_right(tab: &Tab, browser: &Browser, city: &City, (case, draft): (&str, &str)) {
    let axe = axe();
    let pages = HALL_PAGES.iter().filter(|(method, ..)| *method == "get").map(|(_, path, _)| {
        let path = path.replace("{case}", case).replace("{item}", "dibao");
        path.replace("{sheet}", "receipt").replace("{draft}", draft)
    });
    // A scan is no page.
    let pages: Vec<String> = pages.filter(|page| !page.contains("{material}")).collect();
    for lang in ["en", "zh"] {
        tab.go(&format!("/prefer?lang={lang}&to=/hall")).await;
        for page in pages.iter().filter(|page| !page.contains("/sheets/")) {
            tab.go(page).await;
            tab.fits().await;
            is_accessible(tab, &axe).await;
            if lang == "zh" {
                tab.picture(&format!(
                    "hall{}",
                    page.replace("/hall", "").replace(case, "case").replace(draft, "draft").replace('/', "-")
                ))
                .await;
            }
        }
    }
    tab.go("/prefer?large=1&to=/hall").await;
    for page in pages.iter().filter(|page| !page.contains("/sheets/")) {
        tab.go(page).await;
        tab.fits().await;
        is_large(tab).await;
    }
    tab.picture("hall-large").await;
    tab.go("/prefer?large=0&to=/hall").await;
    let desk = browser.open(&city.hub, Screen::Desk).await;
    for page in ["/hall", "/hall/items", "/hall/items/dibao"] {
        desk.go(page).await;
        desk.fits().await;
        desk.picture(&format!("hall-desk{}", page.replace("/hall", "").replace('/', "-"))).await;
    }
    desk.close().await;
    let missing = console::untranslated();
    assert!(missing.is_empty(), "{missing:#?}");
}

fn village(city: &City) -> &str {
    city.villages[0].node().hall().me().as_str()
}

/// Where nobody set up a way to reach telephones, the hall says so and the rest of it works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hall_without_a_log_in_says_so() {
    let city = City::start(1).await;
    let browser = Browser::start();
    let tab = browser.open(&city.hub, Screen::NoScript).await;
    tab.go("/hall/mine").await;
    assert!(tab.text("main").await.contains("网上登录还没有开通"));
    // How a counter is reached, the administrator writes down; everybody finds it, and the counter below knows whom to call.
    city.hub.employ("admin", None, "administrator").await;
    let desk = browser.open(&city.hub, Screen::Desk).await;
    desk.log_in(&city.hub, "admin").await;
    desk.go("/nodes").await;
    desk.choose("node", village(&city)).await;
    desk.fill("#person", "吴阿蕾").await;
    desk.fill("#phone", "电话").await;
    desk.press("#contacts form button").await;
    assert!(desk.text("#contacts .summary").await.contains("5 至 15 位数字"));
    assert_eq!(desk.value("#person").await, "吴阿蕾", "what was typed is still there");
    desk.fill("#phone", "0855-820 0001").await;
    desk.press("#contacts form button").await;
    assert!(desk.text("table").await.contains("0855-820 0001"));
    desk.fits().await;
    desk.close().await;
    tab.go("/hall/proxies").await;
    assert_eq!(tab.count(".places li").await, 2, "the window of the town, and the village");
    assert!(tab.has("a[href='tel:08558200001']").await);
    let below = city.villages[0].node().hall().store.clone();
    eventually("the village has it too", async || {
        below.network().get(&village(&city).parse().unwrap()).is_some_and(|node| node.contact.is_some())
    })
    .await;
    tab.go("/hall/verify").await;
    tab.fill("#code", "no code of ours").await;
    tab.press("main form button").await;
    assert!(tab.text(".summary").await.contains("不是本系统文书的二维码"));
    tab.close().await;
    city.stop().await;
}
