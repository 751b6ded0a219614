//! Disks fail. A node is restored from last night's backup, and nothing that others had seen of it is lost.

use super::authority::up_to_decision;
use super::law::{view, village_sees};
use super::{draft_of, no_doors, record, waits_in_queue};
use domain::network::Tier;
use serde_json::{Value, json};
use std::path::PathBuf;
use store::Store;
use testkit::api::refusal;
use tests::city::{City, Site, city_token, enter, eventually, key_of};
use tier::Parts;
use tier::backup::{Plan, back_up, list, restore};

async fn last_night(site: &Site, to: &std::path::Path) -> PathBuf {
    let made = back_up(site.opened(), to).await.unwrap();
    assert_eq!(made.missing, Vec::<String>::new());
    made.folder
}

async fn put_back(site: &mut Site, backup: &std::path::Path) -> Plan {
    site.stop().await;
    let plan = restore(backup, &site.data, false, &Parts::default(), key_of(&site.data)).await.unwrap();
    site.start_again().await;
    plan
}

async fn state_of(site: &Site) -> String {
    site.opened().store.state_hash().await.unwrap()
}

async fn is_whole_again(site: &Site) {
    eventually("the node has taken back what is its own", async || site.opened().store.recovery().is_none())
        .await;
    let report = site.opened().store.verify_log(site.opened().keys.clone()).await.unwrap();
    assert_eq!(report.faults, Vec::<String>::new(), "I9");
}

/// The drill: what the village had told its town is there again, to the last byte of the state; drafts are those of the backup.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_village_restored_from_a_backup_has_again_whatever_its_town_had_seen() {
    let mut city = City::start(1).await;
    let backups = city.folder.0.join("stick");
    let token = city.villages[0].token("officer").await;
    let before = record(&city.villages[0], &token, "food", 301).await;
    let draft = draft_of(&city.villages[0], &token, "dibao", 302).await;
    let town = city.town.token("officer").await;
    waits_in_queue(&city.town, &town, &before, "town").await;
    let backup = last_night(&city.villages[0], &backups).await;
    let after = record(&city.villages[0], &token, "food", 303).await;
    city.villages[0].post(&token, &format!("/drafts/{draft}/capture"), json!({})).await.unwrap();
    waits_in_queue(&city.town, &town, &after, "town").await;
    village_sees(&city, &token, &after, "the hub has it", |view| view["ticks"]["hub"] == true).await;
    let state = state_of(&city.villages[0]).await;

    let plan = put_back(&mut city.villages[0], &backup).await;
    assert!(plan.own_entries_after >= Some(3), "{plan:?}");
    assert_eq!(plan.awaited, [city.town.node().hall().me().clone()]);
    is_whole_again(&city.villages[0]).await;
    let token = city.villages[0].token("officer").await;
    village_sees(&city, &token, &after, "its ticks are back", |view| view["ticks"]["hub"] == true).await;
    assert_eq!(state_of(&city.villages[0]).await, state, "I1, I10");
    let drafts = city.villages[0].get(&token, "/drafts").await;
    assert_eq!(
        drafts.as_array().map(Vec::len),
        Some(0),
        "the draft of last night is a case by now, and no second one"
    );
    eventually("the scan comes back from the town", async || {
        view(&city.villages[0], &token, &after).await["missing_attachments"] == 0
    })
    .await;

    // It goes on as before, and what is recorded now travels up in the new epoch.
    let next = record(&city.villages[0], &token, "food", 304).await;
    waits_in_queue(&city.town, &town, &next, "town").await;
    let up = replication::JournalId::new(city.villages[0].node().hall().me(), replication::Channel::Up);
    let heads = city.town.opened().store.heads().await.unwrap();
    assert_eq!(heads.iter().find(|(id, _)| *id == up).unwrap().1.epoch, 2);
    city.stop().await;
}

