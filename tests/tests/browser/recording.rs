//! A day in the village: recording with no network, mending what is wrong, two windows on one draft, a returned case.

use crate::tab::{Browser, Screen, Tab};
use domain::catalogue::{FieldKind, Item};
use domain::form::{Form, filling};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use tests::city::{City, Folder, Site, eventually};

/// A valid form and the item it is for.
pub fn filled(site: &Site, item: &str, seed: u64) -> (Arc<Item>, Form) {
    let hall = site.node().hall();
    let (_, pack) = hall.pack(None).unwrap();
    let item = pack.items[&item.parse().unwrap()].clone();
    let mut dice = StdRng::seed_from_u64(seed);
    let form = testkit::fill(&item, &testkit::applicants(), hall.now().day(), &mut dice);
    (item, form)
}

/// Types a value the way a person would: text by keys, the rest by choosing.
pub async fn answer(tab: &Tab, kind: &FieldKind, name: &str, value: &Value) {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match (kind, value) {
        (FieldKind::Table(columns), Value::Array(rows)) => {
            for (row, cells) in rows.iter().enumerate() {
                for column in columns {
                    if let Some(cell) = cells.get(&column.key) {
                        let name = format!("{name}.{row}.{}", column.key);
                        tab.choose(&name, &plain(cell)).await;
                    }
                }
            }
        }
        (FieldKind::MultiSelect, Value::Array(chosen)) => {
            for one in chosen {
                tab.choose(name, &plain(one)).await;
            }
        }
        (FieldKind::List, Value::Array(lines)) => {
            let text = lines.iter().map(plain).collect::<Vec<_>>().join("\n");
            tab.choose(name, &text).await;
        }
        _ => tab.choose(name, &plain(value)).await,
    }
}

/// Fills both pages of the form.
pub async fn fill_form(tab: &Tab, item: &Item, form: &Form, today: domain::Day) {
    for part in ["applicant", "matter"] {
        let of_part = |field: &&domain::catalogue::Field| field.group.is_empty() == (part == "matter");
        let fields: Vec<_> = item.fields.iter().filter(of_part).collect();
        if fields.is_empty() {
            continue;
        }
        tab.see(&format!("form[action$='/form/{part}']")).await;
        for field in fields {
            let asked = filling::is_asked(field, form, today) && field.rules.computed.is_none();
            if let Some(value) = form.get(&field.key).filter(|_| asked) {
                answer(tab, &field.kind, &field.key, value).await;
            }
        }
        tab.press("button[data-main]").await;
    }
}

/// Scans for every paper that is asked for, through the file chooser.
pub async fn hand_in_papers(tab: &Tab, folder: &Folder, seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    tab.see("form[action$='/papers']").await;
    let wanted = tab.script(
        "return Array.from(document.querySelectorAll('input[type=file]'))
            .filter(one => !one.parentNode.textContent.includes('可不交')).map(one => one.id);",
        vec![],
    );
    for id in wanted.await.as_array().unwrap() {
        let id = id.as_str().unwrap();
        let path: PathBuf = folder.0.join(format!("{id}.jpg"));
        std::fs::write(&path, testkit::scans::jpeg(&mut dice)).unwrap();
        tab.see(&format!("input[id='{id}']")).await.send_keys(path.to_str().unwrap()).await.unwrap();
    }
    tab.press("button[data-main]").await;
    assert!(!tab.has(".summary").await, "{}", tab.text("main").await);
}

