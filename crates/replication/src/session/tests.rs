//! Two sessions over a line that loses, repeats and reorders frames, with memory for a disk.

use super::*;
use crate::entry::{Core, RawEntry, Signature};
use crate::epoch::{Compared, Opening, Proof};
use crate::frame::Wish;
use crate::run::{CheckedRun, Fit, KeyFault, Previous, Sign, Stored, Verify};
use crate::{Channel, Hash};
use domain::network::{NodeRecord, Tier};
use proptest::prelude::*;
use prost::Message;

struct Toy;
impl Sign for Toy {
    fn sign(&self, head: &Hash) -> Signature {
        let mut bytes = [7; 64];
        bytes[..32].copy_from_slice(&head.0);
        Signature(bytes)
    }
}
impl Verify for Toy {
    fn verify(
        &self,
        journal: &JournalId,
        _: u64,
        head: &Hash,
        signature: &Signature,
    ) -> Result<(), KeyFault> {
        match journal.author.as_str() {
            "stranger" => Err(KeyFault::Unknown),
            _ if Toy.sign(head) == *signature => Ok(()),
            _ => Err(KeyFault::Bad),
        }
    }
}

fn network() -> Arc<Network> {
    let mut network = Network::default();
    for (id, tier, parent) in [
        ("hub", Tier::City, None),
        ("t", Tier::Town, Some("hub")),
        ("v", Tier::Village, Some("t")),
        ("w", Tier::Village, Some("t")),
    ] {
        let parent = parent.map(|p| p.parse().unwrap());
        let record = NodeRecord::first(id.parse().unwrap(), tier, parent, "", "", "");
        network.insert(record);
    }
    Arc::new(network)
}

/// A node's disk: journals as lists of raw entries with their hashes.
#[derive(Default, Clone)]
pub(super) struct Disk(BTreeMap<JournalId, Vec<(RawEntry, Hash)>>);

impl Disk {
    pub(in crate::session) fn head(&self, journal: &JournalId) -> Position {
        self.0
            .get(journal)
            .and_then(|list| list.last().map(|(raw, hash)| position(raw, *hash)))
            .unwrap_or(Position::NONE)
    }
    fn hash_at(&self, journal: &JournalId, seq: u64) -> Option<Hash> {
        match seq {
            0 => Some(Hash::NONE),
            _ => self.0.get(journal)?.get(seq as usize - 1).map(|(_, hash)| *hash),
        }
    }
    fn heads(&self) -> Vec<(JournalId, Position)> {
        self.0.keys().map(|journal| (journal.clone(), self.head(journal))).collect()
    }
    pub(in crate::session) fn append(&mut self, journal: &JournalId, body: &str) {
        self.write(journal, self.head(journal).epoch.max(1), "test", body);
    }
    /// What a node does once it has taken back what others had of its journal.
    pub(in crate::session) fn open_epoch(&mut self, journal: &JournalId) {
        let Position { epoch, seq, hash } = self.head(journal);
        let opening = Opening {
            parent_epoch: epoch,
            parent_seq: seq,
            parent_hash: hash.to_hex(),
            why: "behind".into(),
            void_numbers: vec![],
        };
        self.write(journal, epoch + 1, crate::epoch::OPENING, &serde_json::to_string(&opening).unwrap());
    }
    fn write(&mut self, journal: &JournalId, epoch: u32, kind: &str, body: &str) {
        let head = self.head(journal);
        let core = Core {
            suite: 1,
            schema: 1,
            author: journal.author.to_string(),
            channel: journal.channel.to_string(),
            epoch,
            seq: head.seq + 1,
            id: vec![0; 16],
            kind: kind.into(),
            ..Core::default()
        };
        let mut raw =
            RawEntry { core: core.encode_to_vec().into(), body: body.to_owned().into(), signature: None };
        let hash = raw.hash(&head.hash);
        raw.signature = Some(Toy.sign(&hash));
        self.0.entry(journal.clone()).or_default().push((raw, hash));
    }
    fn load(&self, load: &Load) -> Vec<Run> {
        let mut runs = Vec::new();
        for (journal, after) in &load.wants {
            let list = &self.0[journal];
            let mut entries: Vec<RawEntry> =
                list[*after as usize..].iter().take(5).map(|(raw, _)| raw.clone()).collect();
            let last = entries.len() - 1;
            entries[..last].iter_mut().for_each(|entry| entry.signature = None);
            let previous = Previous::Hash(if *after == 0 { Hash::NONE } else { list[*after as usize - 1].1 });
            let proof = load.proofs.contains(journal).then(|| self.proof(journal)).flatten();
            runs.push(Run { journal: journal.clone(), previous, entries, proof });
        }
        runs
    }
    fn proof(&self, journal: &JournalId) -> Option<Proof> {
        let list = &self.0[journal];
        let at = list
            .iter()
            .rposition(|(raw, _)| Core::decode(raw.core.clone()).unwrap().kind == crate::epoch::OPENING)?;
        Some(Proof { previous: self.hash_at(journal, at as u64)?, entry: list[at].0.clone() })
    }
    fn store(&mut self, runs: Vec<Run>) -> Taken {
        self.store_as("nobody", runs)
    }
    fn store_as(&mut self, me: &str, runs: Vec<Run>) -> Taken {
        let (mut positions, mut faults, mut whole) = (Vec::new(), Vec::new(), true);
        for run in runs {
            let journal = run.journal.clone();
            let before = run.first_seq().and_then(|first| self.hash_at(&journal, first - 1));
            let stored = Stored { head: self.head(&journal), before };
            let outcome = CheckedRun::check(run, stored, &Toy).and_then(|run| self.take(me, run));
            match outcome {
                Ok((end, all_new)) => {
                    whole &= all_new && end == self.head(&journal);
                    positions.push((journal.clone(), self.head(&journal)));
                }
                Err(fault) => {
                    whole = false;
                    faults.push((journal, fault));
                }
            }
        }
        Taken { positions, faults, whole }
    }
    fn take(&mut self, me: &str, run: CheckedRun) -> Result<(Position, bool), RunFault> {
        let (journal, head) = (run.journal.clone(), self.head(&run.journal));
        let stored = |seq: u64| Ok::<_, ()>(self.hash_at(&journal, seq));
        let fit = match run.fit(head, stored).unwrap() {
            // An author obeys what others hold of its own journal.
            Err(RunFault::Fork { .. }) if journal.author.as_str() == me => {
                run.branch(head, stored).unwrap()?
            }
            fit => fit?,
        };
        let list = self.0.entry(journal).or_default();
        let from = match fit {
            Fit::Known => run.entries.len(),
            Fit::New { from } => from,
            Fit::Rewind { keep } => {
                list.truncate(keep as usize);
                (keep + 1 - run.entries[0].seq) as usize
            }
        };
        list.extend(run.entries[from..].iter().map(|entry| (entry.raw.clone(), entry.hash)));
        Ok((run.head(), from == 0))
    }
}

