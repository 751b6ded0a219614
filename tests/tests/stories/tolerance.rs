//! A paper that follows later (容缺受理) and a channel for those who cannot wait (绿色通道), from the village and back.

use super::law::{DAY_MS, MONDAY, city_on_monday, due, view, village_sees};
use super::{draft_of, waits_in_queue, work};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::seams::Clock;
use http::Method;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use testkit::api::refusal;
use tests::city::{City, Site};

/// A food licence whose hygiene rules (m4) are promised for later, captured in the village.
async fn promised(village: &Site, token: &str, seed: u64) -> String {
    let draft = village.post(token, "/drafts", json!({ "item": "food" })).await.unwrap();
    let id = draft["id"].as_str().unwrap().to_owned();
    let (_, pack) = village.node().hall().pack(None).unwrap();
    let item = pack.items[&"food".parse().unwrap()].clone();
    let mut dice = StdRng::seed_from_u64(seed);
    let today = village.node().hall().now().day();
    let form = testkit::fill(&item, &testkit::applicants(), today, &mut dice);
    let body = json!({ "version": draft["version"], "form": form }).to_string();
    let mut saved = village.call(token, Method::PUT, &format!("/drafts/{id}"), body.into()).await.unwrap();
    for material in item.materials.iter().filter(|material| material.id.as_str() != "m4") {
        let (scan, path) =
            (testkit::scans::jpeg(&mut dice), format!("/drafts/{id}/materials/{}", material.id));
        saved = village.call(token, Method::PUT, &path, scan.into()).await.unwrap();
    }
    let told = village.post(token, &format!("/drafts/{id}/capture"), json!({})).await.unwrap_err();
    assert!(
        refusal(&told).unwrap().message.contains("容缺承诺书"),
        "the officer is told of the way: {told:#}"
    );
    let promise = |signed_by: &str| {
        let commitment = json!({ "materials": ["m4"], "signed_by": signed_by });
        json!({ "version": saved["version"], "commitment": commitment }).to_string()
    };
    let path = format!("/drafts/{id}/requests");
    village.call(token, Method::PUT, &path, promise("杨兰梅").into()).await.unwrap();
    let view = village.post(token, &format!("/drafts/{id}/capture"), json!({})).await.unwrap();
    view["case"].as_str().unwrap().to_owned()
}

async fn accept(city: &City, case: &str) {
    let town = city.town.token("officer").await;
    waits_in_queue(&city.town, &town, case, "town").await;
    work(&city.town, &town, case, "town", "complete", json!({ "agrees": true })).await;
    let zw = city.body_officer("zw").await;
    waits_in_queue(&city.hub, &zw, case, "accept").await;
    work(&city.hub, &zw, case, "accept", "claim", json!({})).await;
    work(&city.hub, &zw, case, "accept", "complete", json!({ "agrees": true })).await;
}

