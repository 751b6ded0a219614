//! 取号叫号 and 日报 through the API: a morning at a town's windows, by programs.

use super::{record, waits_in_queue, work};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::api::refusal;
use tests::city::City;

fn label(ticket: &Value) -> String {
    ticket["label"].as_str().unwrap().to_owned()
}

/// Eight windows press at once, the node is started anew in between, and nobody is called twice or forgotten.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_called_to_two_windows_and_nobody_is_forgotten_over_a_restart() {
    let mut city = City::start(1).await;
    let token = city.town.token("officer").await;
    let mut taken = BTreeSet::new();
    for number in 0..24 {
        let matter = ["apply", "collect", "ask"][number % 3];
        let ticket = city.town.post(&token, "/tickets", json!({ "matter": matter })).await.unwrap();
        assert!(taken.insert(label(&ticket)), "{ticket}");
    }
    assert_eq!(taken.iter().next_back().unwrap(), "C008");
    let mut called = BTreeSet::new();
    let mut windows = async |town: &tests::city::Site, token: &str| {
        let call = |window: u8| {
            let path = json!({ "window": window });
            async move { town.post(token, "/tickets/call", path).await.unwrap() }
        };
        let answers = futures::future::join_all((1..=8).map(call)).await;
        for ticket in &answers {
            assert!(called.insert(label(ticket)), "called twice: {ticket}");
        }
    };
    windows(&city.town, &token).await;
    city.town.stop().await;
    city.town.start_again().await;
    let token = city.town.token("officer").await;
    windows(&city.town, &token).await;
    windows(&city.town, &token).await;
    assert_eq!(called, taken);
    let told = city.town.post(&token, "/tickets/call", json!({ "window": 1 })).await.unwrap_err();
    let told = refusal(&told).unwrap();
    assert_eq!((told.status, told.message.contains("没有人在等")), (422, true), "{told:?}");
    city.stop().await;
}

/// An answer that is lost on the way is asked for again with the same `request`: one number, one call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_request_is_one_number_and_one_call_and_what_cannot_be_is_told() {
    let city = City::start(1).await;
    let (town, village) = (&city.town, &city.villages[0]);
    let token = town.token("officer").await;
    let id = |town: &tests::city::Site| town.node().hall().fresh_id().to_string();
    let take = json!({ "matter": "apply", "first": true, "request": id(town) });
    let first = town.post(&token, "/tickets", take.clone()).await.unwrap();
    assert_eq!(town.post(&token, "/tickets", take).await.unwrap(), first);
    town.post(&token, "/tickets", json!({ "matter": "apply" })).await.unwrap();
    let call = json!({ "window": 2, "request": id(town) });
    let called = town.post(&token, "/tickets/call", call.clone()).await.unwrap();
    assert_eq!(label(&called), "A001");
    assert_eq!(town.post(&token, "/tickets/call", call).await.unwrap(), called);
    for (path, body, status) in [
        ("/tickets/A001", json!({ "verb": "dance" }), 422),
        ("/tickets/A1", json!({ "verb": "done" }), 422),
        ("/tickets/A009", json!({ "verb": "done" }), 422),
        ("/tickets/A002", json!({ "verb": "done" }), 422),
        ("/tickets/call", json!({ "window": 0 }), 422),
        ("/tickets", json!({ "matter": "dance" }), 422),
    ] {
        let told = town.post(&token, path, body.clone()).await.unwrap_err();
        let told = refusal(&told).unwrap();
        assert_eq!(told.status, status, "{path} {body}: {told:?}");
        assert!(!told.message.is_empty());
    }
    town.post(&token, "/tickets/A001", json!({ "verb": "miss" })).await.unwrap();
    let back = town.post(&token, "/tickets/A001", json!({ "verb": "back" })).await.unwrap();
    assert_eq!(back["state"]["is"], "waiting");
    let officer = village.token("officer").await;
    let told = village.post(&officer, "/tickets", json!({ "matter": "apply" })).await.unwrap_err();
    assert_eq!(refusal(&told).unwrap().status, 409, "a village has no windows");
    city.stop().await;
}

/// In the evening the report says what the pages say: so many taken in, so many checked, by whom, and who waited how long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_daily_report_is_a_fold_of_what_was_written_here() {
    let city = City::start(1).await;
    let town = &city.town;
    let token = town.token("officer").await;
    let empty = town.get(&token, "/daily").await;
    assert_eq!((&empty["rows"], &empty["tickets"]["taken"]), (&json!([]), &json!(0)));
    let cases = [record(town, &token, "food", 31).await, record(town, &token, "food", 32).await];
    town.employ("officer-2", None, "town_window").await;
    let colleague = town.token("officer-2").await;
    for (case, who) in cases.iter().zip([&token, &colleague]) {
        waits_in_queue(town, who, case, "town").await;
        work(town, who, case, "town", "complete", json!({ "agrees": true })).await;
    }
    town.post(&token, "/tickets", json!({ "matter": "collect" })).await.unwrap();
    let report = town.get(&token, "/daily").await;
    let rows = report["rows"].as_array().unwrap();
    let row = |what: &str| rows.iter().find(|row| row["what"] == what).unwrap_or_else(|| panic!("{report}"));
    assert_eq!(row("收件")["count"], 2);
    let hall = town.node().hall();
    let item = hall.item(None, &"food".parse().unwrap()).unwrap().2;
    let checked = row(&item.stage(&"town".parse().unwrap()).unwrap().name);
    assert_eq!((&checked["count"], checked["officers"].as_object().unwrap().len()), (&json!(2), 2));
    assert_eq!((&report["cases"], &report["tickets"]["taken"]), (&json!(2), &json!(1)));
    // Something under the town's own seal that is no page: an incident, and the report goes on without it.
    let now = hall.now();
    let (id, subject) = (hall.random.entry_id(now), cases[0].clone());
    let (channel, body) = (replication::Channel::Up, b"0.1".to_vec());
    let entry = store::NewEntry { id, channel, kind: store::kind::PAGE, subject, body };
    hall.store.append(store::Append::new(now, "officer", "forged", vec![entry])).await.unwrap();
    assert_eq!(town.get(&token, "/daily").await["rows"], report["rows"]);
    let yesterday = now.day().plus_days(-1);
    let before = town.get(&token, &format!("/daily?day={yesterday}")).await;
    assert_eq!((&before["rows"], &before["tickets"]["taken"]), (&json!([]), &json!(0)));
    let (status, told) = town.raw(http::Method::GET, "/api/v1/daily?day=yesterday", Some(&token)).await;
    assert_eq!(status, 422, "{told}");
    city.stop().await;
}