/// Records a case from the list of items to the receipt; the number it got.
pub async fn record(tab: &Tab, site: &Site, folder: &Folder, item: &str, seed: u64) -> String {
    let (known, form) = filled(site, item, seed);
    tab.go(&format!("/guides/{item}")).await;
    tab.press("main form button").await;
    tab.press_text("申请人").await;
    fill_form(tab, &known, &form, site.node().hall().now().day()).await;
    hand_in_papers(tab, folder, seed).await;
    tab.press_text("下一步").await;
    tab.press("button[data-main]").await;
    tab.press("button[data-main]").await;
    assert!(!tab.has(".summary").await, "{}", tab.text("main").await);
    tab.press("button[data-main]").await;
    tab.text("#case-no").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_is_recorded_with_no_network_and_its_receipt_printed() {
    let mut city = City::start(1).await;
    let browser = Browser::start();
    let tab = browser.open(&city.villages[0], Screen::Desk).await;
    tab.log_in(&city.villages[0], "officer").await;
    tab.reads("#badge", "在线 · 全部已上传").await;
    city.town.stop().await;
    tab.reads("#badge", "离线").await;
    let folder = Folder::new();
    let case = record(&tab, &city.villages[0], &folder, "linshi", 5).await;
    assert!(tab.text("main").await.contains("仅存本机"), "told as what it is");
    // The receipt carries the number and a code that proves it.
    let sheet =
        tab.script("return document.querySelector('a[data-print]').getAttribute('href');", vec![]).await;
    tab.go(sheet.as_str().unwrap()).await;
    assert!(tab.text(".sheet").await.contains(&case) && tab.has(".qr svg").await);
    assert!(tab.text(".sheet").await.contains("officer(测试)"), "by name, not by log-in");
    tab.go("/outbox").await;
    assert!(tab.text("main").await.contains(&case));
    tab.go("/").await;
    tab.reads("#badge", "1 件").await;
    tab.reads("#badge", "份扫描件已保存在本机").await;

    // The town comes back at another address; the badge turns by itself, and only when the town has signed.
    city.town.start_again().await;
    city.villages[0].dial(&city.town).await;
    tab.close().await;
    let tab = browser.open(&city.villages[0], Screen::Desk).await;
    tab.log_in(&city.villages[0], "officer").await;
    tab.reads("#badge", "在线 · 全部已上传").await;
    // "All" is the scans too: they travel by themselves, and count only when the town has said that it has them.
    let counts = city.villages[0].node().hall().counts().await.unwrap();
    assert_eq!(counts.attachments_on_way, 0);
    let at_town = city.town.node().hall().counts().await.unwrap();
    assert_eq!(at_town.attachments_missing, 0, "I5");
    tab.go(&format!("/cases/{case}")).await;
    eventually("the rail shows the town", async || {
        tab.go(&format!("/cases/{case}")).await;
        tab.count(".rail li.done").await >= 3
    })
    .await;
    tab.close().await;
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_said_at_the_field_and_mended_there_and_a_draft_outlives_its_window() {
    let city = City::start(1).await;
    let village = &city.villages[0];
    let browser = Browser::start();
    let tab = browser.open(village, Screen::Desk).await;
    tab.log_in(village, "officer").await;
    tab.begin("dibao").await;
    tab.press_text("申请人").await;
    // A name as it stands on the card, with a rare character and a dot.
    tab.fill("#name", "阿依古丽·𠅤").await;
    tab.fill("#id_no", "52260119670519").await;
    tab.reads("[data-field=id_no] .error", "应为 18 位,现在是 14 位").await;
    tab.fill("#id_no", "522601196705199487").await;
    eventually("birth follows from the number", async || tab.value("#birth").await == "1967-05-19").await;
    tab.reads(".saved", "已保存").await;
    assert_eq!(tab.text("[data-field=name] .error").await, "", "a name is what stands on the card");
    // Through: now everything that is still empty is told, above and at the field, and the first link leads there.
    tab.press("button[data-main]").await;
    let summary = tab.text(".summary").await;
    assert!(summary.contains("手机号码") && summary.contains("必填"), "{summary}");
    let at = tab.script("return document.activeElement.className;", vec![]).await;
    assert_eq!(at, "summary", "the reader begins at what must be mended");
    assert_eq!(tab.value("#name").await, "阿依古丽·𠅤", "everything typed is still there");
    // Another card was meant: what the first one told goes with it.
    tab.fill("#id_no", "11010519491231002X").await;
    eventually("birth follows the other card", async || tab.value("#birth").await == "1949-12-31").await;
    // The button is pressed while the page is being saved by itself: that is one window, not two.
    tab.fill("#id_no", "522601196705199487").await;
    tab.press("button[data-main]").await;
    let summary = tab.text(".summary").await;
    assert!(!summary.contains("另一个窗口") && tab.value("#birth").await == "1967-05-19", "{summary}");
    let page = tab.path().await;
    tab.close().await;

    // The window is gone in the middle of the form; the draft is not.
    let tab = browser.open(village, Screen::Desk).await;
    tab.log_in(village, "officer").await;
    tab.go("/drafts").await;
    tab.press_text("继续").await;
    tab.press_text("申请人").await;
    assert_eq!(tab.value("#id_no").await, "522601196705199487");

    // Two windows on one draft: the second to save is shown both texts, and nothing is lost (I23).
    let other = browser.open(village, Screen::NoScript).await;
    other.log_in(village, "officer").await;
    other.go(&page).await;
    other.fill("#mobile", "15400000002").await;
    other.press("button[data-main]").await;
    tab.choose("mobile", "15400000003").await;
    eventually("the stale save is told", async || tab.text(".saved").await.contains("另一个窗口")).await;
    tab.press("button[data-main]").await;
    let told = tab.text(".summary").await;
    assert!(told.contains("另一个窗口刚才保存的是:15400000002"), "{told}");
    assert_eq!(tab.value("#mobile").await, "15400000003");
    tab.close().await;
    other.close().await;
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_scripts_everything_can_be_recorded_and_a_returned_case_is_mended() {
    let city = City::start(1).await;
    let village = &city.villages[0];
    let browser = Browser::start();
    let tab = browser.open(village, Screen::Desk).await;
    tab.log_in(village, "officer").await;
    let folder = Folder::new();
    let case = record(&tab, village, &folder, "canji_life", 21).await;

    // The town sends it back with everything that is wrong at once.
    let town = browser.open(&city.town, Screen::Desk).await;
    town.log_in(&city.town, "officer").await;
    eventually("the case waits at the town", async || {
        town.go("/queue").await;
        town.text("main").await.contains(&case) && !town.text("main").await.contains("附件未到")
    })
    .await;
    town.go(&format!("/cases/{case}")).await;
    town.script("document.querySelectorAll('details').forEach(one => one.open = true);", vec![]).await;
    town.fill("[name='fault.m1']", "申请书没有签名,请申请人签名后重拍").await;
    town.press("form[action$='/return'] button[data-main]").await;
    assert!(town.text("#status").await.contains("退回补正"), "{}", town.text("main").await);
    town.close().await;

    // The village mends it, without a script.
    eventually("it is back in the village", async || {
        tab.go("/returned").await;
        tab.text("main").await.contains("申请书没有签名")
    })
    .await;
    let plain = browser.open(village, Screen::NoScript).await;
    plain.log_in(village, "officer").await;
    plain.go("/returned").await;
    plain.press("a.row-link").await;
    // Enter in a field, as a scanner sends it, shows the page again; nothing goes out.
    let mobile = plain.see("#mobile").await;
    mobile.clear().await.unwrap();
    mobile.send_keys("15400000009\u{e007}").await.unwrap();
    eventually("the page has come back", async || {
        plain.value("#mobile").await == "15400000009" && plain.path().await.ends_with("/mend")
    })
    .await;
    let still = village.node().hall().view(&case.parse().unwrap()).await.unwrap();
    assert!(still.dossier.returned.is_some(), "nobody handed it in again");
    let mut dice = StdRng::seed_from_u64(9);
    let path = folder.0.join("signed.jpg");
    std::fs::write(&path, testkit::scans::jpeg(&mut dice)).unwrap();
    plain.see("input[id='m1']").await.send_keys(path.to_str().unwrap()).await.unwrap();
    plain.press("button[data-main]").await;
    assert!(plain.text("#status").await.contains("已收件"), "{}", plain.text("main").await);
    plain.go("/returned").await;
    assert!(plain.text("main").await.contains("没有要补正的"));
    // What is asked only on a condition can be answered too, where no script brings it forth.
    plain.begin("med_pay").await;
    plain.press_text("办理内容").await;
    let hidden = plain.see("[data-field=accident_desc]").await;
    assert!(hidden.is_displayed().await.unwrap() && hidden.attr("hidden").await.unwrap().is_some());
    plain.close().await;
    tab.close().await;
    city.stop().await;
}

/// What a draft of the API would be, for stories that begin later.
pub async fn record_by_program(village: &Site, token: &str, item: &str, seed: u64) -> String {
    let (known, form) = filled(village, item, seed);
    let draft = village.post(token, "/drafts", json!({ "item": item })).await.unwrap();
    let id = draft["id"].as_str().unwrap().to_owned();
    let body = json!({ "version": draft["version"], "form": form }).to_string();
    village.call(token, http::Method::PUT, &format!("/drafts/{id}"), body.into()).await.unwrap();
    let mut dice = StdRng::seed_from_u64(seed);
    for material in domain::plan::asked_materials(&known, &form, village.node().hall().now().day()) {
        if material.necessity != domain::catalogue::Necessity::Optional {
            let scan = testkit::scans::jpeg(&mut dice);
            let path = format!("/drafts/{id}/materials/{}", material.id);
            village.call(token, http::Method::PUT, &path, scan.into()).await.unwrap();
        }
    }
    let view = village.post(token, &format!("/drafts/{id}/capture"), json!({})).await.unwrap();
    view["case"].as_str().unwrap().to_owned()
}
