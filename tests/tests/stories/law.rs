//! What the law says at the counter: five days to answer, one notice, a clock that stops only for what art. 45 names.

use super::{record, waits_in_queue, work};
use domain::Timestamp;
use domain::seams::Clock;
use serde_json::{Value, json};
use std::sync::Arc;
use testkit::FakeClock;
use testkit::api::refusal;
use tests::city::{City, Site, eventually};
use tier::Parts;

pub const DAY_MS: i64 = 86_400_000;
/// Monday 23 November 2026, ten o'clock in China.
pub const MONDAY: Timestamp = Timestamp::from_ms(1_795_399_200_000);

/// A city that lives by one clock, moved by hand.
pub async fn city_on_monday() -> (City, Arc<FakeClock>) {
    city_on(MONDAY).await
}

async fn city_on(start: Timestamp) -> (City, Arc<FakeClock>) {
    let clock = Arc::new(FakeClock::at(start));
    let parts = Parts { clock: clock.clone(), ..Parts::default() };
    (City::start_by(1, parts.clone(), parts).await, clock)
}

pub async fn view(site: &Site, token: &str, case: &str) -> Value {
    site.get(token, &format!("/cases/{case}")).await
}

/// The due day of one timer; `null` while the clock stands still.
pub async fn due(site: &Site, token: &str, case: &str, timer: &str) -> Value {
    let timers = site.get(token, &format!("/cases/{case}/explain")).await;
    let found = timers.as_array().unwrap().iter().find(|line| line["timer"] == timer).cloned();
    found.unwrap_or_else(|| panic!("no timer {timer} in {timers}"))["due"]["day"].clone()
}

