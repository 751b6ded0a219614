//! What must be true, checked against the oracle. The numbers are those of the invariants in ARCHITECTURE.md.

use super::node::SimNode;
use super::world::position_at;
use domain::dossier::Status;
use domain::network::Tier;
use domain::{CaseNo, EntryId};
use futures::executor::block_on;
use replication::session::Load;
use replication::{Channel, Hash, JournalId, Previous};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use store::Store;

/// One success told to an officer.
#[derive(Clone)]
pub struct Told {
    pub case: CaseNo,
    pub entry: EntryId,
    /// The node that took it in: a village, or a town at its own window.
    pub counter: usize,
    pub hash: String,
    pub release: u32,
}

/// The hash of the capture page as the node's journal has it.
pub fn hash_of_entry(node: &SimNode, case: &CaseNo, entry: EntryId) -> String {
    let history = block_on(node.hall().unwrap().store.history(case)).unwrap();
    history.into_iter().find(|line| line.entry == entry).map(|line| line.hash).unwrap_or_default()
}

/// I1, I3, I4, I11: whatever a node told anybody before it lost power is there when it comes back.
pub fn after_boot<'t>(node: &SimNode, told: impl Iterator<Item = &'t Told>) {
    for told in told {
        assert_eq!(
            hash_of_entry(node, &told.case, told.entry),
            told.hash,
            "I1: {} lost {} in a crash",
            node.id(),
            told.case
        );
    }
    for (journal, (seq, hash)) in &node.told {
        let stored = hash_at(node, journal, *seq);
        assert_eq!(
            stored,
            Some(*hash),
            "I4: {} told others it has {journal} through {seq}, and lost it",
            node.id()
        );
    }
}

fn hash_at(node: &SimNode, journal: &JournalId, seq: u64) -> Option<Hash> {
    let head = position_at(node, journal);
    if head.seq == seq {
        return Some(head.hash);
    }
    // The run after `seq` names the hash at it.
    let load = Load::new(vec![(journal.clone(), seq)], 1);
    let runs = block_on(node.hall()?.store.load_runs(load)).unwrap();
    match runs.first()?.previous {
        Previous::Hash(hash) => Some(hash),
        Previous::Begins(_) => None,
    }
}

fn up(node: &SimNode) -> JournalId {
    JournalId::new(node.id(), Channel::Up)
}

pub fn delivered(hub: &SimNode, told: &[Told]) -> usize {
    told.iter().filter(|told| status(hub, &told.case) == Some(Status::Delivered)).count()
}

fn status(node: &SimNode, case: &CaseNo) -> Option<Status> {
    block_on(node.hall()?.store.dossier(case)).unwrap().map(|stored| stored.dossier.status())
}

/// Nothing is on its way (whoever keeps a journal has all of it) and every case has been handed over.
pub fn is_at_rest(nodes: &[SimNode], told: &[Told]) -> bool {
    if !nodes.iter().all(|node| node.alive.is_some()) {
        return false;
    }
    let heads = |node: &SimNode| block_on(node.hall().unwrap().store.heads()).unwrap();
    let written = nodes
        .iter()
        .flat_map(|node| heads(node).into_iter().filter(|(journal, _)| journal.author == *node.id()));
    let arrived = written.collect::<Vec<_>>().into_iter().all(|(journal, head)| {
        let keeps = |node: &&SimNode| match &journal.channel {
            Channel::Up => *node.id() == *nodes[0].id(),
            Channel::All => true,
            Channel::To(to) => node.id() == to || *node.id() == *nodes[0].id(),
        };
        nodes.iter().filter(keeps).all(|node| position_at(node, &journal) == head)
    });
    arrived
        && told.iter().all(|told| {
            [&nodes[0], &nodes[told.counter]]
                .iter()
                .all(|node| status(node, &told.case) == Some(Status::Delivered))
        })
}

/// Whatever the hub knew when it raised its alerts: once it has looked again, they are those that the whole log gives.
fn supervision_can_be_computed_again(hub: &SimNode) {
    let hall = hub.hall().unwrap();
    block_on(hall.supervise()).unwrap();
    let scan = block_on(hall.scan_supervision()).unwrap();
    assert!(scan.missing.is_empty() && scan.unfounded.is_empty(), "supervision: {scan:?}");
    assert_eq!(scan.findings, scan.agreed);
}

