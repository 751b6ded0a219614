//! What the city holds is not asked for again; what was done badly is mended; where the original is, everybody can see.

use super::law::{city_on_monday, view, village_sees};
use super::{waits_in_queue, work};
use http::Method;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use testkit::api::refusal;
use tests::city::{City, eventually};

/// One person applies for `item`, lending `borrowed` from the library and handing in the rest. Returns (case, papers brought).
async fn applies(city: &City, item: &str, seed: u64, borrowed: &[&str]) -> (String, usize) {
    let (site, token) = (&city.villages[0], city.villages[0].token("officer").await);
    let (_, pack) = site.node().hall().pack(None).unwrap();
    let known = pack.items[&item.parse().unwrap()].clone();
    let (mut dice, today) = (StdRng::seed_from_u64(seed), site.node().hall().now().day());
    let people = testkit::applicants();
    let her = people.iter().find(|one| one.gender == "女" && today.years_since(one.birth) == 40).unwrap();
    let form = testkit::fill(&known, std::slice::from_ref(her), today, &mut dice);
    let draft = site.post(&token, "/drafts", json!({ "item": item })).await.unwrap();
    let id = draft["id"].as_str().unwrap().to_owned();
    let body = json!({ "version": draft["version"], "form": form }).to_string();
    site.call(&token, Method::PUT, &format!("/drafts/{id}"), body.into()).await.unwrap();
    let mut brought = 0;
    for material in domain::plan::asked_materials(&known, &form, today) {
        if !borrowed.contains(&material.id.as_str()) {
            let (scan, path) =
                (testkit::scans::jpeg(&mut dice), format!("/drafts/{id}/materials/{}", material.id));
            site.call(&token, Method::PUT, &path, scan.into()).await.unwrap();
            brought += 1;
        }
    }
    let version = site.get(&token, &format!("/drafts/{id}")).await["version"].clone();
    let lends: Vec<Value> =
        borrowed.iter().map(|id| json!({ "material": id, "consent": her.name })).collect();
    let asked = json!({ "version": version, "borrowed": lends }).to_string();
    site.call(&token, Method::PUT, &format!("/drafts/{id}/requests"), asked.into()).await.unwrap();
    let told = site.post(&token, &format!("/drafts/{id}/capture"), json!({})).await.unwrap();
    (told["case"].as_str().unwrap().to_owned(), brought)
}

async fn town_passes_on(city: &City, case: &str, checked: &[&str]) {
    let town = city.town.token("officer").await;
    waits_in_queue(&city.town, &town, case, "town").await;
    if !checked.is_empty() {
        work(&city.town, &town, case, "town", "check-originals", json!({ "materials": checked })).await;
    }
    work(&city.town, &town, case, "town", "complete", json!({ "agrees": true })).await;
}

