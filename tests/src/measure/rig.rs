//! The rig: a hub, towns and villages in one process, over real TLS links with a switch in each.

use crate::city::{Folder, Site, city_token, enter, eventually, pack_folder};

use domain::dossier::{Attachment, Captured, Outcome, Page, PageBody, Submission};
use domain::network::Tier;
use domain::{CaseNo, EntryId, NodeId};
use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};
use replication::Channel;
use runtime::config::Listen;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use store::{Append, NewEntry, kind};
use tier::Parts;
use tokio::runtime::{Builder, Runtime};

pub struct Rig {
    pub hub: Site,
    pub towns: Vec<Site>,
    pub villages: Vec<Site>,
    /// Goes when the rig goes.
    pub folder: Option<Folder>,
    runtimes: Vec<Runtime>,
}

/// One case of about 2 KB in fifteen Chinese fields, ready to be appended.
pub struct Record {
    pages: Vec<Page>,
    blob: Option<String>,
}

impl Record {
    pub fn bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&self.pages[0]).unwrap()
    }
    pub fn case(&self) -> CaseNo {
        self.pages[0].case.clone()
    }
}

pub struct Reader<'r> {
    hub: &'r Site,
    token: String,
}

impl Reader<'_> {
    /// Does `work` and looks meanwhile; gives how long each look took, in milliseconds, the shortest first.
    pub async fn looks_while<T>(&self, work: impl Future<Output = T>) -> (T, Vec<f64>) {
        let mut work = std::pin::pin!(work);
        let mut looks = Vec::new();
        loop {
            let started = std::time::Instant::now();
            let look = async {
                let nodes = self.hub.get(&self.token, "/nodes").await;
                assert!(!nodes.as_array().unwrap().is_empty());
            };
            tokio::select! {
                done = &mut work => {
                    looks.sort_by(f64::total_cmp);
                    return (done, looks);
                }
                () = look => looks.push(started.elapsed().as_secs_f64() * 1000.0),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Serves a node on threads of its own, as many as its program has: in a city no node waits for a thread that another one keeps
/// busy.
async fn serve_apart(runtimes: &mut Vec<Runtime>, tier: Tier, data: PathBuf) -> Site {
    let threads = match tier {
        Tier::Village => 1,
        Tier::Town | Tier::City => 2,
    };
    let runtime = Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap();
    let site = runtime.spawn(Site::serve(data, Parts::default())).await.unwrap();
    runtimes.push(runtime);
    site
}

fn doors() -> Listen {
    Listen::new("127.0.0.1:0".into(), Some("127.0.0.1:0".into()), Some("127.0.0.1:0".into()))
}

impl Rig {
    /// Starts and joins all; `connected` says whether the villages' links stay on.
    pub async fn start(towns: usize, villages: usize, connected: bool) -> Rig {
        let folder = Folder::new();
        let data = |name: String| folder.0.join(name);
        city_hub::init::init(&data("hub".into()), &pack_folder(), "kaili.tongban", doors()).await.unwrap();
        let mut runtimes = Vec::new();
        let hub = serve_apart(&mut runtimes, Tier::City, data("hub".into())).await;
        let mut rig = Rig { hub, towns: Vec::new(), villages: Vec::new(), folder: None, runtimes };
        for town in 0..towns {
            let path = data(format!("town-{town}"));
            let token = city_token(&rig.hub, Tier::Town, "522601108").await;
            enter(&rig.hub, &rig.hub, path.clone(), Tier::Town, &token, doors()).await.unwrap();
            let site = serve_apart(&mut rig.runtimes, Tier::Town, path).await;
            eventually("the town is connected", async || {
                site.node().uplink.as_ref().unwrap().channel().is_some()
            })
            .await;
            rig.towns.push(site);
        }
        for village in 0..villages {
            let town = &rig.towns[village % towns];
            let path = data(format!("village-{village}"));
            let parent = town.opened().config.id.clone();
            let place =
                casework::Place { tier: Tier::Village, place: "522601108201".into(), parent: Some(parent) };
            let ca = rig.hub.opened().ca().open().unwrap();
            let fingerprint = ca.fingerprint();
            let seating = casework::Seating::At(place);
            let hall = rig.hub.node().hall();
            let token = hall.issue_token("bench", &seating, &fingerprint, 3_600_000).await.unwrap().line;
            let listen = Listen::new("127.0.0.1:0".into(), None, None);
            enter(town, town, path.clone(), Tier::Village, &token, listen).await.unwrap();
            let site = serve_apart(&mut rig.runtimes, Tier::Village, path).await;
            eventually("the catalogue arrives", async || site.node().hall().pack(None).is_ok()).await;
            site.node().uplink.as_ref().unwrap().switch(connected);
            rig.villages.push(site);
        }
        rig.folder = Some(folder);
        tokio::time::sleep(Duration::from_millis(300)).await;
        rig
    }

    fn links(&self) -> impl Iterator<Item = &link::LinkState> {
        self.villages.iter().filter_map(|village| village.node().uplink.as_deref())
    }
    pub fn connect(&self) {
        self.links().for_each(|link| link.switch(true));
    }
    /// Takes the town's doors away, as a broken line would: dialling finds nobody.
    pub fn cut(&self) {
        self.towns.iter().for_each(|town| town.node().refuse_children(true));
    }
    pub fn heal(&self) {
        self.towns.iter().for_each(|town| town.node().refuse_children(false));
    }

    /// Bytes on the wire so far: (all village–town links, all town–hub links).
    pub fn wire(&self) -> (u64, u64) {
        // A town's meter counts its children's links and its own uplink; the hub's counts the towns' links.
        let villages: u64 = self.villages.iter().map(|site| site.node().meter.total()).sum();
        (villages, self.hub.node().meter.total())
    }

    /// What was refused, held or quarantined anywhere: nothing, when everybody behaves.
    pub async fn errors(&self) -> u64 {
        let mut errors = 0;
        for site in self.villages.iter().chain(&self.towns).chain([&self.hub]) {
            let counts = site.node().hall().counts().await.unwrap();
            errors += counts.held + counts.quarantined;
        }
        errors
    }

    /// Somebody at the hub who looks at the list of all nodes again and again.
    pub async fn reader_of_the_hub(&self) -> Reader<'_> {
        Reader { hub: &self.hub, token: self.hub.token("officer").await }
    }

    /// Waits until every village has the hub's receipt for all it wrote.
    pub async fn until_receipted(&self) {
        for village in &self.villages {
            let hall = village.node().hall();
            let mut changes = hall.store.changes();
            loop {
                let outbox = hall.outbox().await.unwrap();
                if outbox.hub_has == outbox.own_head {
                    break;
                }
                // One that fell behind looks again, too.
                let _ = changes.recv().await;
            }
        }
    }

    /// A case handed to the town, as an officer records it.
    pub fn record(&self, village: &Site, seed: u64) -> Record {
        let town = village.opened().config.parent.as_ref().unwrap().id.clone();
        record(village, town, seed, Vec::new())
    }
    pub fn record_for_hub(&self, village: &Site, seed: u64) -> Record {
        record(village, "hub".parse().unwrap(), seed, Vec::new())
    }
    pub fn record_with_scan(&self, village: &Site, seed: u64) -> (Record, Vec<u8>) {
        let mut blob = vec![0; 200_000];
        StdRng::seed_from_u64(seed).fill_bytes(&mut blob);
        blob[..4].copy_from_slice(&[0xFF, 0xD8, 0xFF, 0xE0]);
        let hash = blake3::hash(&blob).to_hex().to_string();
        village.node().hall().blobs.put(&hash, &blob).unwrap();
        let attachment = Attachment {
            material: "m1".parse().unwrap(),
            hash: hash.clone(),
            bytes: blob.len() as u64,
            mime: "image/jpeg".into(),
        };
        let town = village.opened().config.parent.as_ref().unwrap().id.clone();
        let mut record = record(village, town, seed, vec![attachment]);
        record.blob = Some(hash);
        (record, blob)
    }

    /// A department that decides whatever arrives, at once.
    pub fn deciding_clerk(&self) -> tokio::task::JoinHandle<()> {
        let hall = self.hub.node().hall().clone();
        tokio::spawn(async move {
            let mut changes = hall.store.changes();
            while let Ok(change) = changes.recv().await {
                for case in change.cases {
                    let Some(stored) = hall.store.dossier(&case).await.unwrap() else { continue };
                    let dossier = stored.dossier;
                    if dossier.holder != *hall.me() || dossier.decision.is_some() {
                        continue;
                    }
                    let body = PageBody::Decided {
                        stage: "decide".parse().unwrap(),
                        outcome: Outcome::Granted,
                        text: "准予".into(),
                        article: None,
                    };
                    let page = Page {
                        case: case.clone(),
                        no: dossier.pages + 1,
                        term: 1,
                        at: hall.now(),
                        officer: "clerk".into(),
                        delegation: None,
                        body,
                    };
                    let append = append_of(
                        "clerk",
                        &[page],
                        Channel::To(dossier.origin),
                        hall.fresh_id(),
                        hall.now(),
                        Vec::new(),
                    );
                    hall.store.append(append).await.unwrap();
                }
            }
        })
    }

    pub async fn stop(mut self) {
        for site in self.villages.iter_mut().chain(&mut self.towns).chain(std::iter::once(&mut self.hub)) {
            site.stop().await;
        }
    }
}

impl Drop for Rig {
    /// They are dropped from within another one, which must not wait for them.
    fn drop(&mut self) {
        std::mem::take(&mut self.runtimes).into_iter().for_each(Runtime::shutdown_background);
    }
}

fn record(village: &Site, to: NodeId, seed: u64, attachments: Vec<Attachment>) -> Record {
    let hall = village.node().hall();
    let mut dice = StdRng::seed_from_u64(seed);
    let case = CaseNo::make(hall.me(), hall.now().day(), dice.next_u64());
    let body = PageBody::Captured(Captured {
        item: "food".parse().unwrap(),
        release: 1,
        submission: submission(&mut dice, attachments),
        bundle: None,
        intake: domain::network::Tier::Village,
    });
    let first =
        Page { case, no: 1, term: 1, at: hall.now(), officer: "officer".into(), delegation: None, body };
    let second = Page { no: 2, body: PageBody::HandedOver { to }, ..first.clone() };
    Record { pages: vec![first, second], blob: None }
}

const SYLLABLES: &str = "凯里市碧波镇柿花村苗族侗族自治州黔东南贵州省农产品经营部食品小作坊个体工商户便民服务中心代办员申请人联系电话住址居民身份证户口簿营业执照卫生许可经营场所面积从业人员安全管理制度设备布局流程平面图委托书";

fn submission(dice: &mut StdRng, attachments: Vec<Attachment>) -> Submission {
    let syllables: Vec<char> = SYLLABLES.chars().collect();
    let mut phrase = |length: usize| -> String {
        let start = dice.random_range(0..syllables.len());
        (0..length)
            .map(|i| syllables[(start + i + (dice.random_range(0..10) / 9)) % syllables.len()])
            .collect()
    };
    let mut form = json!({
        "name": phrase(3), "id_type": "居民身份证", "gender": "女", "ethnic": "苗族", "address": phrase(24), "org_name": phrase(14),
        "org_address": phrase(30), "scope": phrase(60), "plan": phrase(110), "history": phrase(110), "equipment": phrase(100), "note": phrase(90), "legal_rep": phrase(3),
    });
    form["id_no"] = json!(testkit::people::citizen_no(
        domain::Day::new(1960 + (dice.next_u32() % 50) as i16, 3, 7).unwrap(),
        dice.next_u32()
    ));
    form["mobile"] = json!(format!("154{:08}", dice.next_u32() % 100_000_000));
    let form = form.as_object().cloned().unwrap().into();
    Submission { form, attachments, closes: vec!["intake".parse().unwrap()], ..Submission::default() }
}

fn append_of(
    officer: &str,
    pages: &[Page],
    channel: Channel,
    first: EntryId,
    at: domain::Timestamp,
    here: Vec<String>,
) -> Append {
    let entry = |(index, page): (usize, &Page)| {
        let mut id = first;
        id.0[15] ^= index as u8;
        NewEntry {
            id,
            channel: channel.clone(),
            kind: kind::PAGE,
            subject: page.case.to_string(),
            body: serde_json::to_vec(page).unwrap(),
        }
    };
    Append {
        expected: Some((pages[0].case.clone(), pages[0].no - 1)),
        attachments_here: here,
        ..Append::new(at, officer, "bench", pages.iter().enumerate().map(entry).collect())
    }
}

/// Appends each record durably, `callers` at a time.
pub async fn append_all(village: &Site, records: Vec<Record>, callers: usize) {
    let hall = village.node().hall().clone();
    let records = Arc::new(records);
    let next = Arc::new(AtomicUsize::new(0));
    let desks: Vec<_> = (0..callers)
        .map(|_| {
            let (hall, records, next) = (hall.clone(), records.clone(), next.clone());
            tokio::spawn(async move {
                while let Some(record) = records.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let here = record.blob.iter().cloned().collect();
                    let append =
                        append_of("officer", &record.pages, Channel::Up, hall.fresh_id(), hall.now(), here);
                    hall.store.append(append).await.unwrap();
                }
            })
        })
        .collect();
    for desk in desks {
        desk.await.unwrap();
    }
}
