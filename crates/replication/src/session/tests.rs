//! Two sessions over a line that loses, repeats and reorders frames, with memory for a disk.

use super::*;
use crate::entry::{Core, RawEntry, Signature};
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
    fn verify(&self, author: &NodeId, head: &Hash, signature: &Signature) -> Result<(), KeyFault> {
        match author.as_str() {
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
        let record = NodeRecord {
            id: id.parse().unwrap(),
            tier,
            parent,
            place: String::new(),
            name: String::new(),
            sign_key: String::new(),
            incarnation: 1,
        };
        network.insert(record);
    }
    Arc::new(network)
}

/// A node's disk: journals as lists of raw entries with their hashes.
#[derive(Default, Clone)]
struct Disk(BTreeMap<JournalId, Vec<(RawEntry, Hash)>>);

impl Disk {
    fn head(&self, journal: &JournalId) -> Position {
        self.0
            .get(journal)
            .and_then(|list| {
                list.last().map(|(_, hash)| Position { epoch: 1, seq: list.len() as u64, hash: *hash })
            })
            .unwrap_or(Position::NONE)
    }
    fn heads(&self) -> Vec<(JournalId, Position)> {
        self.0.keys().map(|journal| (journal.clone(), self.head(journal))).collect()
    }
    fn append(&mut self, journal: &JournalId, body: &str) {
        let head = self.head(journal);
        let core = Core {
            suite: 1,
            schema: 1,
            author: journal.author.to_string(),
            channel: journal.channel.to_string(),
            epoch: 1,
            seq: head.seq + 1,
            id: vec![0; 16],
            kind: "test".into(),
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
            runs.push(Run { journal: journal.clone(), previous, entries });
        }
        runs
    }
    fn store(&mut self, runs: Vec<Run>) -> Taken {
        let (mut positions, mut faults, mut whole) = (Vec::new(), Vec::new(), true);
        for run in runs {
            let journal = run.journal.clone();
            let list = self.0.get(&journal).map_or(&[][..], |list| list);
            let before = match run.first_seq() {
                Some(1) => Some(Hash::NONE),
                Some(first) => list.get(first as usize - 2).map(|(_, hash)| *hash),
                None => None,
            };
            let stored = Stored { head: self.head(&journal), before };
            let outcome = CheckedRun::check(run, stored, &Toy).and_then(|run| {
                let list = self.0.entry(journal.clone()).or_default();
                let head = list
                    .last()
                    .map(|(_, hash)| Position { epoch: 1, seq: list.len() as u64, hash: *hash })
                    .unwrap_or(Position::NONE);
                let stored = |seq: u64| {
                    Ok::<_, ()>(if seq == 0 {
                        Some(Hash::NONE)
                    } else {
                        list.get(seq as usize - 1).map(|(_, hash)| *hash)
                    })
                };
                let fit = run.fit(head, stored).unwrap()?;
                if let Fit::New { from } = fit {
                    list.extend(run.entries[from..].iter().map(|entry| (entry.raw.clone(), entry.hash)));
                }
                Ok((run.head(), fit == Fit::New { from: 0 }))
            });
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
}

struct End {
    session: Session,
    disk: Disk,
}

impl End {
    fn new(me: &str, peer: &str, disk: Disk) -> (End, Vec<Frame>) {
        let mut end =
            End { session: Session::new(me.parse().unwrap(), peer.parse().unwrap(), network()), disk };
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
                    let taken = self.disk.store(runs);
                    todo.extend(self.session.on_stored(no, taken));
                }
                Output::Refused { .. }
                | Output::PeerAhead { .. }
                | Output::Greeted(_)
                | Output::Close { .. } => {}
            }
        }
        frames
    }
}

fn up(node: &str) -> JournalId {
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
    let (runs, mut town) = (disk.load(&Load { wants: vec![(up("v"), 0)], budget: 1 }), Disk::default());
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
    town.store(one.load(&Load { wants: vec![(up("v"), 0)], budget: 1 }));
    let told = town.store(two.load(&Load { wants: vec![(up("v"), 0)], budget: 1 })).faults;
    assert_eq!(told, [(up("v"), RunFault::Fork { at: 2 })], "I8");
    let continued = two.load(&Load { wants: vec![(up("v"), 2)], budget: 1 });
    let told = town.store(continued.clone()).faults;
    assert_eq!(told, [(up("v"), RunFault::Fork { at: 2 })], "I8: also when only the continuation is offered");
    let short = continued.into_iter().map(|run| Run { previous: run.previous.shortened(), ..run }).collect();
    assert_eq!(town.store(short).faults, [(up("v"), RunFault::OtherPrevious)], "which proves nothing yet");
}

/// I8 over a line: the sender saves bytes until the receiver wonders, and then says all that proves the second history.
#[test]
fn a_cloned_village_that_only_continues_is_found_out_over_the_line() {
    let (mut one, mut two) = (Disk::default(), Disk::default());
    (0..3).for_each(|i| one.append(&up("v"), &format!("mine {i}")));
    (0..9).for_each(|i| two.append(&up("v"), &format!("clone's {i}")));
    let mut town = Disk::default();
    town.store(one.load(&Load { wants: vec![(up("v"), 0)], budget: 1 }));
    let ((mut v, mut to_t), (mut t, mut to_v)) = (End::new("v", "t", two), End::new("t", "v", town));
    let mut refused = false;
    for round in 0..60 {
        let now = Timestamp::from_ms(round * 1000);
        for frame in std::mem::take(&mut to_t) {
            let outputs = t.session.on_frame(frame, now);
            to_v.extend(t.carry_out(outputs, now));
        }
        for frame in std::mem::take(&mut to_v) {
            let outputs = v.session.on_frame(frame, now);
            let fork = |one: &Output| matches!(one, Output::Refused { fault: RunFault::Fork { .. }, .. });
            refused |= outputs.iter().any(fork);
            to_t.extend(v.carry_out(outputs, now));
        }
    }
    assert!(refused);
    assert_eq!(t.disk.head(&up("v")).seq, 3, "nothing of the second history was taken");
}

#[test]
fn a_village_may_not_send_its_neighbours_journal_and_gets_only_its_own_mail() {
    let session = Session::new("t".parse().unwrap(), "v".parse().unwrap(), network());
    assert!(session.is_incoming(&up("v")) && !session.is_incoming(&up("w")));
    let to = |node: &str| JournalId::new(&"hub".parse().unwrap(), Channel::To(node.parse().unwrap()));
    assert!(session.is_outgoing(&to("v")) && !session.is_outgoing(&to("w")));
}

#[test]
fn a_journal_that_went_past_us_in_a_bag_flows_on_and_an_equally_long_other_history_does_not() {
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
    let (outputs, later) = greeted(Position { epoch: 1, seq: 7, hash: Hash([7; 32]) });
    assert!(!outputs.iter().any(|output| matches!(output, Output::PeerAhead { .. })), "{outputs:?}");
    assert_eq!(later, [Output::Load(Load { wants: vec![(up("v"), 7)], budget: FIRST_BATCH_BYTES })]);
    let (outputs, later) = greeted(Position { epoch: 1, seq: 3, hash: Hash([1; 32]) });
    assert!(
        outputs
            .iter()
            .any(|output| matches!(output, Output::Refused { fault: RunFault::Fork { at: 3 }, .. })),
        "{outputs:?}"
    );
    assert!(later.is_empty(), "I8: the journal is frozen");
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
        session.on_stored(no, whole())
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
    assert_eq!(session.on_stored(5, refused).len(), 1, "bad news is told at once");
}
