//! What happens between two nodes when the line is not what it should be.

use super::{record, waits_in_queue};
use link::{LinkState, Uplink};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tests::city::{City, eventually};

/// A village's folder on two machines, or a line that broke without the town noticing: the newest link is the one that holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_say_they_are_one_village_never_talk_to_the_town_at_once() {
    let city = City::start(1).await;
    let village = &city.villages[0];
    let first = village.node().uplink.clone().unwrap();
    eventually("the village is connected", async || first.connected.load(Ordering::Relaxed)).await;
    let before = first.attempts.load(Ordering::Relaxed);

    let (opened, second) = (village.opened(), Arc::new(LinkState::default()));
    let parent = opened.config.parent.clone().unwrap();
    let twin = Uplink {
        node: opened.node(),
        parent: parent.id,
        address: parent.address,
        door: None,
        credentials: village.node().credentials.clone(),
        meter: Arc::default(),
        state: second.clone(),
    };
    let twin = tokio::spawn(twin.run());
    eventually("the twin is connected", async || second.connected.load(Ordering::Relaxed)).await;
    eventually("the first lost its line and dials again", async || {
        first.attempts.load(Ordering::Relaxed) > before
    })
    .await;
    twin.abort();

    // Nothing is lost by it.
    eventually("the first holds the line again", async || first.connected.load(Ordering::Relaxed)).await;
    let token = village.token("officer").await;
    let case = record(village, &token, "food", 151).await;
    let town = city.town.token("officer").await;
    waits_in_queue(&city.town, &town, &case, "town").await;
    city.stop().await;
}
