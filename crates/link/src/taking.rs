//! Taking in what a neighbour sends: every run is looked at by itself and stands or falls alone; what holds is stored.
//!
//! While a batch of a link is on its way to the disk the next one is looked at already: what stands at its end is known before it
//! is stored, and the store compares again. Only what was stored is ever told of.

use crate::shell::Node;
use domain::NodeId;
use replication::session::Taken;
use replication::{Channel, CheckedRun, JournalId, Position, RawEntry, Run, RunFault, Stored, Verify};
use std::collections::{BTreeMap, VecDeque};
use std::future::{Future, poll_fn, ready};
use std::pin::Pin;
use std::task::Poll;
use store::{Quarantined, StoreError};

/// Where journals will end when what is on its way to the disk has come there.
pub(crate) type Ends = BTreeMap<JournalId, Position>;

/// A batch that was looked at, run by run.
pub(crate) struct Looked {
    held: Vec<CheckedRun>,
    refused: Vec<Refused>,
}

struct Refused {
    journal: JournalId,
    fault: RunFault,
    /// The beginning of the run, for a person.
    sample: Vec<u8>,
    /// The whole of it, where its author has lost a machine.
    late: Option<Run>,
}

impl Looked {
    pub fn all_hold(&self) -> bool {
        self.refused.is_empty()
    }
    /// It says who is who: what comes after is looked at with that known.
    fn speaks_of_nodes(&self) -> bool {
        self.held.iter().any(|run| run.journal.channel == Channel::All)
    }
    fn ends(&self) -> Vec<(JournalId, Position)> {
        self.held.iter().map(|run| (run.journal.clone(), run.head())).collect()
    }
}

impl Node {
    /// The one validator of everything that comes in, over a stream or in a bag.
    ///
    /// # Errors
    /// [`StoreError`] only when nothing at all could be stored or noted.
    pub async fn take_runs(
        &self,
        peer: &NodeId,
        runs: Vec<Run>,
        incoming: impl Fn(&JournalId) -> bool,
    ) -> Result<Taken, StoreError> {
        let looked = self.look(runs, incoming, &Ends::new()).await?;
        self.keep(peer, looked).await
    }

    /// Looks at every run of a batch, of which others may be on their way to the disk that end at `ahead`.
    pub(crate) async fn look(
        &self,
        runs: Vec<Run>,
        incoming: impl Fn(&JournalId) -> bool,
        ahead: &Ends,
    ) -> Result<Looked, StoreError> {
        let (mut held, mut refused) = (Vec::new(), Vec::new());
        for run in runs {
            let journal = run.journal.clone();
            let sample = run.entries.first().map(|entry| entry.core.to_vec()).unwrap_or_default();
            let late = self.has_lost_machine(&journal.author).then(|| run.clone());
            let outcome = if incoming(&journal) {
                self.check(run, ahead.get(&journal)).await?
            } else if self.is_stranger(&journal) {
                // Enrolled a moment ago, perhaps: the node list may be in this very batch.
                Err(RunFault::UnknownAuthor)
            } else {
                Err(RunFault::NotYours)
            };
            match outcome {
                Ok(run) => held.push(run),
                Err(fault) => refused.push(Refused { journal, fault, sample, late }),
            }
        }
        Ok(Looked { held, refused })
    }

    async fn check(
        &self,
        run: Run,
        ahead: Option<&Position>,
    ) -> Result<Result<CheckedRun, RunFault>, StoreError> {
        let Some(first) = run.first_seq() else { return Ok(Err(RunFault::BadEntry("core"))) };
        let stored = match ahead.filter(|end| end.seq + 1 == first) {
            Some(end) => Ok(Stored { head: *end, before: Some(end.hash) }),
            None => self.hall.store.stored(&run.journal, first).await,
        };
        match stored {
            Ok(stored) => Ok(CheckedRun::check(run, stored, &*self.keys as &dyn Verify)),
            Err(StoreError::Closed) => Err(StoreError::Closed),
            Err(error) => {
                tracing::error!(%error, journal = %run.journal, "a journal could not be read; it will be asked for again");
                Ok(Err(RunFault::Storage))
            }
        }
    }

    /// Stores what holds and notes what does not.
    pub(crate) async fn keep(&self, peer: &NodeId, looked: Looked) -> Result<Taken, StoreError> {
        let ends = looked.ends();
        let Looked { held, refused } = looked;
        let sent = held.iter().map(|run| run.entries.len() as u64).sum::<u64>();
        // Before anything else: what rests on this batch may stand in the writer's queue already.
        let received = self.hall.store.receive(peer, held, self.hall.now()).await;
        let mut faults = Vec::new();
        for one in refused {
            self.note_refused(peer, &one).await?;
            faults.push((one.journal, one.fault));
        }
        match received {
            Ok(received) => {
                faults.extend(received.faults);
                let positions = received.positions;
                // A repetition is answered in full: its first answer may have come too late to count.
                let whole = faults.is_empty()
                    && received.stored == sent
                    && ends.iter().all(|end| positions.contains(end));
                Ok(Taken { positions, faults, whole })
            }
            Err(StoreError::Closed) => Err(StoreError::Closed),
            Err(error) => {
                tracing::error!(%error, %peer, "could not store what a neighbour sent; it will be asked for again");
                faults.extend(ends.into_iter().map(|(journal, _)| (journal, RunFault::Storage)));
                Ok(Taken { positions: Vec::new(), faults, whole: false })
            }
        }
    }

