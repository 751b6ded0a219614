//! An incident is looked at by a person, who says what became of it; and everything can be tried again.

use super::record;
use http::Method;
use serde_json::{Value, json};
use store::Quarantined;
use testkit::api::refusal;
use tests::city::{City, eventually};

fn open(incidents: &Value) -> Vec<&Value> {
    let open = |one: &&Value| one["settled"].is_null() && one["remark"] == false;
    incidents.as_array().unwrap().iter().filter(open).collect()
}

/// The town's supervisor settles it with a note; nobody else can, nobody twice, and the reconciliation no longer counts it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incident_is_settled_once_by_whoever_may_and_stays_to_be_read() {
    let city = City::start(1).await;
    let (town, village) = (&city.town, &city.villages[0]);
    town.employ("boss", None, "town_supervisor").await;
    town.employ("window", None, "town_window").await;
    let (boss, window) = (town.token("boss").await, town.token("window").await);
    let hall = town.node().hall();
    let author = village.node().hall().me().clone();
    let item = Quarantined {
        at: hall.now(),
        peer: author.clone(),
        journal: format!("{author}/up"),
        seq: 7,
        reason: "signature".into(),
        bytes: vec![1, 2, 3],
    };
    hall.store.quarantine(item).await.unwrap();
    let before = town.get(&boss, "/incidents").await;
    let no = open(&before)[0]["no"].as_u64().unwrap();
    assert_eq!(hall.counts().await.unwrap().quarantined, 1);
    assert_eq!(hall.store.incidents_about(&author).await.unwrap(), 1);
    let path = format!("/incidents/{no}/settle");
    let note = json!({ "note": "已到村里核实,重装后补录" });
    let status = async |token: &str, path: &str, body: Value| {
        refusal(&town.post(token, path, body).await.unwrap_err()).unwrap().status
    };
    assert_eq!(status(&window, &path, note.clone()).await, 403);
    assert_eq!(status(&boss, &path, json!({ "note": "  " })).await, 422);
    assert_eq!(status(&boss, &path, json!({ "note": "长".repeat(301) })).await, 422);
    assert_eq!(status(&boss, "/incidents/999999/settle", note.clone()).await, 404);
    // Only the neighbour it is about is greeted anew.
    let mut changes = hall.store.changes();
    let again = format!("/incidents/{no}/retry");
    assert_eq!(status(&window, &again, json!({})).await, 403);
    assert_eq!(status(&boss, "/incidents/999999/retry", json!({})).await, 404);
    town.post(&boss, &again, json!({})).await.unwrap();
    let greeted = async {
        loop {
            if let Ok(change) = changes.recv().await
                && !change.greet.is_empty()
            {
                return change;
            }
        }
    };
    let greeted =
        tokio::time::timeout(std::time::Duration::from_secs(20), greeted).await.expect("its link is told");
    assert!(greeted.greet == [author.clone()] && !greeted.greet_anew);
    town.post(&boss, &path, note.clone()).await.unwrap();
    assert_eq!(status(&boss, &path, note).await, 404, "settled once");
    let after = town.get(&boss, "/incidents").await;
    assert!(open(&after).is_empty(), "{after}");
    let settled = after.as_array().unwrap().iter().find(|one| one["no"] == no).unwrap();
    assert_eq!((&settled["settled"]["by"], &settled["reason"]), (&json!("boss"), &json!("signature")));
    assert_eq!(hall.counts().await.unwrap().quarantined, 0);
    assert_eq!(hall.store.incidents_about(&author).await.unwrap(), 0);
    let rows = store::AuditQuery { action: Some("settle-incident".into()), ..store::AuditQuery::default() };
    assert_eq!(hall.store.audit_rows(rows).await.unwrap().rows.len(), 1, "I37");
    city.stop().await;
}

/// 全部重试: every link greets anew, and work goes on over it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trying_again_greets_every_neighbour_anew_and_loses_nothing() {
    let city = City::start(1).await;
    let (town, village, hub) = (&city.town, &city.villages[0], &city.hub);
    town.employ("boss", None, "town_supervisor").await;
    let boss = town.token("boss").await;
    let link = village.node().uplink.clone().unwrap();
    let mut changes = town.node().hall().store.changes();
    town.post(&boss, "/incidents/retry", json!({})).await.unwrap();
    let heard = async {
        loop {
            if changes.recv().await.is_ok_and(|change| change.greet_anew) {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), heard).await.expect("the links are told");
    let (status, told) = town.raw(Method::POST, "/api/v1/incidents/retry", None).await;
    assert_eq!(status, 401, "{told}");
    let case = record(village, &village.token("officer").await, "food", 77).await;
    let officer = hub.token("officer").await;
    eventually("the case comes to the hub all the same", async || {
        let (status, _) = hub.raw(Method::GET, &format!("/api/v1/cases/{case}"), Some(&officer)).await;
        status == 200 && link.connected.load(std::sync::atomic::Ordering::Relaxed)
    })
    .await;
    city.stop().await;
}
