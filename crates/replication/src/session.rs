//! One conversation between a node and its neighbour, as a state machine.
//!
//! Invariants: at most [`CREDIT`] batches are unacknowledged; what the receiver says of its position is the truth and the
//! sender obeys it, forwards or backwards; one journal that cannot go on never holds up another (I14).

use crate::flow::{Direction, direction};
use crate::frame::{Ack, Batch, Frame, Hello, PROTOCOL, RunFault};
use crate::{Channel, JournalId, Position, Run};
use domain::network::Network;
use domain::{NodeId, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

mod branches;

/// Batches that may be under way at once.
pub const CREDIT: usize = 4;
/// A batch that is not acknowledged for so long was lost with its answer; everything after it is sent again.
pub const ACK_TIMEOUT_MS: i64 = 30_000;
/// A journal the peer could not take just now is offered again after this.
pub const RETRY_MS: i64 = 5_000;
const FIRST_BATCH_BYTES: usize = 64 * 1024;
const LARGEST_BATCH_BYTES: usize = 512 * 1024;
const QUICK_ACK_MS: i64 = 500;
/// Acknowledgements of small batches may wait for company (the shell says how long), but not for more than so many ...
const OWED_MAX: usize = CREDIT - 1;
/// ... and not for more than so many bytes: a drain needs its credit back.
const OWED_BYTES_MAX: usize = 16 * 1024;

/// Entries the shell shall load: those of each journal after a seq, in this order, up to `budget` bytes in all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    pub wants: Vec<(JournalId, u64)>,
    pub budget: usize,
    /// Journals whose newest opening goes along as a proof, because the peer holds an older branch.
    pub proofs: BTreeSet<JournalId>,
    /// Journals on their way back to their author: with every signature there is, for a later one may count no more.
    pub signed: BTreeSet<JournalId>,
}

impl Load {
    pub fn new(wants: Vec<(JournalId, u64)>, budget: usize) -> Load {
        Load { wants, budget, proofs: BTreeSet::new(), signed: BTreeSet::new() }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    Send(Frame),
    /// Answer with [`Session::on_loaded`].
    Load(Load),
    /// Check and store, then answer with [`Session::on_stored`] — after COMMIT, never before.
    Store {
        no: u64,
        runs: Vec<Run>,
    },
    /// The peer will not take a journal; a person must look.
    Refused {
        journal: JournalId,
        fault: RunFault,
    },
    /// Compare these places with our own copies, then answer with [`Session::on_compared`].
    Compare(Vec<(JournalId, Position)>),
    /// The peer has something else, or more, of a journal of our own: we were restored from a backup, or run twice. Whoever
    /// decides that we may, calls [`Session::want_back`].
    Behind {
        journal: JournalId,
        mine: Position,
        peer: Position,
    },
    /// The peer stands in an epoch of its own journal that has ended: an older copy of it is running.
    OlderCopy {
        journal: JournalId,
        peer: Position,
    },
    /// The peer has said how it stands, and whatever it had that we lacked is here.
    Answered,
    /// The peer has said who it is and how it stands.
    Greeted(Greeting),
    Close {
        reason: String,
    },
}

/// What became of a batch that the peer sent, after COMMIT.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// Our positions in the journals of the batch.
    pub positions: Vec<(JournalId, Position)>,
    pub faults: Vec<(JournalId, RunFault)>,
    /// Every run was taken, brought only new entries, and is the end of its journal here.
    pub whole: bool,
}

/// What a peer says of itself: shown to people, and deciding nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// Its clock minus ours.
    pub clock_skew_ms: i64,
    /// How long its own journal `up` is.
    pub own_head: u64,
    /// When the oldest entry was written that its parent had not confirmed.
    pub oldest_waiting: Option<Timestamp>,
    /// The version of its program.
    pub release: String,
}

/// One journal on its way to the peer.
#[derive(Debug, Clone, Default)]
struct Lane {
    head: Position,
    /// What the peer said it has.
    acked: u64,
    /// What was handed to the stream.
    sent: u64,
    /// Not to be offered before this time; `None` is now.
    wait_until: Option<Timestamp>,
    /// The peer did not know the entry before a run by the beginning of its hash.
    says_whole_hash: bool,
    frozen: bool,
    /// The peer's branch is older than our epoch: the proof of that goes along.
    rewinds: bool,
    /// Flows back to its author, or to somebody below it, who lacks it.
    returns: bool,
}

#[derive(Debug, Clone)]
struct InFlight {
    sent_at: Timestamp,
    bytes: usize,
    /// Where its runs end.
    ends: Vec<(JournalId, u64)>,
}

