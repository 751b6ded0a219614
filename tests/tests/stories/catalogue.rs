//! The list lives: an item is reviewed, published, changed under a running draft, suspended; and every node gets it.

use super::{draft_of, refusal};
use serde_json::{Value, json};
use tests::city::{City, eventually, key_of};

/// Publishes the pack in force with one item changed.
async fn publish(city: &City, item: &str, edit: impl Fn(&mut Value)) -> Result<u32, casework::ActError> {
    let hall = city.hub.node().hall();
    let mut pieces = hall.store.pack_pieces(None).await.unwrap();
    let name = format!("item/{item}");
    let text = pieces.get(&name).cloned().unwrap_or_else(|| pieces["item/vet"].clone());
    let mut value: Value = serde_json::from_str(&text).unwrap();
    value["id"] = item.into();
    edit(&mut value);
    pieces.insert(name, value.to_string());
    hall.publish_pack("cli", &pieces).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_comes_into_force_step_by_step_and_leaves_it_without_harm_to_what_is_under_way() {
    let city = City::start(1).await;
    let (site, token) = (&city.villages[0], city.villages[0].token("officer").await);
    let has = async |release: u32| {
        eventually("the release arrives", async || {
            site.get(&token, "/status").await["catalogue_release"] == release
        })
        .await;
    };
    // Nothing is published that nobody reviewed.
    let told = publish(&city, "vet_new", |item| item["state"] = "published".into()).await.unwrap_err();
    assert!(told.to_string().contains("拟制"), "{told}");
    for state in ["proposed", "legal_review"] {
        let release = publish(&city, "vet_new", |item| item["state"] = state.into()).await.unwrap();
        has(release).await;
        let told = site.post(&token, "/drafts", json!({ "item": "vet_new" })).await.unwrap_err();
        assert!(refusal(&told).unwrap().message.contains("不得办理"), "{told:#}");
    }
    let release = publish(&city, "vet_new", |item| item["state"] = "published".into()).await.unwrap();
    has(release).await;
    site.post(&token, "/drafts", json!({ "item": "vet_new" })).await.unwrap();

    // A draft keeps the version it was begun under, and its officer is told what has changed.
    let draft = draft_of(site, &token, "geti", 131).await;
    assert_eq!(site.get(&token, &format!("/drafts/{draft}/changes")).await, json!([]));
    let more = json!({ "id": "m9", "name": "从业人员名册", "necessity": "required" });
    let release =
        publish(&city, "geti", |item| item["materials"].as_array_mut().unwrap().push(more.clone())).await;
    has(release.unwrap()).await;
    let changes = site.get(&token, &format!("/drafts/{draft}/changes")).await;
    assert_eq!(
        (changes.as_array().unwrap().len(), &changes[0]["what"]),
        (1, &json!("material")),
        "{changes}"
    );
    assert!(changes[0]["name"].as_str().unwrap().contains("从业人员名册"));
    let case = site.post(&token, &format!("/drafts/{draft}/capture"), json!({})).await.unwrap();
    assert_eq!(case["dossier"]["release"], 4, "I22: judged by the release it was begun under");

    // What is suspended is not taken in any more, draft or no draft; the refusal itself is in the audit.
    let late = draft_of(site, &token, "food", 132).await;
    let release = publish(&city, "food", |item| item["state"] = "suspended".into()).await.unwrap();
    has(release).await;
    let told = site.post(&token, &format!("/drafts/{late}/capture"), json!({})).await.unwrap_err();
    assert!(refusal(&told).unwrap().message.contains("暂停"), "{told:#}");
    let database = store_sqlite::SqliteStore::path(&site.data);
    let audit = store_sqlite::look_into(&database, key_of(&site.data).as_ref()).unwrap();
    let refused: i64 = audit
        .query_row(
            "SELECT count(*) FROM audit WHERE action = 'refused' AND subject = 'item food'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(refused, 1);
    // Nor inside a bundle, of which it is one matter.
    let told = site.post(&token, "/drafts", json!({ "bundle": "b_catering" })).await.unwrap_err();
    assert!(refusal(&told).unwrap().message.contains("暂停"), "{told:#}");

    // The hub sees the roll-out, node by node.
    let admin = city.hub.token("officer").await;
    eventually("every node is known to have the release", async || {
        city.town.node().hall().report_contacts(&[]).await.unwrap();
        let nodes = city.hub.get(&admin, "/nodes").await;
        nodes.as_array().unwrap().iter().all(|node| node["catalogue_release"] == release)
    })
    .await;
    let standards = city.hub.get(&admin, "/standards").await;
    assert_eq!((&standards["total"], &standards["by_class"]["service"]), (&json!(342), &json!(272)));
    city.stop().await;
}