/// The business licence: accepted, decided and issued at the city. Returns its number.
async fn licence_of(city: &City, case: &str) -> String {
    let zw = city.body_officer("zw").await;
    waits_in_queue(&city.hub, &zw, case, "accept").await;
    work(&city.hub, &zw, case, "accept", "claim", json!({})).await;
    work(&city.hub, &zw, case, "accept", "complete", json!({ "agrees": true })).await;
    let sj = city.body_officer("sj").await;
    work(&city.hub, &sj, case, "decide", "claim", json!({})).await;
    work(&city.hub, &sj, case, "decide", "decide", json!({ "outcome": "granted", "text": "准予" })).await;
    work(&city.hub, &sj, case, "issue", "claim", json!({})).await;
    let issued = work(&city.hub, &sj, case, "issue", "issue", json!({})).await;
    issued["dossier"]["licence"]["number"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_case_needs_fewer_papers_than_the_first_until_the_licence_is_revoked() {
    let (city, _) = city_on_monday().await;
    let (first, brought) = applies(&city, "geti", 101, &[]).await;
    assert_eq!(brought, 3);
    town_passes_on(&city, &first, &["m2"]).await;
    let number = licence_of(&city, &first).await;

    // 食品经营许可 asks for six papers; the business licence was issued here, the identity card was seen in the original.
    let (second, brought) = applies(&city, "food", 102, &["m2", "m6"]).await;
    assert_eq!(brought, 4, "two papers fewer");
    town_passes_on(&city, &second, &[]).await;
    let zw = city.body_officer("zw").await;
    waits_in_queue(&city.hub, &zw, &second, "accept").await;
    eventually("the library has answered", async || {
        view(&city.hub, &zw, &second).await["library"]["pending"] == json!([])
    })
    .await;
    let seen = view(&city.hub, &zw, &second).await;
    let answers = &seen["dossier"]["slips"][0]["answers"];
    assert_eq!(
        (answers[0]["found"]["number"].as_str(), answers[0]["found"]["trust"].as_str()),
        (Some(&*number), Some("A"))
    );
    assert_eq!(answers[1]["found"]["trust"], "B", "{answers}");
    work(&city.hub, &zw, &second, "accept", "claim", json!({})).await;
    work(&city.hub, &zw, &second, "accept", "complete", json!({ "agrees": true })).await;

    // Revoked: every node knows, and it stands in for nothing any more.
    let admin = city.hub.token("officer").await;
    let path = format!("/licences/{number}/state");
    let by_body = city
        .hub
        .post(&city.body_officer("sj").await, &path, json!({ "state": "revoked", "reason": "x" }))
        .await;
    assert_eq!(refusal(&by_body.unwrap_err()).unwrap().status, 403);
    let mute = city.hub.post(&admin, &path, json!({ "state": "revoked", "reason": " " })).await.unwrap_err();
    assert!(refusal(&mute).unwrap().message.contains("理由"), "{mute:#}");
    city.hub.post(&admin, &path, json!({ "state": "revoked", "reason": "提供虚假材料取得" })).await.unwrap();
    let village = city.villages[0].token("officer").await;
    eventually("the village knows", async || {
        city.villages[0].get(&village, &format!("/licences/{number}")).await["state"] == "revoked"
    })
    .await;
    let (third, _) = applies(&city, "food", 103, &["m2"]).await;
    town_passes_on(&city, &third, &[]).await;
    let zw = city.body_officer("zw").await;
    waits_in_queue(&city.hub, &zw, &third, "accept").await;
    eventually("the library has answered", async || {
        view(&city.hub, &zw, &third).await["library"]["absent"] == json!(["m2"])
    })
    .await;
    work(&city.hub, &zw, &third, "accept", "claim", json!({})).await;
    let path = format!("/cases/{third}/stages/accept/complete");
    let told = city.hub.post(&zw, &path, json!({ "agrees": true })).await.unwrap_err();
    assert!(refusal(&told).unwrap().message.contains("营业执照"), "{told:#}");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_rating_opens_its_own_rectification_and_the_rated_see_no_rater() {
    let (city, _) = city_on_monday().await;
    let (case, _) = applies(&city, "geti", 111, &[]).await;
    let village = city.villages[0].token("officer").await;
    let site = &city.villages[0];
    let early =
        site.post(&village, &format!("/cases/{case}/rate"), json!({ "grade": "bad" })).await.unwrap_err();
    assert!(refusal(&early).unwrap().message.contains("尚无结果"), "{early:#}");
    town_passes_on(&city, &case, &[]).await;
    licence_of(&city, &case).await;
    village_sees(&city, &village, &case, "the licence is here", |view| view["status"] == "granted").await;
    waits_in_queue(site, &village, &case, "deliver").await;
    for (from, to) in [("hub", "postman"), ("postman", "applicant")] {
        let step = json!({ "paper": "营业执照正本", "from": from, "to": to });
        site.post(&village, &format!("/cases/{case}/originals"), step).await.unwrap();
    }
    let step = json!({ "paper": "营业执照正本", "from": "postman", "to": "hub" });
    let told = site.post(&village, &format!("/cases/{case}/originals"), step).await.unwrap_err();
    assert!(refusal(&told).unwrap().message.contains("现在 applicant 处"), "{told:#}");
    let proof = json!({ "receiver": "本人", "proof": "签名" });
    let done = work(site, &village, &case, "deliver", "deliver", proof).await;
    assert_eq!(done["originals"][0][1], "applicant");
    let rating = json!({ "grade": "bad", "text": "跑了三趟" });
    site.post(&village, &format!("/cases/{case}/rate"), rating.clone()).await.unwrap();
    let twice = site.post(&village, &format!("/cases/{case}/rate"), rating).await.unwrap_err();
    assert!(refusal(&twice).unwrap().message.contains("一事一评"), "{twice:#}");
    let seen = view(site, &village, &case).await.to_string()
        + &site.get(&village, &format!("/cases/{case}/history")).await.to_string();
    assert!(!seen.contains("跑了三趟"), "who was rated does not see what was said");

    let hub = city.hub.token("officer").await;
    eventually("the hub has the rectification", async || {
        city.hub.get(&hub, "/rectifications").await[0]["case"] == case.as_str()
    })
    .await;
    let open = city.hub.get(&hub, "/rectifications").await[0].clone();
    let rated = city.hub.get(&hub, "/ratings").await;
    assert_eq!(
        (&rated[0]["grades"], &rated[0]["good_percent"]),
        (&json!([0, 0, 0, 1, 0]), &json!(0.0)),
        "{rated}"
    );
    let (status, _) = site.raw(http::Method::GET, "/api/v1/ratings", Some(&village)).await;
    assert_eq!(status, 403, "who was rated does not see how");
    assert_eq!((&open["stage"], &open["due"]), (&json!("to_contact"), &json!("2026-11-24")));
    let path = format!("/cases/{case}/rectification");
    let hasty = json!({ "fixed": { "text": "已整改" } });
    let told = city.hub.post(&hub, &path, hasty.clone()).await.unwrap_err();
    assert!(refusal(&told).unwrap().message.contains("先联系"), "{told:#}");
    for step in [
        json!({ "contacted": { "text": "电话核实" } }),
        hasty,
        json!({ "revisited": { "grade": "good", "text": "满意" } }),
    ] {
        city.hub.post(&hub, &path, step).await.unwrap();
    }
    assert_eq!(city.hub.get(&hub, &path).await[0]["stage"], "closed");
    city.stop().await;
}