    async fn note_refused(&self, peer: &NodeId, refused: &Refused) -> Result<(), StoreError> {
        let Refused { journal, fault, sample, late } = refused;
        if let (RunFault::Revoked, Some(late)) = (fault, late) {
            return self.keep_late(peer, late).await;
        }
        if fault.is_passing() {
            return Ok(());
        }
        let (at, peer, reason) = (self.hall.now(), peer.clone(), fault.to_string());
        let (journal, bytes) = (journal.to_string(), sample.clone());
        self.hall.store.quarantine(Quarantined { at, peer, journal, seq: 0, reason, bytes }).await
    }

    fn has_lost_machine(&self, node: &NodeId) -> bool {
        let network = self.hall.store.network();
        network.get(node).is_some_and(|record| record.keys().any(|(_, cut)| cut.is_some()))
    }

    /// What a machine wrote that was reported lost, after the last entry that counts: kept whole, for a person to look at.
    async fn keep_late(&self, peer: &NodeId, run: &Run) -> Result<(), StoreError> {
        let first = run.first_seq().unwrap_or(0);
        for (seq, entry) in (first..).zip(&run.entries) {
            let item = Quarantined {
                at: self.hall.now(),
                peer: peer.clone(),
                journal: run.journal.to_string(),
                seq,
                reason: format!("late: {}", late_word(entry)),
                bytes: entry.evidence(),
            };
            self.hall.store.quarantine(item).await?;
        }
        Ok(())
    }

    fn is_stranger(&self, journal: &JournalId) -> bool {
        let network = self.hall.store.network();
        let addressee = match &journal.channel {
            Channel::To(node) => Some(node),
            Channel::Up | Channel::All => None,
        };
        network.get(&journal.author).is_none() || addressee.is_some_and(|node| network.get(node).is_none())
    }
}

/// For the person who decides about it.
fn late_word(entry: &RawEntry) -> String {
    use prost::Message;
    let core = replication::Core::decode(entry.core.clone()).unwrap_or_default();
    format!("{} {} was signed by a machine that had been reported lost", core.kind, core.subject)
}

/// Batches of one link that may be on their way to the disk at once: as many as its other end sends ahead. What waits together is
/// committed together, and a page of the database that many cases change is written once.
pub(crate) const UNDERWAY_MAX: usize = replication::session::CREDIT;

/// Batches of one link on their way to the disk, in the order in which they came.
#[derive(Default)]
pub(crate) struct Underway(VecDeque<OnItsWay>);

type Answer = Result<Taken, StoreError>;

struct OnItsWay {
    no: u64,
    speaks_of_nodes: bool,
    ends: Vec<(JournalId, Position)>,
    answer: Pin<Box<dyn Future<Output = Answer> + Send>>,
}

impl Underway {
    pub fn len(&self) -> usize {
        self.0.len()
    }
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// Something that is under way may change what the next batch is judged by: who is known, and whose machine was lost.
    pub fn speaks_of_nodes(&self) -> bool {
        self.0.iter().any(|batch| batch.speaks_of_nodes)
    }
    pub fn ends(&self) -> Ends {
        self.0.iter().flat_map(|batch| batch.ends.iter().cloned()).collect()
    }

    /// Sends a batch on its way, behind those that are.
    pub async fn send(&mut self, node: &Node, peer: &NodeId, no: u64, looked: Looked) {
        let (ends, speaks_of_nodes) = (looked.ends(), looked.speaks_of_nodes());
        let (node, peer) = (node.clone(), peer.clone());
        let mut answer: Pin<Box<dyn Future<Output = Answer> + Send>> =
            Box::pin(async move { node.keep(&peer, looked).await });
        // Asked once, it stands in the writer's queue, and those after it stand behind it.
        let at_once = poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await;
        if let Poll::Ready(taken) = at_once {
            answer = Box::pin(ready(taken));
        }
        self.0.push_back(OnItsWay { no, speaks_of_nodes, ends, answer });
    }

    /// Waits for the first; `None` when nothing is under way. Whoever stops waiting loses nothing.
    pub async fn first(&mut self) -> Option<(u64, Answer)> {
        let first = self.0.front_mut()?;
        let (no, taken) = (first.no, first.answer.as_mut().await);
        self.0.pop_front();
        Some((no, taken))
    }
}
