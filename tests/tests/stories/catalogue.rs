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

/// Two editors, one draft: who saves over the other's work is told, what has faults is kept and not published, and a release that came
/// in between is noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_is_one_for_the_house_and_never_publishes_over_what_it_did_not_know() {
    let city = City::start(1).await;
    let hub = &city.hub;
    for name in ["editor-1", "editor-2"] {
        hub.employ(name, None, "catalogue_editor").await;
    }
    let (one, two) = (hub.token("editor-1").await, hub.token("editor-2").await);
    let put = async |token: &str, read: &Value, item: &Value| {
        let body = json!({ "read": read, "item": item }).to_string();
        let path = format!("/catalogue/items/{}", item["id"].as_str().unwrap());
        hub.call(token, http::Method::PUT, &path, body.into()).await
    };
    let read = hub.get(&one, "/catalogue/items/food").await;
    let mut item = read["item"].clone();
    item["promised_limit"]["days"] = json!(5);
    put(&one, &read["read"], &item).await.unwrap();
    let late = put(&two, &read["read"], &item).await.unwrap_err();
    assert_eq!(refusal(&late).unwrap().status, 409, "{late:#}");
    // Somebody who works on another item meanwhile is in nobody's way.
    let other = hub.get(&two, "/catalogue/items/geti").await;
    let mut name = other["item"].clone();
    name["name"] = json!("个体工商户设立登记");
    put(&two, &other["read"], &name).await.unwrap();
    put(&two, &hub.get(&two, "/catalogue/items/geti").await["read"], &other["item"]).await.unwrap();

    // In the middle of a thought: kept, told, and not to be published.
    let now = hub.get(&two, "/catalogue/items/food").await["read"].clone();
    item["stages"][1]["after"] = json!(["nowhere"]);
    let view = put(&two, &now, &item).await.unwrap();
    assert!(view["faults"][0].as_str().unwrap().contains("nowhere"), "{view}");
    let version = async || hub.get(&one, "/catalogue/draft").await["version"].clone();
    let publish = async |token: &str, who: &str| {
        let body = json!({ "version": version().await, "proof": hub.proof(who).await });
        hub.post(token, "/catalogue/draft/publish", body).await
    };
    let told = publish(&two, "editor-2").await.unwrap_err();
    assert!(refusal(&told).unwrap().message.contains("nowhere"), "{told:#}");
    let stranger = json!({ "version": version().await, "proof": { "password": "guess", "code": "000000" } });
    let told = hub.post(&two, "/catalogue/draft/publish", stranger).await.unwrap_err();
    assert_eq!(refusal(&told).unwrap().status, 401);

    // As it is in force is no change; the draft is empty again.
    let now = hub.get(&one, "/catalogue/items/food").await["read"].clone();
    let view = put(&one, &now, &read["item"]).await.unwrap();
    assert_eq!((&view["pieces"], &view["faults"]), (&json!([]), &json!([])), "{view}");
    item = read["item"].clone();
    item["promised_limit"]["days"] = json!(5);
    // What no list of changes knows by name is shown all the same.
    item["stages"][3]["dept"] = json!("zw");
    let view = put(&one, &read["read"], &item).await.unwrap();
    let changes = view["diff"]["changed"][0]["changes"].as_array().unwrap();
    assert!(changes.iter().any(|change| change["name"] == "stages review"), "{view}");

    // Somebody publishes the same item from the command line meanwhile.
    let hall = hub.node().hall();
    let mut pieces = hall.store.pack_pieces(None).await.unwrap();
    let mut other = read["item"].clone();
    other["accept_conditions"] = json!(["年满十八周岁"]);
    pieces.insert("item/food".into(), other.to_string());
    assert_eq!(hall.publish_pack("cli", &pieces).await.unwrap(), 2);
    let told = publish(&one, "editor-1").await.unwrap_err();
    assert!(refusal(&told).unwrap().message.contains("新版本"), "{told:#}");
    hub.post(&one, "/catalogue/draft/discard", json!({ "version": version().await })).await.unwrap();
    let read = hub.get(&one, "/catalogue/items/food").await;
    assert_eq!(read["item"]["accept_conditions"], json!(["年满十八周岁"]));
    item = read["item"].clone();
    item["promised_limit"]["days"] = json!(5);
    let view = put(&one, &read["read"], &item).await.unwrap();
    assert_eq!(view["diff"]["changed"][0]["changes"].as_array().unwrap().len(), 1, "{view}");
    assert_eq!(publish(&one, "editor-1").await.unwrap()["release"], 3);
    assert_eq!(hub.get(&one, "/catalogue/draft").await["pieces"], json!([]));
    city.stop().await;
}
