//! Captured = at town = at hub, or somebody is told why not.

use super::law::{DAY_MS, city_on_monday, view, village_sees};
use super::record;
use casework::reconcile::Balance;
use serde_json::{Value, json};
use testkit::api::refusal;
use tests::city::{City, Site, eventually};
use trust::ReceiptClaim;

async fn balance(site: &Site) -> Balance {
    let lines = site.node().hall().reconcile().await.unwrap();
    lines.villages.iter().find(|line| line.village.as_str().starts_with("v-")).unwrap().balance
}

async fn slip_of(city: &City, token: &str, case: &str) -> String {
    let village = city.villages[0].node().hall();
    let history = city.villages[0].get(token, &format!("/cases/{case}/history")).await;
    let hash = history[0]["hash"].as_str().unwrap();
    let key = village.seals.own().unwrap();
    ReceiptClaim::make(&key, &case.parse().unwrap(), village.me(), hash).encode()
}

/// I30: a town takes a case and the city does not get it. A day later the village sees it; the citizen's slip proves it at the
/// hub at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_town_took_and_did_not_pass_on_is_seen_within_a_day_and_proven_by_the_citizens_slip() {
    let (city, clock) = city_on_monday().await;
    let token = city.villages[0].token("officer").await;
    let first = record(&city.villages[0], &token, "food", 501).await;
    village_sees(&city, &token, &first, "the hub has it", |view| view["ticks"]["hub"] == true).await;
    for site in [&city.hub, &city.town, &city.villages[0]] {
        eventually("everything is balanced", async || balance(site).await == Balance::Balanced).await;
    }

    let uplink = city.town.node().uplink.clone().unwrap();
    uplink.switch(false);
    let kept = record(&city.villages[0], &token, "food", 502).await;
    village_sees(&city, &token, &kept, "the town has it", |view| view["ticks"]["town"] == true).await;
    assert_eq!(view(&city.villages[0], &token, &kept).await["ticks"]["hub"], false);
    for site in [&city.town, &city.villages[0]] {
        assert_eq!(balance(site).await, Balance::OnTheWay, "less than a day is no finding");
    }
    clock.advance_ms(DAY_MS + 60_000);
    let token = city.villages[0].token("officer").await;
    for site in [&city.town, &city.villages[0]] {
        assert_eq!(balance(site).await, Balance::Withheld);
    }
    let lines = city.villages[0].get(&token, "/reconciliation").await;
    let line = &lines["villages"][0];
    let cases = |side: &str| line[side]["cases"].as_u64().unwrap();
    assert_eq!((cases("captured"), cases("at_town"), cases("at_hub")), (2, 2, 1), "{line}");

    // The citizen goes to the city with the slip.
    let window = city.hub.token("officer").await;
    let slip = slip_of(&city, &token, &kept).await;
    let look = async |text: &str| city.hub.post(&window, "/slips/look", json!({ "text": text })).await;
    assert_eq!(look(&slip).await.unwrap()["finding"], "not_here");
    look(&slip).await.unwrap();
    let told = |incidents: &Value| {
        let missing = |one: &&Value| one["reason"].as_str().unwrap().contains(&kept);
        incidents.as_array().unwrap().iter().filter(missing).count()
    };
    assert_eq!(told(&city.hub.get(&window, "/incidents").await), 1, "told once");
    let forged = slip.replace(&kept, &first);
    assert_eq!(refusal(&look(&forged).await.unwrap_err()).unwrap().status, 422);
    assert!(look("TBS1|hello").await.is_err());

    uplink.switch(true);
    for site in [&city.hub, &city.town, &city.villages[0]] {
        eventually("everything is balanced again", async || balance(site).await == Balance::Balanced).await;
    }
    assert_eq!(look(&slip).await.unwrap()["finding"], "here");
    let signed = city.hub.node().hall().sign_reconciliation().await.unwrap();
    assert_eq!(signed.totals, [(Balance::Balanced, 2)].into(), "the village, and the town's own window");
    city.stop().await;
}
