//! Between wire types and the frames of `replication`. Every field is taken apart; what is wrong is named.

use crate::squeeze::{Alone, Flowing, Squeeze};
use domain::{NodeId, Timestamp};
use prost::Message;
use proto::link::v1 as pb;
use replication::epoch::Proof;
use replication::frame::{Ack, Batch, Frame, Hello, Wish};
use replication::{BATCH_BYTES_MAX, Hash, JournalId, Position, Previous, RawEntry, Run, RunFault, Signature};

/// The dictionary named 1: phrases of real cases, so that one lone case is as small as one of many.
pub const DICTIONARY: &[u8] = include_bytes!("dictionary-1.bin");
pub const DICTIONARY_NO: u32 = 1;
/// A peer names at most this many journals in one frame.
const PLACES_MAX: usize = 10_000;

/// The field of a message that cannot be what it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("message field {0}")]
pub struct BadMessage(pub &'static str);

/// Packs and unpacks batches; keeps its zstd state, so one per stream or bag.
pub struct Packer(Box<dyn Squeeze>);

impl Packer {
    /// For a bag: every batch by itself, so that one can be read without those before it.
    ///
    /// # Errors
    /// When zstd cannot allocate its state.
    pub fn for_bag() -> std::io::Result<Packer> {
        Ok(Packer(Box::new(Alone::new()?)))
    }

    /// For a stream, which brings everything once and in order.
    ///
    /// # Errors
    /// When zstd cannot allocate its state.
    pub fn for_stream() -> std::io::Result<Packer> {
        Ok(Packer(Box::new(Flowing::new()?)))
    }

    pub fn to_wire(&mut self, frame: Frame) -> Result<pb::Frame, BadMessage> {
        let kind = match frame {
            Frame::Hello(hello) => pb::frame::Kind::Hello(hello_to_wire(hello)),
            Frame::Batch(batch) => pb::frame::Kind::Batch(self.batch_to_wire(batch)?),
            Frame::Acks(acks) => pb::frame::Kind::Acks(acks_to_wire(acks)),
            Frame::Want(wishes) => {
                pb::frame::Kind::Want(pb::Wishes { wishes: wishes.into_iter().map(wish_to_wire).collect() })
            }
            Frame::Bye { reason } => pb::frame::Kind::Bye(pb::Bye { reason }),
        };
        Ok(pb::Frame { kind: Some(kind) })
    }

    /// # Errors
    /// [`BadMessage`]; the stream it came on is then closed.
    pub fn from_wire(&mut self, frame: pb::Frame) -> Result<Frame, BadMessage> {
        let pb::Frame { kind } = frame;
        match kind.ok_or(BadMessage("frame.kind"))? {
            pb::frame::Kind::Hello(hello) => hello_from_wire(hello).map(Frame::Hello),
            pb::frame::Kind::Batch(batch) => self.batch_from_wire(batch).map(Frame::Batch),
            pb::frame::Kind::Acks(acks) => acks_from_wire(acks).map(Frame::Acks),
            pb::frame::Kind::Want(want) => wishes(want).map(Frame::Want),
            pb::frame::Kind::Bye(pb::Bye { reason }) => {
                Ok(Frame::Bye { reason: reason.chars().take(200).collect() })
            }
        }
    }

    fn batch_to_wire(&mut self, batch: Batch) -> Result<pb::Batch, BadMessage> {
        let Batch { no, runs, acks } = batch;
        let runs = pb::Runs { runs: runs.into_iter().map(run_to_wire).collect() }.encode_to_vec();
        let packed = self.0.pack(&runs).map_err(|_| BadMessage("batch.packed"))?;
        let acks = (!acks.is_empty()).then(|| acks_to_wire(acks));
        Ok(pb::Batch { no, dictionary: DICTIONARY_NO, packed: packed.into(), acks })
    }

    fn batch_from_wire(&mut self, batch: pb::Batch) -> Result<Batch, BadMessage> {
        let pb::Batch { no, dictionary, packed, acks } = batch;
        if dictionary != DICTIONARY_NO {
            return Err(BadMessage("batch.dictionary"));
        }
        // The limit holds while unpacking: a bomb is stopped before it is memory. The slack is for framing.
        let limit = BATCH_BYTES_MAX + BATCH_BYTES_MAX / 4;
        let bytes = self.0.unpack(&packed, limit).map_err(|_| BadMessage("batch.packed"))?;
        let pb::Runs { runs } =
            pb::Runs::decode(bytes::Bytes::from(bytes)).map_err(|_| BadMessage("batch.runs"))?;
        if runs.len() > PLACES_MAX || runs.iter().map(|run| run.entries.len()).sum::<usize>() > PLACES_MAX {
            return Err(BadMessage("runs.entries"));
        }
        let acks = acks.map(acks_from_wire).transpose()?.unwrap_or_default();
        Ok(Batch { no, runs: runs.into_iter().map(run_from_wire).collect::<Result<_, _>>()?, acks })
    }
}

/// The bytes of a batch before they are packed: what a dictionary is trained on.
pub fn unpacked(batch: Batch) -> Vec<u8> {
    pb::Runs { runs: batch.runs.into_iter().map(run_to_wire).collect() }.encode_to_vec()
}

fn hello_to_wire(hello: Hello) -> pb::Hello {
    let Hello { protocol, node, incarnation, clock, release, oldest_waiting, positions } = hello;
    let positions = positions.into_iter().map(place_to_wire).collect();
    let oldest_waiting_ms = oldest_waiting.map_or(0, Timestamp::as_ms);
    pb::Hello {
        protocol,
        node: node.to_string(),
        incarnation,
        clock_ms: clock.as_ms(),
        release,
        positions,
        oldest_waiting_ms,
    }
}

fn hello_from_wire(hello: pb::Hello) -> Result<Hello, BadMessage> {
    let pb::Hello { protocol, node, incarnation, clock_ms, release, positions, oldest_waiting_ms } = hello;
    Ok(Hello {
        protocol,
        node: node.parse().map_err(|_| BadMessage("hello.node"))?,
        incarnation,
        clock: Timestamp::from_ms(clock_ms),
        release: release.chars().take(40).collect(),
        oldest_waiting: (oldest_waiting_ms != 0).then(|| Timestamp::from_ms(oldest_waiting_ms)),
        positions: places(positions)?,
    })
}

fn place_to_wire((journal, position): (JournalId, Position)) -> pb::Place {
    pb::Place {
        author: journal.author.to_string(),
        channel: journal.channel.to_string(),
        epoch: position.epoch,
        seq: position.seq,
        hash: position.hash.0.to_vec().into(),
    }
}

fn wish_to_wire(wish: Wish) -> pb::Wish {
    let Wish { journal, from, through } = wish;
    pb::Wish { from: Some(place_to_wire((journal, from))), through }
}

fn wishes(wishes: pb::Wishes) -> Result<Vec<Wish>, BadMessage> {
    if wishes.wishes.len() > PLACES_MAX {
        return Err(BadMessage("wishes"));
    }
    let wish = |pb::Wish { from, through }: pb::Wish| {
        let (journal, from) = place_from_wire(from.ok_or(BadMessage("wish.from"))?)?;
        Ok(Wish { journal, from, through })
    };
    wishes.wishes.into_iter().map(wish).collect()
}

fn places(places: Vec<pb::Place>) -> Result<Vec<(JournalId, Position)>, BadMessage> {
    if places.len() > PLACES_MAX {
        return Err(BadMessage("positions"));
    }
    places.into_iter().map(place_from_wire).collect()
}

fn place_from_wire(place: pb::Place) -> Result<(JournalId, Position), BadMessage> {
    let pb::Place { author, channel, epoch, seq, hash } = place;
    let position = Position { epoch, seq, hash: Hash::from_slice(&hash).ok_or(BadMessage("place.hash"))? };
    Ok((journal_id(&author, &channel)?, position))
}

fn journal_id(author: &str, channel: &str) -> Result<JournalId, BadMessage> {
    let author: NodeId = author.parse().map_err(|_| BadMessage("journal.author"))?;
    Ok(JournalId { author, channel: channel.parse().map_err(|_| BadMessage("journal.channel"))? })
}

fn entry_to_wire(entry: RawEntry) -> pb::Entry {
    let RawEntry { core, body, signature } = entry;
    pb::Entry { core, body, signature: signature.map(|s| s.0.to_vec()).unwrap_or_default().into() }
}

fn entry_from_wire(entry: pb::Entry) -> Result<RawEntry, BadMessage> {
    let pb::Entry { core, body, signature } = entry;
    let signature = match signature.len() {
        0 => None,
        _ => Some(Signature::from_slice(&signature).ok_or(BadMessage("entry.signature"))?),
    };
    Ok(RawEntry { core, body, signature })
}

fn run_to_wire(run: Run) -> pb::Run {
    let Run { journal, previous, entries, proof } = run;
    pb::Run {
        author: journal.author.to_string(),
        channel: journal.channel.to_string(),
        previous: match previous {
            Previous::Hash(hash) => hash.0.to_vec().into(),
            Previous::Begins(begins) => begins.to_vec().into(),
        },
        entries: entries.into_iter().map(entry_to_wire).collect(),
        proof: proof.map(|Proof { previous, entry }| pb::Proof {
            previous: previous.0.to_vec().into(),
            entry: Some(entry_to_wire(entry)),
        }),
    }
}

fn proof_from_wire(proof: pb::Proof) -> Result<Proof, BadMessage> {
    let pb::Proof { previous, entry } = proof;
    Ok(Proof {
        previous: Hash::from_slice(&previous).ok_or(BadMessage("proof.previous"))?,
        entry: entry_from_wire(entry.ok_or(BadMessage("proof.entry"))?)?,
    })
}

fn run_from_wire(run: pb::Run) -> Result<Run, BadMessage> {
    let pb::Run { author, channel, previous, entries, proof } = run;
    Ok(Run {
        journal: journal_id(&author, &channel)?,
        previous: match Hash::from_slice(&previous) {
            Some(hash) => Previous::Hash(hash),
            None => Previous::Begins(previous[..].try_into().map_err(|_| BadMessage("run.previous"))?),
        },
        entries: entries.into_iter().map(entry_from_wire).collect::<Result<_, _>>()?,
        proof: proof.map(proof_from_wire).transpose()?,
    })
}

fn acks_to_wire(acks: Vec<Ack>) -> pb::Acks {
    let is_whole = |ack: &Ack| ack.positions.is_empty() && ack.faults.is_empty();
    let (whole, others): (Vec<Ack>, Vec<Ack>) = acks.into_iter().partition(is_whole);
    pb::Acks {
        whole: whole.into_iter().map(|ack| ack.no).collect(),
        others: others.into_iter().map(ack_to_wire).collect(),
    }
}

fn acks_from_wire(acks: pb::Acks) -> Result<Vec<Ack>, BadMessage> {
    let pb::Acks { whole, others } = acks;
    if whole.len() + others.len() > PLACES_MAX {
        return Err(BadMessage("acks"));
    }
    let whole = whole.into_iter().map(|no| Ok(Ack { no, positions: Vec::new(), faults: Vec::new() }));
    whole.chain(others.into_iter().map(ack_from_wire)).collect()
}

fn ack_to_wire(ack: Ack) -> pb::Ack {
    let Ack { no, positions, faults } = ack;
    let fault = |(journal, fault): (JournalId, RunFault)| {
        let have = match fault {
            RunFault::Gap { have } => Some(place_to_wire((journal.clone(), have))),
            RunFault::Fork { at } => {
                Some(place_to_wire((journal.clone(), Position { seq: at, ..Position::NONE })))
            }
            _ => None,
        };
        pb::Fault {
            author: journal.author.to_string(),
            channel: journal.channel.to_string(),
            code: fault.code().to_owned(),
            have,
        }
    };
    pb::Ack {
        no,
        positions: positions.into_iter().map(place_to_wire).collect(),
        faults: faults.into_iter().map(fault).collect(),
    }
}

fn ack_from_wire(ack: pb::Ack) -> Result<Ack, BadMessage> {
    let pb::Ack { no, positions, faults } = ack;
    if faults.len() > PLACES_MAX {
        return Err(BadMessage("ack.faults"));
    }
    let fault = |fault: pb::Fault| {
        let pb::Fault { author, channel, code, have } = fault;
        let have = have.map(place_from_wire).transpose()?.map(|(_, position)| position);
        let fault = match (code.as_str(), have) {
            ("gap", Some(have)) => RunFault::Gap { have },
            ("fork", Some(have)) => RunFault::Fork { at: have.seq },
            ("other_previous", _) => RunFault::OtherPrevious,
            ("bad_signature", _) => RunFault::BadSignature,
            ("revoked", _) => RunFault::Revoked,
            ("bad_entry", _) => RunFault::BadEntry("as told by the peer"),
            ("unknown_author", _) => RunFault::UnknownAuthor,
            ("not_yours", _) => RunFault::NotYours,
            ("storage", _) => RunFault::Storage,
            _ => return Err(BadMessage("fault.code")),
        };
        Ok((journal_id(&author, &channel)?, fault))
    };
    Ok(Ack {
        no,
        positions: places(positions)?,
        faults: faults.into_iter().map(fault).collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Frame {
        Frame::Hello(Hello {
            protocol: 1,
            node: "v-1".parse().unwrap(),
            incarnation: 1,
            clock: Timestamp::from_ms(-5),
            release: "0.1".into(),
            oldest_waiting: Some(Timestamp::from_ms(9)),
            positions: vec![(
                journal_id("hub", "to:v-1").unwrap(),
                Position { epoch: 1, seq: 3, hash: Hash([4; 32]) },
            )],
        })
    }
    fn batch() -> Frame {
        let entry = RawEntry {
            core: vec![1, 2].into(),
            body: vec![3; 500].into(),
            signature: Some(Signature([5; 64])),
        };
        let previous = Previous::Hash(Hash([1; 32]));
        let proof = Some(Proof { previous: Hash([6; 32]), entry: entry.clone() });
        let run = Run { journal: journal_id("v-1", "up").unwrap(), previous, entries: vec![entry], proof };
        let short = Run { previous: previous.shortened(), ..run.clone() };
        Frame::Batch(Batch { no: 7, runs: vec![run, short], acks: acks() })
    }
    fn want() -> Frame {
        let from = Position { epoch: 2, seq: 8, hash: Hash([8; 32]) };
        Frame::Want(vec![Wish { journal: journal_id("v-1", "up").unwrap(), from, through: 9 }])
    }
    fn acks() -> Vec<Ack> {
        let journal = journal_id("v-1", "up").unwrap();
        let position = Position { epoch: 1, seq: 9, hash: Hash([2; 32]) };
        let faults = vec![
            (journal.clone(), RunFault::Gap { have: position }),
            (journal.clone(), RunFault::Fork { at: 3 }),
        ];
        let whole = Ack { no: 6, positions: vec![], faults: vec![] };
        vec![whole, Ack { no: 7, positions: vec![(journal, position)], faults }]
    }

    #[test]
    fn every_frame_survives_the_wire() {
        for mut packer in [Packer::for_bag().unwrap(), Packer::for_stream().unwrap()] {
            for frame in [
                hello(),
                batch(),
                Frame::Acks(acks()),
                batch(),
                want(),
                Frame::Bye { reason: "good night".into() },
            ] {
                let bytes = packer.to_wire(frame.clone()).unwrap().encode_to_vec();
                let back = packer.from_wire(pb::Frame::decode(bytes.as_slice()).unwrap()).unwrap();
                assert_eq!(back, frame);
            }
        }
    }

    #[test]
    fn malformed_frames_are_refused_by_the_name_of_the_field() {
        for new in [Packer::for_bag, Packer::for_stream] {
            assert_eq!(new().unwrap().from_wire(pb::Frame { kind: None }), Err(BadMessage("frame.kind")));
            let broken = |packed: Vec<u8>, dictionary| {
                let batch = pb::Batch { no: 1, dictionary, packed: packed.into(), acks: None };
                new().unwrap().from_wire(pb::Frame { kind: Some(pb::frame::Kind::Batch(batch)) })
            };
            assert_eq!(broken(vec![1, 2, 3], 1), Err(BadMessage("batch.packed")));
            assert_eq!(broken(vec![], 9), Err(BadMessage("batch.dictionary")));
            let bomb = zstd::bulk::compress(&vec![0; 200 << 20], 3).unwrap();
            assert_eq!(broken(bomb, 1), Err(BadMessage("batch.packed")), "a bomb is stopped by its size");
        }
    }
}