pub async fn village_sees(city: &City, token: &str, case: &str, what: &str, seen: impl Fn(&Value) -> bool) {
    eventually(what, async || seen(&view(&city.villages[0], token, case).await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_case_nobody_answers_is_accepted_by_law_on_day_six_as_of_its_receipt() {
    let (city, clock) = city_on_monday().await;
    assert_eq!(clock.now().day().to_string(), "2026-11-23");
    let village = city.villages[0].token("officer").await;
    let case = record(&city.villages[0], &village, "food", 61).await;
    let town = city.town.token("officer").await;
    waits_in_queue(&city.town, &town, &case, "town").await;
    assert_eq!(due(&city.town, &town, &case, "completeness").await, "2026-11-30");
    let queue = city.town.get(&town, "/queue?limit=10").await;
    assert_eq!(queue[0]["due"], "2026-11-30", "the queue knows it too: {queue}");

    clock.set(MONDAY.plus_ms(7 * DAY_MS));
    assert_eq!(city.town.node().hall().deem_accepted().await.unwrap(), 0, "the fifth day is still in time");
    clock.set(MONDAY.plus_ms(8 * DAY_MS));
    assert_eq!(city.town.node().hall().deem_accepted().await.unwrap(), 1);
    assert_eq!(city.town.node().hall().deem_accepted().await.unwrap(), 0, "once");

    // Eight days later nobody is logged in any more.
    let village = city.villages[0].token("officer").await;
    village_sees(&city, &village, &case, "the village hears of it", |view| view["status"] == "accepted")
        .await;
    let seen = view(&city.villages[0], &village, &case).await;
    assert_eq!(seen["dossier"]["accepted"]["on"], "2026-11-23", "as of the town's receipt");
    assert_eq!(seen["dossier"]["accepted"]["deemed"], true);
    let notice = json!({ "faults": [{ "field": "m1", "label": "申请书", "reason": "未签字" }] });
    let town = city.town.token("officer").await;
    let late = city.town.post(&town, &format!("/cases/{case}/stages/town/return"), notice).await.unwrap_err();
    assert!(refusal(&late).unwrap().message.contains("已受理"), "{late:#}");
    city.stop().await;
}

/// I19: the village decides by itself and its clock is forty days ahead; the limit runs from the day its town signed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_village_decides_is_due_ten_days_after_the_town_signed_whatever_its_clock_says() {
    let (right, wrong) = (FakeClock::at(MONDAY), FakeClock::at(MONDAY.plus_ms(40 * DAY_MS)));
    let by = |clock| Parts { clock: Arc::new(clock), ..Parts::default() };
    let city = City::start_by(1, by(right), by(wrong)).await;
    let village = city.villages[0].token("officer").await;
    let case = record(&city.villages[0], &village, "med_reg", 62).await;
    let grant = json!({ "outcome": "granted", "text": "符合参保条件" });
    work(&city.villages[0], &village, &case, "decide", "decide", grant).await;
    let hub = city.hub.token("officer").await;
    eventually("the hub knows that the town signed", async || {
        let (status, timers) =
            city.hub.raw(http::Method::GET, &format!("/api/v1/cases/{case}/explain"), Some(&hub)).await;
        status == 200 && timers[0]["timer"] == "delivery"
    })
    .await;
    assert_eq!(due(&city.hub, &hub, &case, "delivery").await, "2026-12-07");
    eventually("the village reads the same day in its queue", async || {
        let queue = city.villages[0].get(&village, "/queue?limit=10").await;
        queue[0]["kind"] == "deliver" && queue[0]["due"] == "2026-12-07"
    })
    .await;
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_for_another_body_is_refused_in_writing_and_the_paper_is_handed_over_at_home() {
    let (city, _) = city_on_monday().await;
    let village = city.villages[0].token("officer").await;
    let case = record(&city.villages[0], &village, "food", 62).await;
    let town = city.town.token("officer").await;
    waits_in_queue(&city.town, &town, &case, "town").await;
    let path = format!("/cases/{case}/stages/town/not-accept");
    let nowhere = json!({ "ground": { "not_ours": { "competent": "" } }, "text": "x" });
    let refused = city.town.post(&town, &path, nowhere).await.unwrap_err();
    assert!(refusal(&refused).unwrap().message.contains("理由"), "{refused:#}");
    let ground = json!({ "not_ours": { "competent": "黔东南州市场监督管理局" } });
    let text = "食品生产许可由州市场监督管理局受理";
    work(&city.town, &town, &case, "town", "not-accept", json!({ "ground": ground, "text": text })).await;
    village_sees(&city, &village, &case, "the village has the paper", |view| {
        view["status"] == "not_accepted" && view["dossier"]["holder"] == view["dossier"]["origin"]
    })
    .await;
    let ready = view(&city.villages[0], &village, &case).await["ready"].clone();
    let stage = ready.as_array().unwrap().iter().find(|stage| stage["tier"] == "village").unwrap();
    let stage = stage["stage"].as_str().unwrap().to_owned();
    let proof = json!({ "receiver": "本人", "proof": "签字" });
    let done = work(&city.villages[0], &village, &case, &stage, "deliver", proof).await;
    assert_eq!(done["timers"], json!([]), "no clock runs on what was not accepted");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expert_review_stops_the_clock_and_every_day_of_it_can_be_explained() {
    let (city, clock) = city_on_monday().await;
    let village = city.villages[0].token("officer").await;
    let case = record(&city.villages[0], &village, "food", 63).await;
    let town = city.town.token("officer").await;
    waits_in_queue(&city.town, &town, &case, "town").await;
    work(&city.town, &town, &case, "town", "complete", json!({ "agrees": true, "opinion": "齐" })).await;
    let (zw, sj) = (city.body_officer("zw").await, city.body_officer("sj").await);
    waits_in_queue(&city.hub, &zw, &case, "accept").await;
    work(&city.hub, &zw, &case, "accept", "claim", json!({})).await;
    work(&city.hub, &zw, &case, "accept", "complete", json!({ "agrees": true })).await;
    work(&city.hub, &sj, &case, "review", "claim", json!({})).await;
    let statutory = due(&city.hub, &sj, &case, "statutory").await;

    let stop = json!({ "procedure": "expert_review", "basis": "食品安全专家评审", "days": 5 });
    let path = format!("/cases/{case}/stages/review/suspend");
    let alone = city.hub.post(&sj, &path, stop.clone()).await.unwrap_err();
    assert!(refusal(&alone).unwrap().message.contains("不能是同一人"), "{alone:#}");
    city.hub.employ("sj-head", Some("sj"), "approver").await;
    let head = city.hub.token("sj-head").await;
    work(&city.hub, &head, &case, "review", "suspend", stop).await;
    assert_eq!(due(&city.hub, &sj, &case, "statutory").await, Value::Null);
    village_sees(&city, &village, &case, "the village sees the clock stand", |view| {
        view["dossier"]["suspensions"][0]["procedure"] == "expert_review"
    })
    .await;

    // Tuesday to Friday are the review's; the clock goes on from Saturday, which is no working day.
    clock.set(MONDAY.plus_ms(4 * DAY_MS));
    let sj = city.hub.token("sj-1").await;
    work(&city.hub, &sj, &case, "review", "resume", json!({ "finding": "评审意见第3号" })).await;
    let later = due(&city.hub, &sj, &case, "statutory").await;
    let path = format!("/calendar/due?anchor={}&working_days=4", statutory.as_str().unwrap());
    assert_eq!(city.hub.get(&sj, &path).await["due"], later, "four working days later, by the calendar");
    let lines = city.hub.get(&sj, &format!("/cases/{case}/explain")).await.to_string();
    for source in ["第四十五条", "专家评审", "sj-head", "第八十二条"] {
        assert!(lines.contains(source), "{source} is missing in {lines}");
    }
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_years_calendar_is_published_and_the_case_says_in_writing_what_it_moved() {
    // Wednesday 23 December: the statutory days end in a year that nobody has arranged yet.
    let (city, _) = city_on(MONDAY.plus_ms(30 * DAY_MS)).await;
    let village = city.villages[0].token("officer").await;
    let case = record(&city.villages[0], &village, "food", 64).await;
    let town = city.town.token("officer").await;
    waits_in_queue(&city.town, &town, &case, "town").await;
    work(&city.town, &town, &case, "town", "complete", json!({ "agrees": true, "opinion": "齐" })).await;
    let (zw, hub) = (city.body_officer("zw").await, city.hub.node().hall());
    waits_in_queue(&city.hub, &zw, &case, "accept").await;
    work(&city.hub, &zw, &case, "accept", "claim", json!({})).await;
    work(&city.hub, &zw, &case, "accept", "complete", json!({ "agrees": true })).await;
    let provisional = due(&city.hub, &zw, &case, "statutory").await;
    assert!(provisional.as_str().unwrap() > "2027-01-03", "{provisional}");

    let known = domain::pack::kaili_pieces();
    let mut published = known.clone();
    let years = published["calendar_years"].replace("2027,not_announced", "2027,final");
    let days =
        published["calendar"].trim_end().to_owned() + "\n2027-01-01,holiday,元旦\n2027-01-04,holiday,元旦\n";
    published.extend([("calendar_years".into(), years), ("calendar".into(), days)]);
    hub.publish_pack("cli", &published).await.unwrap();
    assert_eq!(hub.reproject().await.unwrap(), 1);
    assert_eq!(hub.reproject().await.unwrap(), 0, "once");

    let path = format!("/calendar/due?anchor={}&working_days=1", provisional.as_str().unwrap());
    let later = city.hub.get(&zw, &path).await["due"].clone();
    assert_eq!(due(&city.hub, &zw, &case, "statutory").await, later);
    village_sees(&city, &village, &case, "the village reads why", |view| {
        let moved = view["dossier"]["reprojections"][0]["moved"].as_array();
        moved.is_some_and(|all| all.iter().any(|one| one["before"] == provisional && one["after"] == later))
    })
    .await;
    let told = city.villages[0].get(&village, &format!("/cases/{case}/explain")).await.to_string();
    assert!(told.contains("重算") && told.contains(provisional.as_str().unwrap()), "{told}");
    city.stop().await;
}
