//! The city changes its certificate authority while everybody is at work; and lets old releases take part no more.

use super::{no_doors, record, waits_in_queue};
use casework::NodeStatus;
use domain::network::Tier;
use std::sync::atomic::Ordering;
use tests::city::{City, Folder, Site, city_token, enter, eventually, pack_folder};
use tier::Parts;

async fn nodes(hub: &Site) -> Vec<NodeStatus> {
    hub.node().hall().nodes().await.unwrap()
}

/// The fingerprints a node believes, as its next handshake will.
fn believed(site: &Site) -> Vec<String> {
    site.node().credentials.fingerprints()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_authority_follows_another_and_nobody_is_locked_out() {
    let mut city = City::start(2).await;
    let opened = city.hub.opened();
    let former = opened.ca().open().unwrap().fingerprint();
    let away_data = city.villages[1].data.clone();
    let first = city_hub::ca::next(opened, "two").await.unwrap();
    assert_eq!(city_hub::ca::next(opened, "two").await.unwrap(), first, "a step may be repeated");
    eventually("everybody believes both", async || {
        [&city.hub, &city.town, &city.villages[0], &city.villages[1]]
            .iter()
            .all(|site| believed(site).len() == 2)
    })
    .await;
    eventually("and the hub knows it", async || {
        nodes(&city.hub).await.iter().all(|node| node.trust_version == Some(first.version))
    })
    .await;

    // One village is away while the new one begins to issue.
    city.villages[1].stop().await;
    let opened = city.hub.opened();
    city_hub::ca::switch(opened, "two", false).await.unwrap();
    let present = opened.ca().open().unwrap().fingerprint();
    assert_ne!(present, former);
    let under = async |site: &Site| {
        let id = site.node().hall().me().clone();
        let status = nodes(&city.hub).await.into_iter().find(|node| node.id == id).unwrap();
        status.shown_under == Some(present.clone())
    };
    eventually("town and village have certificates under the new one", async || {
        under(&city.town).await
            && under(&city.villages[0]).await
            && believed(&city.hub).first() == Some(&present)
            && !city.hub.node().credentials.is_outdated()
    })
    .await;
    let refused = city_hub::ca::retire(city.hub.opened(), "two", false).await.unwrap_err();
    assert!(refused.to_string().contains("1 nodes"), "the one that is away is not forgotten: {refused}");

    // A new village pins the new one; the one that comes back renews by itself.
    let line = city_token(&city.hub, Tier::Village, "522601108203").await;
    let data = city.folder.0.join("new");
    eventually("the town shows the new authority at its door", async || {
        believed(&city.town).first() == Some(&present)
    })
    .await;
    enter(&city.town, &city.town, data.clone(), Tier::Village, &line, no_doors()).await.unwrap();
    let new = Site::serve(data, Parts::default()).await;
    city.villages[1] = Site::serve(away_data, Parts::default()).await;
    eventually("whoever was away has one too", async || under(&city.villages[1]).await).await;
    city_hub::ca::retire(city.hub.opened(), "two", false).await.unwrap();
    eventually("the former one is believed nowhere", async || {
        [&city.hub, &city.town, &city.villages[0], &city.villages[1], &new]
            .iter()
            .all(|site| believed(site) == [present.clone()])
    })
    .await;
    for (seed, village) in [(801, &city.villages[1]), (802, &new)] {
        eventually("connected", async || {
            village.node().uplink.as_ref().unwrap().connected.load(Ordering::Relaxed)
                && village.node().hall().pack(None).is_ok()
        })
        .await;
        let case = record(village, &village.token("officer").await, "food", seed).await;
        waits_in_queue(&city.town, &city.town.token("officer").await, &case, "town").await;
    }
    new.node().hall().store.heads().await.unwrap();
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_release_is_told_to_be_brought_up_to_date_and_keeps_what_it_has() {
    let city = City::start(1).await;
    let (hall, village) = (city.hub.node().hall(), &city.villages[0]);
    let authorities = trust::ca_folder::authorities(city.hub.opened().ca().open().unwrap().authorities_pem());
    let oldest = Some("99.0.0".parse().unwrap());
    hall.publish_trust("two", authorities.clone(), oldest).await.unwrap();
    eventually("the town knows", async || city.town.node().hall().store.trust_bundle().is_some()).await;
    // The link that stands is not cut; the next one is refused.
    let uplink = village.node().uplink.clone().unwrap();
    uplink.switch(false);
    eventually("off", async || !uplink.connected.load(Ordering::Relaxed)).await;
    uplink.switch(true);
    eventually("the village is told why", async || uplink.last_error().contains("99.0.0")).await;
    let token = village.token("officer").await;
    let case = record(village, &token, "food", 811).await;
    assert_eq!(village.get(&token, &format!("/cases/{case}")).await["ticks_text"], "仅存本机");
    // The hub thinks better of it. Bundles reach the town from above; the village comes in again.
    eventually("the town is told", async || {
        hall.publish_trust("two", authorities.clone(), None).await.unwrap();
        city.town.node().hall().store.trust_bundle().is_some_and(|bundle| bundle.oldest_release.is_none())
    })
    .await;
    uplink.poke.notify_one();
    waits_in_queue(&city.town, &city.town.token("officer").await, &case, "town").await;
    city.stop().await;
}

/// The verbs of the command line are another process, and a hub without a single town has nothing that would wake it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_serving_hub_follows_a_step_that_was_taken_at_the_command_line() {
    let folder = Folder::new();
    let data = folder.0.join("hub");
    city_hub::init::init(&data, &pack_folder(), "kaili.tongban", no_doors()).await.unwrap();
    let mut city = Site::serve(data, Parts::default()).await;
    let beside = tier::serve::Opened::open(&city.data, &Parts::default(), None).unwrap();
    city_hub::ca::next(&beside, "two").await.unwrap();
    eventually("the hub believes both", async || believed(&city).len() == 2).await;
    city_hub::ca::switch(&beside, "two", false).await.unwrap();
    let present = beside.ca().open().unwrap().fingerprint();
    eventually("and shows a certificate under the new one", async || {
        believed(&city).first() == Some(&present) && !city.node().credentials.is_outdated()
    })
    .await;
    city_hub::ca::retire(&beside, "two", false).await.unwrap();
    eventually("the former one is believed no more", async || believed(&city) == [present.clone()]).await;
    city.stop().await;
}