/// I7, I20: a hub that lost a day writes nothing before its town has answered; the decision of that day stands as it was
/// signed, and no number is given twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_hub_waits_for_its_towns_and_decides_nothing_a_second_time() {
    let mut city = City::start(1).await;
    let (first, _) = up_to_decision(&city, 311).await;
    let (second, head) = up_to_decision(&city, 312).await;
    let lost = city_token(&city.hub, Tier::Village, "522601108202").await;
    let backup = last_night(&city.hub, &city.folder.0.join("vault")).await;
    let refused = json!({ "outcome": "refused", "text": "不符合", "article": "第三十八条" });
    let decide = |case: &str| format!("/cases/{case}/stages/decide/decide");
    let decided = city.hub.post(&head, &decide(&first), refused.clone()).await.unwrap();
    let paper = |view: &Value| view["dossier"]["papers"][0].clone();
    let village = city.villages[0].token("officer").await;
    village_sees(&city, &village, &first, "the decision came home", |view| view["status"] == "refused").await;

    // The town is away while the hub is restored.
    city.town.stop().await;
    put_back(&mut city.hub, &backup).await;
    let head = city.hub.token("sj-2").await;
    assert_eq!(view(&city.hub, &head, &first).await["status"], "accepted", "last night it was not decided");
    let told = city.hub.post(&head, &decide(&first), refused.clone()).await.unwrap_err();
    let told = refusal(&told).unwrap();
    assert_eq!((told.status, told.code.as_str()), (503, "recovering"), "{}", told.message);
    let status = city.hub.get(&head, "/status").await;
    assert_eq!(status["recovery"]["why"], "restored", "{status}");

    city.town.dial(&city.hub).await;
    is_whole_again(&city.hub).await;
    // Whether it was taken back since the backup nobody knows any more, so nobody comes in with it.
    assert!(city.hub.node().hall().open_tokens().await.unwrap().is_empty(), "I27");
    let data = city.folder.0.join("with-a-lost-token");
    let late = enter(&city.hub, &city.hub, data, Tier::Village, &lost, no_doors()).await;
    assert!(late.unwrap_err().to_string().contains("已作废"));
    let again = view(&city.hub, &head, &first).await;
    assert_eq!((again["status"].as_str(), paper(&again)), (Some("refused"), paper(&decided)), "I7");
    let later = city.hub.post(&head, &decide(&second), refused).await.unwrap();
    let number = paper(&later)["ledger_no"].as_u64().unwrap();
    assert!(number > 100, "I20: numbers that may be on a lost sheet are left out: {number}");
    city.stop().await;
}

/// I6: a town set back to its first day lacks nothing that passed through it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_town_set_back_to_its_first_day_has_everything_again() {
    let mut city = City::start(1).await;
    let backup = last_night(&city.town, &city.folder.0.join("vault")).await;
    let token = city.villages[0].token("officer").await;
    let town = city.town.token("officer").await;
    let case = record(&city.villages[0], &token, "food", 321).await;
    waits_in_queue(&city.town, &town, &case, "town").await;
    super::work(&city.town, &town, &case, "town", "complete", json!({ "agrees": true })).await;
    let zw = city.body_officer("zw").await;
    waits_in_queue(&city.hub, &zw, &case, "accept").await;
    let receipts = async |city: &City| view(&city.villages[0], &token, &case).await["ticks"]["hub"] == true;
    eventually("both receipts are home", async || receipts(&city).await).await;
    let state = state_of(&city.town).await;

    put_back(&mut city.town, &backup).await;
    is_whole_again(&city.town).await;
    city.villages[0].dial(&city.town).await;
    eventually("its state is what it was", async || state_of(&city.town).await == state).await;
    let token = city.villages[0].token("officer").await;
    let next = record(&city.villages[0], &token, "food", 322).await;
    let town = city.town.token("officer").await;
    waits_in_queue(&city.town, &town, &next, "town").await;
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_not_whole_or_not_this_nodes_is_refused_and_changes_nothing() {
    let mut city = City::start(2).await;
    let vault = city.folder.0.join("vault");
    let token = city.villages[0].token("officer").await;
    record(&city.villages[0], &token, "food", 331).await;
    let backup = last_night(&city.villages[0], &vault).await;
    let second = last_night(&city.villages[0], &vault).await;
    assert_eq!(list(&vault).unwrap().len(), 2);
    let (data, other) = (city.villages[0].data.clone(), city.villages[1].data.clone());
    let key = key_of(&data);
    let tries = async |from: &std::path::Path, to: &std::path::Path, dry: bool| {
        restore(from, to, dry, &Parts::default(), key.clone()).await.map(|plan| plan.done)
    };
    let told = |outcome: anyhow::Result<bool>| format!("{:#}", outcome.unwrap_err());

    city.villages[1].stop().await;
    let foreign = told(tries(&backup, &other, false).await);
    assert!(foreign.contains("the backup is of"), "{foreign}");
    city.villages[0].stop().await;
    let state = std::fs::read(data.join("tongban.db")).unwrap();
    assert!(!tries(&backup, &data, true).await.unwrap(), "a dry run does nothing");

    let flip = |name: &str| {
        let path = second.join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        std::fs::write(&path, bytes).unwrap();
    };
    flip("tongban.db");
    let damaged = told(tries(&second, &data, false).await);
    assert!(damaged.contains("tongban.db was changed"), "{damaged}");
    flip("tongban.db");
    flip("manifest.json");
    assert!(!told(tries(&second, &data, false).await).is_empty(), "a manifest that nobody signed");
    std::fs::remove_file(second.join("manifest.json")).unwrap();
    let unfinished = told(tries(&second, &data, false).await);
    assert!(unfinished.contains("not finished"), "{unfinished}");
    let pool = vault.join(format!("attachments-{}", key.as_ref().unwrap().id()));
    let scan = std::fs::read_dir(pool).unwrap().next().unwrap().unwrap().path();
    std::fs::remove_dir_all(scan).unwrap();
    let missing = told(tries(&backup, &data, false).await);
    assert!(missing.contains("attachment"), "{missing}");
    assert_eq!(std::fs::read(data.join("tongban.db")).unwrap(), state, "nothing was touched");
    city.stop().await;
}