async fn decide(city: &City, case: &str) -> anyhow::Result<Value> {
    let (sj, head) = (city.body_officer("sj").await, city.body_colleague("sj", "2").await);
    for stage in ["review", "inspect"] {
        work(&city.hub, &sj, case, stage, "claim", json!({})).await;
        work(
            &city.hub,
            &sj,
            case,
            stage,
            "complete",
            json!({ "agrees": true, "opinion": "符合", "officers": ["吴", "李"] }),
        )
        .await;
    }
    work(&city.hub, &head, case, "decide", "claim", json!({})).await;
    let grant = json!({ "outcome": "granted", "text": "准予" });
    city.hub.post(&head, &format!("/cases/{case}/stages/decide/decide"), grant).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promised_paper_is_brought_to_the_village_and_only_then_is_the_licence_granted() {
    let (city, _) = city_on_monday().await;
    let village = city.villages[0].token("officer").await;
    let case = promised(&city.villages[0], &village, 71).await;
    accept(&city, &case).await;
    let sj = city.body_officer("sj").await;
    assert_eq!(due(&city.hub, &sj, &case, "make_up").await, "2026-11-27", "four working days from Monday");
    village_sees(&city, &village, &case, "the village knows what lacks", |view| {
        !view["dossier"]["accepted"].is_null() && view["dossier"]["lacking"] == json!(["m4"])
    })
    .await;
    let early = decide(&city, &case).await.unwrap_err();
    assert!(refusal(&early).unwrap().message.contains("食品安全规章制度"), "{early:#}");

    let mut dice = StdRng::seed_from_u64(72);
    let scan = |dice: &mut StdRng| STANDARD.encode(testkit::scans::jpeg(dice));
    let path = format!("/cases/{case}/make-up");
    let wrong = json!({ "materials": { "m1": scan(&mut dice) } });
    let told = city.villages[0].post(&village, &path, wrong).await.unwrap_err();
    assert!(refusal(&told).unwrap().message.contains("并不缺"), "{told:#}");
    let slip = city.villages[0]
        .post(&village, &path, json!({ "materials": { "m4": scan(&mut dice) } }))
        .await
        .unwrap()["slip"]
        .clone();
    let head = city.body_colleague("sj", "2").await;
    waits_in_queue(&city.hub, &head, &case, "decide").await;
    tests::city::eventually("the paper is at the hub", async || {
        let seen = view(&city.hub, &head, &case).await;
        seen["dossier"]["slips"][0]["id"] == slip && seen["missing_attachments"] == 0
    })
    .await;
    work(&city.hub, &head, &case, "decide", "take-make-up", json!({ "slip": slip })).await;
    let grant = json!({ "outcome": "granted", "text": "准予" });
    let done = work(&city.hub, &head, &case, "decide", "decide", grant).await;
    assert_eq!(
        (done["status"].as_str(), done["doubt"].is_null()),
        (Some("granted"), true),
        "{}",
        done["doubt"]
    );
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promise_not_kept_ends_the_case_by_a_page_that_nobody_wrote() {
    let (city, clock) = city_on_monday().await;
    let village = city.villages[0].token("officer").await;
    let case = promised(&city.villages[0], &village, 73).await;
    accept(&city, &case).await;
    let hall = city.hub.node().hall();
    clock.set(MONDAY.plus_ms(4 * DAY_MS));
    assert_eq!(hall.lapse_commitments().await.unwrap(), 0, "Friday is still in time");
    clock.set(MONDAY.plus_ms(5 * DAY_MS));
    assert_eq!(hall.lapse_commitments().await.unwrap(), 1);
    assert_eq!(hall.lapse_commitments().await.unwrap(), 0, "once");
    let village = city.villages[0].token("officer").await;
    village_sees(&city, &village, &case, "the village is told", |view| view["status"] == "lapsed").await;
    assert_eq!(clock.now().day().to_string(), "2026-11-28");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_cannot_wait_is_answered_on_the_shorter_limit_of_the_green_channel() {
    let (city, _) = city_on_monday().await;
    let (village, site) = (city.villages[0].token("officer").await, &city.villages[0]);
    let plain = super::record(site, &village, "linshi", 74).await;
    let id = draft_of(site, &village, "linshi", 75).await;
    let version = site.get(&village, &format!("/drafts/{id}")).await["version"].clone();
    let green = json!({ "version": version, "green": { "ground": "urgent", "evidence": "火灾后无处居住" } });
    let path = format!("/drafts/{id}/requests");
    site.call(&village, Method::PUT, &path, green.to_string().into()).await.unwrap();
    let told = site.post(&village, &format!("/drafts/{id}/capture"), json!({})).await.unwrap();
    let green = told["case"].as_str().unwrap().to_owned();
    let town = city.town.token("officer").await;
    for case in [&plain, &green] {
        waits_in_queue(&city.town, &town, case, "accept").await;
        work(&city.town, &town, case, "accept", "complete", json!({ "agrees": true })).await;
    }
    // Ten working days promised to everybody, one in the channel.
    assert_eq!(due(&city.town, &town, &green, "promised").await, "2026-11-24");
    assert_eq!(due(&city.town, &town, &plain, "promised").await, "2026-12-07");
    let told = city.town.get(&town, &format!("/cases/{green}/explain")).await.to_string();
    assert!(told.contains("绿色通道(紧急),普通件承诺 10 日"), "{told}");
    city.stop().await;
}

/// From their own phone, at the hub: the applicant brings what was promised, and is bounded in what they send.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promised_paper_is_brought_by_the_applicant_at_the_citizens_hall() {
    let (city, _) = city_on_monday().await;
    let token = city.villages[0].token("officer").await;
    let case = promised(&city.villages[0], &token, 141).await;
    accept(&city, &case).await;
    let (hall, case_no) = (city.hub.node().hall(), case.parse::<domain::CaseNo>().unwrap());
    let form = hall.store.current_submission(&case_no).await.unwrap().unwrap();
    let form = form.body.submission().unwrap().form.to_form();
    let text = |key: &str| form.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let (name, number) = domain::form::applicant(&form);
    // A body goes by its own code as well as by the number of whoever acts for it.
    let numbers: Vec<String> = domain::form::numbers(&form).map(str::to_owned).collect();
    assert!(numbers.len() > 1 && numbers.contains(&text("uscc")), "{numbers:?}");
    for number in &numbers {
        let citizen = casework::Citizen { name: name.to_owned(), number: number.clone() };
        assert_eq!(hall.cases_of(&citizen).await.unwrap().len(), 1, "found by {number}");
        let four = &number[number.len() - 4..];
        assert!(hall.progress(&case, four).await.unwrap().is_some());
    }
    let applicant = casework::Citizen { name: name.to_owned(), number: number.to_owned() };
    let somebody = casework::Citizen { name: "杨阿榜".to_owned(), number: number.to_owned() };
    assert!(hall.cases_of(&somebody).await.unwrap().is_empty(), "a number alone is nobody");
    let scan = || vec![("m4".parse().unwrap(), testkit::scans::jpeg(&mut StdRng::seed_from_u64(4)))];
    let theirs = hall.hand_in(&somebody, &case_no, scan(), None).await.unwrap_err();
    assert!(theirs.to_string().contains("没有找到"), "{theirs}");

    // Sent twice it is one act, and its id is nobody else's to choose.
    let key = hall.fresh_id();
    let first = hall.hand_in(&applicant, &case_no, scan(), Some(key)).await.unwrap();
    let again = hall.hand_in(&applicant, &case_no, scan(), Some(key)).await.unwrap();
    assert!(first == again && first != key);
    let zw = city.body_officer("sj").await;
    work(&city.hub, &zw, &case, "review", "claim", json!({})).await;
    work(&city.hub, &zw, &case, "review", "take-make-up", json!({ "slip": first })).await;
    assert!(hall.view(&case_no).await.unwrap().dossier.lacking.is_empty());

    // What they may say is what the page offers, no longer than a page, and not all day.
    let say =
        async |kind: &str, text: String| hall.applicant_says(&applicant, &case_no, kind, text, None).await;
    assert!(say("inspection_slot", "明天".to_owned()).await.is_err(), "no times were proposed");
    assert!(say("rating", "好".to_owned()).await.is_err(), "not a kind of note");
    assert!(say("note", "长".repeat(1001)).await.is_err());
    let mut taken = 0;
    while say("note", "请电话联系".to_owned()).await.is_ok() {
        taken += 1;
        assert!(taken < 30, "there is an end to it");
    }
    assert!(taken > 10);
    let view = hall.view(&case_no).await.unwrap();
    let said = view.dossier.slips.iter().filter(|slip| slip.from_applicant).count();
    assert_eq!(said, taken + 1);
    city.stop().await;
}
