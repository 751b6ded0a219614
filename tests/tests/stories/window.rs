//! A town's own window: people who come to the town instead of their village.

use super::{is_granted, record, waits_in_queue, work};
use casework::reconcile::Balance;
use serde_json::json;
use testkit::api::refusal;
use tests::city::{City, eventually};

/// Taken in with the line to the city down, returned by the city, mended at the window, decided, and handed over there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_town_takes_in_at_its_window_goes_the_same_way_and_comes_back_there() {
    let city = City::start(1).await;
    let (town, hub, village) = (&city.town, &city.hub, &city.villages[0]);
    let token = town.token("officer").await;
    let uplink = town.node().uplink.clone().unwrap();
    uplink.switch(false);
    let case = record(town, &token, "food", 901).await;
    let view = town.get(&token, &format!("/cases/{case}")).await;
    assert_eq!(view["ticks"], json!({ "here": true, "town": true, "hub": false, "accepted": false }));
    assert_eq!(
        (&view["dossier"]["intake"], &view["dossier"]["holder"]),
        (&json!("town"), &json!(town.node().hall().me())),
        "{view}"
    );
    let due = &view["timers"][0];
    let today = town.node().hall().now().day().to_string();
    assert_eq!((&due["timer"], &due["anchor"]), (&json!("completeness"), &json!(today)), "I19: {due}");
    // The window checks what it took in; the rest waits for the line.
    waits_in_queue(town, &token, &case, "town").await;
    work(town, &token, &case, "town", "complete", json!({ "agrees": true })).await;
    let view = town.get(&token, &format!("/cases/{case}")).await;
    assert_eq!(view["dossier"]["holder"], json!(hub.node().hall().me()));
    uplink.switch(true);

    let sheets = town.get(&token, &format!("/cases/{case}/sheets")).await.to_string();
    assert!(!sheets.contains("mandate"), "who stands at the window needs no proxy: {sheets}");

    let (sj, zw) = (city.body_officer("sj").await, city.body_officer("zw").await);
    let head = city.body_colleague("sj", "2").await;
    waits_in_queue(hub, &zw, &case, "accept").await;
    work(hub, &zw, &case, "accept", "claim", json!({})).await;
    let fault = json!({ "field": "m1", "label": "申请书", "reason": "没有签名" });
    work(hub, &zw, &case, "accept", "return", json!({ "faults": [fault] })).await;
    eventually("the town has it back", async || {
        town.get(&token, &format!("/cases/{case}")).await["status"] == "returned"
    })
    .await;
    let known = town.node().hall().store.current_submission(&case.parse().unwrap()).await.unwrap().unwrap();
    let form = known.body.submission().unwrap().form.to_form();
    let again = json!({ "form": form, "materials": {} });
    town.post(&token, &format!("/cases/{case}/resubmit"), again).await.unwrap();
    waits_in_queue(hub, &zw, &case, "accept").await;
    work(hub, &zw, &case, "accept", "complete", json!({ "agrees": true })).await;
    is_granted(hub, &case, &sj, &head).await;
    // The licence comes to where it was applied for.
    waits_in_queue(town, &token, &case, "deliver").await;
    work(
        town,
        &token,
        &case,
        "deliver",
        "deliver",
        json!({ "receiver": "本人", "proof": "签名", "channel": "pickup" }),
    )
    .await;
    eventually("the hub knows of the hand-over", async || {
        hub.get(&sj, &format!("/cases/{case}")).await["status"] == "delivered"
    })
    .await;
    eventually("nothing is on its way", async || {
        town.node().hall().counts().await.unwrap().attachments_on_way == 0
            && town.node().hall().outbox().await.unwrap().waiting == 0
    })
    .await;
    // No village has anything to do with it.
    let officer = village.token("officer").await;
    let path = format!("/cases/{case}");
    let unknown = village.call(&officer, http::Method::GET, &path, bytes::Bytes::new()).await.unwrap_err();
    assert_eq!(refusal(&unknown).unwrap().status, 404);
    let lines = hub.node().hall().reconcile().await.unwrap();
    let own = lines.villages.iter().find(|line| line.village == *town.node().hall().me()).unwrap();
    assert_eq!(
        (own.balance, own.captured.cases),
        (Balance::Balanced, Some(1)),
        "a town's own cases are reconciled too"
    );
    city.stop().await;
}

/// 低保: the village's committee speaks, the town's window writes down what it said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stages_of_a_village_are_noted_where_the_application_lies_and_the_hub_takes_nothing_in() {
    let city = City::start(1).await;
    let (town, hub) = (&city.town, &city.hub);
    let (token, case) =
        (town.token("officer").await, record(town, &town.token("officer").await, "dibao", 902).await);
    town.employ("officer-2", None, "town_window").await;
    let colleague = town.token("officer-2").await;
    waits_in_queue(town, &token, &case, "accept").await;
    work(town, &token, &case, "accept", "complete", json!({ "agrees": true })).await;
    let found = json!({ "agrees": true, "opinion": "属实", "officers": ["吴", "李"] });
    work(town, &colleague, &case, "survey", "complete", found).await;
    work(town, &colleague, &case, "appraise", "complete", json!({ "agrees": true, "opinion": "同意" })).await;
    let view = town.get(&token, &format!("/cases/{case}")).await;
    assert_eq!(
        (&view["ready"][0]["stage"], &view["ready"][0]["tier"]),
        (&json!("notice"), &json!("town")),
        "{view}"
    );
    work(town, &token, &case, "notice", "post", json!({ "place": "村务公开栏" })).await;
    let officer = hub.token("officer").await;
    let refused = hub.post(&officer, "/drafts", json!({ "item": "dibao" })).await.unwrap_err();
    assert_eq!(refusal(&refused).unwrap().status, 403, "the hub's officers have no counter");
    city.stop().await;
}

/// A draft goes by the hand of whoever saw it as it is; what is captured is none any more (I23).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_is_thrown_away_as_it_was_read_and_a_case_never() {
    let city = City::start(1).await;
    let village = &city.villages[0];
    let token = village.token("officer").await;
    let begun = village.post(&token, "/drafts", json!({ "item": "linshi" })).await.unwrap();
    let path = format!("/drafts/{}", begun["id"].as_str().unwrap());
    let body = json!({ "version": begun["version"], "form": { "name": "杨阿榜" } }).to_string();
    village.call(&token, http::Method::PUT, &path, body.into()).await.unwrap();
    let stale = village.post(&token, &format!("{path}/drop"), json!({ "version": begun["version"] })).await;
    assert_eq!(refusal(&stale.unwrap_err()).unwrap().status, 409, "somebody wrote in it since");
    let now = village.get(&token, &path).await;
    assert_eq!(now["form"]["name"], "杨阿榜", "and nothing of it is gone");
    village.post(&token, &format!("{path}/drop"), json!({ "version": now["version"] })).await.unwrap();
    assert_eq!(village.raw(http::Method::GET, &format!("/api/v1{path}"), Some(&token)).await.0, 404);

    let case = record(village, &token, "linshi", 77).await;
    let hall = village.node().hall();
    let view = hall.view(&case.parse().unwrap()).await.unwrap();
    let gone = village.post(&token, &format!("{path}/drop"), json!({ "version": 1 })).await;
    assert_eq!(refusal(&gone.unwrap_err()).unwrap().status, 404);
    assert_eq!(hall.view(&view.case).await.unwrap().dossier.pages, view.dossier.pages, "a case is no draft");
    city.stop().await;
}
