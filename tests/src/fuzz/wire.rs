//! Frames as they come over a line, and a whole conversation with a peer that says anything.

use crate::sim::{Plan, frames as traffic};
use domain::network::{Network, NodeRecord, Tier};
use domain::{NodeId, Timestamp};
use link::codec::Packer;
use prost::Message;
use proto::link::v1 as pb;
use replication::epoch::Compared;
use replication::run::KeyFault;
use replication::session::{Output, Session, Taken};
use replication::{CheckedRun, Frame, Hash, JournalId, Signature, Stored, Verify};
use std::sync::{Arc, OnceLock};

const NOW: Timestamp = testkit::dice::MONDAY;

/// One frame: what is understood says the same when it is written and read again.
pub fn frames(input: &[u8]) {
    let Ok(frame) = pb::Frame::decode(input) else { return };
    for new in [Packer::for_bag, Packer::for_stream] {
        let Ok(frame) = new().unwrap().from_wire(frame.clone()) else { continue };
        let again = new().unwrap().to_wire(frame.clone()).unwrap();
        assert_eq!(new().unwrap().from_wire(again), Ok(frame));
    }
}

fn real() -> &'static [Frame] {
    static REAL: OnceLock<Vec<Frame>> = OnceLock::new();
    REAL.get_or_init(|| {
        let mut frames = traffic(Plan { cases: 3, days: 2, ..Plan::week(5) });
        frames.truncate(200);
        frames
    })
}

pub fn sample_frames() -> Vec<Vec<u8>> {
    let packed = |frame: &Frame| Packer::for_bag().unwrap().to_wire(frame.clone()).unwrap().encode_to_vec();
    real().iter().map(packed).filter(|bytes| bytes.len() < 20_000).collect()
}

/// A conversation: a greeting that is in order, then frames with their length before each.
pub fn session(input: &[u8]) {
    let (mut session, mut packer) = (talk(), Packer::for_stream().unwrap());
    let mut rest = input;
    while rest.len() > 2 {
        let length = usize::from(u16::from_be_bytes([rest[0], rest[1]])).min(rest.len() - 2);
        let (frame, after) = rest[2..].split_at(length);
        rest = after;
        let Some(frame) = pb::Frame::decode(frame).ok().and_then(|frame| packer.from_wire(frame).ok()) else {
            return;
        };
        let outputs = session.on_frame(frame, NOW);
        if !answer(&mut session, outputs) {
            return;
        }
    }
    let outputs = session.on_tick(NOW.plus_ms(60_000));
    answer(&mut session, outputs);
}

fn talk() -> Session {
    let record = |id: &str, tier, parent: Option<&str>| {
        let parent = parent.map(|parent| parent.parse::<NodeId>().unwrap());
        NodeRecord::first(id.parse().unwrap(), tier, parent, "522601108", id, "00".repeat(32))
    };
    let mut network = Network::default();
    network.insert(record("hub", Tier::City, None));
    network.insert(record("t-0", Tier::Town, Some("hub")));
    network.insert(record("v-0", Tier::Village, Some("t-0")));
    let mut session = Session::new("hub".parse().unwrap(), "t-0".parse().unwrap(), Arc::new(network));
    session.open(&[], 1, "fuzz", None, NOW);
    session
}

struct Anything;
impl Verify for Anything {
    fn verify(&self, _: &JournalId, _: u64, _: &Hash, _: &Signature) -> Result<(), KeyFault> {
        Ok(())
    }
}

/// Plays the shell with an empty store; `false` when the conversation has ended.
fn answer(session: &mut Session, outputs: Vec<Output>) -> bool {
    let mut todo = std::collections::VecDeque::from(outputs);
    while let Some(output) = todo.pop_front() {
        match output {
            Output::Close { .. } => return false,
            Output::Load(_) => todo.extend(session.on_loaded(Vec::new(), NOW)),
            Output::Store { no, runs } => {
                let mut taken = Taken::default();
                for run in runs {
                    let journal = run.journal.clone();
                    match CheckedRun::check(run, Stored::default(), &Anything) {
                        Ok(run) => taken.positions.push((journal, run.head())),
                        Err(fault) => taken.faults.push((journal, fault)),
                    }
                }
                todo.extend(session.on_stored(no, taken, NOW));
            }
            Output::Compare(places) => {
                let compared = places
                    .into_iter()
                    .map(|(journal, peer)| (journal, Compared { peer, same: false }))
                    .collect();
                todo.extend(session.on_compared(compared, NOW));
            }
            _ => {}
        }
    }
    true
}

pub fn sample_talk() -> Vec<Vec<u8>> {
    let whole = |frames: &[Frame]| {
        let mut packer = Packer::for_stream().unwrap();
        let mut bytes = Vec::new();
        for frame in frames {
            let frame = packer.to_wire(frame.clone()).unwrap().encode_to_vec();
            let Ok(length) = u16::try_from(frame.len()) else { continue };
            bytes.extend(length.to_be_bytes());
            bytes.extend(frame);
        }
        bytes
    };
    // Whoever greets as t-0 may speak; the rest is what anybody ever said.
    let greets = |frame: &&Frame| matches!(frame, Frame::Hello(hello) if hello.node.as_str() == "t-0");
    let hello: Vec<Frame> = real().iter().filter(greets).take(1).cloned().collect();
    let talk = |part: &[Frame]| whole(&[&hello[..], part].concat());
    real().chunks(10).map(talk).collect()
}
