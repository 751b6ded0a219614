//! What happens between two nodes when the line is not what it should be.

use super::{record, waits_in_queue};
use domain::NodeId;
use futures::channel::mpsc;
use link::codec::Packer;
use link::tls::Shown;
use link::{LinkState, Uplink};
use replication::frame::{Ack, Batch, Frame, Hello, PROTOCOL};
use replication::session::Load;
use replication::{Channel, JournalId, Position, Run, RunFault, Signature};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tests::city::{City, Site, eventually};

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

/// The runs of a village's journal, one for each act, as its town would send them on: naming what stands before each by the
/// beginning of its hash.
async fn acts_of(village: &Site) -> (JournalId, Vec<Run>) {
    let store = &village.node().hall().store;
    let journal = JournalId::new(village.node().hall().me(), Channel::Up);
    let (mut runs, mut at) = (Vec::new(), 0);
    loop {
        // One byte is less than any act, and an act is never cut.
        let load = Load::new(vec![(journal.clone(), at)], 1);
        let Some(run) = store.load_runs(load).await.unwrap().pop() else { return (journal, runs) };
        at += run.entries.len() as u64;
        runs.push(Run { previous: run.previous.shortened(), ..run });
    }
}

/// Says all batches to a node at once, as its neighbour `peer`, and gives what it answers to each.
async fn answers(to: &Site, peer: &NodeId, batches: Vec<Run>) -> BTreeMap<u64, Ack> {
    let (hall, peer) = (to.node().hall().clone(), peer.clone());
    let (say, said) = mpsc::unbounded();
    let (answer, mut answered) = tokio::sync::mpsc::channel(8);
    let node = to.opened().node();
    let talk = tokio::spawn({
        let peer = peer.clone();
        async move { node.converse(peer, Shown::default(), said, answer, |_| {}).await }
    });
    let hello = Hello {
        protocol: PROTOCOL,
        node: peer,
        incarnation: 1,
        clock: hall.now(),
        release: env!("CARGO_PKG_VERSION").to_owned(),
        oldest_waiting: None,
        positions: Vec::new(),
    };
    let count = batches.len();
    let batches =
        (1..).zip(batches).map(|(no, run)| Frame::Batch(Batch { no, runs: vec![run], acks: vec![] }));
    let mut packer = Packer::for_stream().unwrap();
    for frame in std::iter::once(Frame::Hello(hello)).chain(batches) {
        say.unbounded_send(Ok(packer.to_wire(frame).unwrap())).unwrap();
    }
    let mut acks = BTreeMap::new();
    while acks.len() < count {
        let frame = packer.from_wire(answered.recv().await.expect("the node goes on talking")).unwrap();
        let told = match frame {
            Frame::Acks(acks) | Frame::Batch(Batch { acks, .. }) => acks,
            _ => Vec::new(),
        };
        acks.extend(told.into_iter().map(|ack| (ack.no, ack)));
    }
    drop(say);
    drop(answered);
    talk.await.unwrap();
    acks
}

/// What a neighbour sends before it was answered rests on what is still on its way to the disk: it is taken one upon the other, and
/// nothing is taken after one that is broken until that comes whole (I2, I8).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_that_come_at_once_are_taken_in_their_order_or_asked_for_again() {
    let mut city = City::start(1).await;
    let town = city.town.opened().config.id.clone();
    city.town.stop().await;
    let village = &city.villages[0];
    let token = village.token("officer").await;
    for seed in 0..8 {
        record(village, &token, "food", 160 + seed).await;
    }
    let (journal, runs) = acts_of(village).await;
    assert!(runs.len() >= 8, "{} acts", runs.len());
    let head = async || {
        let heads = city.hub.node().hall().store.heads().await.unwrap();
        heads.into_iter().find(|(id, _)| *id == journal).map_or(0, |(_, head)| head.seq)
    };
    let (before, half) = (head().await, runs.len() / 2);
    assert!(before < runs.iter().map(|run| run.entries.len() as u64).sum());

    // The last but one of the first half was spoilt on the way.
    let mut spoilt = runs[..half].to_vec();
    spoilt[half - 2].entries.last_mut().unwrap().signature = Some(Signature([7; 64]));
    let acks = answers(&city.hub, &town, spoilt).await;
    let through: u64 = runs[..half - 2].iter().map(|run| run.entries.len() as u64).sum();
    let told = |no: usize| acks[&(no as u64)].faults.first().map(|(_, fault)| fault.clone());
    assert_eq!((head().await, told(half - 2), told(half - 1)), (through, None, Some(RunFault::BadSignature)));
    assert!(
        matches!(told(half), Some(RunFault::Gap { have: Position { seq, .. } }) if seq == through),
        "{acks:?}"
    );

    // From there on, as it was asked for.
    let rest = runs[half - 2..].to_vec();
    let acks = answers(&city.hub, &town, rest).await;
    assert!(acks.values().all(|ack| ack.faults.is_empty()), "{acks:?}");
    assert_eq!(head().await, runs.iter().map(|run| run.entries.len() as u64).sum::<u64>());
    let report = city.hub.opened().store.verify_log(city.hub.opened().keys.clone()).await.unwrap();
    assert_eq!(report.faults, Vec::<String>::new());
    city.stop().await;
}