fn position(raw: &RawEntry, hash: Hash) -> Position {
    let core = Core::decode(raw.core.clone()).unwrap();
    Position { epoch: core.epoch, seq: core.seq, hash }
}

pub(super) struct End {
    pub session: Session,
    pub disk: Disk,
    pub answered: bool,
    pub refused: bool,
    pub older_copy: bool,
    /// Whether it may take its journal back.
    pub takes_back: bool,
}

/// Two ends and what is under way between them.
pub(super) struct Line {
    pub child: End,
    pub parent: End,
    to_child: Vec<Frame>,
    to_parent: Vec<Frame>,
}

impl Line {
    pub fn between(child: (&str, Disk), parent: (&str, Disk)) -> Line {
        let (one, to_parent) = End::new(child.0, parent.0, child.1);
        let (other, to_child) = End::new(parent.0, child.0, parent.1);
        Line { child: one, parent: other, to_child, to_parent }
    }
    pub fn run(&mut self, seconds: i64) {
        for second in 0..seconds {
            let now = Timestamp::from_ms(second * 1000);
            for frame in std::mem::take(&mut self.to_parent) {
                let outputs = self.parent.session.on_frame(frame, now);
                self.to_child.extend(self.parent.carry_out(outputs, now));
            }
            for frame in std::mem::take(&mut self.to_child) {
                let outputs = self.child.session.on_frame(frame, now);
                self.to_parent.extend(self.child.carry_out(outputs, now));
            }
            let (up, down) = (self.child.session.on_tick(now), self.parent.session.on_tick(now));
            self.to_parent.extend(self.child.carry_out(up, now));
            self.to_child.extend(self.parent.carry_out(down, now));
        }
    }
}