/// How many alerts the hub raised, and how many of them were disproved.
pub fn alerts(hub: &SimNode) -> (u64, u64) {
    let query = store::AlertQuery { limit: 1000, ..store::AlertQuery::default() };
    let lines = block_on(hub.hall().unwrap().store.alerts(query)).unwrap();
    let ended = |line: &&store::AlertLine| line.alert.conclusion.is_some();
    (lines.len() as u64, lines.iter().filter(ended).count() as u64)
}

/// How often a node went over to the branch that goes on.
pub fn branches(nodes: &[SimNode]) -> usize {
    let ended = |incident: &store::Incident| incident.reason.starts_with("a branch has ended");
    let at = |node: &SimNode| block_on(node.hall().unwrap().store.incidents()).unwrap();
    nodes.iter().map(|node| at(node).iter().filter(|incident| ended(incident)).count()).sum()
}

/// Everything that must hold once the city is at rest.
pub fn at_rest(nodes: &[SimNode], told: &[Told], restored: bool) {
    every_submission_is_at_the_hub_once(nodes, told);
    one_hash_for_each_place(nodes);
    supervision_can_be_computed_again(&nodes[0]);
    for node in nodes {
        let alive = node.alive.as_ref().unwrap();
        let report = block_on(alive.store.verify_log(alive.node.keys.clone())).unwrap();
        assert!(report.faults.is_empty(), "I9, I37: {}: {:?}", node.id(), report.faults);
        let counts = block_on(alive.store.counts()).unwrap();
        let incidents = block_on(alive.store.incidents()).unwrap();
        // After a restore two branches may each have a page for one place; then a person is told.
        assert!(restored || (counts.held, counts.quarantined) == (0, 0), "{}: {incidents:?}", node.id());
        assert_eq!(alive.store.recovery(), None, "{} is not done with recovering", node.id());
        let before = block_on(alive.store.state_hash()).unwrap();
        block_on(alive.store.rebuild(alive.node.hall.now())).unwrap();
        assert_eq!(
            block_on(alive.store.state_hash()).unwrap(),
            before,
            "I10: {} folds differently the second time",
            node.id()
        );
    }
    views_agree(nodes, told);
}

/// I2 and I20: lost = 0, duplicated = 0, no number twice.
fn every_submission_is_at_the_hub_once(nodes: &[SimNode], told: &[Told]) {
    let mut cases = BTreeSet::new();
    for told in told {
        assert!(cases.insert(told.case.clone()), "I20: {} was given twice", told.case);
        let history = block_on(nodes[0].hall().unwrap().store.history(&told.case)).unwrap();
        let copies: Vec<_> = history.iter().filter(|line| line.entry == told.entry).collect();
        assert_eq!(copies.len(), 1, "I2: {} is {} times at the hub", told.case, copies.len());
        let first = copies[0].first_hash.as_ref().unwrap_or(&copies[0].hash);
        assert_eq!(*first, told.hash, "I2: {} is another one at the hub", told.case);
    }
}

/// I8: one hash per (journal, seq), over all nodes.
fn one_hash_for_each_place(nodes: &[SimNode]) {
    let mut seen: BTreeMap<(JournalId, u64), Hash> = BTreeMap::new();
    for node in nodes {
        for (journal, head) in block_on(node.hall().unwrap().store.heads()).unwrap() {
            for seq in 1..=head.seq {
                let hash = hash_at(node, &journal, seq).unwrap();
                let known = *seen.entry((journal.clone(), seq)).or_insert(hash);
                assert_eq!(known, hash, "I8: {journal} has two entries {seq}, one at {}", node.id());
            }
        }
    }
}

