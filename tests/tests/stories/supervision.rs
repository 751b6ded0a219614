//! Electronic supervision: every rung once, told to everybody concerned, appealed, concluded, and computed again.

use super::law::{DAY_MS, MONDAY, city_on_monday};
use super::{record, waits_in_queue, work};
use serde_json::{Value, json};
use testkit::api::refusal;
use tests::city::{Site, eventually};

async fn alerts(site: &Site, token: &str, case: &str) -> Vec<Value> {
    site.get(token, &format!("/cases/{case}/alerts")).await.as_array().unwrap().clone()
}

/// The rungs of the completeness check that stand for a case, lowest first.
async fn rungs(site: &Site, token: &str, case: &str) -> Vec<String> {
    let mut found: Vec<String> = alerts(site, token, case)
        .await
        .iter()
        .map(|line| &line["alert"]["raised"])
        .filter(|raised| raised["rule"] == "completeness")
        .map(|raised| raised["rung"].as_str().unwrap().to_owned())
        .collect();
    found.reverse();
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_passes_is_seen_at_every_tier_each_rung_once_and_appealed_against() {
    let (city, clock) = city_on_monday().await;
    let village = city.villages[0].token("officer").await;
    let case = record(&city.villages[0], &village, "food", 71).await;
    let town = city.town.token("officer").await;
    waits_in_queue(&city.town, &town, &case, "town").await;
    let hub_hall = city.hub.node().hall();
    let inspector = city.hub.token("officer").await;
    eventually("the hub knows when the town signed", async || {
        let (status, timers) =
            city.hub.raw(http::Method::GET, &format!("/api/v1/cases/{case}/explain"), Some(&inspector)).await;
        status == 200 && timers[0]["anchor"] == "2026-11-23"
    })
    .await;
    assert_eq!(hub_hall.supervise().await.unwrap().raised, 0, "nothing is near on the first day");
    assert_eq!(city.town.get(&town, "/warnings").await, json!([]));

    clock.set(MONDAY.plus_ms(4 * DAY_MS));
    let town = city.town.token("officer").await;
    let warned = city.town.get(&town, "/warnings").await;
    assert_eq!(warned[0]["days_left"], 1, "the town is warned by itself, before the hub says so: {warned}");
    clock.set(MONDAY.plus_ms(8 * DAY_MS));
    hub_hall.supervise().await.unwrap();
    assert_eq!(hub_hall.supervise().await.unwrap().raised, 0, "each rung once");
    let inspector = city.hub.token("officer").await;
    assert_eq!(rungs(&city.hub, &inspector, &case).await, ["reminder", "warning", "yellow"]);
    let scan = hub_hall.scan_supervision().await.unwrap();
    assert!(scan.missing.is_empty() && scan.unfounded.is_empty(), "{scan:?}");

    let (town, village) = (city.town.token("officer").await, city.villages[0].token("officer").await);
    eventually("the yellow card has come down to the village", async || {
        rungs(&city.villages[0], &village, &case).await.len() == 3
    })
    .await;
    let key = "completeness@2026-11-23/yellow";
    let act = |verb: &str| format!("/cases/{case}/alerts/{verb}");
    let early = json!({ "key": key, "kind": "revoked", "text": "x" });
    let refused = city.town.post(&town, &act("conclude"), early).await.unwrap_err();
    assert_eq!(refusal(&refused).unwrap().code, "forbidden", "a town concludes nothing about itself");
    let stranger = city.hub.post(&inspector, &act("appeal"), json!({ "key": key, "text": "x" })).await;
    assert_eq!(refusal(&stranger.unwrap_err()).unwrap().code, "forbidden", "who supervises does not appeal");
    let appeal = json!({ "key": key, "text": "停电两天,附供电所证明" });
    city.town.post(&town, &act("appeal"), appeal).await.unwrap();
    eventually("the appeal has reached the hub", async || {
        alerts(&city.hub, &inspector, &case).await.to_vec().iter().any(|line| {
            line["alert"]["key"] == key && line["alert"]["appeals"][0]["text"] == "停电两天,附供电所证明"
        })
    })
    .await;
    let judged = json!({ "key": key, "kind": "revoked", "text": "证明属实,撤销" });
    city.hub.post(&inspector, &act("conclude"), judged).await.unwrap();
    eventually("the town reads the outcome", async || {
        let line = alerts(&city.town, &town, &case).await;
        line.iter().any(|line| line["alert"]["conclusion"]["kind"] == "revoked")
    })
    .await;
    assert_eq!(rungs(&city.hub, &inspector, &case).await.len(), 3, "nothing is ever deleted");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_raised_while_a_town_was_cut_off_is_withdrawn_when_its_pages_show_it_was_in_time() {
    let (city, clock) = city_on_monday().await;
    let village = city.villages[0].token("officer").await;
    let case = record(&city.villages[0], &village, "food", 72).await;
    let (town, inspector) = (city.town.token("officer").await, city.hub.token("officer").await);
    waits_in_queue(&city.town, &town, &case, "town").await;
    eventually("the hub knows when the town signed", async || {
        let (status, timers) =
            city.hub.raw(http::Method::GET, &format!("/api/v1/cases/{case}/explain"), Some(&inspector)).await;
        status == 200 && timers[0]["anchor"] == "2026-11-23"
    })
    .await;
    city.hub.node().refuse_children(true);
    work(&city.town, &town, &case, "town", "complete", json!({ "agrees": true, "opinion": "齐" })).await;
    clock.set(MONDAY.plus_ms(2 * DAY_MS));
    let hub_hall = city.hub.node().hall();
    assert_eq!(hub_hall.supervise().await.unwrap().raised, 1, "as far as the hub can know, the step is late");

    city.hub.node().refuse_children(false);
    city.town.node().uplink.as_ref().unwrap().poke.notify_one();
    let officer = city.body_officer("zw").await;
    waits_in_queue(&city.hub, &officer, &case, "accept").await;
    let sweep = hub_hall.supervise().await.unwrap();
    assert_eq!(sweep.disproved, 1, "{sweep:?}");
    let scan = hub_hall.scan_supervision().await.unwrap();
    assert!(scan.missing.is_empty() && scan.unfounded.is_empty(), "{scan:?}");
    let inspector = city.hub.token("officer").await;
    let told = alerts(&city.hub, &inspector, &case).await;
    let step = told
        .iter()
        .find(|line| line["alert"]["raised"]["rule"] == "step" && !line["alert"]["conclusion"].is_null());
    assert_eq!(step.unwrap()["alert"]["conclusion"]["kind"], "disproved", "{told:?}");
    city.stop().await;
}