#[derive(Debug)]
pub struct Session {
    me: NodeId,
    peer: NodeId,
    /// The way our own journals go on this link.
    outward: Direction,
    network: Arc<Network>,
    lanes: BTreeMap<JournalId, Lane>,
    in_flight: BTreeMap<u64, InFlight>,
    next_no: u64,
    /// What the shell was asked to load.
    loading: Option<Vec<(JournalId, u64)>>,
    budget: usize,
    greeted: bool,
    /// Acknowledgements not yet said, and the bytes of the batches they are for.
    owed: Vec<Ack>,
    owed_bytes: usize,
    /// Bytes of the batches that are being stored.
    taking: BTreeMap<u64, usize>,
    /// Our heads of the journals that flow from the peer.
    incoming: BTreeMap<JournalId, Position>,
    /// Journals that flow from us and that we asked back.
    wanted: BTreeMap<JournalId, branches::Wanted>,
    /// Places of the peer that are being compared with our own copies.
    comparing: bool,
    answered: bool,
}

impl Session {
    /// A session of `me` with its parent or child `peer`, knowing the network as of now.
    pub fn new(me: NodeId, peer: NodeId, network: Arc<Network>) -> Session {
        let outward = if network.is_above(&peer, &me) { Direction::Up } else { Direction::Down };
        Session {
            me,
            peer,
            outward,
            network,
            lanes: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            next_no: 1,
            loading: None,
            budget: FIRST_BATCH_BYTES,
            greeted: false,
            owed: Vec::new(),
            owed_bytes: 0,
            taking: BTreeMap::new(),
            incoming: BTreeMap::new(),
            wanted: BTreeMap::new(),
            comparing: false,
            answered: false,
        }
    }

    pub fn peer(&self) -> &NodeId {
        &self.peer
    }

    /// The way a journal flows on this link, seen from us.
    fn flows(&self, journal: &JournalId) -> Option<Direction> {
        match self.outward {
            Direction::Up => direction(journal, &self.peer, &self.me, &self.network),
            Direction::Down => direction(journal, &self.me, &self.peer, &self.network),
        }
    }
    fn is_outgoing(&self, journal: &JournalId) -> bool {
        self.flows(journal) == Some(self.outward)
    }
    /// True when the peer may send us this journal.
    pub fn is_incoming(&self, journal: &JournalId) -> bool {
        self.flows(journal).is_some_and(|way| way != self.outward) || self.wanted.contains_key(journal)
    }

    /// Greets the peer with all heads of the common journals.
    pub fn open(
        &mut self,
        heads: &[(JournalId, Position)],
        incarnation: u32,
        release: &str,
        oldest_waiting: Option<Timestamp>,
        now: Timestamp,
    ) -> Vec<Output> {
        let mut positions = Vec::new();
        for (journal, head) in heads {
            if self.is_outgoing(journal) {
                self.lanes.entry(journal.clone()).or_default().head = *head;
            } else if self.flows(journal).is_some() {
                self.incoming.insert(journal.clone(), *head);
            }
            if self.flows(journal).is_some() {
                positions.push((journal.clone(), *head));
            }
        }
        let (node, release) = (self.me.clone(), release.to_owned());
        let hello =
            Hello { protocol: PROTOCOL, node, incarnation, clock: now, release, oldest_waiting, positions };
        vec![Output::Send(Frame::Hello(hello))]
    }

    pub fn on_network(&mut self, network: Arc<Network>) {
        self.network = network;
    }

    /// Journals have grown here (or were found at opening). What grew together goes together.
    pub fn on_heads(&mut self, heads: &[(JournalId, Position)], now: Timestamp) -> Vec<Output> {
        for (journal, head) in heads {
            if !self.is_outgoing(journal) {
                continue;
            }
            let lane = self.lanes.entry(journal.clone()).or_default();
            if head.seq > lane.head.seq {
                lane.head = *head;
            }
        }
        self.pump(now)
    }

    pub fn on_frame(&mut self, frame: Frame, now: Timestamp) -> Vec<Output> {
        match frame {
            Frame::Hello(hello) => self.on_hello(hello, now),
            Frame::Batch(batch) if self.greeted => self.on_batch(batch, now),
            Frame::Batch(_) => close("a batch came before the greeting"),
            Frame::Acks(acks) => self.on_acks(acks, now),
            Frame::Want(wishes) if self.greeted => self.on_want(wishes, now),
            Frame::Want(_) => close("a wish came before the greeting"),
            Frame::Bye { reason } => close(&reason),
        }
    }