impl End {
    fn new(me: &str, peer: &str, disk: Disk) -> (End, Vec<Frame>) {
        let session = Session::new(me.parse().unwrap(), peer.parse().unwrap(), network());
        let mut end =
            End { session, disk, answered: false, refused: false, older_copy: false, takes_back: true };
        let outputs = end.session.open(&end.disk.heads(), 1, "test", None, Timestamp::from_ms(0));
        let frames = end.carry_out(outputs, Timestamp::from_ms(0));
        (end, frames)
    }
    fn carry_out(&mut self, outputs: Vec<Output>, now: Timestamp) -> Vec<Frame> {
        let mut frames = Vec::new();
        let mut todo: std::collections::VecDeque<Output> = outputs.into();
        while let Some(output) = todo.pop_front() {
            match output {
                Output::Send(frame) => frames.push(frame),
                Output::Load(load) => todo.extend(self.session.on_loaded(self.disk.load(&load), now)),
                Output::Store { no, runs } => {
                    let me = self.session.me.clone();
                    let taken = self.disk.store_as(me.as_str(), runs);
                    todo.extend(self.session.on_stored(no, taken, now));
                }
                Output::Compare(places) => {
                    let compare = |(journal, peer): (JournalId, Position)| {
                        let same = self.disk.hash_at(&journal, peer.seq) == Some(peer.hash);
                        (journal, Compared { peer, same })
                    };
                    let compared = places.into_iter().map(compare).collect();
                    todo.extend(self.session.on_compared(compared, now));
                }
                Output::Behind { .. } if !self.takes_back => {}
                Output::Behind { journal, peer, .. } => {
                    let mut head = self.disk.head(&journal);
                    head.seq = head.seq.min(peer.seq - 1);
                    todo.extend(self.session.want_back(journal, head, peer.seq, now));
                }
                Output::Answered => self.answered = true,
                Output::Refused { .. } => self.refused = true,
                Output::OlderCopy { .. } => self.older_copy = true,
                Output::Greeted(_) | Output::Close { .. } => {}
            }
        }
        frames
    }
}

pub(super) fn up(node: &str) -> JournalId {
    JournalId::new(&node.parse().unwrap(), Channel::Up)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// I2, I9, I10, I11: whatever the line does, after it heals the town holds exactly the village's journal.
    #[test]
    fn a_bad_line_delays_but_never_loses_doubles_or_reorders(
        count in 1usize..60,
        mischief in prop::collection::vec(0u8..10, 1..200),
        reconnect_at in prop::collection::vec(1usize..80, 0..4),
    ) {
        let mut village = Disk::default();
        (0..count).for_each(|i| village.append(&up("v"), &format!("case {i}")));
        let mut town = Disk::default();
        town.append(&JournalId::new(&"hub".parse().unwrap(), Channel::All), "catalogue");
        let (mut v, mut to_t) = End::new("v", "t", village);
        let (mut t, mut to_v) = End::new("t", "v", town);
        let mut now = Timestamp::from_ms(0);
        let mut trouble = mischief.into_iter();
        for round in 0..4000usize {
            now = now.plus_ms(1000);
            if reconnect_at.contains(&round) {
                let (v_disk, t_disk) = (v.disk.clone(), t.disk.clone());
                (v, to_t) = End::new("v", "t", v_disk);
                (t, to_v) = End::new("t", "v", t_disk);
            }
            for is_up in [round % 2 == 0, round % 2 == 1] {
                let line = if is_up { &mut to_t } else { &mut to_v };
                let Some(frame) = (!line.is_empty()).then(|| line.remove(0)) else { continue };
                // A stream delivers its greeting or nothing at all; everything after it is fair game.
                let kind = if matches!(frame, Frame::Hello(_)) { 9 } else { trouble.next().unwrap_or(9) };
                match kind {
                    0 => continue,
                    1 => line.push(frame.clone()),
                    2 if !line.is_empty() => { line.insert(1, frame); continue }
                    _ => {}
                }
                let end = if is_up { &mut t } else { &mut v };
                let outputs = end.session.on_frame(frame, now);
                let frames = end.carry_out(outputs, now);
                if is_up { to_v.extend(frames) } else { to_t.extend(frames) }
                break;
            }
            // What is owed is said soon, with company or without.
            if round % 3 == 0 {
                let outputs = v.session.pay();
                to_t.extend(v.carry_out(outputs, now));
                let outputs = t.session.pay();
                to_v.extend(t.carry_out(outputs, now));
            }
            if round % 40 == 39 {
                let outputs = v.session.on_tick(now);
                let frames = v.carry_out(outputs, now);
                to_t.extend(frames);
                let outputs = t.session.on_tick(now);
                let frames = t.carry_out(outputs, now);
                to_v.extend(frames);
            }
        }
        prop_assert_eq!(t.disk.head(&up("v")), v.disk.head(&up("v")));
        prop_assert_eq!(v.disk.heads().len(), 2, "the catalogue came down");
        prop_assert_eq!(v.session.unconfirmed(), 0);
    }
}

