//! The board of the hub: who waits for which department.

use crate::recording::record_by_program;
use crate::tab::{Browser, Screen};
use serde_json::json;
use std::collections::BTreeSet;
use tests::city::{City, eventually};

/// A hotel: four departments come to one visit, and each sees it before it, with the same clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_that_several_decide_together_stands_in_the_lane_of_each() {
    let city = City::start(1).await;
    let (village, hub) = (&city.villages[0], &city.hub);
    let case = record_by_program(village, &village.token("officer").await, "hotel", 3).await;
    let hall = hub.node().hall();
    let case_no: domain::CaseNo = case.parse().unwrap();
    eventually("the hub has it", async || {
        hall.view(&case_no).await.is_ok_and(|view| view.missing_attachments == 0)
    })
    .await;
    // Whoever takes it up first: the stages before the visit, each by its own department.
    let town = city.town.token("officer").await;
    let visit = |ready: &[casework::ReadyStage]| ready.iter().any(|stage| stage.kind == "joint_inspection");
    eventually("the visit is due", async || {
        let ready = hall.view(&case_no).await.unwrap().ready;
        if visit(&ready) {
            return true;
        }
        for stage in &ready {
            let path = |verb: &str| format!("/cases/{case}/stages/{}/{verb}", stage.stage);
            let done = json!({ "agrees": true, "opinion": "材料齐全", "officers": ["吴", "李"] });
            match stage.bodies.first() {
                Some(body) if stage.tier == domain::network::Tier::City => {
                    let officer = city.body_officer(body.as_str()).await;
                    let _ = hub.post(&officer, &path("claim"), json!({})).await;
                    let _ = hub.post(&officer, &path("complete"), done).await;
                }
                _ => drop(city.town.post(&town, &path("complete"), done).await),
            }
        }
        false
    })
    .await;
    let ready = hall.view(&case_no).await.unwrap().ready;
    let bodies: BTreeSet<domain::OrgId> = ready.iter().flat_map(|stage| stage.bodies.clone()).collect();
    assert!(bodies.len() > 1, "{bodies:?}");
    let (_, pack) = hall.pack(None).unwrap();

    let browser = Browser::start();
    let tab = browser.open(hub, Screen::Desk).await;
    tab.log_in(hub, "officer").await;
    tab.go("/board").await;
    assert_eq!(tab.count(".lanes section").await, bodies.len());
    let told = tab.text(".lanes").await;
    for body in &bodies {
        assert!(told.contains(pack.org_name(body)), "{told}");
    }
    assert!(told.contains("未认领 1"), "{told}");
    tab.fits().await;
    tab.picture("hub-board-lanes").await;
    tab.press(".lanes a").await;
    assert!(tab.path().await.ends_with(&case));
    tab.close().await;

    // Whoever plans the visit proposes times for what was ticked; what cannot be read comes back with everything typed.
    let lead = bodies.iter().next().unwrap().as_str();
    let lead = format!("{lead}-2");
    hub.employ(&lead, Some(lead.split('-').next().unwrap()), "chief_representative").await;
    let tab = browser.open(hub, Screen::Desk).await;
    tab.log_in(hub, &lead).await;
    tab.go("/inspections").await;
    tab.see("input[name=case]").await.click().await.unwrap();
    tab.fill("#slots", "后天上午").await;
    tab.press("main button[data-main]").await;
    tab.reads(".summary", "如 2026-12-01 09:30").await;
    tab.fits().await;
    crate::looks::is_accessible(&tab, &crate::looks::axe()).await;
    tab.picture("hub-inspections-fresh").await;
    let day = hall.now().day().plus_days(3);
    tab.fill("#slots", &format!("{day} 9:30\n{day} 14:00")).await;
    tab.press("main button[data-main]").await;
    tab.reads("main", &format!("{day} 09:30 (0/{})", bodies.len())).await;
    tab.reads("main", "等部门确认").await;
    tab.picture("hub-inspections-asked").await;
    let view = hall.view(&case_no).await.unwrap();
    assert_eq!(view.dossier.inspections.values().next().unwrap().slots.len(), 2);
    // All come, the applicant chooses, it is fixed, and stands on its day.
    let stage = ready.iter().find(|stage| stage.kind == "joint_inspection").unwrap().stage.clone();
    let path = |verb: &str| format!("/cases/{case}/stages/{stage}/{verb}");
    for body in &bodies {
        let officer = city.body_officer(body.as_str()).await;
        hub.post(&officer, &path("confirm-inspection"), json!({ "slots": [0, 1] })).await.unwrap();
    }
    let choice = json!({ "kind": "inspection_slot", "text": format!("{day} 14:00") });
    let home = village.token("officer").await;
    village.post(&home, &format!("/cases/{case}/slips"), choice).await.unwrap();
    eventually("the planner sees that it can be fixed", async || {
        tab.go("/inspections").await;
        tab.text("main").await.contains("可以定下")
    })
    .await;
    hub.post(&hub.token(&lead).await, &path("fix-inspection"), json!({ "slot": 1 })).await.unwrap();
    tab.go("/inspections").await;
    tab.reads("h3", &day.to_string()).await;
    tab.reads("main table", "14:00").await;
    tab.picture("hub-inspections-agreed").await;
    tab.close().await;
    let phone = browser.open(hub, Screen::Phone).await;
    phone.log_in(hub, &lead).await;
    phone.go("/inspections").await;
    phone.fits().await;
    phone.close().await;
    city.stop().await;
}
