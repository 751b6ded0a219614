//! Bags from a stick, and signed pages with a meaning nobody foresaw, at a real node with a real disk.

use crate::city::City;
use crate::sim::people::capture;
use domain::network::Tier;
use replication::session::Load;
use replication::{Channel, JournalId};
use serde_json::Value;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use store::{Append, NewEntry, kind};
use tokio::runtime::Runtime;

/// A city whose town is shut: what reaches the hub is what is fed.
pub struct Place {
    pub runtime: Runtime,
    pub city: City,
    bag: Vec<u8>,
}

pub fn place() -> MutexGuard<'static, Place> {
    static PLACE: OnceLock<Mutex<Place>> = OnceLock::new();
    let place = PLACE.get_or_init(|| {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (city, bag) = runtime.block_on(async {
            let mut city = City::start(1).await;
            city.town.stop().await;
            let village = &city.villages[0];
            let roles = domain::access::Roles::new([domain::access::Role::ProxyOfficer]);
            let officer = casework::Officer::of_house("officer".to_owned(), None, roles);
            let people = testkit::applicants();
            for (seed, item) in ["food", "dibao", "geti"].into_iter().enumerate() {
                capture(village.node().hall(), &officer, item, &people, seed as u64).await.unwrap();
            }
            let parent = village.opened().config.parent.as_ref().unwrap().id.clone();
            let mut bag = Vec::new();
            link::bag::export(&village.opened().node(), &parent, &mut bag).await.unwrap();
            (city, bag)
        });
        Mutex::new(Place { runtime, city, bag })
    });
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whatever a stick holds: what is verified is taken, the rest is reported, and the node's own log stays whole.
pub fn bag(input: &[u8]) {
    let place = place();
    let opened = place.city.hub.opened();
    place.runtime.block_on(async {
        match link::bag::import(&opened.node(), input).await {
            Ok(_) | Err(link::bag::BagError::NotABag) => {}
            Err(error) => panic!("{error}"),
        }
    });
}

pub fn sample_bags() -> Vec<Vec<u8>> {
    vec![place().bag.clone()]
}

const KINDS: [&str; 15] = [
    kind::PAGE,
    kind::SLIP,
    kind::RECEIPT,
    kind::ALERT,
    kind::NODE,
    kind::LETTER,
    kind::REVOCATION,
    kind::LICENCE_STATE,
    kind::RECTIFICATION,
    kind::SEAL,
    kind::CONTACTS,
    kind::AUDIT_HEAD,
    kind::PACK_PIECE,
    kind::PACK_RELEASE,
    "kind.of.tomorrow",
];

/// A village that went mad signs anything: its journal goes on (I14), nobody falls over, and nothing is believed that is not
/// the village's to say. The first line names the kind.
pub fn pages(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (kind, body) = text.split_once('\n').unwrap_or(("page", &text));
    let Some(kind) = KINDS.into_iter().find(|known| *known == kind) else { return };
    let value: Value = serde_json::from_str(body).unwrap_or_default();
    let told = |key: &str| value[key].as_str().unwrap_or_default().chars().take(60).collect::<String>();
    let place = place();
    let (village, hub) = (&place.city.villages[0], &place.city.hub);
    let (writer, reader) = (village.node().hall().store.clone(), hub.opened().node());
    place.runtime.block_on(async {
        let now = village.node().hall().now();
        let id = village.node().hall().random.entry_id(now);
        let subject = [told("case"), told("id"), told("number")].into_iter().find(|text| !text.is_empty());
        let entry = NewEntry {
            id,
            channel: Channel::Up,
            kind,
            subject: subject.unwrap_or_else(|| "x".into()),
            body: body.as_bytes()[..body.len().min(200_000)].to_vec(),
        };
        let release = hub.node().hall().store.pack(None).unwrap().0;
        writer.append(Append::new(now, told("officer"), "fuzz", vec![entry])).await.unwrap();
        let me = village.node().hall().me().clone();
        let journal = JournalId::new(&me, Channel::Up);
        let head = |heads: Vec<(JournalId, replication::Position)>| {
            heads.into_iter().find(|(id, _)| *id == journal).map_or(0, |(_, head)| head.seq)
        };
        let at = head(reader.hall.store.heads().await.unwrap());
        let runs = writer.load_runs(Load::new(vec![(journal.clone(), at)], 1 << 20)).await.unwrap();
        let parent = village.opened().config.parent.as_ref().unwrap().id.clone();
        let taken = reader.take_runs(&parent, runs, |_| true).await.unwrap();
        assert!(
            taken.faults.is_empty(),
            "I14: a page without a meaning stops its journal: {:?}",
            taken.faults
        );
        assert_eq!(hub.node().hall().store.pack(None).unwrap().0, release, "a village published a catalogue");
        let network = hub.node().hall().store.network();
        let hubs = network.iter().filter(|node| node.tier == Tier::City).count();
        assert_eq!(hubs, 1, "a village enrolled a hub");
    });
}

/// After everything: the logs of both verify, and what was recorded before is there.
pub fn look_back() {
    let place = place();
    place.runtime.block_on(async {
        for site in [&place.city.hub, &place.city.villages[0]] {
            let report = site.opened().store.verify_log(site.opened().keys.clone()).await.unwrap();
            assert!(report.faults.is_empty(), "{:?}", report.faults);
        }
    });
}

pub fn sample_pages() -> Vec<Vec<u8>> {
    let place = place();
    let mut samples = Vec::new();
    place.runtime.block_on(async {
        for site in [&place.city.villages[0], &place.city.hub] {
            let store = site.node().hall().store.clone();
            for (journal, _) in store.heads().await.unwrap() {
                let load = Load::new(vec![(journal, 0)], 1 << 20);
                for run in store.load_runs(load).await.unwrap() {
                    for entry in run.entries.into_iter().filter(|entry| entry.body.len() < 20_000).take(60) {
                        let core = <replication::Core as prost::Message>::decode(entry.core).unwrap();
                        let body = String::from_utf8_lossy(&entry.body);
                        samples.push(format!("{}\n{body}", core.kind).into_bytes());
                    }
                }
            }
        }
    });
    samples
}