#[test]
fn a_forged_or_foreign_run_is_refused_and_the_rest_flows() {
    let mut disk = Disk::default();
    disk.append(&up("v"), "a");
    let (runs, mut town) = (disk.load(&Load::new(vec![(up("v"), 0)], 1)), Disk::default());
    let mut changed = runs.clone();
    changed[0].entries[0].body = "b".into();
    assert_eq!(town.store(changed).faults, [(up("v"), RunFault::BadSignature)]);
    let mut unsigned = runs.clone();
    unsigned[0].entries[0].signature = None;
    assert_eq!(town.store(unsigned).faults, [(up("v"), RunFault::BadSignature)]);
    let mut renamed = runs.clone();
    renamed[0].journal = up("w");
    assert_eq!(
        town.store(renamed).faults,
        [(up("w"), RunFault::BadEntry("author"))],
        "I24: nobody writes in another's name"
    );
    assert!(town.store(runs).faults.is_empty());
}

#[test]
fn a_second_history_is_seen_as_a_fork_not_merged() {
    let (mut one, mut two) = (Disk::default(), Disk::default());
    for disk in [&mut one, &mut two] {
        disk.append(&up("v"), "same");
    }
    one.append(&up("v"), "mine");
    two.append(&up("v"), "clone's");
    two.append(&up("v"), "more");
    let mut town = Disk::default();
    town.store(one.load(&Load::new(vec![(up("v"), 0)], 1)));
    let told = town.store(two.load(&Load::new(vec![(up("v"), 0)], 1))).faults;
    assert_eq!(told, [(up("v"), RunFault::Fork { at: 2 })], "I8");
    let continued = two.load(&Load::new(vec![(up("v"), 2)], 1));
    let told = town.store(continued.clone()).faults;
    assert_eq!(told, [(up("v"), RunFault::Fork { at: 2 })], "I8: also when only the continuation is offered");
    let short = continued.into_iter().map(|run| Run { previous: run.previous.shortened(), ..run }).collect();
    assert_eq!(town.store(short).faults, [(up("v"), RunFault::OtherPrevious)], "which proves nothing yet");
}

/// I8 over a line: a town that relays says all that proves the second history, and nothing of it is taken.
#[test]
fn a_second_history_in_a_relay_is_proven_to_the_hub_and_frozen() {
    let (mut one, mut two) = (Disk::default(), Disk::default());
    (0..3).for_each(|i| one.append(&up("v"), &format!("mine {i}")));
    (0..9).for_each(|i| two.append(&up("v"), &format!("clone's {i}")));
    let mut line = Line::between(("t", two), ("hub", one));
    line.run(60);
    assert!(line.child.refused);
    assert_eq!(line.parent.disk.head(&up("v")).seq, 3, "nothing of the second history was taken");
}

#[test]
fn a_village_may_not_send_its_neighbours_journal_and_gets_only_its_own_mail() {
    let session = Session::new("t".parse().unwrap(), "v".parse().unwrap(), network());
    assert!(session.is_incoming(&up("v")) && !session.is_incoming(&up("w")));
    let to = |node: &str| JournalId::new(&"hub".parse().unwrap(), Channel::To(node.parse().unwrap()));
    assert!(session.is_outgoing(&to("v")) && !session.is_outgoing(&to("w")));
}

#[test]
fn a_journal_that_went_past_us_in_a_bag_is_asked_for_and_an_equally_long_other_history_is_shown() {
    let hello = |positions| {
        Frame::Hello(Hello {
            protocol: PROTOCOL,
            node: "hub".parse().unwrap(),
            incarnation: 1,
            clock: Timestamp::from_ms(0),
            release: String::new(),
            oldest_waiting: None,
            positions,
        })
    };
    let mut disk = Disk::default();
    (0..3).for_each(|i| disk.append(&up("v"), &format!("case {i}")));
    let now = Timestamp::from_ms(0);
    let greeted = |position: Position| {
        let mut session = Session::new("t".parse().unwrap(), "hub".parse().unwrap(), network());
        session.open(&disk.heads(), 1, "test", None, now);
        let outputs = session.on_frame(hello(vec![(up("v"), position)]), now);
        let later = session.on_heads(&[(up("v"), Position { epoch: 1, seq: 9, hash: Hash([9; 32]) })], now);
        (outputs, later)
    };
    let (outputs, _) = greeted(Position { epoch: 1, seq: 7, hash: Hash([7; 32]) });
    let from = disk.head(&up("v"));
    let asked = Output::Send(Frame::Want(vec![Wish { journal: up("v"), from, through: 7 }]));
    assert!(outputs.contains(&asked), "what passes through the town shall be there too: {outputs:?}");
    let (outputs, _) = greeted(Position { epoch: 1, seq: 3, hash: Hash([1; 32]) });
    let [.., Output::Load(load)] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!(load.wants, [(up("v"), 2)], "the hub is shown the other entry 3, and freezes (I8)");
}

