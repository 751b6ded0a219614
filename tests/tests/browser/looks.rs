//! How the pages look: nothing beyond the edge at 1366 and at 360 px, 长辈版 as large as promised, and no serious finding of axe-core
//! in either language. Pictures go to `target/pictures`.

use crate::recording::record_by_program;
use crate::tab::{Browser, Screen, Tab};
use serde_json::Value;
use std::path::PathBuf;
use tests::city::{City, Site, eventually};

/// The pages that are looked at, for each tier.
fn pages(site: &Site, case: &str, draft: &str) -> Vec<String> {
    use domain::network::Tier;
    let mut pages: Vec<&str> = vec![
        "/",
        "/queue",
        "/cases",
        "/catalogue",
        "/guides/food",
        "/me",
        "/ledger",
        "/warnings",
        "/alerts",
        "/incidents",
    ];
    match site.node().hall().tier {
        Tier::Village => pages.extend([
            "/new",
            "/drafts",
            "/drafts/{draft}",
            "/drafts/{draft}/form/applicant",
            "/drafts/{draft}/form/matter",
            "/drafts/{draft}/papers",
            "/drafts/{draft}/consent",
            "/drafts/{draft}/wish",
            "/drafts/{draft}/check",
            "/outbox",
            "/sync",
            "/returned",
            "/cases/{case}",
            "/cases/{case}/captured",
        ]),
        Tier::Town => pages.extend([
            "/nodes",
            "/reconciliation",
            "/sync",
            "/outbox",
            "/cases/{case}",
            "/tickets",
            "/screen",
            "/daily",
            "/tablet",
            "/inspections",
            "/rectifications",
            "/countersigns",
        ]),
        Tier::City => pages.extend([
            "/nodes",
            "/reconciliation",
            "/letters",
            "/cases/{case}",
            "/board",
            "/applications",
            "/inspections",
            "/rectifications",
            "/countersigns",
            "/countersigns/new?kind=export_cases",
            "/catalogue/new",
            "/countersigns/new?kind=renew_seal",
        ]),
    }
    pages.iter().map(|page| page.replace("{case}", case).replace("{draft}", draft)).collect()
}

/// axe-core, which `tests/run.sh` puts there.
pub fn axe() -> String {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/axe/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(&path).expect("axe-core is missing: tests/run.sh installs it into target/axe")
}

pub async fn is_accessible(tab: &Tab, axe: &str) {
    tab.script(axe, vec![]).await;
    let run = "const done = arguments[arguments.length - 1];
        axe.run(document, { resultTypes: ['violations'] }).then(found => done(found.violations
            .filter(one => one.impact === 'serious' || one.impact === 'critical')
            .map(one => one.id + ': ' + one.nodes.map(node => node.html).slice(0, 3).join(' | '))));";
    let found = tab.client.execute_async(run, vec![]).await.unwrap();
    assert_eq!(found, Value::Array(vec![]), "{}", tab.path().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_fits_its_screen_and_reads_for_everybody_in_both_languages() {
    let city = City::start(1).await;
    let village = &city.villages[0];
    let token = village.token("officer").await;
    let case = record_by_program(village, &token, "food", 1).await;
    let draft = village.post(&token, "/drafts", serde_json::json!({ "item": "dibao" })).await.unwrap();
    let draft = draft["id"].as_str().unwrap().to_owned();
    city.hub.employ("boss", None, "supervision_officer,registrar,catalogue_editor").await;
    eventually("the hub has the case", async || {
        city.hub
            .node()
            .hall()
            .view(&case.parse().unwrap())
            .await
            .is_ok_and(|view| view.missing_attachments == 0)
    })
    .await;
    let (browser, axe) = (Browser::start(), axe());
    for (site, name, officer) in
        [(village, "village", "officer"), (&city.town, "town", "officer"), (&city.hub, "hub", "boss")]
    {
        let tab = browser.open(site, Screen::Desk).await;
        tab.log_in(site, officer).await;
        for lang in ["en", "zh"] {
            tab.go(&format!("/prefer?lang={lang}&to=/me")).await;
            for page in pages(site, &case, &draft) {
                tab.go(&page).await;
                tab.fits().await;
                is_accessible(&tab, &axe).await;
                if lang == "zh" {
                    let name = page.replace(&case, "case").replace(&draft, "draft").replace('/', "-");
                    tab.picture(
                        &format!("{name}{}", if name.ends_with('-') { "home" } else { "" }).replacen(
                            '-',
                            &format!("{}-", site_name(site)),
                            1,
                        ),
                    )
                    .await;
                }
            }
        }
        tab.close().await;
        let phone = browser.open(site, Screen::Phone).await;
        phone.log_in(site, officer).await;
        for page in pages(site, &case, &draft) {
            phone.go(&page).await;
            phone.fits().await;
        }
        phone.go("/").await;
        phone.picture(&format!("{name}-phone")).await;
        phone.go("/prefer?large=1&to=/").await;
        phone.fits().await;
        phone.picture(&format!("{name}-large")).await;
        is_large(&phone).await;
        phone.close().await;
    }
    city.stop().await;
}

/// 长辈版: letters of 18 pt at least, targets of 60 px.
pub async fn is_large(tab: &Tab) {
    let sizes = tab.script(
        "const size = one => parseFloat(getComputedStyle(one).fontSize);
         const texts = Array.from(document.querySelectorAll('main *, .side a, .ways a')).filter(one => one.textContent.trim() && one.offsetParent);
         const targets = Array.from(document.querySelectorAll('.side a, .ways a, main .button, main button, .tools a')).filter(one => one.offsetParent && !one.matches('.hidden'));
         return [Math.min(...texts.map(size)), Math.min(...targets.map(one => one.getBoundingClientRect().height))];",
        vec![],
    );
    let sizes = sizes.await;
    assert!(
        sizes[0].as_f64() >= Some(23.9) && sizes[1].as_f64() >= Some(59.9),
        "{}: {sizes}",
        tab.path().await
    );
}

fn site_name(site: &Site) -> &'static str {
    match site.node().hall().tier {
        domain::network::Tier::Village => "village",
        domain::network::Tier::Town => "town",
        domain::network::Tier::City => "hub",
    }
}
