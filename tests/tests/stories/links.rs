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

/// Says something to a web door that no browser would, and reads what comes until the door closes the line.
async fn answered(port: u16, said: &[u8]) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut line = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    // A door that has heard enough may close while we still talk.
    let _ = line.write_all(said).await;
    let mut heard = Vec::new();
    let _ = line.read_to_end(&mut heard).await;
    String::from_utf8_lossy(&heard).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_door_is_not_held_open_by_those_who_never_finish_a_sentence() {
    let city = City::start(0).await;
    let port = city.hub.node().web.port();
    let half = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ";
    let loris: Vec<_> = (0..100).map(|_| tokio::spawn(answered(port, half))).collect();
    let many = format!("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n{}\r\n", "X-Many: x\r\n".repeat(100));
    assert!(answered(port, many.as_bytes()).await.starts_with("HTTP/1.1 431"), "a hundred headers");
    let long = format!("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: {}\r\n\r\n", "x".repeat(200_000));
    assert!(answered(port, long.as_bytes()).await.starts_with("HTTP/1.1 431"), "a header of 200 KB");
    let other = answered(port, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(!other.starts_with("HTTP/1.1 200"), "HTTP/2 has no business here: {other}");
    let page = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n";
    assert!(answered(port, page).await.ends_with("ok"), "everybody else gets their page meanwhile");
    // Each of them is shown the door by the door's own clock; the test only waits for it.
    for slow in loris {
        let heard = slow.await.unwrap();
        assert!(!heard.contains("200 OK"), "{heard}");
    }
    city.stop().await;
}

/// After a restart with no network the village still knows when somebody above last signed for something, and what has not
/// been signed for: records and scans alike.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_village_that_restarts_offline_knows_what_was_signed_for_and_what_was_not() {
    let mut city = City::start(1).await;
    let token = city.villages[0].token("officer").await;
    record(&city.villages[0], &token, "food", 91).await;
    let on_way =
        async |city: &City| city.villages[0].node().hall().counts().await.unwrap().attachments_on_way;
    eventually("the town has signed for all", async || {
        on_way(&city).await == 0 && city.villages[0].node().hall().outbox().await.unwrap().waiting == 0
    })
    .await;
    city.town.stop().await;
    record(&city.villages[0], &token, "food", 92).await;
    let waiting = on_way(&city).await;
    assert!(waiting > 0, "nobody has signed for the new scans");
    city.villages[0].stop().await;
    city.villages[0].start_again().await;
    let outbox = city.villages[0].node().hall().outbox().await.unwrap();
    assert!(outbox.parent_signed.is_some() && outbox.waiting > 0, "{outbox:?}");
    assert_eq!(on_way(&city).await, waiting);
    city.stop().await;
}