/// I13, I16, I17, I19, I22: counter and hub see the same dossier, decided once, judged by the release it was captured under.
fn views_agree(nodes: &[SimNode], told: &[Told]) {
    let newest = |node: &SimNode| node.hall().unwrap().store.pack(None).map(|(release, _)| release);
    for node in nodes {
        assert_eq!(newest(node), newest(&nodes[0]), "I13: {} has another catalogue", node.id());
    }
    for told in told {
        let at = |node: &SimNode| block_on(node.hall().unwrap().store.dossier(&told.case)).unwrap().unwrap();
        let (counter, hub) = (at(&nodes[told.counter]), at(&nodes[0]));
        assert_eq!(counter.dossier, hub.dossier, "I13: {}", told.case);
        assert_eq!(hub.dossier.release, told.release, "I22: {}", told.case);
        let town = nodes
            .iter()
            .find(|node| {
                let own = node.id() == nodes[told.counter].id();
                node.record.tier == Tier::Town
                    && (own || Some(node.id()) == nodes[told.counter].record.parent.as_ref())
            })
            .unwrap();
        for node in [&nodes[told.counter], town] {
            let counts = block_on(node.hall().unwrap().store.counts()).unwrap();
            assert_eq!(counts.attachments_on_way, 0, "I3: {} waits for receipts of scans", node.id());
        }
        for node in [town, &nodes[0]] {
            assert_eq!(at(node).missing_attachments, 0, "I5: {} at {}", told.case, node.id());
        }
        let history = block_on(nodes[0].hall().unwrap().store.history(&told.case)).unwrap();
        let stands = |line: &&store::HistoryLine| line.verdict == "applied";
        let pages: Vec<_> = history.iter().filter(stands).filter_map(|line| line.page.as_ref()).collect();
        let answers = |page: &&&serde_json::Value| {
            ["decided", "not_accepted"].iter().any(|answer| page["body"].get(answer).is_some())
        };
        let answers = pages.iter().filter(answers).count();
        assert_eq!(answers, 1, "I16: {} was answered {answers} times", told.case);
        for (index, page) in pages.iter().enumerate() {
            assert_eq!(page["no"], index as u64 + 1, "I17: the pages of {} have a gap", told.case);
        }
        if let Some(accepted) = &hub.dossier.accepted {
            let by = nodes.iter().find(|node| *node.id() == accepted.by).unwrap();
            assert!(by.record.tier != Tier::Village, "I19: a village's clock started a timer");
        }
        let ticks = block_on(nodes[told.counter].hall().unwrap().view(&told.case)).unwrap().ticks;
        assert!(ticks.town && ticks.hub, "{}: the receipts did not come home", told.case);
    }
}

/// For the person who reads the failure.
pub fn describe(nodes: &[SimNode], told: &[Told]) -> String {
    let mut text = String::new();
    for node in nodes {
        let (own, hub) = (position_at(node, &up(node)).seq, position_at(&nodes[0], &up(node)).seq);
        let counts = node.hall().map(|hall| block_on(hall.store.counts()).unwrap());
        for (journal, head) in block_on(node.hall().unwrap().store.heads()).unwrap() {
            for other in nodes.iter().filter(|other| other.id() != node.id()) {
                let theirs = position_at(other, &journal);
                if theirs.seq > 0 && theirs != head && journal.author == *node.id() {
                    let _ = writeln!(text, "  {journal}: {head:?}, at {} {theirs:?}", other.id());
                }
            }
        }
        let recovery = node.alive.as_ref().and_then(|alive| alive.store.recovery());
        let _ = writeln!(text, "{} own {own}, at the hub {hub}: {counts:?} {recovery:?}", node.id());
    }
    for told in told {
        let view = nodes[told.counter].hall().map(|hall| block_on(hall.view(&told.case)));
        if let Some(Ok(view)) = view
            && view.status != Status::Delivered
        {
            let _ = writeln!(
                text,
                "{} {} held by {} ready {:?}",
                told.case, view.item_name, view.dossier.holder, view.ready
            );
            for node in [&nodes[0], &nodes[told.counter]] {
                let lines = block_on(node.hall().unwrap().store.history(&told.case)).unwrap();
                let pages = lines.iter().map(|line| {
                    let page = line.page.as_ref();
                    let body = page.map(|page| page["body"].to_string().chars().take(16).collect::<String>());
                    let no = page.map(|page| (page["no"].as_u64(), page["term"].as_u64()));
                    format!("{}/{} {} {} {no:?} {body:?}", line.author, line.channel, line.seq, line.verdict)
                });
                let _ = writeln!(text, "  {}: {:#?}", node.id(), pages.collect::<Vec<_>>());
            }
        }
    }
    text
}