/// A receiver whose disk is so slow that every answer comes after the sender has given the batch up.
#[test]
fn answers_that_come_too_late_are_answers_all_the_same() {
    let mut disk = Disk::default();
    (0..3).for_each(|i| disk.append(&up("v"), &format!("case {i}")));
    let ((mut v, to_t), (mut t, to_v)) = (End::new("v", "t", disk), End::new("t", "v", Disk::default()));
    let mut coming: Vec<(i64, bool, Frame)> = Vec::new();
    coming.extend(to_t.into_iter().map(|frame| (0, true, frame)));
    coming.extend(to_v.into_iter().map(|frame| (0, false, frame)));
    let mut batches = 0;
    for second in 0..600 {
        let now = Timestamp::from_ms(second * 1000);
        let (due, later): (Vec<_>, Vec<_>) = coming.drain(..).partition(|(at, ..)| *at <= second);
        coming = later;
        for (_, is_up, frame) in due {
            batches += usize::from(matches!(frame, Frame::Batch(_)));
            let end = if is_up { &mut t } else { &mut v };
            let outputs = end.session.on_frame(frame, now);
            let mut frames = end.carry_out(outputs, now);
            let owed = end.session.pay();
            frames.extend(end.carry_out(owed, now));
            let delay = if is_up { 45 } else { 0 };
            coming.extend(frames.into_iter().map(|frame| (second + delay, !is_up, frame)));
        }
        if second % 10 == 0 {
            let outputs = v.session.on_tick(now);
            let frames = v.carry_out(outputs, now);
            coming.extend(frames.into_iter().map(|frame| (second, true, frame)));
        }
    }
    assert_eq!(v.session.unconfirmed(), 0);
    assert!(batches <= 3, "{batches} batches for three entries");
}

#[test]
fn acknowledgements_ride_with_a_batch_and_do_not_wait_for_more_than_two_others() {
    let mut session = Session::new("t".parse().unwrap(), "v".parse().unwrap(), network());
    let now = Timestamp::from_ms(0);
    let hello = Hello {
        protocol: PROTOCOL,
        node: "v".parse().unwrap(),
        incarnation: 1,
        clock: now,
        release: String::new(),
        oldest_waiting: None,
        positions: vec![],
    };
    session.on_frame(Frame::Hello(hello), now);
    let whole = || Taken { whole: true, ..Taken::default() };
    let take = |session: &mut Session, no| {
        session.on_frame(Frame::Batch(Batch { no, runs: vec![], acks: vec![] }), now);
        session.on_stored(no, whole(), now)
    };
    assert_eq!((take(&mut session, 1), take(&mut session, 2)), (vec![], vec![]));
    let said = take(&mut session, 3);
    assert!(matches!(&said[..], [Output::Send(Frame::Acks(acks))] if acks.len() == 3), "{said:?}");
    assert!(!session.owes());

    let mut disk = Disk::default();
    let mail = JournalId::new(&"t".parse().unwrap(), Channel::To("v".parse().unwrap()));
    disk.append(&mail, "receipt");
    take(&mut session, 4);
    let outputs = session.on_heads(&[(mail.clone(), disk.head(&mail))], now);
    let [Output::Load(load)] = &outputs[..] else { panic!("{outputs:?}") };
    let sent = session.on_loaded(disk.load(load), now);
    assert!(matches!(&sent[0], Output::Send(Frame::Batch(batch)) if batch.acks.len() == 1), "{sent:?}");
    assert!(!session.owes());
    let refused = Taken { faults: vec![(up("v"), RunFault::Storage)], ..Taken::default() };
    assert_eq!(session.on_stored(5, refused, now).len(), 1, "bad news is told at once");
}