    fn on_hello(&mut self, hello: Hello, now: Timestamp) -> Vec<Output> {
        let Hello { protocol, node, incarnation, clock, release, oldest_waiting, positions } = hello;
        if protocol != PROTOCOL {
            return close(&format!(
                "protocol {protocol} is not spoken here, {PROTOCOL} is: update the older node"
            ));
        }
        if node != self.peer {
            return close(&format!("expected {}, the peer says it is {node}", self.peer));
        }
        if self.network.get(&node).is_some_and(|known| incarnation < known.incarnation) {
            return close(&format!("another machine has taken the place of this one of {node}"));
        }
        self.greeted = true;
        let own = JournalId::new(&self.peer, Channel::Up);
        let own_head =
            positions.iter().find(|(journal, _)| *journal == own).map_or(0, |(_, position)| position.seq);
        let clock_skew_ms = clock.since(now);
        let greeting = Greeting { clock_skew_ms, own_head, oldest_waiting, release };
        let mut outputs = vec![Output::Greeted(greeting)];
        outputs.extend(self.judge_positions(positions, now));
        outputs.extend(self.pump(now));
        outputs
    }

    fn on_batch(&mut self, batch: Batch, now: Timestamp) -> Vec<Output> {
        let Batch { no, runs, acks } = batch;
        let mut outputs = self.on_acks(acks, now);
        self.taking.insert(no, runs.iter().map(Run::size).sum());
        outputs.push(Output::Store { no, runs });
        outputs
    }

    /// A batch is on disk, or could not be taken. What went well may be said a little later, with the next batch or in
    /// [`Session::pay`]; what did not is said at once.
    pub fn on_stored(&mut self, no: u64, taken: Taken, now: Timestamp) -> Vec<Output> {
        let Taken { positions, faults, whole } = taken;
        self.owed_bytes += self.taking.remove(&no).unwrap_or(0);
        let answered = self.got_back(&positions, now);
        let ack = match whole {
            true => Ack { no, positions: Vec::new(), faults: Vec::new() },
            false => Ack { no, positions, faults },
        };
        self.owed.push(ack);
        let full = self.owed.len() >= OWED_MAX || self.owed_bytes >= OWED_BYTES_MAX;
        let mut outputs = if full || !whole { self.pay() } else { Vec::new() };
        outputs.extend(answered);
        outputs
    }

    /// True while acknowledgements wait for company.
    pub fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    /// Says what is owed.
    pub fn pay(&mut self) -> Vec<Output> {
        let acks = self.take_owed();
        if acks.is_empty() { Vec::new() } else { vec![Output::Send(Frame::Acks(acks))] }
    }

    fn take_owed(&mut self) -> Vec<Ack> {
        self.owed_bytes = 0;
        std::mem::take(&mut self.owed)
    }

    fn on_acks(&mut self, acks: Vec<Ack>, now: Timestamp) -> Vec<Output> {
        let mut outputs = Vec::new();
        for ack in acks {
            self.on_ack(ack, &mut outputs, now);
        }
        // With nothing under way, what is not confirmed is not there.
        if self.in_flight.is_empty() && self.loading.is_none() {
            self.lanes.values_mut().for_each(|lane| lane.sent = lane.acked);
        }
        outputs.extend(self.pump(now));
        outputs
    }

    fn on_ack(&mut self, ack: Ack, outputs: &mut Vec<Output>, now: Timestamp) {
        let Ack { no, positions, faults } = ack;
        let batch = self.in_flight.remove(&no);
        if let Some(batch) = &batch {
            self.adapt(batch, now);
        }
        if positions.is_empty() && faults.is_empty() {
            // Of a batch that was given up as lost this says nothing: it goes again and is answered in full.
            for (journal, end) in batch.map(|batch| batch.ends).unwrap_or_default() {
                let Some(lane) = self.lanes.get_mut(&journal) else { continue };
                lane.acked = lane.acked.max(end.min(lane.head.seq));
                lane.sent = lane.sent.max(lane.acked);
                lane.rewinds = false;
            }
            return;
        }
        for (journal, position) in positions {
            let Some(lane) = self.lanes.get_mut(&journal) else { continue };
            lane.acked = position.seq.min(lane.head.seq);
            lane.sent = lane.sent.max(lane.acked);
            lane.rewinds = false;
        }
        for (journal, fault) in faults {
            let Some(lane) = self.lanes.get_mut(&journal) else { continue };
            match &fault {
                RunFault::Gap { have } => {
                    lane.acked = have.seq.min(lane.head.seq);
                    lane.sent = lane.acked;
                }
                // The author has settled which branch goes on, and the peer does not know it yet.
                RunFault::Fork { at } if lane.head.epoch > 1 && !lane.rewinds => lane.rewind_from(*at),
                RunFault::OtherPrevious => {
                    lane.says_whole_hash = true;
                    lane.sent = lane.acked;
                }
                _ if fault.is_passing() => {
                    lane.sent = lane.acked;
                    lane.wait_until = Some(now.plus_ms(RETRY_MS));
                }
                _ => {
                    lane.frozen = true;
                    outputs.push(Output::Refused { journal, fault });
                }
            }
        }
    }

    /// Larger batches while answers come quickly, smaller ones when they do not.
    fn adapt(&mut self, batch: &InFlight, now: Timestamp) {
        if now.since(batch.sent_at) > QUICK_ACK_MS {
            self.budget = (self.budget / 2).max(FIRST_BATCH_BYTES);
        } else if batch.bytes * 2 > self.budget {
            self.budget = (self.budget * 2).min(LARGEST_BATCH_BYTES);
        }
    }

    /// Time has passed: say what is owed, give up on lost batches, offer waiting journals again.
    pub fn on_tick(&mut self, now: Timestamp) -> Vec<Output> {
        let mut outputs = self.pay();
        outputs.extend(self.ask_again(now));
        let lost = self.in_flight.values().any(|batch| now.since(batch.sent_at) > ACK_TIMEOUT_MS);
        if lost {
            self.in_flight.clear();
            self.lanes.values_mut().for_each(|lane| lane.sent = lane.acked);
        }
        outputs.extend(self.pump(now));
        outputs
    }

    fn pump(&mut self, now: Timestamp) -> Vec<Output> {
        if !self.greeted || self.comparing || self.loading.is_some() || self.in_flight.len() >= CREDIT {
            return Vec::new();
        }
        let ready = |lane: &Lane| {
            !lane.frozen
                && lane.sent < lane.head.seq
                && lane.wait_until.is_none_or(|at| at <= now || at.since(now) > RETRY_MS)
        };
        let wants: Vec<_> = self
            .lanes
            .iter()
            .filter(|(_, lane)| ready(lane))
            .map(|(id, lane)| (id.clone(), lane.sent))
            .collect();
        if wants.is_empty() {
            return Vec::new();
        }
        self.loading = Some(wants.clone());
        let those = |which: fn(&Lane) -> bool| {
            let is = |journal: &&JournalId| self.lanes.get(*journal).is_some_and(which);
            wants.iter().map(|(journal, _)| journal).filter(is).cloned().collect()
        };
        let (proofs, signed) = (those(|lane| lane.rewinds), those(|lane| lane.returns));
        vec![Output::Load(Load { wants, budget: self.budget, proofs, signed })]
    }

    /// The answer to [`Output::Load`]: runs to send, possibly none.
    pub fn on_loaded(&mut self, runs: Vec<Run>, now: Timestamp) -> Vec<Output> {
        let wants = self.loading.take().unwrap_or_default();
        let (mut going, mut bytes, mut ends, mut outdated) = (Vec::new(), 0, Vec::new(), false);
        for mut run in runs {
            let Some((_, after)) = wants.iter().find(|(journal, _)| *journal == run.journal) else {
                continue;
            };
            let Some(lane) = self.lanes.get_mut(&run.journal).filter(|_| !run.entries.is_empty()) else {
                continue;
            };
            // The peer may have said meanwhile that it stands elsewhere: then other entries are wanted.
            if lane.sent != *after || lane.frozen {
                outdated = true;
                continue;
            }
            lane.sent += run.entries.len() as u64;
            ends.push((run.journal.clone(), lane.sent));
            bytes += run.size();
            if !lane.says_whole_hash {
                run.previous = run.previous.shortened();
            }
            going.push(run);
        }
        if going.is_empty() {
            return if outdated { self.pump(now) } else { Vec::new() };
        }
        let no = self.next_no;
        self.next_no += 1;
        self.in_flight.insert(no, InFlight { sent_at: now, bytes, ends });
        let batch = Batch { no, runs: going, acks: self.take_owed() };
        let mut outputs = vec![Output::Send(Frame::Batch(batch))];
        outputs.extend(self.pump(now));
        outputs
    }

    /// Entries the peer has not confirmed, over all journals of this link.
    pub fn unconfirmed(&self) -> u64 {
        self.forward().map(|(_, lane)| lane.head.seq.saturating_sub(lane.acked)).sum()
    }
    /// What the peer has confirmed of each journal that flows to it.
    pub fn confirmed(&self) -> Vec<(JournalId, u64)> {
        self.forward().map(|(journal, lane)| (journal.clone(), lane.acked)).collect()
    }
    fn forward(&self) -> impl Iterator<Item = (&JournalId, &Lane)> {
        self.lanes.iter().filter(|(_, lane)| !lane.returns)
    }
    pub fn is_greeted(&self) -> bool {
        self.greeted
    }
}

fn close(reason: &str) -> Vec<Output> {
    vec![Output::Close { reason: reason.to_owned() }]
}

#[cfg(test)]
mod branch_tests;
#[cfg(test)]
mod tests;
